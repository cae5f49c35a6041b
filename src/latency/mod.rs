//! Latency histograms, one set a worker, merged when the run is over.

mod files;
mod ramp;
#[cfg(test)]
mod tests;

use hdrhistogram::Histogram;
use serde::Serialize;

pub use files::{LatencyFileError, write_hgrm, write_hlog};
pub use ramp::Ramps;

/// Longest latency told apart: a minute. Longer ones count as this.
const MAX_NS: u64 = 60_000_000_000;
/// Decimal digits kept: 0.1 %.
const SIGNIFICANT_DIGITS: u8 = 3;

/// A histogram of nanoseconds from 1 ns to a minute, 3 significant digits, of constant size.
#[must_use]
pub fn histogram() -> Histogram<u64> {
    // The bounds and digits are constants that HdrHistogram accepts, so the second arm is never taken.
    Histogram::new_with_bounds(1, MAX_NS, SIGNIFICANT_DIGITS).unwrap_or_else(|_| unreachable!())
}

/// What a worker measures, in nanoseconds an event.
#[derive(Clone, Debug)]
pub struct StageLatencies {
    /// From scheduled arrival (or, unpaced, from the start of scoring) to the decision.
    pub decision: Histogram<u64>,
    /// From scheduled arrival to the start of scoring; empty when unpaced.
    pub queue: Histogram<u64>,
    /// Scoring and deciding of the batch that held the event.
    pub score: Histogram<u64>,
}

impl Default for StageLatencies {
    fn default() -> Self {
        Self { decision: histogram(), queue: histogram(), score: histogram() }
    }
}

impl StageLatencies {
    /// Adds another worker's.
    pub fn merge(&mut self, other: &Self) {
        add(&mut self.decision, &other.decision);
        add(&mut self.queue, &other.queue);
        add(&mut self.score, &other.score);
    }
}

/// Adds `other` to `sum`; both were made by [`histogram`], so they always fit.
pub fn add(sum: &mut Histogram<u64>, other: &Histogram<u64>) {
    if sum.add(other).is_err() {
        unreachable!("histograms of one shape");
    }
}

/// Percentiles of a histogram as the run report gives them, nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// Events measured.
    pub count: u64,
    /// Median.
    pub p50: u64,
    /// 90th percentile.
    pub p90: u64,
    /// 99th percentile.
    pub p99: u64,
    /// 99.9th percentile.
    pub p99_9: u64,
    /// 99.99th percentile.
    pub p99_99: u64,
    /// Largest.
    pub max: u64,
}

impl From<&Histogram<u64>> for Percentiles {
    fn from(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile);
        Self {
            count: histogram.len(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            p99_99: at(0.9999),
            max: histogram.max(),
        }
    }
}
