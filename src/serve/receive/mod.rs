//! Receivers: from sockets and standard input to the intake.

mod stdin;
mod stream;
mod udp;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

pub use stdin::{ArrowStream, StdinReceiver};
pub use stream::{RECEIPT_BYTES, StreamListener, StreamReceiver};
pub use udp::UdpReceiver;

use super::{Address, Intake, NatsSourceCounts, ServeError};
use trigsieve_frame::Limits;

/// How often a receiver that waits looks whether it should stop.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What a receiver puts up with.
#[derive(Clone, Copy, Debug)]
pub struct ReceiveLimits {
    /// Of a frame.
    pub frame: Limits,
    /// Connections at a time, over all stream receivers.
    pub connections: u64,
    /// A connection on which nothing comes for so long is closed, and so is one that takes longer for a frame.
    pub idle: Duration,
}

impl Default for ReceiveLimits {
    fn default() -> Self {
        Self { frame: Limits::default(), connections: 64, idle: Duration::from_secs(60) }
    }
}

/// Asks receivers to end.
#[derive(Clone, Debug, Default)]
pub struct StopReceiving(Arc<OnceLock<Instant>>);

impl StopReceiving {
    /// Receivers end as soon as the frame they are in is complete, and what has come to this machine is taken. Nobody waits for
    /// them after `until`. A second request changes nothing.
    pub fn request(&self, until: Instant) {
        self.0.get_or_init(|| until);
    }

    /// Whether they should.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.get().is_some()
    }

    /// The time left for what has come, if a stop is requested.
    fn time_left(&self) -> Option<Duration> {
        self.0.get().map(|until| until.saturating_duration_since(Instant::now()))
    }
}

/// Brings frames to the intake, on a thread of its own.
pub trait Receiver: Send {
    /// Where from.
    fn address(&self) -> String;

    /// Receives until the source is at its end, `stop` is requested or the intake is closed. What was received but not taken
    /// is the source's to send again.
    ///
    /// # Errors
    /// [`ServeError`] when nothing can be received any more; a bad frame or connection is counted and logged instead.
    fn run(&mut self, intake: &Arc<Intake>, stop: &StopReceiving) -> Result<(), ServeError>;

    /// What it has met, where it is one on NATS.
    fn nats(&self) -> Option<Arc<NatsSourceCounts>> {
        None
    }
}

/// The receiver of an address, listening already.
///
/// # Errors
/// [`ServeError::Listen`], or for an address that is none of a source.
pub fn receiver_of(address: &Address, limits: ReceiveLimits) -> Result<Box<dyn Receiver>, ServeError> {
    let failed = |source| ServeError::Listen { address: address.to_string(), source };
    Ok(match address {
        Address::Udp(socket) => Box::new(UdpReceiver::bind(*socket, limits).map_err(failed)?),
        Address::Multicast(group, interface) => {
            Box::new(UdpReceiver::join(*group, *interface, limits).map_err(failed)?)
        }
        Address::Tcp(socket) => {
            Box::new(StreamReceiver::new(StreamListener::tcp(*socket).map_err(failed)?, limits))
        }
        Address::Unix(path) => {
            Box::new(StreamReceiver::new(StreamListener::unix(path).map_err(failed)?, limits))
        }
        Address::Stdio => Box::new(StdinReceiver::new()),
        Address::Nats(_) | Address::Folder(_) => {
            let reason = "is no source of this build".to_owned();
            return Err(ServeError::Source { address: address.to_string(), reason });
        }
    })
}
