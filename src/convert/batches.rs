use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, Int32Array, StringArray, UInt8Array};
use arrow_schema::{ArrowError, Field};

use crate::event::schema::{label_field, process_field};
use crate::event::{BATCH_ROWS, EventError, EventWriter, HardwareUnits};

/// Inputs in a record batch, in bytes, unless even [`LEAST_ROWS`] events have more.
const BATCH_BYTES: usize = 64 << 20;
/// Events in a record batch of the widest encodings: a scoring batch of usual size still fits.
const LEAST_ROWS: usize = 1024;

/// Columns after `inputs`.
pub(super) trait MoreColumns {
    /// Their fields, in order.
    fn fields(&self) -> Vec<Field>;

    /// Hands over the columns of the `rows` events since the last time.
    fn take(&mut self, rows: usize) -> Result<Vec<ArrayRef>, ArrowError>;

    /// Whether a record batch should end here, however few events it has.
    fn is_full(&self) -> bool {
        false
    }
}

/// Values that are the same for every event of a conversion.
#[derive(Clone, Debug, Default)]
pub(super) struct Constants {
    label: Option<u8>,
    process: Option<Arc<StringArray>>,
}

impl Constants {
    pub(super) fn new(label: Option<u8>, process: Option<&str>) -> Self {
        Self { label, process: process.map(|name| Arc::new(StringArray::from(vec![name]))) }
    }
}

impl MoreColumns for Constants {
    fn fields(&self) -> Vec<Field> {
        let label = self.label.map(|_| label_field());
        label.into_iter().chain(self.process.as_ref().map(|_| process_field())).collect()
    }

    fn take(&mut self, rows: usize) -> Result<Vec<ArrayRef>, ArrowError> {
        let process = self.process.as_ref().map(|names| {
            let keys = Int32Array::from_value(0, rows);
            Arc::new(DictionaryArray::<Int32Type>::new(keys, names.clone())) as ArrayRef
        });
        Ok(label_column(self.label, rows).into_iter().chain(process).collect())
    }
}

/// The `label` column, if there is a label.
pub(super) fn label_column(label: Option<u8>, rows: usize) -> Option<ArrayRef> {
    label.map(|label| Arc::new(UInt8Array::from_value(label, rows)) as ArrayRef)
}

/// Collects rows into record batches, numbering them from 0 over all inputs. The bunch crossing counts events, as
/// the sources have none.
pub(super) struct Batches<C> {
    writer: EventWriter,
    columns: C,
    k: usize,
    batch_rows: usize,
    inputs: Vec<f32>,
    integers: Option<Integers>,
}

/// Counting the inputs in hardware units.
struct Integers {
    units: HardwareUnits,
    /// Values that did not fit, by input.
    saturated: Vec<u64>,
}

impl<C: MoreColumns> Batches<C> {
    pub(super) fn new(writer: EventWriter, columns: C, k: usize) -> Self {
        Self { writer, columns, k, batch_rows: batch_rows(k), inputs: Vec::new(), integers: None }
    }

    /// Writes hardware integers; the inputs must be finite.
    pub(super) fn in_units(mut self, units: Option<HardwareUnits>) -> Self {
        let saturated = vec![0; self.k];
        self.integers = units.map(|units| Integers { units, saturated });
        self
    }

    /// Appends one event, which `encode` writes to the end of the vector and to the columns.
    pub(super) fn push(&mut self, encode: impl FnOnce(&mut Vec<f32>, &mut C)) -> Result<&[f32], EventError> {
        if self.inputs.len() >= self.batch_rows * self.k || self.columns.is_full() {
            self.flush()?;
        }
        if self.inputs.is_empty() {
            self.inputs.reserve_exact(self.batch_rows * self.k);
        }
        let start = self.inputs.len();
        encode(&mut self.inputs, &mut self.columns);
        Ok(&self.inputs[start..])
    }

    /// Completes the file. Returns how many values of each input did not fit its hardware integer; nothing for physical
    /// values.
    pub(super) fn finish(mut self) -> Result<Vec<u64>, EventError> {
        self.flush()?;
        let saturated = self.integers.map_or_else(Vec::new, |integers| integers.saturated);
        self.writer.finish()?;
        Ok(saturated)
    }

    fn flush(&mut self) -> Result<(), EventError> {
        if self.inputs.is_empty() {
            return Ok(());
        }
        let rows = self.inputs.len() / self.k;
        let first = self.writer.rows();
        let numbers: Vec<u64> = (first..first + rows as u64).collect();
        let inputs = std::mem::take(&mut self.inputs);
        let path: PathBuf = self.writer.path().to_owned();
        let columns = self.columns.take(rows).map_err(|source| EventError::Write { path, source })?;
        let Some(integers) = &mut self.integers else {
            return self.writer.write_events(numbers.clone(), numbers, inputs, columns);
        };
        let mut counts = Vec::with_capacity(inputs.len());
        integers.units.count(&inputs, &mut counts, &mut integers.saturated);
        self.writer.write_integers(numbers.clone(), numbers, counts, columns)
    }
}

/// [`BATCH_ROWS`] events, or for wide encodings fewer: a power of two as well.
fn batch_rows(k: usize) -> usize {
    let fitting = BATCH_BYTES / (k.max(1) * size_of::<f32>());
    (1 << fitting.max(LEAST_ROWS).ilog2()).min(BATCH_ROWS)
}

#[cfg(test)]
mod tests {
    use super::{BATCH_BYTES, batch_rows};
    use crate::event::BATCH_ROWS;

    #[test]
    fn batches_of_wide_encodings_have_fewer_rows() {
        assert_eq!(batch_rows(57), BATCH_ROWS);
        for k in [1, 203, 257, 1025, 5602, 1 << 24] {
            let rows = batch_rows(k);
            assert!(rows.is_power_of_two() && rows >= 1024 && (rows == 1024 || rows * k * 4 <= BATCH_BYTES));
        }
    }
}
