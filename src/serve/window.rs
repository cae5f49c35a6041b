use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;

use super::{Dropped, Snapshot};
use crate::latency::Percentiles;

/// Rates and percentiles of "now" are those of this time.
pub const WINDOW: Duration = Duration::from_secs(10);

/// Fractions of the events that came, without those that came twice, that got no decision, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct DeadTime {
    /// See [`super::DropCause::QueueFull`].
    pub queue_full: f64,
    /// See [`super::DropCause::Refused`].
    pub refused: f64,
    /// See [`super::DropCause::Failed`].
    pub failed: f64,
    /// All of them.
    pub total: f64,
}

impl DeadTime {
    /// Of `events_in`, among which the dropped are.
    #[must_use]
    pub fn of(events_in: u64, dropped: &Dropped) -> Self {
        let offered = events_in.saturating_sub(dropped.duplicate).max(1) as f64;
        let [queue_full, refused, failed] =
            [dropped.queue_full, dropped.refused, dropped.failed].map(|events| events as f64 / offered);
        Self { queue_full, refused, failed, total: queue_full + refused + failed }
    }
}

/// Rates of a path.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PathRate {
    /// Events that pass the threshold, Hz.
    pub passed_hz: f64,
    /// Of those, kept by the prescale, Hz.
    pub accepted_hz: f64,
}

/// The last seconds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Recent {
    /// How long they are: up to [`WINDOW`].
    pub seconds: f64,
    /// Events that came, Hz.
    pub events_in_hz: f64,
    /// Events that were scored, Hz.
    pub events_scored_hz: f64,
    /// Events that were accepted by a path, or invalid, Hz.
    pub events_accepted_hz: f64,
    /// Dead time.
    pub dead_time: DeadTime,
    /// Rates by path, in the order of the deployment; no others than those since its begin.
    pub paths: Vec<PathRate>,
    /// From the receipt of the frame to the decision on its last event.
    pub decision_ns: Percentiles,
}

/// Counts of the last [`WINDOW`], looked at every second.
#[derive(Default)]
pub(super) struct SlidingWindow {
    samples: VecDeque<Sample>,
}

struct Sample {
    at: Instant,
    counts: Snapshot,
    decision_ns: Histogram<u64>,
}

impl SlidingWindow {
    /// Looks at `now`; gives what happened since the oldest look that is within the window, and since the latest one.
    pub(super) fn look(
        &mut self,
        now: Instant,
        counts: Snapshot,
        decision_ns: Histogram<u64>,
    ) -> (Recent, Recent) {
        let latest = Sample { at: now, counts, decision_ns };
        // A look is some milliseconds late now and then: half a period of grace keeps the window's length.
        let is_old = |sample: &Sample| now.duration_since(sample.at) > WINDOW + Duration::from_millis(500);
        while self.samples.front().is_some_and(is_old) {
            self.samples.pop_front();
        }
        let recent = self.samples.front().map_or_else(Recent::default, |first| between(first, &latest));
        let second = self.samples.back().map_or_else(Recent::default, |last| between(last, &latest));
        self.samples.push_back(latest);
        (recent, second)
    }
}

fn between(first: &Sample, last: &Sample) -> Recent {
    let seconds = last.at.duration_since(first.at).as_secs_f64();
    let (from, to) = (&first.counts, &last.counts);
    let rate = |from: u64, to: u64| to.saturating_sub(from) as f64 / seconds.max(f64::MIN_POSITIVE);
    let same = from.generation == to.generation;
    let paths = to.paths.iter().enumerate().map(|(index, path)| {
        // The counts of a path begin anew with a deployment.
        let before = from.paths.get(index).filter(|_| same).map_or((0, 0), |p| (p.passed, p.accepted));
        PathRate { passed_hz: rate(before.0, path.passed), accepted_hz: rate(before.1, path.accepted) }
    });
    let mut decision_ns = last.decision_ns.clone();
    // Never refused: the earlier counts are among the later ones, and all have one shape.
    let decision_ns = match decision_ns.subtract(&first.decision_ns) {
        Ok(()) => Percentiles::from(&decision_ns),
        Err(_) => Percentiles::default(),
    };
    let dropped = to.events_dropped.since(&from.events_dropped);
    Recent {
        seconds,
        events_in_hz: rate(from.events_in, to.events_in),
        events_scored_hz: rate(from.events_scored, to.events_scored),
        events_accepted_hz: rate(from.events_accepted, to.events_accepted),
        dead_time: DeadTime::of(to.events_in.saturating_sub(from.events_in), &dropped),
        paths: paths.collect(),
        decision_ns,
    }
}
