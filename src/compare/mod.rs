//! Two parties on the same events: engines, models, or the scores of somebody else's simulation.
//!
//! Two fixed-point programs, or a program and golden scores, have to agree to the last bit ([`exact`]); where they do
//! not, a [`Trace`] shows every layer's numbers side by side. Everything else is compared by statistics
//! ([`Difference`]).

mod bounded;
mod error;
mod exact;
mod golden;
mod number;
mod party;
mod statistic;
#[cfg(test)]
mod tests;
mod trace;

pub use error::CompareError;
pub use exact::{ExactComparison, Mismatch, Other, exact};
pub use golden::{Golden, GoldenOptions};
pub use number::Number;
pub use party::Party;
pub use statistic::{Decisions, Difference};
pub use trace::{LayerTrace, Trace, TracedNumber, trace};
