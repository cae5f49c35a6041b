//! A cluster that loses a node in a run. Not part of the tests: it has been seen not to end, and is open; `cargo xtask soak-nats` runs it.

use std::time::{Duration, Instant};

use crate::common::Fixture;
use crate::faults::{THRESHOLD, check};
use crate::server::{NatsServer, free_port, wait_until_done};
use crate::{Places, Running};

/// Three nodes of a cluster, each with a copy of everything.
fn cluster() -> Vec<NatsServer> {
    let routes: Vec<u16> = (0..3).map(|_| free_port()).collect();
    let all: Vec<String> = routes.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect();
    let node = |n: usize| {
        let cluster = format!(
            "server_name: n{n}\ncluster {{ name: c, listen: \"127.0.0.1:{}\", routes: [{}] }}",
            routes[n],
            all.join(", ")
        );
        NatsServer::with(&cluster)
    };
    (0..3).map(node).collect()
}

#[test]
fn one_of_three_nodes_killed_in_a_run_loses_nothing() {
    let fixture = Fixture::new(60_000);
    let mut nodes = cluster();
    let hosts: Vec<String> = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
    let places = Places::with(&format!("nats://{}", hosts.join(",")), "&replicas=3");
    let urls = nodes[1].url();
    wait_for_cluster(&urls);
    let mut worker = places.worker(&fixture, &THRESHOLD);
    worker.wait_for("receiving from");
    let sender = Running::start(&mut places.send(&fixture, &["--rate", "10kHz", "--frame-events", "50"]));
    std::thread::sleep(Duration::from_secs(2));
    let begun = Instant::now();
    nodes[0].kill();
    sender.succeed();
    wait_until_done(&urls, "FRAMES", "trigger");
    println!("one of three nodes killed: done {:.1} s later", begun.elapsed().as_secs_f64());
    check(&fixture, &urls, 60_000, "one of three nodes killed");
}

/// Streams can be made when the nodes have found each other.
fn wait_for_cluster(url: &str) {
    let begun = Instant::now();
    crate::server::ask(url, async_nats::ConnectOptions::new(), |client| async move {
        let context = async_nats::jetstream::new(client);
        let config = || async_nats::jetstream::stream::Config {
            name: "probe".to_owned(),
            num_replicas: 3,
            ..Default::default()
        };
        while context.create_stream(config()).await.is_err() {
            assert!(begun.elapsed() < crate::service::PATIENCE, "no cluster");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        context.delete_stream("probe").await.unwrap();
    });
}
