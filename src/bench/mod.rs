//! Throughput and latency of models, engines, batches and workers from interleaved rounds: of a loop of bare calls, of the
//! whole chain of a replay, of the same loop in Python, and of the firmware's C++ emulator.
//!
//! Every round measures every entry once, in turns forwards and backwards, so that a machine that slows down slows all of
//! them; a ratio is taken within a round. Scores are compared before anything is timed.

mod agreement;
mod emulator;
mod entry;
mod error;
mod events;
mod measure;
mod median;
mod peers;
mod python;
mod references;
mod rounds;

pub use agreement::check_scores;
pub use emulator::EmulatorPeer;
pub use entry::{AddedLatency, EntryReport, RatioReport, Way};
pub use error::BenchError;
pub use events::generate_events;
pub use measure::{Measurement, Pace, Shape, calls, chain, paced_calls};
pub use median::{MedianInterval, median_interval};
pub use peers::Peers;
pub use python::{PythonPeer, PythonVersions};
pub use rounds::{BenchPlan, Subject, bench, measurements};
