//! `trigsieve serve` and `trigsieve send`, as two processes.

mod admission;
#[path = "../common/mod.rs"]
mod common;
mod faults;
mod no_loss;
mod service;

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use common::{Fixture, success, sum_of_squares, write_bundle, write_events};
use service::{Serve, count, files_in, replayed, rows, send, send_report, served};

#[test]
fn every_source_gives_what_a_replay_gives() {
    let fixture = Fixture::new(20_000);
    let socket = fixture.path("socket");
    let unix = format!("unix:{}", socket.display());
    for (scheme, source) in [("tcp:", "tcp://:0"), ("udp:", "udp://:0"), ("unix:", unix.as_str())] {
        let name = scheme.trim_end_matches(':');
        let args = [
            "--source",
            source,
            "--engine",
            "rten",
            "--threshold",
            "100",
            "--until-end",
            "1",
            "--workers",
            "2",
        ];
        let mut serve = Serve::of(&fixture.model, &fixture.path(name), &args);
        let to = serve.address(scheme);
        success(&mut send(&fixture, &to, &["--rate", "1MHz", "--frame-events", "300"]));
        let folder = serve.folder.clone();
        let end = serve.end();
        assert!(end.status.success(), "{}", end.log);
        for (pointer, events) in
            [("/events_in", 20_000), ("/events_scored", 20_000), ("/events_settled", 20_000)]
        {
            assert_eq!(count(&end.report, pointer), events, "{name} {pointer}");
        }
        assert_eq!(count(&end.report, "/frames_lost"), 0);
        assert_eq!(end.report["counters_add_up"], true);
        let accepted = served(&folder);
        assert!(!accepted.is_empty() && accepted.len() < 20_000);
        assert_eq!(accepted, replayed(&fixture, "100"), "{name}");
        assert!(!socket.exists(), "the socket's file goes with the service");
    }
}

#[test]
fn two_services_hear_one_multicast_group() {
    let fixture = Fixture::new(5000);
    // A port that is free, for a group of this test alone.
    let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let group = format!("udp://239.255.{}.{}:{port}@127.0.0.1", port >> 8, port & 255);
    let args = ["--source", &group, "--until-end", "1"];
    let mut services = ["a", "b"].map(|name| Serve::start(&fixture, name, &args));
    for serve in &mut services {
        assert_eq!(serve.address("udp:"), group);
    }
    success(&mut send(&fixture, &group, &["--rate", "500kHz", "--frame-events", "200"]));
    let expected = replayed(&fixture, "-1");
    for serve in services {
        let folder = serve.folder.clone();
        let end = serve.end();
        assert!(end.status.success(), "{}", end.log);
        assert_eq!(served(&folder), expected);
    }
}

#[test]
fn an_arrow_stream_on_standard_input_gives_what_a_replay_gives() {
    let fixture = Fixture::new(10_000);
    let mut serve = Serve::start(&fixture, "stdin", &["--source", "stdin"]);
    let input = serve.stdin();
    success(send(&fixture, "stdout", &["--rate", "500kHz", "--frame-events", "700"]).stdout(input));
    let folder = serve.folder.clone();
    let end = serve.end();
    assert!(end.status.success(), "{}", end.log);
    assert_eq!(served(&folder), replayed(&fixture, "-1"));
}

#[test]
fn a_stream_that_is_none_is_an_error_with_its_place() {
    let fixture = Fixture::new(10);
    let mut serve = Serve::start(&fixture, "garbage", &["--source", "stdin"]);
    serve.stdin().write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let end = serve.end();
    assert_eq!(end.status.code(), Some(1));
    assert!(end.log.contains("error: stdin: no Arrow IPC stream"), "{}", end.log);
    assert_eq!(end.report["status"], "failed");
}

#[test]
fn many_senders_at_once_are_told_apart() {
    let fixture = Fixture::new(5000);
    let mut serve =
        Serve::start(&fixture, "many", &["--source", "tcp://:0", "--until-end", "4", "--workers", "2"]);
    let to = serve.address("tcp:");
    let senders: Vec<_> = (0..4)
        .map(|sender| {
            send(&fixture, &to, &["--run", "7", "--sender", &sender.to_string(), "--frame-events", "100"])
                .spawn()
                .unwrap()
        })
        .collect();
    for mut sender in senders {
        assert!(sender.wait().unwrap().success());
    }
    let folder = serve.folder.clone();
    let end = serve.end();
    assert!(end.status.success(), "{}", end.log);
    assert_eq!((count(&end.report, "/events_scored"), count(&end.report, "/connections_total")), (20_000, 4));
    let one = replayed(&fixture, "-1");
    let mut four: Vec<_> = std::iter::repeat_n(one, 4).flatten().collect();
    four.sort();
    assert_eq!(served(&folder), four);
}

#[test]
fn files_roll_and_each_is_complete() {
    let fixture = Fixture::new(3000);
    let mut serve =
        Serve::start(&fixture, "roll", &["--source", "tcp://:0", "--until-end", "1", "--roll-time", "200ms"]);
    let to = serve.address("tcp:");
    success(&mut send(&fixture, &to, &["--rate", "2kHz", "--frame-events", "100"]));
    let folder = serve.folder.clone();
    assert!(serve.end().status.success());
    let files = files_in(&folder, "tagged-", ".arrow");
    assert!(files.len() > 3, "{files:?}");
    assert_eq!(rows(&files), replayed(&fixture, "-1"));
    assert!(files_in(&folder, ".", "").is_empty(), "nothing unfinished is left");
    // In the order of their names they are in the order of the events.
    let ids: Vec<_> =
        files.iter().flat_map(|file| rows(std::slice::from_ref(file))).map(|row| row.0).collect();
    assert!(ids.is_sorted());
}

#[test]
fn sigterm_drains_and_sighup_deploys_between_two_frames() {
    let fixture = Fixture::new(4000);
    let folder = fixture.path("signals");
    let menu = fixture.path("menu.toml");
    let path =
        |threshold: &str| format!("[[path]]\nname = \"cut\"\nmodel = \"squares\"\nthreshold = {threshold}\n");
    std::fs::write(&menu, path("-1.0")).unwrap();
    let menu_text = menu.display().to_string();
    let args = ["--source", "tcp://:0", "--engine", "rten", "--menu", &menu_text];
    let mut serve = Serve::of(&fixture.model, &folder, &args);
    let to = serve.address("tcp:");
    success(&mut send(&fixture, &to, &["--run", "1", "--frame-events", "100"]));
    std::fs::write(&menu, "[[path]]\nname = 3\n").unwrap();
    serve.signal("HUP");
    serve.wait_for("models and menu stay as they were");
    std::fs::write(&menu, path("1e30")).unwrap();
    serve.signal("HUP");
    serve.wait_for("deployment 2");
    success(&mut send(&fixture, &to, &["--run", "2", "--frame-events", "100"]));
    serve.signal("TERM");
    let end = serve.end();
    assert!(end.status.success(), "{}", end.log);
    assert_eq!((count(&end.report, "/events_settled"), count(&end.report, "/generation")), (8000, 2));
    assert_eq!(served(&folder), replayed(&fixture, "-1"), "the first run passed, the second did not");
}

#[test]
fn a_new_model_writes_files_of_its_own() {
    let fixture = Fixture::new(500);
    let folder = fixture.path("models");
    let mut serve = Serve::start(&fixture, "models", &["--source", "tcp://:0"]);
    let to = serve.address("tcp:");
    success(&mut send(&fixture, &to, &["--run", "1"]));
    std::fs::remove_dir_all(&fixture.model).unwrap();
    write_bundle(&fixture.model, "squares_again", &sum_of_squares());
    serve.signal("HUP");
    serve.wait_for("deployment 2");
    success(&mut send(&fixture, &to, &["--run", "2"]));
    serve.signal("TERM");
    assert!(serve.end().status.success());
    let files = files_in(&folder, "tagged-", ".arrow");
    let models: Vec<_> = files
        .iter()
        .map(|file| {
            let table = trigsieve::event::EventTable::open(file).unwrap();
            let metadata = table.arrow_schema().metadata()["trigsieve.models"].clone();
            serde_json::from_str::<serde_json::Value>(&metadata).unwrap()[0]["name"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(models, ["squares", "squares_again"]);
}

#[test]
fn what_the_models_do_not_take_is_refused_and_the_sender_is_told() {
    let mut fixture = Fixture::new(100);
    let mut serve = Serve::start(&fixture, "refused", &["--source", "tcp://:0"]);
    let to = serve.address("tcp:");
    let cases =
        [(4, "test_3", "4 inputs per event, the model takes 3"), (3, "other_3", "checksum of the encoding")];
    for (k, encoding, reason) in cases {
        fixture.events = fixture.path("other.arrow");
        write_events(&fixture.events, 100, k, encoding);
        let sent = send(&fixture, &to, &[]).output().unwrap();
        assert_eq!(sent.status.code(), Some(1));
        let text = String::from_utf8_lossy(&sent.stderr).into_owned();
        assert!(text.contains("the service took 0 events and closed the connection"), "{text}");
        serve.wait_for(reason);
    }
    serve.signal("TERM");
    let end = serve.end();
    assert!(end.status.success(), "{}", end.log);
    assert_eq!((count(&end.report, "/events_dropped/refused"), count(&end.report, "/events_in")), (200, 200));
}

#[test]
fn the_documented_python_sender_is_understood() {
    let text = std::fs::read_to_string("docs/frame.md").unwrap();
    let start = text.find("```python\n").expect("a sender in docs/frame.md") + "```python\n".len();
    let program = &text[start..start + text[start..].find("```").unwrap()];
    assert!(program.lines().count() <= 32, "a short one was promised");
    let fixture = Fixture::new(1);
    let script = fixture.path("sender.py");
    std::fs::write(&script, program).unwrap();
    let mut serve = Serve::start(&fixture, "python", &["--source", "tcp://:0", "--until-end", "1"]);
    let address = serve.address("tcp:");
    let port = address.rsplit(':').next().unwrap();
    success(std::process::Command::new("python3").arg(&script).args([port, "3"]));
    let folder = serve.folder.clone();
    let end = serve.end();
    assert!(end.status.success(), "{}", end.log);
    let accepted = served(&folder);
    assert_eq!(accepted.len(), 1000);
    assert_eq!(accepted.iter().map(|row| row.0).collect::<Vec<_>>(), (0..1000).collect::<Vec<_>>());
}

#[test]
fn a_port_in_use_and_an_address_of_nothing_are_clear_errors() {
    let fixture = Fixture::new(1);
    let mut first = Serve::start(&fixture, "first", &["--source", "tcp://:0"]);
    let address = first.address("tcp:");
    let second = Serve::start(&fixture, "second", &["--source", &address]).end();
    assert_eq!(second.status.code(), Some(1));
    assert!(
        second.log.contains(&format!("error: {address}: ")) && second.log.lines().count() == 1,
        "{}",
        second.log
    );
    for source in ["tcp://nowhere", "http://127.0.0.1:1", "file:out"] {
        let end = Serve::start(&fixture, "none", &["--source", source]).end();
        assert_ne!(end.status.code(), Some(0), "{source}");
    }
    let gone = send(&fixture, "tcp://127.0.0.1:1", &[]).output().unwrap();
    assert_eq!(gone.status.code(), Some(1));
}

#[test]
fn send_writes_what_it_did() {
    let fixture = Fixture::new(1000);
    let mut serve = Serve::start(&fixture, "report", &["--source", "udp://:0", "--until-end", "1"]);
    let to = serve.address("udp:");
    let path = fixture.path("sent.json");
    let report_path = path.display().to_string();
    let args =
        ["--rate", "20kHz", "--frame-events", "100", "--repeat", "2", "--run", "5", "--report", &report_path];
    success(&mut send(&fixture, &to, &args));
    let report = send_report(&path);
    assert_eq!((count(&report, "/events"), count(&report, "/frames"), count(&report, "/run")), (2000, 20, 5));
    let seconds = report["wall_seconds"].as_f64().unwrap();
    assert!(seconds >= 0.0999, "20 kHz are kept: {seconds} s");
    let folder = serve.folder.clone();
    assert!(serve.end().status.success());
    let ids: Vec<_> = served(&folder).iter().map(|row| row.0).collect();
    assert_eq!(ids, (0..2000).collect::<Vec<_>>(), "a second pass counts on");
}

/// A connection to the service.
fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address.strip_prefix("tcp://").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// The frames of the fixture's events, encoded by `send` into a file by way of a socket.
fn frames_of(fixture: &Fixture) -> Vec<Vec<u8>> {
    let set = trigsieve::source::EventSet::open(std::slice::from_ref(&fixture.events)).unwrap();
    let mut maker = trigsieve::send::FrameMaker::new(&set, 1, 1);
    let mut cursor = trigsieve::source::Cursor::default();
    let mut frames = Vec::new();
    for _ in 0..set.len().div_ceil(100) {
        let run = set.run_at(cursor, 100.min(set.len()));
        frames.push(maker.frame(run, 0).unwrap().to_vec());
        set.advance(&mut cursor, run);
    }
    frames.push(maker.end());
    frames
}
