//! A nats-server that the test starts, and what the test asks it.

use std::fs;
use std::future::Future;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use async_nats::jetstream::{self, consumer};
use async_nats::{Client, ConnectOptions};
use futures_util::StreamExt;
use tempfile::TempDir;

use crate::service::PATIENCE;

/// A server with JetStream that writes everything through to its disk; killed when dropped.
pub struct NatsServer {
    /// Where it listens for clients.
    pub port: u16,
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
        Self::on(free_port(), more)
    }

    /// At a port.
    pub fn on(port: u16, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("nats-server.conf");
        let store = folder.path().join("store");
        let text = format!(
            "listen: \"127.0.0.1:{port}\"\nmax_payload: 8MB\njetstream {{ store_dir: \"{}\", sync_interval: always, max_file_store: 20GB }}\n{}",
            store.display(),
            more.replace("FOLDER", &folder.path().display().to_string())
        );
        fs::write(&config, text).unwrap();
        let mut server = Self { port, folder, config, child: None };
        server.run();
        server
    }

    /// Starts it, again if it was there before.
    pub fn run(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.log()).unwrap();
        let mut command = Command::new(program());
        command.arg("-c").arg(&self.config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().unwrap());
        let start = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
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

    /// What it said.
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// `nats://HOST:PORT`.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
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
    }
}

/// A question to a server.
pub fn ask<T, F: Future<Output = T>>(
    url: &str,
    options: ConnectOptions,
    question: impl FnOnce(Client) -> F,
) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = options.retry_on_initial_connect().connect(url).await.unwrap();
        tokio::time::timeout(PATIENCE * 3, question(client)).await.expect("an answer")
    })
}

/// As [`NatsServer::wait_until_done`]; any of several servers may answer.
pub fn wait_until_done(url: &str, stream: &str, consumer: &str) {
    let start = Instant::now();
    ask(url, ConnectOptions::new(), |client| async move {
        let context = jetstream::new(client);
        loop {
            let info = match context.get_stream_no_info(stream).await {
                Ok(found) => found.consumer_info(consumer).await.ok(),
                Err(_) => None,
            };
            if info.as_ref().is_some_and(|info| info.num_pending == 0 && info.num_ack_pending == 0) {
                return;
            }
            assert!(start.elapsed() < PATIENCE * 2, "not done: {info:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
}

/// Subject and payload of all messages of a stream, in order.
pub fn messages(url: &str, options: ConnectOptions, stream: &str) -> Vec<(String, Vec<u8>)> {
    ask(url, options, |client| async move {
        let stream = jetstream::new(client).get_stream(stream).await.unwrap();
        let expected = stream.cached_info().state.messages as usize;
        let config = consumer::pull::Config { ack_policy: consumer::AckPolicy::None, ..Default::default() };
        let consumer = stream.create_consumer(config).await.unwrap();
        let mut messages = consumer.messages().await.unwrap();
        let mut all = Vec::new();
        while all.len() < expected {
            let message = messages.next().await.unwrap().unwrap();
            all.push((message.subject.to_string(), message.payload.to_vec()));
        }
        all
    })
}
