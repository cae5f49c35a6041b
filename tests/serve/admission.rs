//! Which models the service takes: at the start, and at every reload, where the one in force goes on when another is refused.

use std::path::Path;

use crate::common::{
    Fixture, K, Signer, constant, failure, graph, names_in, success, sum_of_squares, trigsieve, write_bundle,
};
use crate::service::{Serve, count, replayed, send, served};
use trigsieve::model::{ModelBundle, Precision};
use trigsieve::score::{Engine, ScorerSpec};
use trigsieve::serve::{Admission, Deployment, DeploymentSpec, MenuSource};
use trigsieve_onnx::{Attribute, TensorData};

/// Events of a run that a test sends.
const EVENTS: usize = 500;

/// The score is the logarithm of the sum of 10 less each input, which is NaN for large events only.
fn not_a_number_for_large_events() -> Vec<u8> {
    graph(K, |graph, inputs| {
        let most = graph.constant("most", &[1, K], TensorData::F32(vec![10.0; K])).unwrap();
        let left = graph.node("Sub", &[&most, inputs], "left", vec![]).unwrap();
        let logarithm = graph.node("Log", &[&left], "logarithm", vec![]).unwrap();
        let axes = graph.constant("axes", &[1], TensorData::I64(vec![1])).unwrap();
        graph.node("ReduceSum", &[&logarithm, &axes], "score", vec![Attribute::int("keepdims", 0)]).unwrap()
    })
}

/// `trigsieve serve` that should not get as far as to serve.
fn refused(fixture: &Fixture, out: &Path, args: &[&str], parts: &[&str]) {
    let mut command = trigsieve(&["serve", "--source", "tcp://:0", "--engine", "rten", "--threshold", "-1"]);
    command.arg("--model").arg(&fixture.model).arg("--sink").arg(format!("file:{}", out.display()));
    failure(command.args(args)).expect(1, parts);
    assert!(!out.exists(), "nothing is left of a start that failed for its model");
}

/// Sends the events as a run of this number, and waits for the receipt.
fn send_run(fixture: &Fixture, to: &str, run: &str) {
    success(&mut send(fixture, to, &["--run", run, "--frame-events", "100"]));
}

/// Sends SIGHUP, which has to be answered with a line that has `text`.
fn reload(serve: &mut Serve, text: &str) {
    serve.signal("HUP");
    serve.wait_for(text);
}

#[test]
fn a_start_without_a_usable_model_leaves_nothing() {
    let fixture = Fixture::new(EVENTS);
    let (out, key) = (fixture.path("out"), fixture.path("key.pub"));
    let key_text = key.display().to_string();
    let signer = Signer::new(&key);
    refused(&fixture, &out, &["--verify-key", &key_text], &["model.toml.minisig", "No such file"]);
    signer.sign(&fixture.model.join("model.toml"));
    std::fs::write(fixture.model.join("float.onnx"), constant()).unwrap();
    refused(&fixture, &out, &["--verify-key", &key_text], &["float.onnx", "sha256"]);
    write_bundle(&fixture.model, "odd", &constant());
    refused(&fixture, &out, &["--verify-key", &key_text], &["model.toml.minisig", "not a signature of"]);
    let degenerate = ["the model odd is degenerate", "the score is 7 for each of the first", "test_3"];
    refused(&fixture, &out, &[], &degenerate);
    std::fs::remove_dir_all(&fixture.model).unwrap();
    refused(&fixture, &out, &[], &["model.toml", "No such file"]);
}

/// A file that is given up for NATS would take the events of others along.
#[test]
fn sources_that_give_again_and_others_do_not_share_files() {
    let fixture = Fixture::new(10);
    let out = fixture.path("out");
    let mut command = trigsieve(&["serve", "--engine", "rten", "--threshold", "1", "--source", "tcp://:0"]);
    command.args(["--source", "nats://127.0.0.1:1/FRAMES/trigger"]).arg("--model").arg(&fixture.model);
    command.arg("--sink").arg(format!("file:{}", out.display()));
    failure(&mut command)
        .expect(2, &["nats://127.0.0.1:1/FRAMES/trigger", "tcp://", "cannot share the files"]);
    assert!(!out.exists());
}

#[test]
fn a_model_that_says_nothing_is_taken_when_the_operator_says_so() {
    let fixture = Fixture::new(EVENTS);
    write_bundle(&fixture.model, "odd", &constant());
    let args = ["--source", "tcp://:0", "--until-end", "1", "--allow-degenerate"];
    let mut serve = Serve::start(&fixture, "allowed", &args);
    let to = serve.address("tcp:");
    send_run(&fixture, &to, "1");
    let end = serve.end();
    assert!(end.status.success(), "{}", end.log);
    assert_eq!(count(&end.report, "/events_accepted"), EVENTS as u64);
}

/// A model is tried on events like those that will come, if there are any: generated ones may be none that it can take.
#[test]
fn a_model_is_tried_on_the_events_of_the_layout() {
    let fixture = Fixture::new(EVENTS);
    write_bundle(&fixture.model, "careful", &not_a_number_for_large_events());
    refused(&fixture, &fixture.path("out"), &[], &["the model careful is degenerate", "NaN", "generated"]);
    let layout = fixture.events.display().to_string();
    let args = ["--source", "tcp://:0", "--until-end", "1", "--layout", &layout];
    let mut serve = Serve::start(&fixture, "layout", &args);
    let to = serve.address("tcp:");
    send_run(&fixture, &to, "1");
    assert!(serve.end().status.success());
}

#[test]
fn a_reload_of_a_refused_model_is_counted_and_the_old_one_goes_on() {
    let fixture = Fixture::new(EVENTS);
    let key = fixture.path("key.pub");
    let (signer, card) = (Signer::new(&key), fixture.model.join("model.toml"));
    signer.sign(&card);
    let expected = replayed(&fixture, "-1");
    let key_text = key.display().to_string();
    let mut serve = Serve::start(&fixture, "reloaded", &["--source", "tcp://:0", "--verify-key", &key_text]);
    let folder = serve.folder.clone();
    let to = serve.address("tcp:");
    send_run(&fixture, &to, "1");

    write_bundle(&fixture.model, "odd", &constant());
    reload(&mut serve, "stay as they were: ");
    serve.wait_for("not a signature of");
    send_run(&fixture, &to, "2");
    signer.sign(&card);
    reload(&mut serve, "the model odd is degenerate");
    send_run(&fixture, &to, "3");
    // The old one, twice over, is in the files so far; another that is good and signed comes into force.
    write_bundle(&fixture.model, "squares_again", &sum_of_squares());
    signer.sign(&card);
    reload(&mut serve, "deployment 2: model squares_again");
    send_run(&fixture, &to, "4");
    serve.signal("TERM");
    let end = serve.end();
    assert!(end.status.success(), "{}", end.log);
    assert_eq!((count(&end.report, "/reloads_refused"), count(&end.report, "/generation")), (2, 2));
    let mut four: Vec<_> = std::iter::repeat_n(expected, 4).flatten().collect();
    four.sort();
    assert_eq!(served(&folder), four, "each run was decided by a sum of squares");
    assert!(names_in(&folder).iter().all(|name| !name.starts_with('.')));
}

/// Generated events are no physics: none of the models that are delivered may be refused for them.
#[test]
fn bundled_models_are_taken_without_events_of_their_own() {
    let mut taken = 0;
    for entry in std::fs::read_dir("models").unwrap() {
        let folder = entry.unwrap().path();
        let Ok(bundle) = ModelBundle::open(&folder) else { continue };
        for (engine, precision) in [
            (Engine::Rten, Precision::Float),
            (Engine::Rten, Precision::Int8),
            (Engine::Fixed, Precision::Fixed),
        ] {
            if !bundle.card().files.contains_key(precision.file()) {
                continue;
            }
            let spec = DeploymentSpec {
                models: vec![folder.clone()],
                menu: MenuSource::Threshold(1.0),
                scorer: ScorerSpec { engine, precision, ..ScorerSpec::default() },
                workers: 1,
                layout: None,
                admission: Admission::default(),
            };
            if let Err(error) = Deployment::load(&spec, 1) {
                panic!("{} {}: {error}", folder.display(), precision.name());
            }
            taken += 1;
        }
    }
    assert!(taken >= 10, "{taken}");
}
