//! Replays that cannot start: what they say, their exit code, and that they leave nothing behind.

mod common;

use std::path::Path;
use std::process::Command;

use common::{
    ENCODING, Fixture, K, failure, graph, names_in, success, trigsieve, write_bundle, write_events,
    write_integers,
};
use prost::Message;
use trigsieve::model::sha256_hex;
use trigsieve_onnx::TensorData;
use trigsieve_onnx::proto::{DATA_LOCATION_EXTERNAL, ModelProto, StringStringEntryProto};

const ENGINES: [&str; 2] = ["onnx", "rten"];

/// The command has to fail with exit code 1, these parts in its message, and nothing in the output folder.
#[track_caller]
fn refused(command: &mut Command, output: &Path, parts: &[&str]) {
    failure(command).expect(1, parts);
    assert_eq!(names_in(output), Vec::<String>::new(), "left behind");
}

fn replay_with(fixture: &Fixture, output: &Path, engine: &str) -> Command {
    let mut command = trigsieve(&["replay", "--threshold", "0", "--engine", engine]);
    command.arg(&fixture.events).arg("--model").arg(&fixture.model).arg("-o").arg(output);
    command
}

#[test]
fn a_graph_that_is_not_the_cards() {
    let fixture = Fixture::new(10);
    let out = fixture.path("out");
    let graph_path = fixture.model.join("float.onnx");
    let mut bytes = std::fs::read(&graph_path).unwrap();
    let expected = sha256_hex(&bytes);
    bytes.push(0);
    std::fs::write(&graph_path, &bytes).unwrap();
    let parts = [&*graph_path.to_string_lossy(), &expected, &sha256_hex(&bytes), "model.toml"];
    for engine in ENGINES {
        refused(&mut replay_with(&fixture, &out, engine), &out, &parts);
    }
}

#[test]
fn a_graph_with_external_data() {
    let fixture = Fixture::new(10);
    let out = fixture.path("out");
    let bytes = graph(K, |graph, inputs| {
        let scale = graph.constant("weights", &[1, K], TensorData::F32(vec![1.0; K])).unwrap();
        let scaled = graph.node("Mul", &[inputs, &scale], "scaled", vec![]).unwrap();
        let axes = graph.constant("axes", &[1], TensorData::I64(vec![1])).unwrap();
        let flat = trigsieve_onnx::Attribute::int("keepdims", 0);
        graph.node("ReduceSum", &[&scaled, &axes], "score", vec![flat]).unwrap()
    });
    let mut model = ModelProto::decode(&*bytes).unwrap();
    let weights = &mut model.graph.as_mut().unwrap().initializer[0];
    weights.raw_data = None;
    weights.data_location = Some(DATA_LOCATION_EXTERNAL);
    let location =
        |value: &str| StringStringEntryProto { key: Some("location".into()), value: Some(value.into()) };
    weights.external_data = vec![location("../../../etc/passwd")];
    write_bundle(&fixture.model, "external", &model.encode_to_vec());
    for engine in ENGINES {
        let parts = ["float.onnx", "`weights`", "external data is refused", "embed"];
        refused(&mut replay_with(&fixture, &out, engine), &out, &parts);
    }
}

#[test]
fn an_operator_that_no_engine_has() {
    let fixture = Fixture::new(10);
    let out = fixture.path("out");
    let bytes = graph(K, |graph, inputs| graph.node("Anomalise", &[inputs], "score", vec![]).unwrap());
    write_bundle(&fixture.model, "unknown", &bytes);
    for engine in ENGINES {
        refused(&mut replay_with(&fixture, &out, engine), &out, &["float.onnx", engine, "Anomalise"]);
    }
}

#[test]
fn an_operator_of_another_domain() {
    let fixture = Fixture::new(10);
    let out = fixture.path("out");
    let bytes = graph(K, |graph, inputs| graph.node("Relu", &[inputs], "score", vec![]).unwrap());
    let mut model = ModelProto::decode(&*bytes).unwrap();
    model.graph.as_mut().unwrap().node[0].domain = Some("com.example".into());
    write_bundle(&fixture.model, "custom", &model.encode_to_vec());
    refused(&mut replay_with(&fixture, &out, "rten"), &out, &["float.onnx", "`com.example`"]);
}

#[test]
fn a_graph_that_is_no_graph() {
    let fixture = Fixture::new(10);
    let out = fixture.path("out");
    for (name, bytes) in [("empty", Vec::new()), ("text", b"not a protobuf message".to_vec())] {
        write_bundle(&fixture.model, name, &bytes);
        for engine in ENGINES {
            refused(&mut replay_with(&fixture, &out, engine), &out, &["float.onnx"]);
        }
    }
}

#[test]
fn a_graph_whose_signature_is_not_the_contracts() {
    let fixture = Fixture::new(10);
    let out = fixture.path("out");
    let wider = graph(K + 1, |graph, inputs| {
        let axes = graph.constant("axes", &[1], TensorData::I64(vec![1])).unwrap();
        let flat = trigsieve_onnx::Attribute::int("keepdims", 0);
        graph.node("ReduceSum", &[inputs, &axes], "score", vec![flat]).unwrap()
    });
    write_bundle(&fixture.model, "wider", &wider);
    refused(&mut replay_with(&fixture, &out, "rten"), &out, &["float.onnx", "[N, 4]", "[N, 3]"]);
}

#[test]
fn events_of_another_encoding() {
    let fixture = Fixture::new(10);
    let out = fixture.path("out");
    write_events(&fixture.events, 10, K, "other_3");
    let parts = ["events.arrow", "encoding", "`other_3`", &format!("`{ENCODING}`"), "model"];
    refused(&mut fixture.replay(&out), &out, &parts);
}

#[test]
fn events_with_another_number_of_inputs() {
    let fixture = Fixture::new(10);
    let out = fixture.path("out");
    write_events(&fixture.events, 10, K + 2, ENCODING);
    refused(&mut fixture.replay(&out), &out, &["events.arrow", "number of inputs", "5", "3", "model"]);
}

#[test]
fn hardware_integers_for_an_engine_that_takes_floats() {
    let fixture = Fixture::new(10);
    let out = fixture.path("out");
    write_integers(&fixture.events, 10, "");
    for engine in ENGINES {
        refused(&mut replay_with(&fixture, &out, engine), &out, &[engine, "f32", "i16"]);
    }
}

#[test]
fn event_files_that_do_not_fit_together() {
    let fixture = Fixture::new(10);
    let (out, other) = (fixture.path("out"), fixture.path("other.arrow"));
    write_events(&other, 10, K + 2, ENCODING);
    refused(fixture.replay(&out).arg(&other), &out, &["other.arrow", "events.arrow", "5", "3"]);
}

#[test]
fn a_truncated_event_file() {
    let fixture = Fixture::new(1000);
    let out = fixture.path("out");
    let bytes = std::fs::read(&fixture.events).unwrap();
    for length in [0, 1, 9, 10, 100, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&fixture.events, &bytes[..length]).unwrap();
        refused(&mut fixture.replay(&out), &out, &["events.arrow", "not a complete Arrow IPC file"]);
    }
}

#[test]
fn files_that_are_not_there() {
    let fixture = Fixture::new(10);
    let out = fixture.path("out");
    let mut no_model = fixture.replay(&out);
    std::fs::remove_file(fixture.model.join("model.toml")).unwrap();
    refused(&mut no_model, &out, &["model.toml", "No such file"]);
    std::fs::remove_file(&fixture.events).unwrap();
    refused(&mut fixture.replay(&out), &out, &["events.arrow", "No such file"]);
}

#[test]
fn events_that_are_no_file() {
    let fixture = Fixture::new(10);
    let out = fixture.path("out");
    let pipe = fixture.path("pipe");
    success(Command::new("mkfifo").arg(&pipe));
    for events in [&*pipe, fixture.folder.path(), Path::new("/dev/zero")] {
        let mut command = trigsieve(&["replay", "--engine", "rten", "--threshold", "0"]);
        command.arg(events).arg("--model").arg(&fixture.model).arg("-o").arg(&out);
        refused(&mut command, &out, &[&events.to_string_lossy(), "not a regular file"]);
    }
}

#[test]
fn a_precision_that_the_bundle_has_not() {
    let fixture = Fixture::new(10);
    let out = fixture.path("out");
    let parts = ["model.toml", "`int8.onnx`", "float.onnx"];
    refused(fixture.replay(&out).args(["--precision", "int8"]), &out, &parts);
}

/// A copy of the command in a folder that has no `.venv` at or above it.
fn installed_elsewhere(fixture: &Fixture) -> std::path::PathBuf {
    let copy = fixture.path("trigsieve");
    // By a process of its own: a file that this one has open for writing may be held open by a command that another
    // test starts meanwhile, and a file that is open for writing does not run.
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_trigsieve")).arg(&copy).status().unwrap();
    assert!(copied.success());
    copy
}

#[test]
fn without_onnx_runtime_the_message_says_what_to_do() {
    let fixture = Fixture::new(10);
    let out = fixture.path("out");
    let program = installed_elsewhere(&fixture);
    let bare = |engine: &str| {
        let mut command = Command::new(&program);
        command.env_clear().current_dir(fixture.folder.path());
        command.args(["replay", "events.arrow", "--model", "model", "--threshold", "0", "--engine", engine]);
        command.arg("-o").arg(&out);
        command
    };
    let parts = ["ONNX Runtime", "--onnxruntime", "ORT_DYLIB_PATH", "cargo xtask setup", "--engine rten"];
    refused(&mut bare("onnx"), &out, &parts);
    success(&mut bare("rten"));
}

#[test]
fn an_onnx_runtime_that_is_none_is_named_with_who_named_it() {
    let fixture = Fixture::new(10);
    let out = fixture.path("out");
    let text = fixture.path("text");
    std::fs::write(&text, "no library").unwrap();
    for library in ["/nonexistent/libonnxruntime.so", &text.to_string_lossy()] {
        let mut by_flag = replay_with(&fixture, &out, "onnx");
        refused(by_flag.args(["--onnxruntime", library]), &out, &[library, "--onnxruntime"]);
        let mut by_variable = replay_with(&fixture, &out, "onnx");
        refused(by_variable.env("ORT_DYLIB_PATH", library), &out, &[library, "ORT_DYLIB_PATH"]);
    }
}

#[test]
fn a_device_that_cannot_be_had() {
    let fixture = Fixture::new(10);
    let out = fixture.path("out");
    // The pinned wheel is the CPU one, so that no machine has this device.
    let mut onnx = replay_with(&fixture, &out, "onnx");
    refused(
        onnx.args(["--device", "cuda"]),
        &out,
        &["device cuda:0", "CUDA execution provider is not enabled"],
    );
    let mut rten = replay_with(&fixture, &out, "rten");
    refused(rten.args(["--device", "cuda:1"]), &out, &["device cuda:1", "rten", "--engine onnx"]);
}

#[test]
fn menus_that_make_no_sense() {
    let fixture = Fixture::new(10);
    let out = fixture.path("out");
    let menu = fixture.path("menu.toml");
    for (text, parts) in [
        ("", &["menu.toml", "0 paths"][..]),
        ("[[path]]\nname = \"a\"\nmodel = \"squares\"\n", &["menu.toml", "`a`", "threshold"]),
        (
            "[[path]]\nname = \"a\"\nmodel = \"squares\"\nthreshold = nan\n",
            &["menu.toml", "`a`", "not finite"],
        ),
        (
            "[[path]]\nname = \"a\"\nmodel = \"squares\"\nthreshold = 1\nprescale = 0\n",
            &["menu.toml", "prescale 0"],
        ),
        ("[[path]]\nname = \"a\"\nmodel = \"other\"\nthreshold = 1\n", &["`a`", "`other`", "squares"]),
        ("[[path]]\nname = \"a\"\nmodel = \"squares\"\nthreshhold = 1\n", &["menu.toml", "threshhold"]),
    ] {
        std::fs::write(&menu, text).unwrap();
        let mut command = trigsieve(&["replay", "--engine", "rten"]);
        command
            .arg(&fixture.events)
            .arg("--model")
            .arg(&fixture.model)
            .arg("--menu")
            .arg(&menu)
            .arg("-o")
            .arg(&out);
        refused(&mut command, &out, parts);
    }
}

#[test]
fn usage_errors_have_exit_code_2() {
    let fixture = Fixture::new(10);
    let out = fixture.path("out");
    let scheme = fixture.path("scheme.txt");
    std::fs::write(&scheme, "0-3563\n").unwrap();
    for (flags, parts) in [
        (&["--overload", "drop"][..], &["--overload drop", "clock"][..]),
        (&["--overload", "drop", "--rate", "max"], &["--overload drop", "clock"]),
        (&["--batch", "0"], &["--batch 0"]),
        (&["--repeat", "0"], &["--repeat 0"]),
        (&["--duration", "0s"], &["--duration 0"]),
        (&["--rate", "1e12"], &["--rate", "GHz"]),
        (
            &["--filling-scheme", &scheme.to_string_lossy(), "--rate", "100kHz"],
            &["--filling-scheme", "40MHz"],
        ),
    ] {
        let failure = failure(fixture.replay(&out).args(flags));
        failure.expect(2, parts);
        assert!(names_in(&out).is_empty(), "{flags:?}");
    }
    for threshold in ["NaN", "inf", "-inf"] {
        let mut command = trigsieve(&["replay", "--engine", "rten", &format!("--threshold={threshold}")]);
        command.arg(&fixture.events).arg("--model").arg(&fixture.model).arg("-o").arg(&out);
        failure(&mut command).expect(2, &["--threshold"]);
    }
    let mut twice = fixture.replay(&out);
    failure(twice.arg("--model").arg(&fixture.model)).expect(2, &["`squares`"]);
    let nothing = trigsieve(&["replay"]).output().unwrap();
    assert_eq!(nothing.status.code(), Some(2));
}
