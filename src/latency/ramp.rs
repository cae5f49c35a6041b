use hdrhistogram::Histogram;

/// Latencies below this are counted apart, a nanosecond each: half a millisecond, beyond which a bucket of the
/// histogram holds many events of a bunch clock anyway.
const REACH_NS: u64 = 1 << 19;

/// Latencies of events that arrived evenly spaced and were decided together: L, L - step, L - 2 step, ... A run of them is
/// counted in constant time, as at 25 ns an event a histogram's bucket for each would cost as much as a small network.
/// What comes out is the histogram that recording each would give.
#[derive(Clone, Debug)]
pub struct Ramps {
    step_ns: u64,
    /// Differences of the counts at a distance of one step: the count of a latency is that of the latency a step below
    /// plus this.
    edges: Vec<i64>,
}

impl Ramps {
    /// Counts runs of events `step_ns` apart.
    ///
    /// # Panics
    /// When `step_ns` is 0.
    #[must_use]
    pub fn new(step_ns: u64) -> Self {
        assert!(step_ns > 0, "events are apart");
        Self { step_ns, edges: vec![0; REACH_NS as usize] }
    }

    /// Counts `events` latencies, at least one, of which `largest_ns` is the largest and none below zero. Long ones go to
    /// `histogram` at once.
    pub fn record(&mut self, largest_ns: u64, events: u64, histogram: &mut Histogram<u64>) {
        let end_ns = largest_ns + self.step_ns;
        if end_ns < REACH_NS {
            self.edges[(end_ns - events * self.step_ns) as usize] += 1;
            self.edges[end_ns as usize] -= 1;
        } else {
            record_by_bucket(largest_ns, self.step_ns, events, histogram);
        }
    }

    /// Adds everything that was counted to `histogram`.
    pub fn finish(mut self, histogram: &mut Histogram<u64>) {
        let step = self.step_ns as usize;
        for latency_ns in 0..self.edges.len() {
            if let Some(below) = latency_ns.checked_sub(step) {
                self.edges[latency_ns] += self.edges[below];
            }
            if let Ok(count @ 1..) = u64::try_from(self.edges[latency_ns]) {
                histogram.saturating_record_n(latency_ns as u64, count);
            }
        }
    }
}

/// Records a run bucket by bucket: latencies of one bucket are the same to the histogram.
fn record_by_bucket(largest_ns: u64, step_ns: u64, events: u64, histogram: &mut Histogram<u64>) {
    let (mut latency_ns, mut left) = (largest_ns, events);
    while left > 0 {
        let in_bucket = (latency_ns - histogram.lowest_equivalent(latency_ns)) / step_ns + 1;
        let count = in_bucket.min(left);
        histogram.saturating_record_n(latency_ns, count);
        left -= count;
        latency_ns = latency_ns.saturating_sub(count * step_ns);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{REACH_NS, Ramps};
    use crate::latency::histogram;

    proptest! {
        /// The histogram is that of each event recorded on its own, around the reach and far beyond it.
        #[test]
        fn runs_are_counted_as_their_events(
            step_ns in 1_u64..2000,
            runs in proptest::collection::vec((0_u64..3000, 1_u64..500, 0_u32..8), 1..40),
        ) {
            let mut ramps = Ramps::new(step_ns);
            let (mut found, mut expected) = (histogram(), histogram());
            for (start, events, scale) in runs {
                // From latencies of a few steps to minutes, where the histogram saturates.
                let smallest_ns = start << (4 * scale);
                let largest_ns = smallest_ns + (events - 1) * step_ns;
                ramps.record(largest_ns, events, &mut found);
                (0..events).for_each(|event| expected.saturating_record(largest_ns - event * step_ns));
            }
            ramps.finish(&mut found);
            prop_assert_eq!(&found, &expected);
            prop_assert_eq!((found.min(), found.max(), found.len()), (expected.min(), expected.max(), expected.len()));
        }
    }

    #[test]
    fn the_last_latency_within_reach_is_counted() {
        let mut found = histogram();
        let mut ramps = Ramps::new(25);
        for largest_ns in [0, 24, 25, REACH_NS - 26, REACH_NS - 25, REACH_NS] {
            ramps.record(largest_ns, 1, &mut found);
        }
        ramps.finish(&mut found);
        assert_eq!(found.len(), 6);
    }
}
