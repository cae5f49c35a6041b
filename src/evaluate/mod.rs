//! Metrics of a model: how well its score tells signals from background.
//!
//! [`Sample`]s are scored event files, [`evaluate`] makes the content of `metrics.json` of them;
//! [`crate::statistics`] has the definitions.

mod error;
mod metrics;
mod sample;
mod scores_file;
#[cfg(test)]
mod tests;

pub use error::EvaluateError;
pub use metrics::{
    BackgroundMetrics, EfficiencyMetrics, Metrics, Model, SampleInfo, SignalMetrics, WORKING_POINTS, evaluate,
};
pub use sample::Sample;
pub use scores_file::write_scores;
