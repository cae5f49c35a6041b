//! A nats-server that the test starts, and what the test asks it.

use std::fs;
use std::future::Future;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use async_nats::jetstream::{self, consumer};
use async_nats::{Client, ConnectOptions, ServerAddr};
use futures_util::StreamExt;
use tempfile::TempDir;

use crate::service::PATIENCE;

/// A server with JetStream that writes everything through to its disk; killed when dropped.
pub struct NatsServer {
    /// Where it listens for clients.
    pub port: u16,
    host: String,
    /// Network namespace that it runs in, if not that of the test.
    namespace: Option<String>,
    disk: Option<SmallDisk>,
    folder: TempDir,
    config: PathBuf,
    child: Option<Child>,
}

/// The pinned server of the project's environment, or that of `NATS_SERVER`.
fn program() -> PathBuf {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/nats-server");
    let program = std::env::var_os("NATS_SERVER").map_or(ours, PathBuf::from);
    assert!(program.exists(), "{} is missing: cargo xtask setup", program.display());
    program
}

/// A port of the loopback interface that nobody has now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl NatsServer {
    /// A server of its own.
    pub fn start() -> Self {
        Self::with("")
    }

    /// With further lines of configuration; `FOLDER` in them stands for a folder of the server.
    pub fn with(more: &str) -> Self {
        Self::at("127.0.0.1", free_port(), None, more)
    }

    /// At an address, in a network namespace.
    pub fn at(host: &str, port: u16, namespace: Option<String>, more: &str) -> Self {
        let mut server = Self::prepared(host, port, namespace, more);
        server.run();
        server
    }

    /// One whose files have so much room. None where the test may not mount a file system.
    pub fn on_small_disk(mib: u32) -> Option<Self> {
        let mut server = Self::prepared("127.0.0.1", free_port(), None, "");
        server.disk = Some(SmallDisk::mount(server.folder.path().join("store"), mib)?);
        server.run();
        Some(server)
    }

    /// Makes the small disk larger.
    pub fn enlarge_disk(&self, mib: u32) {
        let disk = self.disk.as_ref().expect("a small disk");
        assert!(mount(&["-o", &format!("remount,size={mib}m")], &disk.0));
    }

    /// With a configuration of its own, which has it listen at `127.0.0.1:PORT`; `FOLDER` in it stands for a folder of the server.
    pub fn configured(port: u16, text: &str) -> Self {
        let mut server = Self::written("127.0.0.1", port, None, text);
        server.run();
        server
    }

    fn prepared(host: &str, port: u16, namespace: Option<String>, more: &str) -> Self {
        let text = format!(
            "listen: \"{host}:{port}\"\nmax_payload: 8MB\n\
             jetstream {{ store_dir: \"FOLDER/store\", sync_interval: always, max_file_store: 20GB }}\n{more}"
        );
        Self::written(host, port, namespace, &text)
    }

    fn written(host: &str, port: u16, namespace: Option<String>, text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("nats-server.conf");
        fs::write(&config, text.replace("FOLDER", &folder.path().display().to_string())).unwrap();
        Self { port, host: host.to_owned(), namespace, disk: None, folder, config, child: None }
    }

    /// Starts it, again if it was there before.
    pub fn run(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.log()).unwrap();
        let mut command = match &self.namespace {
            // Replaces itself by the server: the process that is started is the one that is killed.
            Some(name) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", name]).arg(program());
                command
            }
            None => Command::new(program()),
        };
        command.arg("-c").arg(&self.config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().unwrap());
        let start = Instant::now();
        while std::net::TcpStream::connect((&*self.host, self.port)).is_err() {
            assert!(start.elapsed() < PATIENCE, "{}", fs::read_to_string(self.log()).unwrap());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it without notice.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Waits until it says this, in whatever case.
    pub fn wait_for_log(&self, text: &str) {
        let start = Instant::now();
        while !fs::read_to_string(self.log()).unwrap().to_lowercase().contains(text) {
            assert!(start.elapsed() < PATIENCE, "no `{text}`");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What it said.
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// `nats://HOST:PORT`.
    pub fn url(&self) -> String {
        format!("nats://{}", self.place())
    }

    /// `HOST:PORT`.
    pub fn place(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// A question to it.
    pub fn ask<T, F: Future<Output = T>>(&self, question: impl FnOnce(Client) -> F) -> T {
        ask(&self.url(), ConnectOptions::new(), question)
    }

    /// Waits until the consumer has nothing left, in the stream or with a worker.
    pub fn wait_until_done(&self, stream: &str, consumer: &str) {
        wait_until_done(&self.url(), stream, consumer);
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let log = fs::read_to_string(self.log()).unwrap_or_default();
            eprintln!("the last of nats-server {}:\n{}", self.place(), last_lines(&log, 60));
        }
    }
}

/// A file system of its own; unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(place: PathBuf, mib: u32) -> Option<Self> {
        fs::create_dir_all(&place).unwrap();
        mount(&["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"], &place).then_some(Self(place))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The folder around is removed next, which fails aloud if this did.
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// Whether it works.
fn mount(options: &[&str], place: &Path) -> bool {
    Command::new("mount").args(options).arg(place).output().is_ok_and(|output| output.status.success())
}

/// The end of a log.
pub fn last_lines(log: &str, lines: usize) -> String {
    let all: Vec<&str> = log.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// A question to a server.
pub fn ask<T, F: Future<Output = T>>(
    url: &str,
    options: ConnectOptions,
    question: impl FnOnce(Client) -> F,
) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (scheme, hosts) = url.split_once("://").unwrap();
        let hosts = hosts.split(',').map(|host| format!("{scheme}://{host}").parse::<ServerAddr>().unwrap());
        let client = options.retry_on_initial_connect().connect(hosts.collect::<Vec<_>>()).await.unwrap();
        tokio::time::timeout(PATIENCE * 3, question(client)).await.expect("an answer")
    })
}

/// As [`NatsServer::wait_until_done`]; any of several servers may answer. The stream's leader and the consumer's are asked: the latter
/// may not know yet of a message that the former has stored.
pub fn wait_until_done(url: &str, stream: &str, consumer: &str) {
    wait_until_done_with(url, ConnectOptions::new(), stream, consumer);
}

/// The same with other options.
pub fn wait_until_done_with(url: &str, options: ConnectOptions, stream: &str, consumer: &str) {
    let start = Instant::now();
    ask(url, options, |client| async move {
        let context = jetstream::new(client);
        loop {
            let left = left(&context, stream, consumer).await;
            if left == Ok((0, 0, 0)) {
                return;
            }
            assert!(start.elapsed() < PATIENCE * 2, "not done: {left:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
}

/// Messages in the stream, which are deleted when they are acknowledged; those of them that the consumer has not delivered, and
/// those that it waits for.
async fn left(
    context: &jetstream::Context,
    stream: &str,
    consumer: &str,
) -> Result<(u64, u64, usize), String> {
    let found = context.get_stream(stream).await.map_err(|error| error.to_string())?;
    let info = found.consumer_info(consumer).await.map_err(|error| error.to_string())?;
    Ok((found.cached_info().state.messages, info.num_pending, info.num_ack_pending))
}

/// Subject and payload of all messages of a stream, in order. A cluster that has just lost a node may have to be asked again.
pub fn messages(url: &str, options: ConnectOptions, stream: &str) -> Vec<(String, Vec<u8>)> {
    let start = Instant::now();
    ask(url, options, |client| async move {
        let context = jetstream::new(client);
        loop {
            match read(&context, stream).await {
                Ok(all) => return all,
                Err(error) => assert!(start.elapsed() < PATIENCE, "{stream} cannot be read: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    })
}

async fn read(
    context: &jetstream::Context,
    stream: &str,
) -> Result<Vec<(String, Vec<u8>)>, async_nats::Error> {
    let stream = context.get_stream(stream).await?;
    let expected = stream.cached_info().state.messages as usize;
    let config = consumer::pull::Config { ack_policy: consumer::AckPolicy::None, ..Default::default() };
    let consumer = stream.create_consumer(config).await?;
    let mut messages = consumer.messages().await?;
    let mut all = Vec::new();
    while all.len() < expected {
        let message = messages.next().await.ok_or("the messages have ended")??;
        all.push((message.subject.to_string(), message.payload.to_vec()));
    }
    Ok(all)
}
