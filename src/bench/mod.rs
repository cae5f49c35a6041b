//! Throughput and latency of models, engines, batches and workers from interleaved rounds: of a loop of bare calls, of the
//! whole chain of a replay, and of the same loop in Python.
//!
//! Every round measures every entry once, in turns forwards and backwards, so that a machine that slows down slows all of
//! them; a ratio is taken within a round. Scores are compared before anything is timed.

mod agreement;
mod error;
mod measure;
mod median;
mod python;
mod rounds;

pub use agreement::check_scores;
pub use error::BenchError;
pub use measure::{Measurement, Shape, calls, chain};
pub use median::{MedianInterval, median_interval};
pub use python::{PythonPeer, PythonVersions};
pub use rounds::{BenchPlan, EntryReport, RatioReport, Subject, Way, bench, measurements};
