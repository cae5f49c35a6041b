//! What was taken is decided and kept, and who sent what was not is told: with models that change, senders that stop in the middle
//! of a frame, and a service that ends while others send.

use std::io::{Cursor, Write};
use std::net::{TcpStream, UdpSocket};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use arrow_ipc::writer::StreamWriter;
use trigsieve::event::EventTable;
use trigsieve::serve::{
    ArrowStream, FrameBuffer, ReceiveLimits, Receiver, Service, ServiceConfig, StdinReceiver, StopReceiving,
    StreamListener, StreamReceiver, UdpReceiver,
};
use trigsieve_frame::{Batch, Ids, Rows, encode};

use crate::common::in_process::{Nowhere, config};
use crate::common::{Fixture, K, success, trigsieve, write_events};
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

/// With this source, in this process.
fn service(fixture: &Fixture, receiver: Box<dyn Receiver>) -> ServiceConfig {
    let menu = fixture.path("menu.toml");
    std::fs::write(&menu, "[[path]]\nname = \"all\"\nmodel = \"squares\"\nthreshold = 0.0\n").unwrap();
    config(fixture.model.clone(), menu, receiver, Box::new(Nowhere::default()))
}

/// All events in one record batch of an Arrow stream.
fn one_batch(fixture: &Fixture) -> Vec<u8> {
    let table = EventTable::open(&fixture.events).unwrap();
    let batches: Vec<_> = table.batches().iter().map(|batch| batch.record_batch().clone()).collect();
    let whole = arrow_select::concat::concat_batches(&batches[0].schema(), &batches).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &whole.schema()).unwrap();
    writer.write(&whole).unwrap();
    writer.into_inner().unwrap()
}

/// The kernel had them: the sender cannot know that nobody will read them.
#[test]
fn datagrams_that_have_come_are_decided_when_the_service_stops() {
    const FRAMES: u64 = 60;
    let fixture = Fixture::new(0);
    let mut socket = UdpReceiver::bind("127.0.0.1:0".parse().unwrap(), ReceiveLimits::default()).unwrap();
    let to = socket.address().strip_prefix("udp://").unwrap().to_owned();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let values = [1.0; 10 * K];
    for sequence in 0..FRAMES {
        let ids = Ids::From { event_id: 10 * sequence, bunch_crossing: 0 };
        let (k, rows) = (K as u32, Rows::F32(&values));
        let mut bytes = Vec::new();
        encode(&Batch { run: 1, source: 1, sequence, encoding: 0, k, ids, rows, end: false }, &mut bytes);
        sender.send_to(&bytes, &to).unwrap();
    }
    let listener = StreamListener::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
    let idle = Box::new(StreamReceiver::new(listener, ReceiveLimits::default()));
    let service = Service::start(service(&fixture, idle)).unwrap();
    // The stop comes before the first datagram is read.
    let stop = StopReceiving::default();
    stop.request(Instant::now() + Duration::from_secs(20));
    socket.run(service.intake(), &stop).unwrap();
    let end = service.drain(Duration::from_secs(20));
    assert!(end.error.is_none() && end.is_drained, "{end:?}");
    assert_eq!((end.snapshot.events_settled, end.snapshot.frames_lost), (10 * FRAMES, 0));
}

/// A stop is for datagrams that have come, not for those that a sender goes on to send.
#[test]
fn a_sender_of_datagrams_that_goes_on_does_not_hold_up_the_end() {
    let fixture = Fixture::new(200_000);
    let mut serve = Serve::start(&fixture, "goes-on", &["--source", "udp://:0", "--drain-time", "8s"]);
    let to = serve.address("udp:");
    let args = ["--rate", "max", "--frame-events", "10", "--repeat", "100000"];
    let mut sender = started(&fixture, &to, 1, &args);
    std::thread::sleep(Duration::from_millis(300));
    let stopped = Instant::now();
    serve.signal("TERM");
    let end = serve.end();
    sender.kill().unwrap();
    sender.wait().unwrap();
    assert!(end.status.success(), "{}", end.log);
    assert!(stopped.elapsed() < Duration::from_secs(8));
    assert!(count(&end.report, "/events_settled") > 0);
}

/// A record batch that was read is decided to its end: a pipe gives nothing twice.
#[test]
fn a_record_batch_that_was_read_is_decided_when_the_service_stops() {
    const EVENTS: usize = 1_000_000;
    let fixture = Fixture::new(EVENTS);
    let stream = Cursor::new(one_batch(&fixture));
    let config = service(&fixture, Box::new(StdinReceiver::of(Box::new(stream))));
    let service = Service::start(ServiceConfig { queue_frames: 1, ..config }).unwrap();
    while service.monitor().snapshot().events_in == 0 {
        std::thread::yield_now();
    }
    let end = service.drain(Duration::from_secs(60));
    assert!(end.error.is_none() && end.is_drained, "{end:?}");
    assert_eq!(end.snapshot.events_settled, EVENTS as u64);
}

/// The widest events there are make smaller frames, from the sender and from a stream of larger batches.
#[test]
fn wide_events_travel_in_frames_that_may_be_so_large() {
    const EVENTS: usize = 5000;
    let fixture = Fixture::new(0);
    write_events(&fixture.events, EVENTS, 4096, "wide_4096");
    let sent =
        trigsieve(&["send", "-q", "--to", "stdout", "--rate", "max"]).arg(&fixture.events).output().unwrap();
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    for bytes in [sent.stdout, one_batch(&fixture)] {
        let mut stream = ArrowStream::open(Cursor::new(bytes)).unwrap();
        let mut events = 0;
        while let Some(frame) = stream.next_frame(FrameBuffer::default()).unwrap() {
            events += frame.header().events as usize;
        }
        assert_eq!(events, EVENTS);
    }
}
