//! Models from an object store, switched between frames.

use std::collections::BTreeSet;
use std::process::Command;

use async_nats::ConnectOptions;

use crate::common::{Fixture, Signer, success, sum_of_squares, sum_of_squares_and, trigsieve, write_bundle};
use crate::server::{NatsServer, messages};
use crate::worker::{Worker, results};
use crate::{Places, Running};

fn publish(bundle: &std::path::Path, to: &str) -> Command {
    let mut command = trigsieve(&["publish-model"]);
    command.arg(bundle).args(["--to", to, "--create"]);
    command
}

#[test]
fn a_model_that_changes_in_the_bucket_is_deployed_between_frames() {
    let fixture = Fixture::new(80_000);
    let server = NatsServer::start();
    let places = Places::of(&server.url());
    let model = format!("{}/MODELS/squares", server.url());
    success(&mut publish(&fixture.model, &model));
    // The same name, another graph.
    let other = fixture.path("other");
    write_bundle(&other, "squares", &sum_of_squares_and(7.0));
    let args = ["--model", &model, "--source", &places.source, "--sink", &places.sink, "--threshold", "100"];
    let mut worker = Worker::with_model(&args);
    worker.wait_for("receiving from");
    let sender = Running::start(&mut places.send(&fixture, &["--rate", "10kHz", "--frame-events", "50"]));
    std::thread::sleep(std::time::Duration::from_secs(1));
    success(&mut publish(&other, &model));
    worker.wait_for("deployment 2");
    sender.succeed();
    server.wait_until_done("FRAMES", "trigger");
    let found = results(&server.url(), "RESULTS");
    assert_eq!(found.events(), 80_000);
    let deployments: BTreeSet<_> =
        found.decisions.values().map(|record| (record.generation, record.models[0].sha256.clone())).collect();
    let generations: Vec<u64> = deployments.iter().map(|(generation, _)| *generation).collect();
    assert_eq!(generations, [1, 2], "each with the hash of its model: {deployments:?}");
    // A frame has the scores of the model that its record names: the second adds seven.
    for record in found.decisions.values() {
        let extra = if record.generation == 1 { 0.0 } else { 7.0 };
        for (place, score) in record.accepted.places.iter().zip(&record.accepted.scores) {
            let id = (record.first_event_id + u64::from(*place)) as f32;
            let expected: f32 =
                (0..3).map(|input| (id / (1 << input) as f32 * 1e-3).powi(2)).sum::<f32>() + extra;
            let score = score.unwrap();
            assert!((score - expected).abs() <= 1e-4 * expected, "event {id}: {score}, {expected}");
        }
    }
    let (status, log) = worker.end();
    assert!(status.success(), "{log}");
}

#[test]
fn a_bucket_without_the_model_or_with_half_of_it_is_an_error() {
    let fixture = Fixture::new(10);
    let server = NatsServer::start();
    let model = format!("{}/MODELS/squares", server.url());
    let serve = |model: &str| {
        let sink = format!("file:{}", fixture.path("out").display());
        let args = ["serve", "--engine", "rten", "--threshold", "1", "--source", "stdin", "--sink", &sink];
        let output = trigsieve(&args).args(["--model", model]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, text) = serve(&model);
    assert!(code == Some(1) && text.contains("bucket `MODELS`"), "{text}");
    success(&mut publish(&fixture.model, &model));
    let (code, text) = serve(&format!("{}/MODELS/other", server.url()));
    assert!(code == Some(1) && text.contains("object `other/model.toml`"), "{text}");
    // An object that stands for itself is not looked for without end.
    let url = server.url();
    let (subject, info) = messages(&url, ConnectOptions::new(), "OBJ_MODELS")
        .into_iter()
        .filter(|(subject, _)| subject.starts_with("$O.MODELS.M."))
        .map(|(subject, info)| (subject, serde_json::from_slice::<serde_json::Value>(&info).unwrap()))
        .find(|(_, info)| info["name"] == "squares/model.toml")
        .unwrap();
    let mut link = info;
    link["options"]["link"] = serde_json::json!({"bucket": "MODELS", "name": "squares/model.toml"});
    server.ask(|client| async move {
        let context = async_nats::jetstream::new(client);
        context.publish(subject, link.to_string().into()).await.unwrap().await.unwrap();
    });
    let (code, text) = serve(&model);
    assert!(code == Some(1) && text.contains("`squares/model.toml` is a link"), "{text}");
    // A bundle whose file is not what its card says does not get in.
    let broken = fixture.path("broken");
    write_bundle(&broken, "broken", &sum_of_squares());
    std::fs::write(broken.join("float.onnx"), b"no graph").unwrap();
    let output = publish(&broken, &format!("{}/MODELS/broken", server.url())).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && text.contains("not the file that its card names"), "{text}");
}

/// Whoever can write to the bucket cannot choose the model: not at the start, not in a run.
#[test]
fn a_bundle_of_the_bucket_has_to_be_signed_where_signatures_are_asked_for() {
    let fixture = Fixture::new(2000);
    let server = NatsServer::start();
    let places = Places::of(&server.url());
    let (key, others) = (fixture.path("key.pub"), fixture.path("others.pub"));
    let (signer, stranger) = (Signer::new(&key), Signer::new(&others));
    let model = format!("{}/MODELS/squares", server.url());
    let args = ["--model", &model, "--source", &places.source, "--sink", &places.sink, "--threshold", "100"];
    let args = [&args[..], &["--verify-key", key.to_str().unwrap()]].concat();
    let refused = |part| {
        let mut command = trigsieve(&["serve", "--create", "--engine", "rten"]);
        let output = command.args(&args).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        let last = text.lines().last().unwrap();
        assert!(last.contains("model.toml.minisig") && last.contains(part), "{text}");
    };
    success(&mut publish(&fixture.model, &model));
    refused("No such file");
    let card = fixture.model.join("model.toml");
    stranger.sign(&card);
    success(&mut publish(&fixture.model, &model));
    refused("not a signature of");
    signer.sign(&card);
    success(&mut publish(&fixture.model, &model));
    let mut worker = Worker::with_model(&args);
    worker.wait_for("receiving from");
    // Another model: without a signature, with one of the wrong card, with its own.
    let other = fixture.path("other");
    write_bundle(&other, "squares", &sum_of_squares_and(7.0));
    success(&mut publish(&other, &model));
    worker.wait_for("model.toml.minisig: No such file");
    std::fs::copy(card.with_extension("toml.minisig"), other.join("model.toml.minisig")).unwrap();
    success(&mut publish(&other, &model));
    worker.wait_for("not a signature of");
    success(&mut places.send(&fixture, &["--run", "1", "--frame-events", "100"]));
    server.wait_until_done("FRAMES", "trigger");
    signer.sign(&other.join("model.toml"));
    success(&mut publish(&other, &model));
    worker.wait_for("deployment 2");
    success(&mut places.send(&fixture, &["--run", "2", "--frame-events", "100"]));
    server.wait_until_done("FRAMES", "trigger");
    let (status, log) = worker.end();
    assert!(status.success(), "{log}");
    let found = results(&server.url(), "RESULTS");
    assert_eq!(found.events(), 4000);
    for record in found.decisions.values() {
        assert_eq!(record.generation, u64::from(record.run), "what is not signed never decides");
    }
}
