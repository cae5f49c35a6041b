//! The farm of `deploy/`: three nodes with its configuration, a worker with the command line of its unit, and users who can do their
//! part and nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use async_nats::ConnectOptions;

use crate::common::{Fixture, success, trigsieve};
use crate::replayed;
use crate::security::{authority, issue, user};
use crate::server::{NatsServer, free_port, wait_until_done_with};
use crate::service::{PATIENCE, send};
use crate::worker::{Worker, results_with};

const NODES: usize = 3;
const EVENTS: usize = 20_000;

fn deploy(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file)).unwrap()
}

/// `text` with others in the place of these; each has to be there.
fn replaced<'a>(text: &str, others: impl IntoIterator<Item = (&'a str, String)>) -> String {
    others.into_iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "no `{from}` in\n{text}");
        text.replace(from, &to)
    })
}

/// Three nodes and their users, the files in the place of `/etc/trigsieve`.
struct Farm {
    nodes: Vec<NatsServer>,
    folder: PathBuf,
}

impl Farm {
    fn start(folder: &Path) -> Self {
        let tls = folder.join("tls");
        fs::create_dir(&tls).unwrap();
        let issuer = authority("laboratory");
        fs::write(tls.join("ca.pem"), issuer.pem()).unwrap();
        for name in ["node", "worker", "detector", "operator"] {
            issue(&tls, name, &issuer);
        }
        let [operator, detector, worker] =
            ["operator", "detector", "worker"].map(|name| user(folder, name).0);
        let (ports, routes) = ([(); NODES].map(|()| free_port()), [(); NODES].map(|()| free_port()));
        let conf = deploy("nats-server.conf");
        let node = |n: usize| {
            let own = [
                ("$NODE_NAME", format!("n{n}")),
                ("0.0.0.0:4222", format!("127.0.0.1:{}", ports[n])),
                ("0.0.0.0:6222", format!("127.0.0.1:{}", routes[n])),
                ("127.0.0.1:8222", format!("127.0.0.1:{}", free_port())),
                ("/var/lib/nats", "FOLDER/store".to_owned()),
                ("/etc/trigsieve/tls", tls.display().to_string()),
                ("$OPERATOR_NKEY", operator.clone()),
                ("$DETECTOR_NKEY", detector.clone()),
                ("$WORKER_NKEY", worker.clone()),
                ("node1.example:6222", format!("localhost:{}", routes[0])),
                ("node2.example:6222", format!("localhost:{}", routes[1])),
                ("node3.example:6222", format!("localhost:{}", routes[2])),
            ];
            NatsServer::configured(ports[n], &replaced(&conf, own))
        };
        Self { nodes: (0..NODES).map(node).collect(), folder: folder.to_owned() }
    }

    /// `tls://NODE,NODE,NODE`.
    fn servers(&self) -> String {
        format!("tls://{}", self.hosts())
    }

    fn hosts(&self) -> String {
        let hosts: Vec<String> = self.nodes.iter().map(|node| format!("localhost:{}", node.port)).collect();
        hosts.join(",")
    }

    /// An address as `who`; `more` settings.
    fn address(&self, names: &str, more: &str, who: &str) -> String {
        let (folder, servers) = (self.folder.display(), self.servers());
        let files = format!("ca={folder}/tls/ca.pem&cert={folder}/tls/{who}.pem&key={folder}/tls/{who}.key");
        format!("{servers}/{names}?{more}{files}&nkey={folder}/{who}.nk")
    }

    fn options(&self, who: &str) -> ConnectOptions {
        let file = |name: String| self.folder.join(name);
        ConnectOptions::new()
            .require_tls(true)
            .add_root_certificates(file("tls/ca.pem".to_owned()))
            .add_client_certificate(file(format!("tls/{who}.pem")), file(format!("tls/{who}.key")))
            .nkey(fs::read_to_string(file(format!("{who}.nk"))).unwrap())
    }

    /// As the README has the operator do it; the nodes may still be looking for each other.
    fn set_up(&self, bundle: &Path) {
        let copies = "replicas=3&max_bytes=200000000000&";
        let mut setup = trigsieve(&["nats-setup"]);
        setup.args(["--source", &self.address("FRAMES/trigger", copies, "operator")]);
        setup.args(["--sink", &self.address("RESULTS", copies, "operator")]);
        let start = Instant::now();
        while !setup.output().unwrap().status.success() {
            assert!(start.elapsed() < PATIENCE, "{:?}", setup.output().unwrap());
        }
        let to = self.address("MODELS/l1_vae", "replicas=3&", "operator");
        success(trigsieve(&["publish-model", "--create", "--to", &to]).arg(bundle));
    }

    /// The command line of the unit, with the variables of its environment's file.
    fn worker(&self) -> Command {
        let unit = deploy("trigsieve@.service");
        let line =
            unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/trigsieve ")).unwrap();
        let hosts = "node1.example:4222,node2.example:4222,node3.example:4222";
        let library = trigsieve::score::find_runtime(None).unwrap().path.display().to_string();
        let environment = replaced(
            &deploy("trigsieve.env"),
            [
                (hosts, self.hosts()),
                ("/etc/trigsieve", self.folder.display().to_string()),
                ("/usr/local/lib/libonnxruntime.so", library),
            ],
        );
        let value = |name: &str| {
            let value = environment.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            value.unwrap_or_else(|| panic!("no {name} in\n{environment}")).to_owned()
        };
        let words = line.split(' ').map(|word| match word.strip_prefix("${") {
            Some(name) => value(name.strip_suffix('}').unwrap()),
            None => word.to_owned(),
        });
        let mut command = trigsieve(&["-v"]);
        command.args(words).env_clear().envs(
            environment.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('=')),
        );
        // Nothing is found by where it is, as on a host without this project.
        command.current_dir(&self.folder);
        command
    }
}

/// A command that the server does not allow ends with an error.
fn denied(command: &mut Command) {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("Permissions Violation for Publish to"), "{text}");
    assert!(text.lines().last().unwrap().starts_with("error: tls://localhost"), "{text}");
}

#[test]
fn the_deployed_farm_decides_and_each_of_its_users_can_do_its_part_only() {
    let fixture = Fixture::new(EVENTS);
    let farm = Farm::start(&fixture.path(""));
    let menu = "[[path]]\nname = \"loose\"\nmodel = \"squares\"\nthreshold = 100.0\n";
    fs::write(fixture.path("menu.toml"), menu).unwrap();
    farm.set_up(&fixture.model);
    let mut worker = Worker::of(&mut farm.worker());
    worker.wait_for("receiving from");
    let frames = farm.address("FRAMES", "", "detector");
    success(&mut send(&fixture, &frames, &["--frame-events", "100", "--rate", "20kHz"]));
    wait_until_done_with(&farm.servers(), farm.options("operator"), "FRAMES", "trigger");
    let results = || results_with(&farm.servers(), farm.options("operator"), "RESULTS");
    let found = results();
    assert_eq!(found.events(), EVENTS as u64);
    assert!(found.accepted == replayed(&fixture, "100"));
    let (status, log) = worker.end();
    assert!(status.success(), "{log}");
    assert!(!log.to_lowercase().contains("permissions violation"), "{log}");

    // A detector decides nothing, a worker takes no data and chooses no model, and neither makes streams.
    denied(&mut send(&fixture, &farm.address("RESULTS", "", "detector"), &[]));
    let setup = |who: &str| {
        let mut command = trigsieve(&["nats-setup", "--source", &farm.address("MORE/trigger", "", who)]);
        command.args(["--sink", &farm.address("MORE_RESULTS", "", who)]);
        command
    };
    denied(&mut setup("detector"));
    denied(&mut setup("worker"));
    let model = farm.address("MODELS/l1_vae", "", "worker");
    denied(trigsieve(&["publish-model", "--to", &model]).arg(&fixture.model));
    assert_eq!(results().events(), EVENTS as u64, "nothing has come in since");
}
