//! The pipeline: a source on the bunch clock, workers with a scorer each that take what has arrived, a sink, and rings
//! between workers and sink.
//!
//! One direction; what travels is a description of rows. Every buffer is allocated before the first event. Workers end by
//! dropping their ring ends: the sink drains what is left and follows.

mod affinity;
mod block;

mod counters;
mod denormals;
mod error;
mod finite;
mod replay;
mod source;
#[cfg(test)]
mod stepper;
mod stop;
#[cfg(test)]
mod stress;
#[cfg(test)]
mod tests;
mod turns;
mod wait;
mod worker;

pub use affinity::bind_to_core;
pub use block::{Accepted, DecidedBlock};
pub use counters::{Counters, DropCause, Unbalanced};
pub use error::PipelineError;
pub(crate) use finite::are_finite;
pub use replay::{BUFFERED_EVENTS, Outcome, ReplayPlan, Span, replay};
pub use stop::Stop;
pub use wait::{WaitStrategy, Waiter};
pub(crate) use worker::is_finite;

/// What to do with events that find every worker busy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overload {
    /// Let them wait: nothing is lost, latency grows.
    #[default]
    Block,
    /// Drop and count what the derandomising buffer cannot hold: the clock never stalls.
    Drop,
}

/// Where a block of decided events goes, in event order.
pub trait Sink: Send {
    /// Takes the accepted events of one block. May be slow: the workers go on until their blocks run out.
    ///
    /// # Errors
    /// When the events cannot be kept; the run then stops.
    fn accept(&mut self, block: &DecidedBlock) -> Result<(), PipelineError>;
}
