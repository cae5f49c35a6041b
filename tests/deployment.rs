//! Which models get to decide: those that tell events apart, of bounded size, and signed if the operator asks for it.

mod common;

use std::fs::OpenOptions;
use std::path::Path;
use std::process::Command;

use common::{
    Fixture, K, Signer, constant, failure, graph, names_in, success, sum_of_squares, trigsieve, write_bundle,
};
use trigsieve_onnx::{Attribute, TensorData};

/// Commands that deploy the model of the fixture.
fn deployments(fixture: &Fixture, out: &Path) -> [Command; 3] {
    let replay = fixture.replay(&out.join("replay"));
    let mut calibrate =
        trigsieve(&["calibrate", "--engine", "rten", "--target-rate", "1kHz", "--input-rate", "10kHz"]);
    calibrate.arg(&fixture.events).arg("-o").arg(out.join("menu.toml"));
    let mut evaluate = trigsieve(&["evaluate", "--engine", "rten", "--background"]);
    evaluate.arg(&fixture.events).arg("--signal").arg(&fixture.events).arg("-o").arg(out.join("evaluate"));
    for command in [&mut calibrate, &mut evaluate] {
        command.arg("--model").arg(&fixture.model);
    }
    [replay, calibrate, evaluate]
}

/// The score is the logarithm of the first input less 0.05, which is NaN for the first fifty events.
fn not_a_number() -> Vec<u8> {
    graph(K, |graph, inputs| {
        let offset = graph.constant("offset", &[1, K], TensorData::F32(vec![0.05; K])).unwrap();
        let less = graph.node("Sub", &[inputs, &offset], "less", vec![]).unwrap();
        let logarithm = graph.node("Log", &[&less], "logarithm", vec![]).unwrap();
        let axes = graph.constant("axes", &[1], TensorData::I64(vec![1])).unwrap();
        graph.node("ReduceSum", &[&logarithm, &axes], "score", vec![Attribute::int("keepdims", 0)]).unwrap()
    })
}

#[test]
fn a_model_that_tells_nothing_apart_is_refused() {
    let fixture = Fixture::new(1000);
    let out = fixture.path("out");
    std::fs::create_dir(&out).unwrap();
    for (graph, what) in
        [(constant(), "the score is 7 for each of the first"), (not_a_number(), "NaN, with finite inputs")]
    {
        write_bundle(&fixture.model, "odd", &graph);
        for mut command in deployments(&fixture, &out) {
            failure(&mut command)
                .expect(1, &["the model odd is degenerate", what, "events.arrow", "--allow-degenerate"]);
        }
        assert_eq!(names_in(&out), Vec::<String>::new());
        success(fixture.replay(&fixture.path("allowed")).args(["--allow-degenerate", "--force"]));
    }
    write_bundle(&fixture.model, "squares", &sum_of_squares());
    for mut command in deployments(&fixture, &out) {
        success(&mut command);
    }
}

/// Few events can have the same score by chance.
#[test]
fn a_few_events_say_nothing_about_a_model() {
    let fixture = Fixture::new(10);
    write_bundle(&fixture.model, "odd", &constant());
    success(&mut fixture.replay(&fixture.path("out")));
}

/// A graph without weights can have any number of inputs, which the self-test would make events of.
#[test]
fn a_model_of_more_inputs_than_an_event_has_is_refused() {
    let fixture = Fixture::new(10);
    let card = fixture.model.join("model.toml");
    let text = std::fs::read_to_string(&card).unwrap();
    std::fs::write(&card, text.replace("inputs = 3\n", "inputs = 1099511627776\n")).unwrap();
    let mut replay = fixture.replay(&fixture.path("out"));
    failure(&mut replay).expect(1, &["model.toml", "inputs is 1099511627776, 65536 are the most"]);
}

#[test]
fn a_signature_is_asked_for_and_checked() {
    let fixture = Fixture::new(100);
    let (key, other_key) = (fixture.path("key.pub"), fixture.path("other.pub"));
    let (signer, other) = (Signer::new(&key), Signer::new(&other_key));
    let card = fixture.model.join("model.toml");
    let out = fixture.path("out");
    let verified = |key: &Path| {
        let mut command = fixture.replay(&out);
        command.arg("--verify-key").arg(key);
        command
    };
    failure(&mut verified(&key)).expect(1, &["model.toml.minisig", "No such file"]);
    signer.sign(&card);
    success(&mut verified(&key));
    std::fs::remove_dir_all(&out).unwrap();
    failure(&mut verified(&other_key)).expect(1, &["model.toml.minisig", "not a signature of", "other.pub"]);

    let text = std::fs::read_to_string(&card).unwrap();
    std::fs::write(&card, text.replace("A graph for tests.", "Another graph.")).unwrap();
    failure(&mut verified(&key)).expect(1, &["model.toml.minisig", "not a signature of"]);
    other.sign(&card);
    failure(&mut verified(&key)).expect(1, &["model.toml.minisig", "not a signature of"]);
    std::fs::write(&card, &text).unwrap();
    signer.sign(&card);

    // The card vouches for the graph.
    let graph = fixture.model.join("float.onnx");
    let bytes = std::fs::read(&graph).unwrap();
    std::fs::write(&graph, constant()).unwrap();
    failure(&mut verified(&key)).expect(1, &["float.onnx", "sha256"]);
    std::fs::write(&graph, bytes).unwrap();

    for (file, what) in
        [(&key, "not a public key"), (&card.with_extension("toml.minisig"), "not a signature of minisign")]
    {
        let whole = std::fs::read(file).unwrap();
        for damaged in [&b"untrusted comment: nothing\n"[..], &[0xff; 300], b""] {
            std::fs::write(file, damaged).unwrap();
            let name = file.file_name().unwrap().to_str().unwrap();
            let failure = failure(&mut verified(&key));
            assert!(failure.message.contains(name), "{}", failure.message);
            assert!(
                failure.message.contains(what) || failure.message.contains("not text"),
                "{}",
                failure.message
            );
        }
        std::fs::write(file, whole).unwrap();
    }
    assert_eq!(names_in(&out), Vec::<String>::new());
    success(&mut verified(&key));
}

#[test]
fn what_is_too_large_is_refused_before_it_is_read() {
    for (file, bytes) in [("model.toml", 2 << 20), ("float.onnx", 1 << 40)] {
        let fixture = Fixture::new(10);
        // Sparse: no disk has room for it, and no memory.
        let grown = OpenOptions::new().write(true).open(fixture.model.join(file)).unwrap();
        grown.set_len(bytes).unwrap();
        failure(&mut fixture.replay(&fixture.path("out"))).expect(1, &[file, "the most that is read"]);
    }
}
