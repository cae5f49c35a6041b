//! A steady rate, as long as `TRIGSIEVE_NATS_SECONDS` says: nothing is lost, and what is accepted is what a replay accepts.

use std::collections::BTreeMap;

use crate::common::Fixture;
use crate::server::NatsServer;
use crate::service::{Row, count};
use crate::worker::results;
use crate::{Places, replayed, sent};

const EVENTS: u64 = 100_000;

#[test]
fn a_hundred_thousand_events_a_second_lose_nothing() {
    let seconds = std::env::var("TRIGSIEVE_NATS_SECONDS").unwrap_or_else(|_| "2".to_owned());
    let fixture = Fixture::new(EVENTS as usize);
    let server = NatsServer::start();
    let places = Places::of(&server.url());
    let mut worker = places.worker(&fixture, &["--threshold", "12000"]);
    worker.wait_for("receiving from");
    let plan = ["--rate", "100kHz", "--duration", &format!("{seconds}s"), "--frame-events", "512"];
    let report = sent(&fixture, &places, &fixture.path("sent.json"), &plan);
    let events = count(&report, "/events");
    server.wait_until_done("FRAMES", "trigger");
    let found = results(&server.url(), "RESULTS");
    println!(
        "100 kHz for {seconds} s: {events} events sent, {} lost, {} accepted, latest {:.1} ms after its time, {} disconnects",
        events - found.events(),
        found.accepted.len(),
        count(&report, "/latest_ns") as f64 * 1e-6,
        worker.log().matches("disconnected").count()
    );
    assert_eq!(found.events(), events);
    // Ids and crossings count on from one pass over the events to the next.
    let mut passes: BTreeMap<u64, Vec<Row>> = BTreeMap::new();
    for (id, crossing, inputs, scores, decision) in found.accepted {
        passes.entry(id / EVENTS).or_default().push((
            id % EVENTS,
            crossing % EVENTS,
            inputs,
            scores,
            decision,
        ));
    }
    let expected = replayed(&fixture, "12000");
    assert!(!expected.is_empty());
    for pass in 0..events.div_ceil(EVENTS) {
        let in_pass = (events - pass * EVENTS).min(EVENTS);
        let expected: Vec<_> = expected.iter().filter(|row| row.0 < in_pass).cloned().collect();
        assert!(passes.remove(&pass).unwrap_or_default() == expected, "pass {pass}");
    }
    assert!(passes.is_empty());
}
