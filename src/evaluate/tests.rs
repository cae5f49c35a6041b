use std::path::Path;
use std::sync::Arc;

use arrow_array::Float32Array;
use arrow_schema::{DataType, Field};

use super::*;
use crate::event::{Encoding, EventSchema, EventTable, EventWriter, Rows, Values};
use crate::model::{DataSource, Precision};
use crate::score::{ScoreError, Scorer};

fn sample(name: &str, values: Vec<f32>) -> Sample {
    let source =
        DataSource { file: format!("{name}.arrow"), sha256: "ab".to_owned(), events: values.len() as u64 };
    Sample::new(name, source, values)
}

fn model() -> Model {
    Model {
        name: "l1_ae".to_owned(),
        encoding: "l1_57".to_owned(),
        engine: "onnx".to_owned(),
        precision: Precision::Float,
        model_sha256: "cd".to_owned(),
    }
}

fn ramp(events: u32) -> Vec<f32> {
    (0..events).map(|score| score as f32).collect()
}

fn json(background: Sample, signals: &[Sample]) -> serde_json::Value {
    serde_json::to_value(evaluate(model(), &background, signals).unwrap()).unwrap()
}

#[test]
fn metrics_have_the_contracts_layout() {
    let mut background = ramp(2000);
    background.push(f32::NAN);
    let metrics = json(sample("background", background), &[sample("a", vec![1990.5; 10])]);
    assert_eq!(metrics["model"], "l1_ae");
    assert_eq!(metrics["precision"], "float");
    assert_eq!(metrics["background"]["events"], 2001);
    assert_eq!(metrics["background"]["invalid"], 1);
    let signal = &metrics["signals"]["a"];
    assert_eq!(signal["events"], 10);
    // Above 1991 of 2000 background events.
    assert_eq!(signal["auc"], 1991.0 / 2000.0);
    assert!(signal["auc_error"].is_number());
    let tight = &signal["efficiency"]["1e-2"];
    assert_eq!((&tight["value"], &tight["high"]), (&1.0.into(), &1.0.into()));
    assert!((tight["low"].as_f64().unwrap() - 0.831_850_813_862).abs() < 1e-9);
    assert_eq!(tight["background_events_passing"], 20);
    assert_eq!(tight["note"], serde_json::Value::Null);
    // 9 background events lie above the signal, so the best counted point is at 10.
    let best = signal["max_significance_improvement"].as_f64().unwrap();
    assert!((best - 1.0 / (10.0f64 / 2000.0).sqrt()).abs() < 1e-12, "{best}");
    assert_eq!(signal["max_significance_improvement_at"]["background_events_passing"], 10);
}

#[test]
fn few_background_events_are_noted_and_too_few_give_null() {
    let metrics = json(sample("background", ramp(2000)), &[sample("a", ramp(3000))]);
    let efficiency = &metrics["signals"]["a"]["efficiency"];
    assert_eq!(efficiency["1e-3"]["background_events_passing"], 2);
    assert!(efficiency["1e-3"]["value"].is_number());
    assert!(efficiency["1e-3"]["note"].as_str().unwrap().starts_with("2 of 2000 background events pass"));
    for key in ["value", "low", "high", "background_events_passing"] {
        assert!(efficiency["1e-4"][key].is_null(), "{key}");
    }
    assert!(efficiency["1e-4"]["note"].as_str().unwrap().contains("too few"));
}

#[test]
fn the_cards_metrics_leave_out_what_is_not_known() {
    let background = sample("background", ramp(2000));
    let card = evaluate(model(), &background, &[sample("a", ramp(10))]).unwrap().card();
    assert_eq!(card.background, background.source);
    let signal = &card.signals["a"];
    assert_eq!(signal.efficiency.keys().collect::<Vec<_>>(), ["1e-2", "1e-3"]);
}

#[test]
fn samples_without_valid_events_and_of_one_name_are_refused() {
    let good = || sample("good", ramp(5));
    let bad = || sample("bad", vec![f32::NAN; 3]);
    for (background, signal) in [(good(), bad()), (bad(), good()), (good(), sample("bad", vec![]))] {
        let error = evaluate(model(), &background, &[signal]).unwrap_err().to_string();
        assert!(error.contains("bad.arrow: no valid event"), "{error}");
    }
    let error = evaluate(model(), &good(), &[good(), good()]).unwrap_err().to_string();
    assert!(error.contains("the name `good`"), "{error}");
}

/// Scores an event with its first input, and hides a NaN in the others.
struct FirstInput;

impl Scorer for FirstInput {
    fn score(&mut self, rows: Rows<'_>, scores: &mut [f32]) -> Result<(), ScoreError> {
        let Values::F32(values) = rows.values() else { panic!("float events") };
        for (row, score) in values.chunks(rows.k()).zip(scores) {
            *score = row[0];
        }
        Ok(())
    }

    fn describe(&self) -> String {
        "test".to_owned()
    }
}

/// A table of `events` whose first input is the row number, in batches of 1000; input 5 of row 4500 is infinite.
fn write_table(path: &Path, events: usize, weight: impl Fn(usize) -> f32) {
    let encoding = Encoding::L1x57;
    let schema = EventSchema::of(encoding, vec![]);
    let weights = Field::new("weight", DataType::Float32, false);
    let mut writer = EventWriter::create(path, schema.to_arrow([weights])).unwrap();
    for first in (0..events).step_by(1000) {
        let rows = first..events.min(first + 1000);
        let ids: Vec<u64> = rows.clone().map(|row| row as u64).collect();
        let mut inputs = vec![0.0; rows.len() * encoding.k()];
        for row in rows.clone() {
            inputs[(row - first) * encoding.k()] = row as f32;
            inputs[(row - first) * encoding.k() + 5] = if row == 4500 { f32::INFINITY } else { 1.0 };
        }
        let weights: Float32Array = rows.map(|row| Some(weight(row))).collect();
        writer.write_events(ids.clone(), ids, inputs, vec![Arc::new(weights)]).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn a_table_is_scored_in_order_and_bad_inputs_are_invalid() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.signal.arrow");
    write_table(&path, 5500, |_| 0.5);
    let mut seen = 0;
    let table = EventTable::open(&path).unwrap();
    let sample = Sample::score(&table, &mut FirstInput, &mut |events| seen = events).unwrap();
    assert_eq!((seen, sample.name.as_str(), sample.source.events), (5500, "some.signal", 5500));
    assert_eq!((sample.scores.len(), sample.scores.invalid()), (5499, 1));
    let wrong = sample.values.iter().enumerate().filter(|(row, score)| **score != *row as f32);
    assert_eq!(wrong.map(|(row, _)| row).collect::<Vec<_>>(), [4500]);
}

#[test]
fn scores_go_to_a_file_that_arrow_reads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.arrow");
    write_table(&path, 2500, |_| 1.0);
    let table = EventTable::open(&path).unwrap();
    let sample = Sample::score(&table, &mut FirstInput, &mut |_| {}).unwrap();
    let scores = folder.path().join("scores.arrow");
    write_scores(&scores, &[(&table, &sample), (&table, &sample)]).unwrap();
    let file = std::fs::File::open(&scores).unwrap();
    let reader = arrow_ipc::reader::FileReader::try_new(file, None).unwrap();
    let rows: usize = reader.map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(rows, 5000);
}

#[test]
fn different_weights_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weighted.arrow");
    write_table(&path, 2000, |row| if row == 1500 { 2.0 } else { 1.0 });
    let table = EventTable::open(&path).unwrap();
    let error = Sample::score(&table, &mut FirstInput, &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("weighted.arrow") && error.contains("2 in row 1500"), "{error}");
}
