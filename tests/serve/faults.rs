//! Senders and networks that do not behave.

use std::io::Write as _;
use std::time::Duration;

use crate::common::{Fixture, success};
use crate::service::{Serve, count, read_to_end, send, send_report, served};
use crate::{connect, frames_of, replayed};

/// What the service tells a sender at the end: whether all was taken, and how many events.
fn receipt(bytes: &[u8]) -> (u32, u64) {
    assert_eq!((bytes.len(), &bytes[..4]), (16, &b"TSVR"[..]), "{bytes:?}");
    (u32::from_le_bytes(bytes[4..8].try_into().unwrap()), u64::from_le_bytes(bytes[8..].try_into().unwrap()))
}

#[test]
fn what_udp_loses_doubles_and_mixes_up_is_accounted_for_to_the_event() {
    let fixture = Fixture::new(40_000);
    let mut serve =
        Serve::start(&fixture, "udp", &["--source", "udp://:0", "--until-end", "1", "--reorder-time", "5s"]);
    let to = serve.address("udp:");
    let path = fixture.path("sent.json");
    let report_path = path.display().to_string();
    let faults =
        ["--drop", "0.05", "--duplicate", "0.05", "--corrupt", "0.05", "--reorder", "0.1", "--seed", "3"];
    let plan = ["--rate", "200kHz", "--frame-events", "100", "--report", &report_path];
    success(&mut send(&fixture, &to, &[&faults[..], &plan].concat()));
    let sent = send_report(&path);
    let folder = serve.folder.clone();
    let end = serve.end();
    assert!(end.status.success(), "{}", end.log);
    let fault = |name: &str| count(&sent, &format!("/faults/{name}"));
    for name in ["dropped_frames", "duplicated_frames", "corrupted_frames", "reordered_frames"] {
        assert!(fault(name) > 5, "{name}: {sent:#}");
    }
    assert_eq!(count(&end.report, "/frames_lost"), fault("dropped_frames") + fault("corrupted_frames"));
    assert_eq!(count(&end.report, "/frames_malformed"), fault("corrupted_frames"));
    assert_eq!(count(&end.report, "/events_dropped/duplicate"), fault("duplicated_events"));
    let arrived = 40_000 - fault("dropped_events") - fault("corrupted_events");
    assert_eq!(count(&end.report, "/events_scored"), arrived);
    assert_eq!(count(&end.report, "/events_in"), arrived + fault("duplicated_events"));
    assert_eq!(end.report["counters_add_up"], true);
    let accepted = served(&folder);
    assert_eq!(accepted.len() as u64, arrived);
    let all = replayed(&fixture, "-1");
    assert!(accepted.iter().all(|row| all.binary_search(row).is_ok()));
    assert!(accepted.windows(2).all(|pair| pair[0].0 < pair[1].0), "no event twice");
}

#[test]
fn a_bad_frame_ends_its_connection_and_no_other() {
    let fixture = Fixture::new(1000);
    let mut serve = Serve::start(&fixture, "bad", &["--source", "tcp://:0", "--until-end", "1"]);
    let address = serve.address("tcp:");
    let frames = frames_of(&fixture);
    let mut flipped = frames[1].clone();
    flipped[80] ^= 4;
    let mut bad = connect(&address);
    bad.write_all(&[&frames[0][..], &flipped].concat()).unwrap();
    assert_eq!(receipt(&read_to_end(&mut bad)), (1, 100));
    let line = serve.wait_for("is bad");
    let place = format!("the frame that begins at byte {}", frames[0].len());
    assert!(line.contains(&place) && line.contains("CRC-32C"), "{line}");
    let mut good = connect(&address);
    good.write_all(&frames.concat()).unwrap();
    good.shutdown(std::net::Shutdown::Write).unwrap();
    // The first frame has been taken: of this connection it is a duplicate, which a sender that comes again may send.
    assert_eq!(receipt(&read_to_end(&mut good)), (0, 1000));
    let folder = serve.folder.clone();
    let end = serve.end();
    assert!(end.status.success(), "{}", end.log);
    assert_eq!(
        (count(&end.report, "/events_in"), count(&end.report, "/events_dropped/duplicate")),
        (1100, 100)
    );
    assert_eq!(count(&end.report, "/frames_malformed"), 1);
    assert_eq!(served(&folder), replayed(&fixture, "-1"));
}

#[test]
fn a_stranger_a_sleeper_and_one_too_many_are_sent_away() {
    let fixture = Fixture::new(100);
    let args = ["--source", "tcp://:0", "--max-connections", "2", "--idle-time", "400ms"];
    let mut serve = Serve::start(&fixture, "strangers", &args);
    let address = serve.address("tcp:");
    let mut stranger = connect(&address);
    stranger
        .write_all(b"GET / HTTP/1.1\r\nHost: trigger\r\nAccept: */*\r\nUser-Agent: a browser\r\n\r\n")
        .unwrap();
    assert_eq!(receipt(&read_to_end(&mut stranger)), (1, 0));
    serve.wait_for("is not the start of a frame");
    // Until it goes it may still be sending, and is listened to for a while.
    drop(stranger);
    std::thread::sleep(Duration::from_millis(200));
    let (mut sleeper, mut dripper) = (connect(&address), connect(&address));
    sleeper.write_all(&frames_of(&fixture)[0][..70]).unwrap();
    // The third finds two.
    let mut third = connect(&address);
    assert_eq!(read_to_end(&mut third), b"");
    let dripping = std::thread::spawn(move || {
        for byte in &frames_of(&Fixture::new(100))[0] {
            if dripper.write_all(&[*byte]).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        read_to_end(&mut dripper)
    });
    assert_eq!(receipt(&read_to_end(&mut sleeper)), (1, 0));
    serve.wait_for("a frame took longer than 400ms");
    dripping.join().unwrap();
    serve.signal("TERM");
    let end = serve.end();
    assert!(end.status.success(), "{}", end.log);
    assert_eq!(count(&end.report, "/connections_refused"), 1);
    assert_eq!((count(&end.report, "/connections_total"), count(&end.report, "/connections_open")), (3, 0));
    // Within one second they share a line.
    let lines = end.log.matches("a frame took longer").count();
    assert!(lines == 2 || end.log.contains("(2 of this kind in a second)"), "{}", end.log);
}

#[test]
fn a_frame_beyond_the_limits_is_refused_before_memory_is_taken() {
    let fixture = Fixture::new(1000);
    let mut serve = Serve::start(&fixture, "limits", &["--source", "tcp://:0", "--max-events", "50"]);
    let address = serve.address("tcp:");
    let mut sender = connect(&address);
    // The header alone: the answer must not wait for the payload.
    sender.write_all(&frames_of(&fixture)[0][..64]).unwrap();
    assert_eq!(receipt(&read_to_end(&mut sender)), (1, 0));
    serve.wait_for("byte 12: events is 100, more than the limit of 50");
    serve.signal("TERM");
    assert!(serve.end().status.success());
}

#[test]
fn a_full_queue_holds_a_stream_back_and_loses_nothing() {
    let fixture = Fixture::new(30_000);
    let args = ["--source", "tcp://:0", "--until-end", "1", "--queue", "1", "--batch", "1"];
    let mut serve = Serve::start(&fixture, "full", &args);
    let to = serve.address("tcp:");
    success(&mut send(&fixture, &to, &["--frame-events", "500"]));
    let folder = serve.folder.clone();
    let end = serve.end();
    assert!(end.status.success(), "{}", end.log);
    assert_eq!(
        (count(&end.report, "/events_scored"), count(&end.report, "/events_dropped/queue_full")),
        (30_000, 0)
    );
    assert_eq!(served(&folder), replayed(&fixture, "-1"));
}

#[test]
fn a_full_queue_drops_datagrams_and_counts_them() {
    let fixture = Fixture::new(60_000);
    let args = ["--source", "udp://:0", "--until-end", "1", "--queue", "1", "--batch", "1"];
    let mut serve = Serve::start(&fixture, "overload", &args);
    let to = serve.address("udp:");
    success(&mut send(&fixture, &to, &["--frame-events", "1000"]));
    let folder = serve.folder.clone();
    let end = serve.end();
    assert!(end.status.success(), "{}", end.log);
    let (scored, dropped) =
        (count(&end.report, "/events_scored"), count(&end.report, "/events_dropped/queue_full"));
    let lost = count(&end.report, "/frames_lost");
    assert_eq!(scored + dropped + 1000 * lost, 60_000);
    assert!(dropped > 0, "one frame waits, the others come at once");
    assert_eq!(served(&folder).len() as u64, scored);
}

#[test]
fn a_folder_that_goes_away_ends_the_service_with_the_reason() {
    let fixture = Fixture::new(1000);
    let mut serve = Serve::start(&fixture, "gone", &["--source", "tcp://:0"]);
    let address = serve.address("tcp:");
    std::fs::remove_dir_all(&serve.folder).unwrap();
    std::fs::write(&serve.folder, "a file where the folder was").unwrap();
    let mut sender = connect(&address);
    sender.write_all(&frames_of(&fixture).concat()).unwrap();
    let log = serve.wait_for("ERROR");
    assert!(log.contains("gone"), "{log}");
    std::fs::remove_file(&serve.folder).unwrap();
    std::fs::create_dir(&serve.folder).unwrap();
    let end = serve.end();
    assert_eq!(end.status.code(), Some(1), "{}", end.log);
    assert_eq!(count(&end.report, "/events_settled"), 0);
    assert_eq!((&end.report["status"], &end.report["counters_add_up"]), (&"failed".into(), &true.into()));
}

#[test]
fn the_second_service_on_a_unix_socket_is_refused_and_a_dead_one_s_file_is_replaced() {
    let fixture = Fixture::new(10);
    let socket = fixture.path("socket");
    let source = format!("unix:{}", socket.display());
    let mut first = Serve::start(&fixture, "one", &["--source", &source]);
    first.address("unix:");
    let second = Serve::start(&fixture, "two", &["--source", &source]).end();
    assert_eq!(second.status.code(), Some(1));
    first.signal("KILL");
    drop(first);
    assert!(socket.exists());
    let mut third = Serve::start(&fixture, "three", &["--source", &source]);
    third.address("unix:");
    third.signal("TERM");
    assert!(third.end().status.success());
}
