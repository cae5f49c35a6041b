//! Thresholds at named background efficiencies.

use trigsieve::model::Threshold;

/// Background efficiencies for which a bundle gives thresholds.
pub const BACKGROUND_EFFICIENCIES: [f64; 4] = [1e-1, 1e-2, 1e-3, 1e-4];

/// Fewest events above a threshold: below, its statistical error says nothing.
const MIN_EVENTS: usize = 10;

/// Thresholds on the scores of background events; an efficiency that fewer than 10 events would pass is left out.
///
/// The threshold is the score of the k-th most anomalous event, k = efficiency * N, and events pass with a score at
/// or above it. Its error is half the distance between the scores at ranks k - sqrt(k) and k + sqrt(k): one standard
/// deviation of the number of events above a fixed score. NaN scores count as the most anomalous, as in a run.
#[must_use]
pub fn thresholds(mut scores: Vec<f32>) -> Vec<Threshold> {
    scores.sort_unstable_by(|left, right| right.total_cmp(left));
    let passing = |efficiency: f64| (efficiency * scores.len() as f64).round() as usize;
    BACKGROUND_EFFICIENCIES
        .into_iter()
        .filter(|&efficiency| passing(efficiency) >= MIN_EVENTS)
        .map(|efficiency| threshold(&scores, efficiency, passing(efficiency)))
        .collect()
}

fn threshold(descending: &[f32], background_efficiency: f64, rank: usize) -> Threshold {
    let value = descending[rank - 1];
    let spread = (rank as f64).sqrt().round() as usize;
    let upper = descending[rank - 1 - spread];
    let lower = descending[(rank - 1 + spread).min(descending.len() - 1)];
    let events = descending.partition_point(|score| score.total_cmp(&value).is_ge()) as u64;
    Threshold { background_efficiency, value, error: (upper - lower) / 2.0, events }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kth_largest_score_is_the_threshold() {
        let scores: Vec<f32> = (0..10_000).map(|event| event as f32).collect();
        let thresholds = thresholds(scores);
        let at = |index: usize| {
            let Threshold { background_efficiency, value, error, events } = thresholds[index];
            (background_efficiency, value, error, events)
        };
        assert_eq!(thresholds.len(), 3, "1e-4 of 10,000 events is one event");
        assert_eq!(at(0), (0.1, 9_000.0, 32.0, 1_000));
        assert_eq!(at(2), (0.001, 9_990.0, 3.0, 10));
    }

    #[test]
    fn ties_pass_together() {
        let thresholds = thresholds(vec![1.0; 200]);
        assert_eq!((thresholds[0].value, thresholds[0].error, thresholds[0].events), (1.0, 0.0, 200));
    }

    #[test]
    fn no_events_give_no_thresholds() {
        assert_eq!(thresholds(vec![]), []);
    }
}
