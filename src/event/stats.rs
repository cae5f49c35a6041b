use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt8Type;
use arrow_array::{Array, RecordBatch};
use serde::Serialize;

use super::schema::{LABEL, PROCESS};
use super::{EventTable, Rows, Values};

/// Summary of one input over all events. NaN and infinite values are counted apart and enter nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FeatureStats {
    /// Finite values.
    pub finite: u64,
    /// Smallest finite value; absent when there is none.
    pub min: Option<f64>,
    /// Mean of the finite values; absent when there is none.
    pub mean: Option<f64>,
    /// Largest finite value; absent when there is none.
    pub max: Option<f64>,
    /// Fraction of all values that are zero; absent when there are no events.
    pub zero_fraction: Option<f64>,
    /// NaN values.
    pub nan: u64,
    /// Infinite values of either sign.
    pub infinite: u64,
}

/// How often a value occurs in an optional column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ColumnCount {
    /// The value, `null` for a null.
    pub value: String,
    /// Events that have it.
    pub events: u64,
}

/// Summary of a whole table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TableStats {
    /// One entry for each of the K inputs.
    pub features: Vec<FeatureStats>,
    /// Counts of the `label` column; empty without it.
    pub labels: Vec<ColumnCount>,
    /// Counts of the `process` column; empty without it.
    pub processes: Vec<ColumnCount>,
}

#[derive(Clone, Copy)]
struct Accumulator {
    min: f32,
    max: f32,
    sum: f64,
    finite: u64,
    zero: u64,
    nan: u64,
    infinite: u64,
}

impl TableStats {
    /// Reads every event of `table` once.
    #[must_use]
    pub fn of(table: &EventTable) -> Self {
        let mut features = vec![Accumulator::new(); table.schema().k];
        let (mut labels, mut processes) = (BTreeMap::new(), BTreeMap::new());
        for batch in table.batches() {
            accumulate(&mut features, batch.rows());
            count_labels(batch.record_batch(), &mut labels);
            count_processes(batch.record_batch(), &mut processes);
        }
        Self {
            features: features.iter().map(|feature| feature.finish()).collect(),
            labels: counts(labels),
            processes: counts(processes),
        }
    }
}

impl Accumulator {
    fn new() -> Self {
        Self { min: f32::INFINITY, max: f32::NEG_INFINITY, sum: 0.0, finite: 0, zero: 0, nan: 0, infinite: 0 }
    }

    fn add(&mut self, value: f32) {
        if value.is_finite() {
            self.min = self.min.min(value);
            self.max = self.max.max(value);
            self.sum += f64::from(value);
            self.finite += 1;
            self.zero += u64::from(value == 0.0);
        } else {
            self.nan += u64::from(value.is_nan());
            self.infinite += u64::from(value.is_infinite());
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "counts of events are far below 2^53")]
    fn finish(&self) -> FeatureStats {
        let all = self.finite + self.nan + self.infinite;
        let some = |value: f64| (self.finite > 0).then_some(value);
        FeatureStats {
            finite: self.finite,
            min: some(f64::from(self.min)),
            mean: some(self.sum / self.finite as f64),
            max: some(f64::from(self.max)),
            zero_fraction: (all > 0).then(|| self.zero as f64 / all as f64),
            nan: self.nan,
            infinite: self.infinite,
        }
    }
}

fn accumulate(features: &mut [Accumulator], rows: Rows<'_>) {
    match rows.values() {
        Values::F32(values) => accumulate_values(features, values.iter().copied()),
        Values::I16(values) => accumulate_values(features, values.iter().copied().map(f32::from)),
    }
}

fn accumulate_values(features: &mut [Accumulator], mut values: impl ExactSizeIterator<Item = f32>) {
    while values.len() >= features.len() {
        features.iter_mut().zip(&mut values).for_each(|(feature, value)| feature.add(value));
    }
}

fn count_labels(batch: &RecordBatch, counts: &mut BTreeMap<String, u64>) {
    let Some(labels) = batch.column_by_name(LABEL).and_then(|column| column.as_primitive_opt::<UInt8Type>())
    else {
        return;
    };
    let mut by_value = [0_u64; 256];
    labels.iter().flatten().for_each(|label| by_value[usize::from(label)] += 1);
    for (value, events) in by_value.iter().enumerate().filter(|(_, events)| **events > 0) {
        add(counts, &value.to_string(), *events);
    }
    add(counts, "null", labels.null_count() as u64);
}

fn count_processes(batch: &RecordBatch, counts: &mut BTreeMap<String, u64>) {
    let Some(processes) = batch.column_by_name(PROCESS).and_then(|column| column.as_any_dictionary_opt())
    else {
        return;
    };
    add(counts, "null", processes.null_count() as u64);
    let names = processes.values();
    if names.is_empty() {
        return;
    }
    let mut by_key = vec![0_u64; names.len()];
    for (row, key) in processes.normalized_keys().into_iter().enumerate() {
        by_key[key] += u64::from(processes.is_valid(row));
    }
    for (key, events) in by_key.into_iter().enumerate() {
        let name = match (names.as_string_opt::<i32>(), names.as_string_opt::<i64>()) {
            (Some(names), _) => names.value(key),
            (_, Some(names)) => names.value(key),
            _ => "?",
        };
        add(counts, name, events);
    }
}

fn add(counts: &mut BTreeMap<String, u64>, value: &str, events: u64) {
    if events > 0 {
        *counts.entry(value.to_owned()).or_default() += events;
    }
}

fn counts(counts: BTreeMap<String, u64>) -> Vec<ColumnCount> {
    counts.into_iter().map(|(value, events)| ColumnCount { value, events }).collect()
}
