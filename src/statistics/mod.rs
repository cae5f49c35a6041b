//! Statistics of anomaly scores: ROC curves, areas under them, working points and their errors.
//!
//! An event passes a threshold when `score >= threshold`. A score that is not finite is *invalid*: it is
//! counted, and takes part in nothing else, so efficiencies are fractions of the valid events. Every number here
//! is computed from counts, never from a binned distribution; bins ([`ScoreDistribution`]) are for watching scores.

mod auc;
mod binomial;
mod roc;
mod score_bins;
mod scores;
#[cfg(test)]
mod tests;
mod working_point;

pub use auc::{Auc, auc};
pub use binomial::{Interval, ONE_SIGMA, binomial_interval};
pub use roc::{RocPoint, SignificanceImprovement, max_significance_improvement, roc};
pub use score_bins::{
    SCORE_BINS, ScoreDistribution, kolmogorov_distance, kolmogorov_error, score_bin, score_bin_end,
};
pub use scores::Scores;
pub use working_point::{Cut, SignalEfficiency, background_cut, signal_efficiency};

/// Background events that have to pass a threshold before a rate or an efficiency is trusted: ten of them
/// know it to a third.
pub const MIN_BACKGROUND_EVENTS: u64 = 10;
