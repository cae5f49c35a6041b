//! What was taken is decided and kept, and who sent what was not is told: with models that change, senders that stop in the middle
//! of a frame, and a service that ends while others send.

use std::io::Write;
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::common::{Fixture, success, write_events};
use crate::service::{Serve, count, replayed, send, served};

fn started(fixture: &Fixture, to: &str, run: usize, args: &[&str]) -> Child {
    let mut command = send(fixture, to, &["--run", &run.to_string(), "-q"]);
    command.args(args).stderr(Stdio::piped()).spawn().unwrap()
}

/// Four connections that wait for a place in a queue of one, while the models are loaded anew again and again.
#[test]
fn a_reload_while_many_senders_wait_is_in_the_order_of_the_queue() {
    let fixture = Fixture::new(20_000);
    let args = ["--source", "tcp://:0", "--queue", "1", "--until-end", "4", "--roll-time", "1h"];
    let mut serve = Serve::start(&fixture, "reloads", &args);
    let to = serve.address("tcp:");
    let senders: Vec<_> =
        (0..4).map(|run| started(&fixture, &to, run, &["--frame-events", "20", "--repeat", "5"])).collect();
    for generation in 2..12 {
        serve.signal("HUP");
        serve.wait_for(&format!("deployment {generation}"));
    }
    for sender in senders {
        let output = sender.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let folder = serve.folder.clone();
    let end = serve.end();
    assert!(end.status.success(), "{}", end.log);
    assert_eq!(count(&end.report, "/events_settled"), 400_000);
    assert_eq!(served(&folder).len(), 400_000);
}

/// The sender is told how many events were taken, and it is those that are kept.
#[test]
fn a_service_that_ends_tells_the_sender_what_it_has_not_taken() {
    let fixture = Fixture::new(20_000);
    for number in 0..5 {
        let args = ["--source", "tcp://:0", "--queue", "2"];
        let mut serve = Serve::start(&fixture, &format!("ends-{number}"), &args);
        let to = serve.address("tcp:");
        let sender = started(&fixture, &to, 1, &["--frame-events", "50", "--repeat", "1000"]);
        std::thread::sleep(Duration::from_millis(100 + 37 * number));
        serve.signal("TERM");
        let output = sender.wait_with_output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        let folder = serve.folder.clone();
        let end = serve.end();
        assert!(end.status.success(), "{}", end.log);
        let taken = count(&end.report, "/events_settled");
        assert!(taken > 0 && taken < 20_000_000, "{taken}");
        assert_eq!(output.status.code(), Some(1), "{told}");
        let words = format!("the service took {taken} events and closed the connection");
        assert!(told.contains(&words), "{words}: {told}");
        assert_eq!(served(&folder).len() as u64, taken);
    }
}

/// A sender whose host hangs has no share in the time that the files of the others need.
#[test]
fn a_silent_sender_does_not_cost_the_others_their_events() {
    let fixture = Fixture::new(1000);
    let args = ["--source", "tcp://:0", "--source", "stdin", "--drain-time", "4s", "--roll-time", "1h"];
    let mut serve = Serve::start(&fixture, "silent", &args);
    let to = serve.address("tcp:");
    let mut silent = TcpStream::connect(to.strip_prefix("tcp://").unwrap()).unwrap();
    silent.write_all(b"TSVF").unwrap();
    success(&mut send(&fixture, &to, &["--frame-events", "100"]));
    let folder = serve.folder.clone();
    serve.signal("TERM");
    let end = serve.end();
    assert_eq!(end.status.code(), Some(1), "not all senders had come to an end: {}", end.log);
    assert_eq!(count(&end.report, "/events_settled"), 1000);
    assert_eq!(served(&folder), replayed(&fixture, "-1"));
}

/// Nothing more comes, and nobody waits for it.
#[test]
fn standard_input_in_which_nothing_comes_does_not_hold_up_the_end() {
    let fixture = Fixture::new(100);
    let mut serve = Serve::start(&fixture, "idle", &["--source", "stdin"]);
    let input = serve.stdin();
    serve.wait_for("receiving from stdin");
    serve.signal("TERM");
    let end = serve.end();
    drop(input);
    assert!(end.status.success(), "{}", end.log);
}

/// Refused is not seen: when the models are right, the same frames are taken.
#[test]
fn frames_that_were_refused_are_taken_when_they_come_again() {
    let mut fixture = Fixture::new(500);
    let expected = replayed(&fixture, "-1");
    let mut serve = Serve::start(&fixture, "again", &["--source", "tcp://:0", "--until-end", "1"]);
    let to = serve.address("tcp:");
    let other = fixture.path("other.arrow");
    let good = std::mem::replace(&mut fixture.events, other);
    write_events(&fixture.events, 500, 3, "other_3");
    let refused = send(&fixture, &to, &["--run", "7", "--frame-events", "500"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    // The number of the frame is the same.
    fixture.events = good;
    success(&mut send(&fixture, &to, &["--run", "7", "--frame-events", "500"]));
    let folder = serve.folder.clone();
    let end = serve.end();
    assert!(end.status.success(), "{}", end.log);
    assert_eq!(count(&end.report, "/events_dropped/duplicate"), 0);
    assert_eq!(served(&folder), expected);
}
