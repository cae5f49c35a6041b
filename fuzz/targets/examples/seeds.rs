//! Writes the seeds that a program has to make: frames, Arrow streams, a signed card, checkpoints. The signature's key is
//! another one each time.
//!
//!     cargo run --release --package trigsieve-fuzz-targets --example seeds

#[path = "../../../tests/adc2021/fixture.rs"]
#[allow(dead_code)]
mod fixture;
#[path = "../../../tests/lhco/fixture.rs"]
#[allow(dead_code)]
mod lhco;

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, RecordBatch, UInt32Array};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};
use parquet::arrow::ArrowWriter;
use serde_json::json;
use trigsieve::event::{ElementType, EventSchema, EventTable, EventWriter};
use trigsieve::sink::{Census, tagged_schema};
use trigsieve_frame::{Batch, Ids, Rows, encode};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Inputs per event.
const K: usize = 3;

fn main() -> Outcome<()> {
    frames()?;
    hdf5()?;
    golden()?;
    arrow_streams()?;
    signature()?;
    checkpoint()?;
    #[cfg(feature = "training")]
    training_checkpoint()?;
    Ok(())
}

fn folder(target: &str) -> Outcome<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../seeds").join(target);
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Each after the byte that chooses what is put right: nothing, or everything.
fn frames() -> Outcome<()> {
    let (floats, integers) = ([0.5_f32, -1.0, 30.0, 1e-3, 7.0, 2.4], [1_i16, -2, 300, 0, 5, i16::MAX]);
    let counting = Ids::From { event_id: 1000, bunch_crossing: 3564 };
    let each = Ids::Each { event_ids: &[7, 3], bunch_crossings: &[1, u64::MAX] };
    let none = Ids::From { event_id: 0, bunch_crossing: 0 };
    let batch =
        |ids, rows, end| Batch { run: 5, source: 2, sequence: 9, encoding: 0, k: K as u32, ids, rows, end };
    let frames = [
        ("floats", 0, batch(counting, Rows::F32(&floats), false)),
        ("integers", 0x10, batch(each, Rows::I16(&integers), false)),
        ("end", 0xf0, batch(none, Rows::I16(&[]), true)),
        ("put_right", 0x27, batch(each, Rows::F32(&floats), false)),
        ("small_limits", 0x0f, batch(counting, Rows::I16(&integers), false)),
    ];
    for (name, choice, batch) in frames {
        let mut bytes = vec![choice];
        encode(&batch, &mut bytes);
        std::fs::write(folder("frame")?.join(name), &bytes)?;
        if name == "floats" {
            encode(&batch, &mut bytes);
            std::fs::write(folder("frame")?.join("two"), bytes)?;
        }
    }
    Ok(())
}

/// As the published files are: f64, a chunk a column, deflated; and those of the LHC Olympics, each after the byte that chooses what
/// they are taken for.
fn hdf5() -> Outcome<()> {
    let bytes = fixture::Fixture::of(3, fixture::Storage::Columns(2)).bytes();
    std::fs::write(folder("adc2021")?.join("columns.h5"), bytes)?;
    let pandas = |fixture| lhco::Fixture { pandas: true, ..fixture };
    let seeds = [
        ("features", 0, lhco::Fixture::features(3)),
        ("pandas_masses", 1, pandas(lhco::Fixture::features(3))),
        ("particles", 2, lhco::Fixture::particles(2)),
        ("pandas_signal", 3 + 4 * 2, pandas(lhco::Fixture::particles(2))),
    ];
    for (name, choice, fixture) in seeds {
        let bytes = [vec![choice], fixture.bytes()].concat();
        std::fs::write(folder("lhco")?.join(name), bytes)?;
    }
    Ok(())
}

/// After the byte that says that it is Parquet.
fn golden() -> Outcome<()> {
    let scores: ArrayRef = Arc::new(Float32Array::from(vec![1.5, -3.0, 0.0]));
    let batch = RecordBatch::try_from_iter([("score", scores)])?;
    let mut bytes = vec![2];
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None)?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(std::fs::write(folder("golden")?.join("parquet"), bytes)?)
}

/// A table of so many events, in memory that goes with the folder.
fn table(folder: &Path, events: u64) -> Outcome<EventTable> {
    let path = folder.join("events.arrow");
    let schema = EventSchema {
        encoding: "test_3".to_owned(),
        k: K,
        element: ElementType::F32,
        features: Vec::new(),
        sources: Vec::new(),
    };
    let mut writer = EventWriter::create(&path, schema.to_arrow([]))?;
    let ids: Vec<u64> = (0..events).collect();
    let inputs = ids.iter().flat_map(|id| [*id as f32, 0.5, -1.0]).collect();
    writer.write_events(ids.clone(), ids, inputs, Vec::new())?;
    writer.finish()?;
    Ok(EventTable::open(&path)?)
}

fn arrow_streams() -> Outcome<()> {
    let scratch = tempfile::tempdir()?;
    let table = table(scratch.path(), 12)?;
    let batch = table.batches()[0].record_batch();
    let streams =
        [("plain", None), ("lz4", Some(CompressionType::LZ4_FRAME)), ("zstd", Some(CompressionType::ZSTD))];
    for (name, compression) in streams {
        let options = IpcWriteOptions::default().try_with_compression(compression)?;
        let mut writer = StreamWriter::try_new_with_options(Vec::new(), &batch.schema(), options)?;
        writer.write(batch)?;
        writer.write(&batch.slice(3, 2))?;
        std::fs::write(folder("arrow_stream")?.join(name), writer.into_inner()?)?;
    }
    Ok(())
}

fn signature() -> Outcome<()> {
    let keys = minisign::KeyPair::generate_unencrypted_keypair()?;
    // The card is that of the seed of settings, after the byte that chooses it.
    let card = std::fs::read(folder("settings")?.join("card"))?.split_off(1);
    let signature = minisign::sign(Some(&keys.pk), &keys.sk, Cursor::new(&card), None, None)?;
    let (key, signature) = (keys.pk.to_box()?.to_string(), signature.to_string());
    let parts = [key.as_bytes(), b"\0", signature.as_bytes(), b"\0", &card];
    std::fs::write(folder("signature")?.join("signed"), parts.concat())?;
    let parts = [key.as_bytes(), b"\0", signature.as_bytes(), b"\0", &card[..card.len() / 2]];
    Ok(std::fs::write(folder("signature")?.join("refused_cut"), parts.concat())?)
}

/// Four tagged events of a run over twelve.
fn checkpoint() -> Outcome<()> {
    let scratch = tempfile::tempdir()?;
    let table = table(scratch.path(), 4)?;
    let batch = table.batches()[0].record_batch();
    let schema = tagged_schema(&batch.schema(), &["squares".to_owned()]);
    let mut columns = batch.columns().to_vec();
    columns.push(Arc::new(Float32Array::from(vec![1.0, 2.0, 3.0, 4.0])) as ArrayRef);
    columns.push(Arc::new(UInt32Array::from(vec![1, 1, 3, 1 << 31])));
    columns.push(Arc::new(UInt32Array::from(vec![900, 901, 902, 903])));
    let tagged = RecordBatch::try_new(Arc::clone(&schema), columns)?;
    let path = scratch.path().join("tagged.arrow");
    let mut writer = EventWriter::create(&path, schema)?;
    writer.write(&tagged)?;
    writer.finish()?;
    let mut handed = Census::default();
    handed.add(&tagged)?;
    let file = std::fs::read(&path)?;
    let checkpoint = json!({
        "version": 1,
        "identity": {
            "version": "0.1.0", "events": ["0a"], "models": ["squares 0b"], "engine": "rten float",
            "paths": ["0: all: model 0 >= 0e0, 1 in 1"], "batch": 512, "span": 12,
        },
        "file": "tagged.arrow",
        "bytes": file.len(),
        "seen": { "events": 12, "kept": 4, "invalid": 1 },
        "paths": [{ "prescale": 1, "passed": 4, "accepted": 4 }],
        "handed": handed,
    });
    let text = serde_json::to_vec(&checkpoint)?;
    Ok(std::fs::write(folder("checkpoint")?.join("stopped"), [&text, &b"\0"[..], &file].concat())?)
}

#[cfg(feature = "training")]
fn training_checkpoint() -> Outcome<()> {
    use trigsieve_train::checkpoint::{Checkpoint, Checkpoints};

    let record = json!({ "epochs": 2, "best_epoch": 1, "validation_loss": 0.25 });
    let checkpoint: Checkpoint = serde_json::from_value(json!({
        "trainer": trigsieve_train::checkpoint::trainer(),
        "recipe_sha256": "recipe",
        "data_sha256": [],
        "finished": [{ "parameters": [[0, 0, 128, 63]], "record": record }],
        "state": {
            "parameters": [[0, 0, 128, 63], []], "best": [[0, 0, 0, 64], []], "optimiser": [1, 2, 3],
            "rate": { "scheduler": null, "last": 0.001, "waited": 0 }, "random": [4, 5], "order": [0, 0, 0, 0],
            "epoch": 2, "step": 1, "loss_sum": 0.5, "record": record, "least": { "epoch": 1, "loss": 0.25 },
        },
    }))?;
    let scratch = tempfile::tempdir()?;
    let checkpoints = Checkpoints::new(&scratch.path().join("bundle"), None);
    checkpoints.save(&checkpoint)?;
    let file = std::fs::read(checkpoints.path())?;
    // The target itself puts the first line and the checksum before the record.
    let start = file.iter().position(|byte| *byte == b'\n').ok_or("no first line")? + 1 + 32;
    Ok(std::fs::write(folder("training_checkpoint")?.join("between_steps"), &file[start..])?)
}
