use serde_json::Value;
use trigsieve::model::sha256_hex;
use trigsieve_onnx::{Attribute, Dimension, ElementType, GraphBuilder, ModelInfo, TensorData};

use crate::{Desk, failed, succeeded};

fn converted() -> Desk {
    let desk = Desk::new();
    desk.copy_sample("signal_h0_to_tautau.h5");
    succeeded(&desk.trigsieve(&[
        "convert",
        "signal_h0_to_tautau.h5",
        "--from",
        "adc2021",
        "-o",
        "h0.arrow",
        "--label",
        "1",
        "--process",
        "h0",
    ]));
    desk
}

#[test]
fn an_event_file_is_described() {
    let shown = succeeded(&converted().trigsieve(&["inspect", "h0.arrow"]));
    for words in [
        "l1_57, K = 57, f32",
        "4000 in 1 record batches",
        "mapped",
        "signal_h0_to_tautau.h5",
        "1: 4000",
        "h0: 4000",
    ] {
        assert!(shown.contains(words), "{words:?} is not in {shown}");
    }
    assert!(shown.lines().any(|line| line.contains("egamma0_pt") && line.contains("GeV")), "{shown}");
}

#[test]
fn an_event_file_is_json() {
    let shown = succeeded(&converted().trigsieve(&["inspect", "h0.arrow", "--json"]));
    let report: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        (&report["events"], &report["k"], &report["zero_copy"]),
        (&4000.into(), &57.into(), &true.into())
    );
    assert_eq!(report["features"].as_array().unwrap().len(), 57);
    let met_eta = &report["features"][1];
    assert_eq!(
        (&met_eta["name"], &met_eta["zero_fraction"], &met_eta["nan"]),
        (&"met_eta".into(), &1.0.into(), &0.into())
    );
    assert_eq!(report["sources"][0]["events"], 4000);
}

/// The bundle `toy`: a graph that scores an event of two inputs by the first.
fn bundle() -> Desk {
    let mut graph = GraphBuilder::new("toy");
    let inputs =
        graph.input("inputs", ElementType::F32, &[Dimension::Symbol("N"), Dimension::Size(2)]).unwrap();
    let first = graph.constant("first", &[], TensorData::I64(vec![0])).unwrap();
    let axis = vec![Attribute::int("axis", 1)];
    let score = graph.node("Gather", &[&inputs, &first], "score", axis).unwrap();
    graph.output(&score, ElementType::F32, &[Dimension::Symbol("N")]).unwrap();
    let bytes = graph.finish(&ModelInfo::default()).unwrap();
    let desk = Desk::new();
    std::fs::create_dir(desk.path("toy")).unwrap();
    std::fs::write(desk.path("toy/float.onnx"), &bytes).unwrap();
    std::fs::write(desk.path("toy/model.toml"), card(&sha256_hex(&bytes))).unwrap();
    desk
}

fn card(sha256: &str) -> String {
    format!(
        r#"
name = "toy"
family = "autoencoder"
description = "For tests."
encoding = "l1_57"
inputs = 2
preprocessing = "none"
[files]
"float.onnx" = "{sha256}"
[score]
name = "first"
formula = "x[0]"
[training]
recipe = "toy.toml"
recipe_sha256 = "{sha256}"
trainer = "by hand"
seed = 1
data = [{{ file = "background_train.h5", sha256 = "{sha256}", events = 10 }}]
training_events = 8
validation_events = 2
epochs = 3
best_epoch = 2
validation_loss = 0.5
[[thresholds.float]]
background_efficiency = 1e-3
value = 12.5
error = 0.25
events = 16
"#
    )
}

#[test]
fn a_model_is_described() {
    let shown = succeeded(&bundle().trigsieve(&["inspect", "toy"]));
    for words in
        ["toy (autoencoder)", "first: x[0]", "1 Gather", "12.5", "1e-3", "float.onnx", "ok", "seed 1"]
    {
        assert!(shown.contains(words), "{words:?} is not in {shown}");
    }
}

#[test]
fn a_model_is_json() {
    let shown = succeeded(&bundle().trigsieve(&["inspect", "toy", "--json"]));
    let report: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&report["card"]["name"], &report["files"][0]["state"]), (&"toy".into(), &"ok".into()));
    assert_eq!(report["graphs"][0]["operators"]["Gather"], 1);
}

#[test]
fn a_changed_file_of_a_model_is_1() {
    let desk = bundle();
    std::fs::write(desk.path("toy/float.onnx"), "something else").unwrap();
    let output = desk.trigsieve(&["inspect", "toy"]);
    failed(&output, 1, &["float.onnx", "mismatch", &sha256_hex(b"something else")]);
    assert!(crate::text(&output.stdout).contains("toy (autoencoder)"), "the card is shown all the same");
    std::fs::remove_file(desk.path("toy/float.onnx")).unwrap();
    failed(&desk.trigsieve(&["inspect", "toy"]), 1, &["float.onnx", "cannot be read"]);
}

#[test]
fn what_is_neither_is_1_with_a_hint() {
    let desk = bundle();
    desk.copy_sample("signal_h0_to_tautau.h5");
    std::fs::create_dir(desk.path("empty")).unwrap();
    failed(&desk.trigsieve(&["inspect", "empty"]), 1, &["empty", "neither", "model.toml"]);
    failed(&desk.trigsieve(&["inspect", "absent"]), 1, &["absent", "No such file"]);
    failed(
        &desk.trigsieve(&["inspect", "signal_h0_to_tautau.h5"]),
        1,
        &["signal_h0_to_tautau.h5", "convert"],
    );
    failed(&desk.trigsieve(&["inspect", "toy/model.toml"]), 1, &["model.toml", "folder"]);
    failed(&desk.trigsieve(&["inspect"]), 2, &["FILE_OR_MODEL"]);
}

#[test]
fn a_truncated_event_file_is_1() {
    let desk = converted();
    let whole = std::fs::read(desk.path("h0.arrow")).unwrap();
    std::fs::write(desk.path("h0.arrow"), &whole[..whole.len() / 2]).unwrap();
    failed(&desk.trigsieve(&["inspect", "h0.arrow"]), 1, &["h0.arrow", "truncated"]);
}
