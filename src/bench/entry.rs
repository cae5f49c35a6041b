use hdrhistogram::Histogram;
use serde::Serialize;

use super::{MedianInterval, median_interval};
use crate::latency::Percentiles;

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// A loop of bare calls of the scorer.
    Call,
    /// The whole chain of a replay.
    Replay,
    /// A loop of calls in Python.
    Python,
    /// The C++ emulator of the firmware, one event after the other.
    Emulator,
}

impl Way {
    /// `call`, `replay`, `python` or `emulator`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Replay => "replay",
            Self::Python => "python",
            Self::Emulator => "emulator",
        }
    }
}

/// What was found for an entry.
#[derive(Clone, Debug, Serialize)]
pub struct EntryReport {
    /// Name of the model.
    pub model: String,
    /// Name of the engine.
    pub engine: &'static str,
    /// What of the bundle ran.
    pub precision: &'static str,
    /// What was timed.
    pub way: Way,
    /// How the workers of a replay waited, if that was chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<String>,
    /// Events a call; on a clock, at most.
    pub batch: usize,
    /// Threads that score.
    pub workers: usize,
    /// Events a second.
    pub throughput_hz: MedianInterval,
    /// Events a second of each round.
    pub rounds_hz: Vec<f64>,
    /// Nanoseconds that an event's batch took, or on a clock from an event's arrival to its score, over all rounds.
    pub latency_ns: Percentiles,
    /// The histogram that they are of, nanoseconds.
    #[serde(skip)]
    pub latencies: Histogram<u64>,
    /// On a clock, those of each round.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rounds_latency_ns: Vec<Percentiles>,
    /// Of a replay: its throughput over that of others of the same round.
    pub ratios: Vec<RatioReport>,
    /// Of a replay on a clock: what it adds to bare calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub added_ns: Option<AddedLatency>,
}

/// A ratio of throughputs.
#[derive(Clone, Debug, Serialize)]
pub struct RatioReport {
    /// Over what.
    pub to: Way,
    /// The ratio, taken round by round.
    pub ratio: MedianInterval,
}

/// Quantiles of a replay's latency less the same quantiles of bare calls in the same round, nanoseconds.
#[derive(Clone, Debug, Serialize)]
pub struct AddedLatency {
    /// Of the medians.
    pub p50: MedianInterval,
    /// Of the 99th percentiles.
    pub p99: MedianInterval,
    /// Of the 99.9th percentiles.
    pub p99_9: MedianInterval,
}

impl AddedLatency {
    /// From the rounds of both.
    pub(super) fn of(replays: &[Percentiles], calls: &[Percentiles]) -> Option<Self> {
        let added = |of: fn(&Percentiles) -> u64| {
            let difference =
                |(ours, theirs): (&Percentiles, &Percentiles)| of(ours) as f64 - of(theirs) as f64;
            median_interval(&replays.iter().zip(calls).map(difference).collect::<Vec<_>>())
        };
        Some(Self {
            p50: added(|latency| latency.p50)?,
            p99: added(|latency| latency.p99)?,
            p99_9: added(|latency| latency.p99_9)?,
        })
    }
}
