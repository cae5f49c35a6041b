//! What the integration tests share: event tables, model bundles, and the command with its outcome.

// Every test binary compiles this module and uses its own part of it.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use arrow_array::{ArrayRef, FixedSizeListArray, Int16Array, RecordBatch, UInt64Array};
use arrow_schema::DataType;
use tempfile::TempDir;
use trigsieve::event::{ElementType, EventSchema, EventWriter};
use trigsieve::model::sha256_hex;
use trigsieve_onnx::{
    Attribute, Dimension, ElementType as OnnxType, GraphBuilder, ModelInfo, TensorData, Value,
};

/// K of the fixture models and events.
pub const K: usize = 3;
/// Encoding that the fixture models and events name.
pub const ENCODING: &str = "test_3";

/// A temporary folder with an event table and a bundle that fit together.
pub struct Fixture {
    /// Where everything lies.
    pub folder: TempDir,
    /// The event table.
    pub events: PathBuf,
    /// The bundle.
    pub model: PathBuf,
}

impl Fixture {
    /// `events` events and the sum-of-squares model.
    pub fn new(events: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("events.arrow");
        write_events(&table, events, K, ENCODING);
        let model = folder.path().join("model");
        write_bundle(&model, "squares", &sum_of_squares());
        Self { folder, events: table, model }
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `trigsieve replay` of the fixture through the compiled-in engine, everything accepted.
    pub fn replay(&self, output: &Path) -> Command {
        let mut command = trigsieve(&["replay", "--engine", "rten", "--threshold", "-1"]);
        command.arg(&self.events).arg("--model").arg(&self.model).arg("-o").arg(output);
        command
    }
}

/// Event i has the inputs i, i / 2 and 1, scaled to stay well inside single precision.
pub fn write_events(path: &Path, events: usize, k: usize, encoding: &str) {
    let schema = EventSchema {
        encoding: encoding.to_owned(),
        k,
        element: ElementType::F32,
        features: Vec::new(),
        sources: Vec::new(),
    };
    let mut writer = EventWriter::create(path, schema.to_arrow([])).unwrap();
    if events > 0 {
        let ids: Vec<u64> = (0..events as u64).collect();
        let row = |id: u64| (0..k).map(move |input| id as f32 / (1 << input) as f32 * 1e-3);
        let inputs = ids.iter().copied().flat_map(row).collect();
        writer.write_events(ids.clone(), ids, inputs, Vec::new()).unwrap();
    }
    writer.finish().unwrap();
}

/// As [`write_events`], in hardware integers.
pub fn write_integers(path: &Path, events: usize) {
    let schema = EventSchema {
        encoding: ENCODING.to_owned(),
        k: K,
        element: ElementType::I16,
        features: Vec::new(),
        sources: Vec::new(),
    };
    let schema = schema.to_arrow([]);
    let ids: ArrayRef = Arc::new(UInt64Array::from_iter_values(0..events as u64));
    let DataType::FixedSizeList(item, k) = schema.field(2).data_type() else { unreachable!() };
    let values = Arc::new(Int16Array::from(vec![1; events * K]));
    let inputs = Arc::new(FixedSizeListArray::new(item.clone(), *k, values, None));
    let batch = RecordBatch::try_new(schema.clone(), vec![ids.clone(), ids, inputs]).unwrap();
    let mut writer = EventWriter::create(path, schema).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
}

/// A graph `inputs` [N, K] -> `score` [N] of whatever `body` makes of the inputs.
pub fn graph(k: usize, body: impl FnOnce(&mut GraphBuilder, &Value) -> Value) -> Vec<u8> {
    let mut graph = GraphBuilder::new("fixture");
    let shape = [Dimension::Symbol("N"), Dimension::Size(u32::try_from(k).unwrap())];
    let inputs = graph.input("inputs", OnnxType::F32, &shape).unwrap();
    let score = body(&mut graph, &inputs);
    assert_eq!(score.name(), "score");
    graph.output(&score, OnnxType::F32, &[Dimension::Symbol("N")]).unwrap();
    graph.finish(&ModelInfo::default()).unwrap()
}

/// The score is the sum of the squared inputs.
pub fn sum_of_squares() -> Vec<u8> {
    graph(K, |graph, inputs| {
        let squares = graph.node("Mul", &[inputs, inputs], "squares", vec![]).unwrap();
        let axes = graph.constant("axes", &[1], TensorData::I64(vec![1])).unwrap();
        graph.node("ReduceSum", &[&squares, &axes], "score", vec![Attribute::int("keepdims", 0)]).unwrap()
    })
}

/// A bundle with this float graph, its card in order.
pub fn write_bundle(folder: &Path, name: &str, float: &[u8]) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("float.onnx"), float).unwrap();
    std::fs::write(folder.join("model.toml"), card(name, ENCODING, K, &sha256_hex(float))).unwrap();
}

/// The card of a bundle with one graph.
pub fn card(name: &str, encoding: &str, inputs: usize, sha256: &str) -> String {
    format!(
        r#"name = "{name}"
family = "fixture"
description = "A graph for tests."
encoding = "{encoding}"
inputs = {inputs}
preprocessing = "none"

[files]
"float.onnx" = "{sha256}"

[score]
name = "sum_of_squares"
formula = "sum_i x_i^2"

[training]
recipe = "none"
recipe_sha256 = "none"
trainer = "none"
seed = 0
data = []
training_events = 0
validation_events = 0
epochs = 0
best_epoch = 0
validation_loss = 0.0
"#
    )
}

/// The command under test, without the user's own choice of ONNX Runtime.
pub fn trigsieve(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trigsieve"));
    command.args(args).env_remove("ORT_DYLIB_PATH").env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// What a failed command leaves: its exit code and the one line that it said.
#[derive(Debug)]
pub struct Failure {
    /// Exit code.
    pub code: i32,
    /// Standard error, without the line's end.
    pub message: String,
}

impl Failure {
    /// Checks the exit code and that the message has each of `parts`.
    #[track_caller]
    pub fn expect(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, code, "{}", self.message);
        for part in parts {
            assert!(self.message.contains(part), "`{part}` is not in: {}", self.message);
        }
    }
}

/// Runs a command that has to fail, with one line on standard error and nothing on standard output.
#[track_caller]
pub fn failure(command: &mut Command) -> Failure {
    let output = command.output().unwrap();
    let message = stderr(&output);
    assert!(!output.status.success(), "{command:?} succeeded");
    let lines: Vec<&str> = message.lines().collect();
    assert_eq!(lines.len(), 1, "one line expected:\n{message}");
    assert!(lines[0].starts_with("error: "), "{message}");
    assert!(!has_a_repetition(lines[0]), "says it twice: {message}");
    Failure { code: output.status.code().unwrap(), message: lines[0].to_owned() }
}

/// Runs a command that has to succeed.
#[track_caller]
pub fn success(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, stderr(&output));
    output
}

/// Standard error as text.
pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Names in a folder, hidden ones too, in order; none when there is no such folder.
pub fn names_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A field of `run.json`, by JSON pointer.
#[track_caller]
pub fn report(folder: &Path, pointer: &str) -> serde_json::Value {
    let text = std::fs::read(folder.join("run.json")).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
    json.pointer(pointer).unwrap_or_else(|| panic!("run.json has no {pointer}")).clone()
}

/// Whether two neighbouring parts of an error chain are the same.
fn has_a_repetition(message: &str) -> bool {
    let parts: Vec<&str> = message.split(": ").collect();
    parts.windows(2).any(|pair| pair[0] == pair[1])
}
