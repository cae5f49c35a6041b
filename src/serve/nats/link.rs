use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::jetstream::{self, Context};
use async_nats::{Client, ConnectOptions, Event};
use tokio::runtime::{Handle, Runtime};

use super::NatsAddress;
use crate::serve::ServeError;

/// Wait for the server's answer to a publication or a request. Past it, the same thing is said again.
pub(super) const ANSWER_TIME: Duration = Duration::from_secs(5);
/// A connection on which this long nothing comes is tried; two tries later it is given up.
const PING_EVERY: Duration = Duration::from_secs(5);
/// Longest pause between two attempts to connect.
const RECONNECT_EVERY: Duration = Duration::from_secs(2);
/// What a runtime that ends may take.
const END_TIME: Duration = Duration::from_millis(200);

/// A connection with a thread of its own. It is made again when it breaks, to any of the nodes, as long as it takes.
pub(super) struct Link {
    runtime: Option<Runtime>,
    client: Client,
    context: Context,
    servers: String,
    disconnects: Arc<AtomicU64>,
}

impl Link {
    /// Connects.
    pub(super) fn connect(address: &NatsAddress, purpose: &str) -> Result<Self, ServeError> {
        let servers = address.servers();
        let failed = |reason: String| ServeError::Source { address: servers.clone(), reason };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name(format!("nats-{purpose}"))
            .enable_all()
            .build()
            .map_err(|error| failed(format!("no thread: {error}")))?;
        let disconnects = Arc::new(AtomicU64::new(0));
        let options = options(address, purpose, Arc::clone(&disconnects)).map_err(failed)?;
        let hosts = address.hosts.iter().map(|host| format!("{}://{host}", scheme(address)));
        let hosts = hosts
            .map(|host| host.parse::<async_nats::ServerAddr>())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| failed(error.to_string()))?;
        let client = runtime.block_on(options.connect(hosts)).map_err(|error| failed(chain(&error)))?;
        // Building a context starts a task.
        let context = runtime.block_on(async {
            jetstream::ContextBuilder::new()
                .timeout(ANSWER_TIME)
                .max_ack_inflight(1 << 20)
                .build(client.clone())
        });
        Ok(Self { runtime: Some(runtime), client, context, servers, disconnects })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    /// The servers, for messages.
    pub(super) fn servers(&self) -> &str {
        &self.servers
    }

    /// How often the connection was lost; goes on counting.
    pub(super) fn disconnects(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.disconnects)
    }

    pub(super) fn error(&self, reason: impl Into<String>) -> ServeError {
        ServeError::Source { address: self.servers.clone(), reason: reason.into() }
    }

    /// Waits for `future`. Not from a task of this link.
    pub(super) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        match &self.runtime {
            Some(runtime) => runtime.block_on(future),
            None => unreachable!("the runtime goes when the link is dropped"),
        }
    }

    /// Runs `future` on the link's thread.
    pub(super) fn spawn<F>(&self, future: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.handle().spawn(future)
    }

    fn handle(&self) -> &Handle {
        match &self.runtime {
            Some(runtime) => runtime.handle(),
            None => unreachable!("the runtime goes when the link is dropped"),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(END_TIME);
        }
    }
}

fn scheme(address: &NatsAddress) -> &'static str {
    if address.tls { "tls" } else { "nats" }
}

fn options(
    address: &NatsAddress,
    purpose: &str,
    disconnects: Arc<AtomicU64>,
) -> Result<ConnectOptions, String> {
    let servers = address.servers();
    let mut options = ConnectOptions::new()
        .name(format!("trigsieve {purpose}"))
        .ping_interval(PING_EVERY)
        .reconnect_delay_callback(|attempts| {
            Duration::from_millis(50 << attempts.min(8) as u32).min(RECONNECT_EVERY)
        })
        .event_callback(move |event| {
            log(&servers, &event);
            let lost = u64::from(matches!(event, Event::Disconnected));
            disconnects.fetch_add(lost, Ordering::Relaxed);
            async {}
        });
    let files = &address.files;
    if let Some(path) = &files.credentials {
        options = options.credentials(&secret(path)?).map_err(|error| named(path, &error))?;
    }
    if let Some(path) = &files.nkey_seed {
        options = options.nkey(secret(path)?.trim().to_owned());
    }
    if let Some(path) = &files.authority {
        options = options.add_root_certificates(readable(path)?.to_owned());
    }
    if let (Some(certificate), Some(key)) = (&files.certificate, &files.key) {
        options =
            options.add_client_certificate(readable(certificate)?.to_owned(), readable(key)?.to_owned());
    }
    Ok(options.require_tls(address.tls))
}

fn log(servers: &str, event: &Event) {
    match event {
        Event::Connected => tracing::info!("{servers}: connected"),
        Event::Draining | Event::Closed => tracing::debug!("{servers}: {event}"),
        _ => tracing::warn!("{servers}: {event}"),
    }
}

/// A file that others may read is no secret.
fn secret(path: &Path) -> Result<String, String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).map_err(|error| named(path, &error))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(format!("{}: others can read it (mode {:03o}): chmod 600", path.display(), mode & 0o777));
    }
    std::fs::read_to_string(path).map_err(|error| named(path, &error))
}

fn readable(path: &Path) -> Result<&Path, String> {
    std::fs::File::open(path).map(|_| path).map_err(|error| named(path, &error))
}

fn named(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{}: {error}", path.display())
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = text + ": " + &more;
        }
        cause = error.source();
    }
    text
}
