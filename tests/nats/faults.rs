//! What goes wrong on the way: every event is decided, and none is there twice.
//!
//! `TRIGSIEVE_NATS_KILLS` makes the run in which workers are killed longer: `cargo xtask soak-nats`.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

use crate::common::{Fixture, success};
use crate::proxy::Proxy;
use crate::server::{NatsServer, free_port, messages};
use crate::service::{Serve, count, files_in, send, served};
use crate::worker::{Worker, results};
use crate::{Places, Running, replayed, sent};

pub const THRESHOLD: [&str; 2] = ["--threshold", "100"];

/// In a worker's log when its metrics can be had.
const PAGE: &str = "metrics at http://";

/// Checks the stream of results against a replay: every event decided once, the same events accepted.
pub fn check(fixture: &Fixture, url: &str, events: u64, what: &str) {
    let found = results(url, "RESULTS");
    let lost = events - found.events().min(events);
    println!(
        "{what}: {events} events sent, {lost} lost, {} frames decided, none twice",
        found.decisions.len()
    );
    assert_eq!(found.events(), events, "{what}");
    assert!(found.accepted == replayed(fixture, THRESHOLD[1]), "{what}: accepted events");
}

/// The next of a row of numbers that look random.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

#[test]
fn workers_killed_at_random_lose_nothing_and_double_nothing() {
    let kills: usize =
        std::env::var("TRIGSIEVE_NATS_KILLS").map_or(4, |text| text.parse().expect("a number of kills"));
    // Half a second of events for each kill, and some before and after.
    let events = 20_000 * (kills + 3) / 2;
    let fixture = Fixture::new(events);
    let server = NatsServer::start();
    let places = Places::of(&server.url());
    let sender = Running::start(
        &mut places.send(&fixture, &["--rate", "20kHz", "--frame-events", "50", "--run", "3"]),
    );
    let start = || places.worker(&fixture, &[&THRESHOLD[..], &["--http", ":0"]].concat());
    let mut workers: Vec<Worker> = (0..2).map(|_| start()).collect();
    workers.iter_mut().for_each(|worker| worker.wait_for("receiving from"));
    // What the killed ones had counted a moment before, and the others at the end.
    let (mut redelivered, mut refused) = (0.0, 0.0);
    let mut add = |worker: &Worker| {
        redelivered += worker.metric("trigsieve_nats_redelivered_total");
        refused += worker.metric("trigsieve_nats_was_there_total");
    };
    let mut state = 1;
    for _ in 0..kills {
        std::thread::sleep(Duration::from_millis(100 + next(&mut state) % 800));
        let victim = (next(&mut state) % 2) as usize;
        if workers[victim].log().contains(PAGE) {
            add(&workers[victim]);
        }
        std::mem::replace(&mut workers[victim], start()).kill();
    }
    sender.succeed();
    server.wait_until_done("FRAMES", "trigger");
    for worker in &mut workers {
        worker.wait_for(PAGE);
        add(worker);
    }
    println!(
        "{kills} workers killed: {redelivered} frames redelivered, {refused} messages refused as duplicates"
    );
    // Of four it may be that none had a frame in hand.
    assert!(kills < 20 || redelivered > 0.0, "killed workers leave frames to others");
    check(&fixture, &server.url(), events as u64, &format!("{kills} workers killed"));
    for worker in workers {
        let (status, log) = worker.end();
        assert!(status.success(), "{log}");
    }
}

#[test]
fn killed_workers_that_share_a_folder_of_files_double_nothing() {
    let fixture = Fixture::new(30_000);
    let server = NatsServer::start();
    let places = Places::of(&server.url());
    let folder = fixture.path("shared");
    let sink = format!("file:{}", folder.display());
    let args =
        [&["--source", &places.source, "--sink", &sink, "--roll-time", "150ms"], &THRESHOLD[..]].concat();
    let sender = Running::start(&mut places.send(&fixture, &["--rate", "10kHz", "--frame-events", "50"]));
    let mut workers: Vec<Worker> = (0..2).map(|_| Worker::start(&fixture, &args)).collect();
    let mut state = 5;
    for _ in 0..4 {
        std::thread::sleep(Duration::from_millis(300 + next(&mut state) % 500));
        let victim = (next(&mut state) % 2) as usize;
        std::mem::replace(&mut workers[victim], Worker::start(&fixture, &args)).kill();
    }
    sender.succeed();
    server.wait_until_done("FRAMES", "trigger");
    for worker in workers {
        let (status, log) = worker.end();
        assert!(status.success(), "{log}");
    }
    no_partial_is_left(&fixture, &args, &folder);
    let (found, expected) = (served(&folder), replayed(&fixture, THRESHOLD[1]));
    println!("files, 4 workers killed: {} of {} accepted events", found.len(), expected.len());
    assert!(found == expected);
}

/// The next worker removes what killed ones left, once it is old enough to tell; the younger stay.
fn no_partial_is_left(fixture: &Fixture, args: &[&str], folder: &Path) {
    let partials = || files_in(folder, ".tagged-", ".partial");
    assert!(!partials().is_empty(), "workers were killed with a file open");
    let young = partials();
    Worker::start(fixture, args).wait_for("receiving from");
    assert_eq!(partials(), young);
    for path in partials() {
        let long_ago = SystemTime::now() - Duration::from_secs(120);
        File::options().write(true).open(path).unwrap().set_modified(long_ago).unwrap();
    }
    Worker::start(fixture, args).wait_for("receiving from");
    assert!(partials().is_empty());
}

#[test]
fn a_server_that_is_killed_and_comes_back_has_everything() {
    let fixture = Fixture::new(60_000);
    let mut server = NatsServer::start();
    let places = Places::of(&server.url());
    let sender = Running::start(&mut places.send(&fixture, &["--rate", "20kHz", "--frame-events", "50"]));
    let mut worker = places.worker(&fixture, &THRESHOLD);
    worker.wait_for("receiving from");
    for _ in 0..2 {
        std::thread::sleep(Duration::from_millis(700));
        server.kill();
        std::thread::sleep(Duration::from_millis(300));
        server.run();
    }
    sender.succeed();
    server.wait_until_done("FRAMES", "trigger");
    check(&fixture, &server.url(), 60_000, "server killed twice");
    assert!(worker.log().contains("disconnected"), "{}", worker.log());
}

#[test]
fn connections_that_break_are_made_again_and_lose_nothing() {
    let fixture = Fixture::new(60_000);
    let server = NatsServer::start();
    let (for_worker, for_sender) = (Proxy::to(server.port), Proxy::to(server.port));
    let places = Places { frames: Places::of(&for_sender.url()).frames, ..Places::of(&for_worker.url()) };
    let sender = Running::start(&mut places.send(&fixture, &["--rate", "15kHz", "--frame-events", "50"]));
    let mut worker = places.worker(&fixture, &THRESHOLD);
    worker.wait_for("receiving from");
    std::thread::sleep(Duration::from_millis(500));
    for_worker.cut(Duration::from_millis(300));
    for_sender.cut(Duration::from_millis(300));
    // Longer than the server's patience: it delivers again, to whoever asks.
    for_worker.cut(Duration::from_secs(3));
    sender.succeed();
    server.wait_until_done("FRAMES", "trigger");
    check(&fixture, &server.url(), 60_000, "connections cut three times");
}

#[test]
fn a_file_whose_frames_others_may_have_is_given_up_and_the_frames_come_again() {
    let fixture = Fixture::new(20_000);
    let server = NatsServer::start();
    let proxy = Proxy::to(server.port);
    let (cut, whole) = (Places::of(&proxy.url()), Places::of(&server.url()));
    let folder = fixture.path("shared");
    let sink = format!("file:{}", folder.display());
    let args = |places: &Places, roll: &str| {
        let args = ["--source", &places.source, "--sink", &sink, "--roll-time", roll, "--threshold", "100"];
        args.map(str::to_owned)
    };
    let start =
        |args: &[String]| Worker::start(&fixture, &args.iter().map(String::as_str).collect::<Vec<_>>());
    success(&mut whole.send(&fixture, &["--frame-events", "50"]));
    let mut first = start(&args(&cut, "6s"));
    first.wait_for("receiving from");
    std::thread::sleep(Duration::from_secs(1));
    let second = start(&args(&whole, "200ms"));
    proxy.cut(Duration::from_secs(4));
    first.wait_for("may have given the frames of this file to others");
    server.wait_until_done("FRAMES", "trigger");
    for worker in [first, second] {
        let (status, log) = worker.end();
        assert!(status.success(), "{log}");
    }
    assert!(served(&folder) == replayed(&fixture, "100"));
}

#[test]
fn a_full_stream_holds_the_sender_back_until_there_is_room() {
    let fixture = Fixture::new(40_000);
    let server = NatsServer::start();
    let places = Places::with(&server.url(), "&max_bytes=100000");
    let results_place = Places::of(&server.url()).sink;
    let report = fixture.path("sent.json");
    let path = report.display().to_string();
    let mut sender =
        Running::start(&mut places.send(&fixture, &["--frame-events", "100", "--report", &path]));
    // The stream holds some 60 of 400 frames.
    std::thread::sleep(Duration::from_millis(1500));
    assert!(sender.is_running(), "the sender waits");
    let args = [&["--source", &places.source, "--sink", &results_place], &THRESHOLD[..]].concat();
    let _worker = Worker::start(&fixture, &args);
    sender.succeed();
    server.wait_until_done("FRAMES", "trigger");
    let report = crate::service::send_report(&report);
    println!("full stream: refused {} times", count(&report, "/published/refused_as_full"));
    assert!(count(&report, "/published/refused_as_full") > 0);
    check(&fixture, &server.url(), 40_000, "full stream of frames");
}

#[test]
fn a_full_disk_of_the_server_loses_nothing() {
    let Some(mut server) = NatsServer::on_small_disk(16) else {
        println!("no file system may be mounted here: a full disk is not tried");
        return;
    };
    // Some 30 MB of frames: twelve bytes an event.
    let fixture = Fixture::new(2_500_000);
    let places = Places::with(&server.url(), "&max_bytes=200000000");
    let mut sender = Running::start(&mut places.send(&fixture, &["--frame-events", "5000", "--run", "3"]));
    server.wait_for_log("no space left on device");
    std::thread::sleep(Duration::from_secs(1));
    assert!(sender.is_running(), "the sender waits");
    // What an operator does: more room, and the server anew, which had given up its JetStream.
    server.enlarge_disk(400);
    server.kill();
    server.run();
    sender.succeed();
    let threshold = ["--threshold", "8e6"];
    let worker = places.worker(&fixture, &threshold);
    server.wait_until_done("FRAMES", "trigger");
    let found = results(&server.url(), "RESULTS");
    println!("full disk: 2500000 events sent, {} lost", 2_500_000 - found.events());
    assert_eq!(found.events(), 2_500_000);
    assert!(found.accepted == replayed(&fixture, threshold[1]));
    let (status, log) = worker.end();
    assert!(status.success(), "{log}");
}

#[test]
fn full_and_slow_results_hold_the_worker_back_until_there_is_room() {
    let fixture = Fixture::new(30_000);
    let server = NatsServer::start();
    let proxy = Proxy::to(server.port);
    let places = Places::of(&server.url());
    // A stream of results that is soon full, reached over a slow line.
    let sink = format!("{}/RESULTS?max_bytes=60000", proxy.url());
    proxy.slow_down(400_000);
    success(&mut places.send(&fixture, &["--frame-events", "100"]));
    let args = [&["--source", &places.source, "--sink", &sink], &THRESHOLD[..]].concat();
    let mut worker = Worker::start(&fixture, &args);
    worker.wait_for("maximum bytes exceeded");
    server.ask(|client| async move {
        let context = async_nats::jetstream::new(client);
        let mut config = context.get_stream("RESULTS").await.unwrap().cached_info().config.clone();
        config.max_bytes = 1 << 30;
        context.update_stream(config).await.unwrap();
    });
    server.wait_until_done("FRAMES", "trigger");
    check(&fixture, &server.url(), 30_000, "full and slow stream of results");
}

#[test]
fn frames_sent_twice_are_decided_once_within_the_window_and_beyond_it() {
    let fixture = Fixture::new(20_000);
    let server = NatsServer::start();
    let places = Places::with(&server.url(), "&window=8s");
    let mut worker = places.worker(&fixture, &THRESHOLD);
    worker.wait_for("receiving from");
    let args = ["--frame-events", "100", "--run", "9"];
    let report = fixture.path("sent.json");
    let first = sent(&fixture, &places, &report, &args);
    let within = sent(&fixture, &places, &report, &args);
    std::thread::sleep(Duration::from_secs(10));
    let beyond = sent(&fixture, &places, &report, &args);
    let published = |report: &serde_json::Value, what: &str| count(report, &format!("/published/{what}"));
    println!(
        "sent again: {} of 201 refused within the window, {} beyond it",
        published(&within, "was_there"),
        published(&beyond, "was_there")
    );
    assert_eq!(published(&first, "stored"), 201);
    assert!(published(&within, "was_there") > 0, "{within:#}");
    assert_eq!(published(&beyond, "was_there"), 0, "{beyond:#}");
    server.wait_until_done("FRAMES", "trigger");
    check(&fixture, &server.url(), 20_000, "sent three times");
}

#[test]
fn what_is_no_frame_or_for_another_model_goes_to_the_dead_letters() {
    let fixture = Fixture::new(10_000);
    let server = NatsServer::start();
    let places = Places::with(&server.url(), "&max_deliver=3");
    let mut worker = places.worker(&fixture, &THRESHOLD);
    worker.wait_for("receiving from");
    let report =
        sent(&fixture, &places, &fixture.path("sent.json"), &["--frame-events", "100", "--corrupt", "0.1"]);
    let corrupted = count(&report, "/faults/corrupted_frames");
    assert!(corrupted > 3);
    // Four inputs an event, where the model has three.
    let other = fixture.path("other.arrow");
    crate::common::write_events(&other, 100, 4, "other_4");
    success(crate::common::trigsieve(&["send"]).arg(&other).args(["--to", &places.frames]));
    server.wait_until_done("FRAMES", "trigger");
    let dead = messages(&server.url(), async_nats::ConnectOptions::new(), "FRAMES-dead");
    assert_eq!(dead.len() as u64, corrupted + 1);
    let found = results(&server.url(), "RESULTS");
    assert_eq!(found.events(), 10_000 - count(&report, "/faults/corrupted_events"));
    let (status, log) = worker.end();
    assert!(status.success(), "{log}");
    assert!(log.contains("4 inputs per event, the model takes 3"), "{log}");
    assert!(log.contains("delivered 3 times without a result"), "{log}");
}

#[test]
fn a_service_that_is_asked_to_end_keeps_what_it_has_and_leaves_the_rest() {
    let fixture = Fixture::new(40_000);
    let server = NatsServer::start();
    let places = Places::of(&server.url());
    success(&mut places.send(&fixture, &["--frame-events", "50"]));
    let folder = fixture.path("files");
    let args = ["--source", &places.source, "--sink", &places.sink, "--threshold", "100", "--engine", "rten"];
    let mut serve = Serve::of(
        &fixture.model,
        &folder,
        &[&args[..], &["--create", "--roll-time", "1h", "--drain-time", "50s"]].concat(),
    );
    serve.wait_for("receiving from");
    std::thread::sleep(Duration::from_millis(200));
    serve.signal("TERM");
    let end = serve.end();
    assert!(end.status.success(), "{}", end.log);
    let settled = count(&end.report, "/events_settled");
    assert_eq!(count(&end.report, "/events_in"), settled);
    let _next = places.worker(&fixture, &THRESHOLD);
    server.wait_until_done("FRAMES", "trigger");
    check(&fixture, &server.url(), 40_000, "a worker relieved");
}

#[test]
fn what_cannot_be_reached_or_is_missing_is_one_clear_line() {
    let fixture = Fixture::new(10);
    let port = free_port();
    let run = |args: &[&str]| {
        let mut command = crate::common::trigsieve(args);
        let output = command.arg("--model").arg(&fixture.model).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let nobody = format!("nats://127.0.0.1:{port}/FRAMES/trigger");
    let sink = format!("file:{}", fixture.path("out").display());
    let base = ["serve", "--engine", "rten", "--threshold", "1", "--sink", &sink, "--source"];
    let (code, text) = run(&[&base[..], &[&nobody]].concat());
    assert!(
        code == Some(1) && text.contains(&format!("127.0.0.1:{port}")) && text.lines().count() == 1,
        "{text}"
    );
    let server = NatsServer::start();
    let (code, text) = run(&[&base[..], &[&format!("{}/FRAMES/trigger", server.url())]].concat());
    assert!(code == Some(1) && text.contains("no stream `FRAMES`; --create makes it"), "{text}");
    for bad in ["nats://h:1/a/b?what=1", "nats://u:p@h:1/a/b"] {
        let (code, text) = run(&[&base[..], &[bad]].concat());
        assert_eq!(code, Some(2), "{text}");
    }
    let output = send(&fixture, &format!("{}/NONE", server.url()), &[]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && text.contains("no stream `NONE`"), "{text}");
}

#[test]
fn send_and_serve_end_when_asked_to_though_the_server_is_gone() {
    let fixture = Fixture::new(200_000);
    let mut server = NatsServer::start();
    let places = Places::of(&server.url());
    let mut sender = Running::start(
        places.send(&fixture, &["--rate", "20kHz", "--frame-events", "50"]).stderr(Stdio::piped()),
    );
    let mut worker = places.worker(&fixture, &THRESHOLD);
    worker.wait_for("receiving from");
    std::thread::sleep(Duration::from_secs(1));
    server.kill();
    // Longer than it takes to have as many frames on the way as may be.
    std::thread::sleep(Duration::from_secs(2));
    let begun = Instant::now();
    assert!(sender.is_running());
    sender.signal(rustix::process::Signal::TERM);
    let (status, log) = worker.end();
    // Whether it had results that are not stored, or only acknowledgements that were not confirmed.
    assert!(status.success() || log.contains("not everything was decided and kept within 10s"), "{log}");
    let (status, text) = sender.end();
    assert_eq!(status.code(), Some(1), "{text}");
    assert!(text.contains("interrupted, and the server does not answer: it has confirmed "), "{text}");
    println!("server gone: sender and worker end {:.1} s after SIGTERM", begun.elapsed().as_secs_f64());
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_consumer_that_is_deleted_ends_the_worker() {
    let fixture = Fixture::new(10);
    let server = NatsServer::start();
    let places = Places::of(&server.url());
    let mut worker = places.worker(&fixture, &THRESHOLD);
    worker.wait_for("receiving from");
    server.ask(|client| async move {
        let stream = async_nats::jetstream::new(client).get_stream("FRAMES").await.unwrap();
        stream.delete_consumer("trigger").await.unwrap();
    });
    let (status, log) = worker.wait();
    assert!(status.code() == Some(1) && log.contains("the consumer is gone"), "{log}");
}

/// A sender that makes other frames of a run that has been decided: what they are named by has a decision already, of another frame.
#[test]
fn a_frame_that_cannot_be_published_ends_no_worker() {
    let fixture = Fixture::new(1000);
    let server = NatsServer::start();
    let mut places = Places::with(&server.url(), "&max_deliver=3");
    for address in [&mut places.source, &mut places.frames] {
        address.push_str("&window=1s");
    }
    let worker = places.worker(&fixture, &THRESHOLD);
    success(&mut places.send(&fixture, &["--run", "3", "--frame-events", "100"]));
    server.wait_until_done("FRAMES", "trigger");
    // Past the window in which the stream refuses them.
    std::thread::sleep(Duration::from_secs(2));
    success(&mut places.send(&fixture, &["--run", "3", "--frame-events", "50"]));
    server.wait_until_done("FRAMES", "trigger");
    let (status, log) = worker.end();
    assert!(status.success(), "{log}");
    assert!(log.contains("cannot be published and is given back"), "{log}");
    // Every second frame begins where another began.
    let dead = messages(&server.url(), async_nats::ConnectOptions::new(), "FRAMES-dead");
    assert_eq!(dead.len(), 10);
    assert_eq!(results(&server.url(), "RESULTS").events(), 1000 + 500);
}
