//! What the integration tests share: event tables, model bundles, and the command with its outcome.

// Every test binary compiles this module and uses its own part of it.
#![allow(dead_code)]

pub mod in_process;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use trigsieve::event::{ElementType, EventSchema, EventWriter, Feature};
use trigsieve::model::sha256_hex;
use trigsieve_fixed::program::SumOrder;
use trigsieve_fixed::{Format, Input, Kind, Operation, Program, Tensor};
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
        let row = |id: u64| (0..k).map(move |input| id as f32 / (1_u32 << (input % 32)) as f32 * 1e-3);
        let inputs = ids.iter().copied().flat_map(row).collect();
        writer.write_events(ids.clone(), ids, inputs, Vec::new()).unwrap();
    }
    writer.finish().unwrap();
}

/// Events of hardware integers, [`integers_of`] each, whose inputs have this unit in the schema.
pub fn write_integers(path: &Path, events: usize, unit: &str) {
    let feature = |input: usize| Feature { name: format!("x{input}"), unit: unit.to_owned() };
    let schema = EventSchema {
        encoding: ENCODING.to_owned(),
        k: K,
        element: ElementType::I16,
        features: (0..K).map(feature).collect(),
        sources: Vec::new(),
    };
    let mut writer = EventWriter::create(path, schema.to_arrow([])).unwrap();
    let ids: Vec<u64> = (0..events as u64).collect();
    for ids in ids.chunks(1000) {
        let inputs = ids.iter().flat_map(|id| integers_of(*id)).collect();
        writer.write_integers(ids.to_vec(), ids.to_vec(), inputs, Vec::new()).unwrap();
    }
    writer.finish().unwrap();
}

/// The hardware integers of event `id`: small and large, of both signs.
pub fn integers_of(id: u64) -> [i16; K] {
    let mix = |step: u64| (id.wrapping_mul(step) >> 3) as i16;
    [(id % 200) as i16 - 100, mix(0x9e37_79b9) / 64, mix(0x85eb_ca6b) % 7]
}

/// The same events in physical units, `unit` a step.
pub fn write_physical(path: &Path, events: usize, unit: f32) {
    let schema = EventSchema {
        encoding: ENCODING.to_owned(),
        k: K,
        element: ElementType::F32,
        features: Vec::new(),
        sources: Vec::new(),
    };
    let mut writer = EventWriter::create(path, schema.to_arrow([])).unwrap();
    let ids: Vec<u64> = (0..events as u64).collect();
    let inputs = ids.iter().flat_map(|id| integers_of(*id)).map(|value| f32::from(value) * unit).collect();
    writer.write_events(ids.clone(), ids, inputs, Vec::new()).unwrap();
    writer.finish().unwrap();
}

/// A network 3-2 with ReLU and a sum of squares as score, in whole numbers; `units` as in [`Input`].
pub fn fixed_program(units: Option<Vec<f64>>) -> Program {
    let format = |text: &str| text.parse::<Format>().unwrap();
    let tensor = |name: &str, elements: usize, text: &str| Tensor {
        name: name.to_owned(),
        shape: vec![elements],
        format: format(text),
    };
    let operation = |layer: &str, inputs: &[&str], output: Tensor, kind: Kind| Operation {
        layer: layer.to_owned(),
        inputs: inputs.iter().map(ToString::to_string).collect(),
        output,
        kind,
    };
    let dense = Kind::Dense {
        weights: vec![1, -2, 3, 1, -1, 2],
        weight_format: format("ap_fixed<4,4>"),
        biases: vec![5, -4],
        bias_format: format("ap_fixed<4,4>"),
        accumulator: format("ap_fixed<24,24>"),
        order: None,
    };
    let sum = Kind::Sum { accumulator: format("ap_fixed<28,28>"), order: SumOrder::Sequential };
    Program {
        version: trigsieve_fixed::program::VERSION,
        name: "toy".to_owned(),
        input: Input { tensor: tensor("x", K, "ap_fixed<16,16>"), hardware_fraction: 0, units },
        operations: vec![
            operation("fc1", &["x"], tensor("fc1_out", 2, "ap_fixed<24,24>"), dense),
            operation(
                "relu1",
                &["fc1_out"],
                tensor("z", 2, "ap_ufixed<11,11,AP_RND,AP_SAT>"),
                Kind::Relu { maximum: None },
            ),
            operation("square", &["z", "z"], tensor("squares", 2, "ap_ufixed<22,22>"), Kind::Multiply {}),
            operation("sum", &["squares"], tensor("score", 1, "ap_fixed<28,28>"), sum),
        ],
        score: "score".to_owned(),
    }
}

/// What [`fixed_program`] makes of an event, written out.
pub fn fixed_score([a, b, c]: [i16; K]) -> f32 {
    let [a, b, c] = [a, b, c].map(i32::from);
    let z = [a + 3 * b - c + 5, -2 * a + b + 2 * c - 4].map(|y| y.clamp(0, 2047));
    (z[0] * z[0] + z[1] * z[1]) as f32
}

/// A bundle with this program and nothing else.
pub fn write_fixed_bundle(folder: &Path, name: &str, program: &Program) {
    std::fs::create_dir_all(folder).unwrap();
    let json = serde_json::to_vec(program).unwrap();
    let card = card(name, ENCODING, program.k(), &sha256_hex(&json)).replace("float.onnx", "fixed.json");
    std::fs::write(folder.join("fixed.json"), json).unwrap();
    std::fs::write(folder.join("model.toml"), card).unwrap();
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

/// The same, and a constant.
pub fn sum_of_squares_and(constant: f32) -> Vec<u8> {
    graph(K, |graph, inputs| {
        let squares = graph.node("Mul", &[inputs, inputs], "squares", vec![]).unwrap();
        let axes = graph.constant("axes", &[1], TensorData::I64(vec![1])).unwrap();
        let keep = vec![Attribute::int("keepdims", 0)];
        let sum = graph.node("ReduceSum", &[&squares, &axes], "sum", keep).unwrap();
        let constant = graph.constant("constant", &[1], TensorData::F32(vec![constant])).unwrap();
        graph.node("Add", &[&sum, &constant], "score", vec![]).unwrap()
    })
}

/// The score is 7 for every event.
pub fn constant() -> Vec<u8> {
    graph(K, |graph, inputs| {
        let zero = graph.constant("zero", &[], TensorData::F32(vec![0.0])).unwrap();
        let seven = graph.constant("seven", &[], TensorData::F32(vec![7.0])).unwrap();
        let nothing = graph.node("Mul", &[inputs, &zero], "nothing", vec![]).unwrap();
        let axes = graph.constant("axes", &[1], TensorData::I64(vec![1])).unwrap();
        let flat = vec![Attribute::int("keepdims", 0)];
        let sum = graph.node("ReduceSum", &[&nothing, &axes], "sum", flat).unwrap();
        graph.node("Add", &[&sum, &seven], "score", vec![]).unwrap()
    })
}

/// Signs bundles with a key of its own.
pub struct Signer {
    keys: minisign::KeyPair,
}

impl Signer {
    /// Writes its public key to `public`.
    pub fn new(public: &Path) -> Self {
        let keys = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
        std::fs::write(public, keys.pk.to_box().unwrap().to_string()).unwrap();
        Self { keys }
    }

    /// Puts the signature of `file` beside it.
    pub fn sign(&self, file: &Path) {
        let bytes = std::fs::read(file).unwrap();
        let signature =
            minisign::sign(Some(&self.keys.pk), &self.keys.sk, std::io::Cursor::new(bytes), None, None)
                .unwrap();
        std::fs::write(file.with_extension("toml.minisig"), signature.to_string()).unwrap();
    }
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
