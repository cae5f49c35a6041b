//! The mock detector: event tables as frames to a service, paced by the bunch clock, with faults on request.

mod arrow;
mod faults;
mod frames;
mod target;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::event::EventError;
use crate::pipeline::{Span, Stop};
use crate::serve::{PublishReport, ServeError};
use crate::source::{Clock, Cursor, EventSet};

pub use arrow::ArrowTarget;
pub use faults::{FaultCounts, Faults};
pub use frames::FrameMaker;
pub use target::{FrameTarget, NatsTarget, StreamTarget, UdpTarget};

/// Why events could not be sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The events cannot be read.
    #[error(transparent)]
    Events(#[from] EventError),
    /// The other side cannot be reached, or is gone.
    #[error("{address}: {source}")]
    Io {
        /// The other side.
        address: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The other side did not take everything.
    #[error("{address}: {reason}")]
    NotTaken {
        /// The other side.
        address: String,
        /// What it said.
        reason: String,
    },
    /// A message broker's.
    #[error(transparent)]
    Broker(#[from] ServeError),
    /// A socket file or folder of the other side.
    #[error("{path}: {source}")]
    Path {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

/// How to send.
#[derive(Clone, Debug)]
pub struct SendPlan {
    /// When events are due.
    pub clock: Clock,
    /// How often or how long to go over the events.
    pub span: Span,
    /// Run number of the frames.
    pub run: u32,
    /// Number of this sender in the run.
    pub source: u32,
    /// Events in a frame.
    pub frame_events: u32,
    /// What to do wrong.
    pub faults: Faults,
}

/// What was sent.
#[derive(Clone, Debug, Serialize)]
pub struct SendReport {
    /// Run number of the frames.
    pub run: u32,
    /// Number of this sender.
    pub source: u32,
    /// Events that were to be sent.
    pub events: u64,
    /// Frames that were to be sent; the service counts those of them that it misses as lost.
    pub frames: u64,
    /// Faults made on request.
    pub faults: FaultCounts,
    /// From the first frame to the last.
    pub wall_seconds: f64,
    /// Events a second.
    pub rate_hz: f64,
    /// By how much the last event of a frame was sent after it was due, at most; 0 without a clock.
    pub latest_ns: u64,
    /// What the message broker said, where there is one between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<PublishReport>,
    /// Whether the user stopped it.
    pub interrupted: bool,
}

/// Sends the events of `set` to `target`. Events of a second pass over the set get ids and crossings behind those of the first.
///
/// # Errors
/// [`SendError`].
pub fn send(
    set: &EventSet,
    plan: &SendPlan,
    target: &mut dyn FrameTarget,
    stop: &Stop,
    progress: &dyn Fn(u64),
) -> Result<SendReport, SendError> {
    let mut maker = FrameMaker::new(set, plan.run, plan.source);
    let mut faults = faults::Faulty::new(plan.faults);
    let (mut cursor, mut sent, mut latest_ns) = (Cursor::default(), 0_u64, 0);
    let start = Instant::now();
    let total = match plan.span {
        Span::Passes(passes) => Some(set.len().saturating_mul(passes)),
        Span::Events { first, end } => Some(end.saturating_sub(first)),
        Span::Time(_) => None,
    };
    if let Span::Events { first, .. } = plan.span {
        cursor = set.cursor_at(first);
    }
    while !stop.is_requested() {
        let left = match plan.span {
            Span::Passes(_) | Span::Events { .. } => total.unwrap_or(0) - sent,
            Span::Time(time) if start.elapsed() < time => u64::MAX,
            Span::Time(_) => 0,
        };
        if left == 0 {
            break;
        }
        let run = set.run_at(cursor, left.min(plan.frame_events.into()));
        let frame = maker.frame(run, sent / set.len())?;
        set.advance(&mut cursor, run);
        sent += u64::from(run.len);
        if plan.clock.is_paced() {
            latest_ns = latest_ns.max(wait_until(start, plan.clock.scheduled_ns(sent - 1), stop));
        }
        for bytes in faults.through(frame, u64::from(run.len)) {
            target.send(bytes)?;
        }
        progress(sent);
    }
    let wall = start.elapsed();
    for bytes in faults.rest() {
        target.send(bytes)?;
    }
    set.check_all_intact()?;
    target.finish(&maker.end())?;
    Ok(SendReport {
        run: plan.run,
        source: plan.source,
        events: sent,
        frames: maker.frames(),
        faults: faults.counts(),
        wall_seconds: wall.as_secs_f64(),
        rate_hz: sent as f64 / wall.as_secs_f64().max(f64::MIN_POSITIVE),
        latest_ns,
        published: target.published(),
        interrupted: stop.was_interrupted(),
    })
}

/// Sleeps until `due_ns` after `start`; by how much it is later than that.
fn wait_until(start: Instant, due_ns: u64, stop: &Stop) -> u64 {
    /// Longest sleep between two looks at `stop`.
    const LOOK_EVERY: Duration = Duration::from_millis(100);
    let due = Duration::from_nanos(due_ns);
    loop {
        let now = start.elapsed();
        if now >= due {
            return u64::try_from((now - due).as_nanos()).unwrap_or(u64::MAX);
        }
        if stop.is_requested() {
            return 0;
        }
        std::thread::sleep((due - now).min(LOOK_EVERY));
    }
}
