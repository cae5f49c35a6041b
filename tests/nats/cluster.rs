//! Three nodes of a cluster: on ports of the loopback interface, or each in a network namespace of its own.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use async_nats::ConnectOptions;
use async_nats::jetstream::{self, consumer, stream};

use crate::server::{NatsServer, ask, free_port};
use crate::service::PATIENCE;

const NODES: usize = 3;
/// For clients and for the other nodes, in a namespace.
const PORTS: (u16, u16) = (4222, 6222);

/// The nodes, each with a copy of everything.
pub struct Cluster {
    /// They are called n0, n1, n2.
    pub nodes: Vec<NatsServer>,
    network: Option<Network>,
}

impl Cluster {
    /// On the loopback interface.
    pub fn start() -> Self {
        let routes: Vec<u16> = (0..NODES).map(|_| free_port()).collect();
        let places: Vec<String> = routes.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let node = |n: usize| NatsServer::at("127.0.0.1", free_port(), None, &member(n, &places));
        Self::of((0..NODES).map(node).collect(), None)
    }

    /// Each node in a namespace, with a bridge between; on the loopback interface where that cannot be had.
    pub fn apart() -> Self {
        let Some(network) = Network::make() else {
            println!("no network namespaces (root and iproute2 are needed): the nodes are on 127.0.0.1");
            return Self::start();
        };
        let places: Vec<String> = (0..NODES).map(|n| format!("{}:{}", network.host(n), PORTS.1)).collect();
        let node = |n: usize| {
            NatsServer::at(&network.host(n), PORTS.0, Some(network.namespace(n)), &member(n, &places))
        };
        Self::of((0..NODES).map(node).collect(), Some(network))
    }

    fn of(nodes: Vec<NatsServer>, network: Option<Network>) -> Self {
        let cluster = Self { nodes, network };
        cluster.wait_until_whole();
        cluster
    }

    /// Where the nodes are, in words.
    pub fn what(&self) -> &'static str {
        if self.network.is_some() { "network namespaces" } else { "127.0.0.1" }
    }

    /// All nodes in one address.
    pub fn url(&self) -> String {
        let places: Vec<String> = self.nodes.iter().map(NatsServer::place).collect();
        format!("nats://{}", places.join(","))
    }

    /// Takes a node's cable away, or puts it back: nobody is told that connections are gone. Only of nodes in namespaces.
    pub fn plug(&self, node: usize, is_in: bool) {
        let network = self.network.as_ref().expect("namespaces");
        assert!(ip(&["link", "set", &network.cable(node), if is_in { "up" } else { "down" }]));
    }

    /// Whether cables can be taken away.
    pub fn has_cables(&self) -> bool {
        self.network.is_some()
    }

    /// Which node leads the stream.
    pub fn stream_leader(&self, stream: &str) -> usize {
        let info = ask(&self.url(), ConnectOptions::new(), |client| async move {
            jetstream::new(client).get_stream(stream).await.unwrap().cached_info().cluster.clone()
        });
        number(info.and_then(|cluster| cluster.leader))
    }

    /// Which node leads the consumer.
    pub fn consumer_leader(&self, stream: &str, consumer: &str) -> usize {
        let info = ask(&self.url(), ConnectOptions::new(), |client| async move {
            let stream = jetstream::new(client).get_stream(stream).await.unwrap();
            let consumer: consumer::PullConsumer = stream.get_consumer(consumer).await.unwrap();
            consumer.cached_info().cluster.clone()
        });
        number(info.and_then(|cluster| cluster.leader))
    }

    /// Streams can be made when the nodes have found each other.
    fn wait_until_whole(&self) {
        let begun = Instant::now();
        ask(&self.url(), ConnectOptions::new(), |client| async move {
            let context = jetstream::new(client);
            let config =
                || stream::Config { name: "probe".to_owned(), num_replicas: NODES, ..Default::default() };
            while context.create_stream(config()).await.is_err() {
                assert!(begun.elapsed() < PATIENCE * 2, "no cluster");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            context.delete_stream("probe").await.unwrap();
        });
    }
}

/// Configuration of a member.
fn member(n: usize, places: &[String]) -> String {
    let routes: Vec<String> = places.iter().map(|place| format!("nats://{place}")).collect();
    format!(
        "server_name: n{n}\ncluster {{ name: c, listen: \"{}\", routes: [{}] }}",
        places[n],
        routes.join(", ")
    )
}

fn number(name: Option<String>) -> usize {
    let name = name.expect("a leader");
    name.strip_prefix('n').and_then(|number| number.parse().ok()).expect("a node of ours")
}

/// Namespaces `ts-ID-N`, each with a cable to a bridge of the host; gone when dropped.
struct Network(u32);

impl Network {
    /// None where the system does not allow it.
    fn make() -> Option<Self> {
        /// Several in a process have different names.
        static MADE: AtomicU32 = AtomicU32::new(0);
        if !rustix::process::geteuid().is_root() || Command::new("ip").arg("-V").output().is_err() {
            return None;
        }
        let network = Self(std::process::id() % 100_000 * 10 + MADE.fetch_add(1, Ordering::Relaxed) % 10);
        let address = format!("{}/24", network.host(NODES));
        let made = ip(&["link", "add", &network.bridge(), "type", "bridge"])
            && ip(&["addr", "add", &address, "dev", &network.bridge()])
            && ip(&["link", "set", &network.bridge(), "up"])
            && (0..NODES).all(|n| network.add(n));
        made.then_some(network)
    }

    fn add(&self, n: usize) -> bool {
        let (namespace, cable, inner) = (self.namespace(n), self.cable(n), format!("tsi{}{n}", self.0));
        let address = format!("{}/24", self.host(n));
        ip(&["netns", "add", &namespace])
            && ip(&["link", "add", &cable, "type", "veth", "peer", "name", &inner])
            && ip(&["link", "set", &cable, "master", &self.bridge(), "up"])
            && ip(&["link", "set", &inner, "netns", &namespace])
            && ip(&["-n", &namespace, "addr", "add", &address, "dev", &inner])
            && ip(&["-n", &namespace, "link", "set", &inner, "up"])
            && ip(&["-n", &namespace, "link", "set", "lo", "up"])
    }

    fn host(&self, n: usize) -> String {
        format!("10.214.{}.{}", self.0 % 250, n + 1)
    }

    fn namespace(&self, n: usize) -> String {
        format!("ts-{}-{n}", self.0)
    }

    fn cable(&self, n: usize) -> String {
        format!("tso{}{n}", self.0)
    }

    fn bridge(&self) -> String {
        format!("tsb{}", self.0)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for n in 0..NODES {
            // Takes its end of the cable along, and so the other.
            ip(&["netns", "del", &self.namespace(n)]);
        }
        ip(&["link", "del", &self.bridge()]);
    }
}

/// Whether the command succeeds.
fn ip(args: &[&str]) -> bool {
    Command::new("ip").args(args).output().is_ok_and(|output| output.status.success())
}
