//! The same input, model, engine and threshold give the same accepted events, however the work is spread.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, UInt64Type};
use arrow_select::concat::concat_batches;
use common::{report, success, trigsieve};
use trigsieve::event::EventTable;
use trigsieve::score::Simd;

/// Events of the sample's 24,000 that pass: one in 100.
const TARGET: [&str; 4] = ["--target-rate", "400kHz", "--input-rate", "40MHz"];
/// Float scores of one engine in batches of another size, relative: see `tests/conformance.rs`.
const BAND: f32 = 1e-5;

struct Sample {
    folder: tempfile::TempDir,
    events: PathBuf,
}

impl Sample {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let events = folder.path().join("events.arrow");
        success(
            trigsieve(&["convert", "samples/background.h5", "--from", "adc2021", "-q", "-o"]).arg(&events),
        );
        Self { folder, events }
    }

    fn replay(&self, model: &str, engine: &str, more: &[&str]) -> (RecordBatch, PathBuf) {
        let out =
            self.folder.path().join(format!("out{}", std::fs::read_dir(self.folder.path()).unwrap().count()));
        let mut command: Command = trigsieve(&["replay", "-q", "--engine", engine, "--model", model]);
        command.arg(&self.events).args(TARGET).args(more).arg("-o").arg(&out);
        success(&mut command);
        (tagged(&out), out)
    }
}

fn tagged(out: &Path) -> RecordBatch {
    let table = EventTable::open(&out.join("tagged.arrow")).unwrap();
    let no_latency = |batch: &RecordBatch| {
        let mut batch = batch.clone();
        batch.remove_column(batch.schema().index_of("latency_ns").unwrap());
        batch
    };
    let batches: Vec<RecordBatch> =
        table.batches().iter().map(|batch| no_latency(batch.record_batch())).collect();
    concat_batches(&batches[0].schema(), &batches).unwrap()
}

fn ids(events: &RecordBatch) -> Vec<u64> {
    events["event_id"].as_primitive::<UInt64Type>().values().to_vec()
}

#[test]
fn the_fixed_engine_gives_the_same_bits_however_it_runs() {
    let sample = Sample::new();
    for model in ["models/l1_ae", "models/l1_vae", "models/l1_svdd"] {
        let (expected, _) = sample.replay(model, "fixed", &["--workers", "1"]);
        assert!(expected.num_rows() > 50, "{} events", expected.num_rows());
        for (workers, batch) in [("1", "7"), ("2", "64"), ("3", "1000"), ("7", "333"), ("2", "65536")] {
            let (found, _) = sample.replay(model, "fixed", &["--workers", workers, "--batch", batch]);
            assert_eq!(found, expected, "{model}: {workers} workers, batch {batch}");
        }
        for simd in Simd::available() {
            let (found, _) = sample.replay(model, "fixed", &["--workers", "2", "--simd", simd.name()]);
            assert_eq!(found, expected, "{model}: {simd}");
        }
        let (found, _) = sample.replay(model, "fixed", &["--rate", "1MHz", "--wait", "yield"]);
        assert_eq!(found, expected, "{model}: on a clock");
    }
}

/// A float engine may round a batch of another size differently. Batches of the same events give the same bits; else
/// scores agree within the band, and an event decided differently is one of those that the report counts.
#[test]
fn float_engines_differ_within_the_band_that_the_report_counts() {
    let sample = Sample::new();
    for engine in ["onnx", "rten"] {
        for model in ["models/l1_ae", "models/l1_vae"] {
            let (expected, out) = sample.replay(model, engine, &["--workers", "1"]);
            let near = report(&out, "/events_near_threshold").as_u64().unwrap();
            for workers in ["2", "5"] {
                let (found, _) = sample.replay(model, engine, &["--workers", workers]);
                assert_eq!(found, expected, "{engine} {model}: {workers} workers");
            }
            for batch in ["16", "1000"] {
                let (found, _) = sample.replay(model, engine, &["--batch", batch, "--workers", "2"]);
                let (expected_ids, found_ids) = (ids(&expected), ids(&found));
                let apart = expected_ids.iter().filter(|id| !found_ids.contains(id)).count()
                    + found_ids.iter().filter(|id| !expected_ids.contains(id)).count();
                assert!(apart as u64 <= near, "{engine} {model} batch {batch}: {apart} apart, {near} near");
                agree(&expected, &found, &format!("{engine} {model} batch {batch}"));
            }
        }
    }
}

fn agree(expected: &RecordBatch, found: &RecordBatch, what: &str) {
    let scores = |events: &RecordBatch| -> Vec<(u64, f32)> {
        let column =
            events.schema().fields().iter().position(|field| field.name().starts_with("score_")).unwrap();
        let scores = events.column(column).as_primitive::<Float32Type>().values().to_vec();
        ids(events).into_iter().zip(scores).collect()
    };
    let found: std::collections::BTreeMap<u64, f32> = scores(found).into_iter().collect();
    for (id, score) in scores(expected) {
        let Some(other) = found.get(&id) else { continue };
        assert!((score - other).abs() <= BAND * score.abs(), "{what}, event {id}: {score} and {other}");
    }
}

/// What is counted as near is near: with the threshold at a score, that event is.
#[test]
fn an_event_at_the_threshold_is_counted_as_near() {
    let sample = Sample::new();
    let (expected, _) = sample.replay("models/l1_ae", "rten", &[]);
    let score = expected["score_l1_ae"].as_primitive::<Float32Type>().value(7);
    let out = sample.folder.path().join("at");
    for (threshold, near) in [(score, true), (score * (1.0 + BAND / 2.0), true), (1e30, false)] {
        let mut command =
            trigsieve(&["replay", "-q", "--engine", "rten", "--model", "models/l1_ae", "--force"]);
        command.arg(&sample.events).args(["--threshold", &threshold.to_string()]).arg("-o").arg(&out);
        success(&mut command);
        let found = report(&out, "/events_near_threshold").as_u64().unwrap();
        assert_eq!(found > 0, near, "{found} events near {threshold}");
    }
}
