//! A cluster that loses a node in a run.
//!
//! `TRIGSIEVE_NATS_NODES` makes it many runs, with nodes in network namespaces: `cargo xtask soak-nats`.

use std::time::{Duration, Instant};

use crate::cluster::Cluster;
use crate::common::{Fixture, success};
use crate::faults::{THRESHOLD, check};
use crate::server::wait_until_done;
use crate::{Places, Running};

/// Which node is lost.
#[derive(Clone, Copy, Debug)]
enum Lost {
    /// The one that sender and worker are connected to.
    Connected,
    /// The one that leads the stream of frames.
    StreamLeader,
    /// The one that leads the consumer.
    ConsumerLeader,
    /// The one that leads the stream of results.
    ResultsLeader,
}

const ALL: [Lost; 4] = [Lost::Connected, Lost::StreamLeader, Lost::ConsumerLeader, Lost::ResultsLeader];

/// How it is lost.
#[derive(Clone, Copy, Debug)]
enum How {
    Killed,
    /// Its network is gone, and its connections hang; it goes on by itself.
    Unplugged,
}

fn run(cluster: &mut Cluster, events: usize, lost: Lost, how: How) {
    let fixture = Fixture::new(events);
    let everybody = cluster.url();
    let url = match lost {
        // The others are found out from the first.
        Lost::Connected => cluster.nodes[1].url(),
        _ => everybody.clone(),
    };
    let places = Places::with(&url, "&replicas=3");
    let mut worker = places.worker(&fixture, &THRESHOLD);
    worker.wait_for("receiving from");
    let sender = Running::start(&mut places.send(&fixture, &["--rate", "10kHz", "--frame-events", "50"]));
    std::thread::sleep(Duration::from_secs(2));
    let victim = match lost {
        Lost::Connected => 1,
        Lost::StreamLeader => cluster.stream_leader("FRAMES"),
        Lost::ConsumerLeader => cluster.consumer_leader("FRAMES", "trigger"),
        Lost::ResultsLeader => cluster.stream_leader("RESULTS"),
    };
    let begun = Instant::now();
    match how {
        How::Killed => cluster.nodes[victim].kill(),
        How::Unplugged => cluster.plug(victim, false),
    }
    sender.succeed();
    let others = cluster.nodes[(victim + 1) % 3].url();
    wait_until_done(&others, "FRAMES", "trigger");
    let seconds = begun.elapsed().as_secs_f64();
    let what =
        format!("one of three nodes ({}), {lost:?}, {how:?}, done {seconds:.1} s later", cluster.what());
    check(&fixture, &others, events as u64, &what);
    let (status, log) = worker.end();
    assert!(status.success(), "{log}");
}

#[test]
fn one_of_three_nodes_lost_in_a_run_loses_nothing() {
    let Some(runs) = std::env::var_os("TRIGSIEVE_NATS_NODES") else {
        return run(&mut Cluster::start(), 40_000, Lost::StreamLeader, How::Killed);
    };
    let runs: usize = runs.to_str().and_then(|text| text.parse().ok()).expect("a number of runs");
    for number in 0..runs {
        let mut cluster = Cluster::apart();
        let is_round_of_cables = number / ALL.len() % 2 == 1 && cluster.has_cables();
        let how = if is_round_of_cables { How::Unplugged } else { How::Killed };
        run(&mut cluster, 60_000, ALL[number % ALL.len()], how);
    }
}

/// A replicated consumer says that a request is fulfilled before it sends the messages.
#[test]
fn what_fills_a_request_at_once_arrives_from_a_replicated_consumer() {
    let fixture = Fixture::new(40_000);
    let cluster = Cluster::start();
    let places = Places::with(&cluster.url(), "&replicas=3");
    // 800 frames, where a worker asks for 256.
    success(&mut places.send(&fixture, &["--frame-events", "50"]));
    let worker = places.worker(&fixture, &THRESHOLD);
    wait_until_done(&cluster.url(), "FRAMES", "trigger");
    check(&fixture, &cluster.url(), 40_000, "a backlog on three nodes");
    let (status, log) = worker.end();
    assert!(status.success(), "{log}");
}
