//! `trigsieve serve` and `trigsieve send` with a real nats-server between and behind them.

mod cluster;
#[path = "../common/mod.rs"]
mod common;
mod deploy;
mod faults;
mod models;
mod proxy;
mod rates;
mod security;
mod server;
// Each of the two test binaries uses its own part of it.
#[allow(dead_code)]
#[path = "../serve/service.rs"]
mod service;
mod three_nodes;
mod worker;

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};

use common::{Fixture, success};
use server::NatsServer;
use service::{Serve, count, replayed, send, send_report, served};
use worker::{Worker, results};

/// Source, sink and address to send to, on a server's loopback port.
struct Places {
    source: String,
    sink: String,
    frames: String,
}

impl Places {
    fn of(url: &str) -> Self {
        Self::with(url, "")
    }

    fn with(url: &str, settings: &str) -> Self {
        Self {
            source: format!("{url}/FRAMES/trigger?ack_wait=2s{settings}"),
            sink: format!("{url}/RESULTS?window=1s{settings}"),
            frames: format!("{url}/FRAMES?ack_wait=2s{settings}"),
        }
    }

    fn worker(&self, fixture: &Fixture, args: &[&str]) -> Worker {
        let places = ["--source", &self.source, "--sink", &self.sink];
        Worker::start(fixture, &[&places[..], args].concat())
    }

    fn send(&self, fixture: &Fixture, args: &[&str]) -> Command {
        send(fixture, &self.frames, &[&["--create"], args].concat())
    }
}

/// A process that does not outlive its test.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    /// Waits until it has succeeded.
    fn succeed(mut self) {
        assert!(self.0.wait().unwrap().success());
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_raw(i32::try_from(self.0.id()).unwrap()).unwrap();
        rustix::process::kill_process(id, signal).unwrap();
    }

    /// Waits until it ends; its exit, and its standard error if that was piped.
    fn end(mut self) -> (ExitStatus, String) {
        let mut text = String::new();
        if let Some(mut stderr) = self.0.stderr.take() {
            stderr.read_to_string(&mut text).unwrap();
        }
        (self.0.wait().unwrap(), text)
    }

    fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sends and gives the report.
fn sent(fixture: &Fixture, places: &Places, report: &Path, args: &[&str]) -> serde_json::Value {
    let path = report.display().to_string();
    success(&mut places.send(fixture, &[args, &["--report", &path]].concat()));
    send_report(report)
}

#[test]
fn both_sinks_get_what_a_replay_gives_and_everything_is_acknowledged() {
    let fixture = Fixture::new(20_000);
    let server = NatsServer::start();
    let places = Places::of(&server.url());
    let report = sent(&fixture, &places, &fixture.path("sent.json"), &["--frame-events", "300"]);
    // 66 frames of 300, one of 200, and the last one that says so.
    assert_eq!((count(&report, "/published/stored"), count(&report, "/published/was_there")), (68, 0));
    let args = [
        "--create",
        "--source",
        &places.source,
        "--sink",
        &places.sink,
        "--engine",
        "rten",
        "--threshold",
        "100",
        "--until-end",
        "1",
        "--workers",
        "2",
    ];
    let serve = Serve::of(&fixture.model, &fixture.path("files"), &args);
    let folder = serve.folder.clone();
    let end = serve.end();
    assert!(end.status.success(), "{}", end.log);
    assert_eq!(count(&end.report, "/events_settled"), 20_000);
    // The last acknowledgements were confirmed before the service ended.
    server.wait_until_done("FRAMES", "trigger");
    let expected = replayed(&fixture, "100");
    assert!(!expected.is_empty() && expected.len() < 20_000);
    let found = results(&server.url(), "RESULTS");
    assert_eq!((found.events(), found.decisions.len()), (20_000, 67));
    assert!(found.decisions.values().all(|record| record.generation == 1 && record.models.len() == 1));
    assert!(found.accepted == expected, "accepted events on NATS");
    assert!(served(&folder) == expected, "accepted events in files");
}
