use std::sync::atomic::{AtomicU64, Ordering};

use crate::statistics::{SCORE_BINS, score_bin};

/// Scores that one worker has counted, by model. The worker alone writes, so that a plain load and store counts; others read
/// when they like and see each bin as it was a moment ago.
#[derive(Debug)]
pub(super) struct ScoreCounts {
    generation: u64,
    models: Vec<ModelCounts>,
}

#[derive(Debug)]
struct ModelCounts {
    bins: Box<[AtomicU64]>,
    /// Sum of the scores, the bits of a double.
    sum: AtomicU64,
}

impl ScoreCounts {
    /// Of a deployment with so many models; the only place that allocates.
    pub(super) fn new(generation: u64, models: usize) -> Self {
        let model = || ModelCounts {
            bins: (0..SCORE_BINS).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0.0_f64.to_bits()),
        };
        Self { generation, models: (0..models).map(|_| model()).collect() }
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Counts finite scores of a model; for the worker only.
    pub(super) fn add(&self, model: usize, scores: &[f32]) {
        let counts = &self.models[model];
        let mut sum = f64::from_bits(counts.sum.load(Ordering::Relaxed));
        for score in scores {
            let bin = &counts.bins[score_bin(*score)];
            // Pairs with nothing: a bin tells of itself only.
            bin.store(bin.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            sum += f64::from(*score);
        }
        counts.sum.store(sum.to_bits(), Ordering::Relaxed);
    }

    /// Sum of a model's scores.
    pub(super) fn sum(&self, model: usize) -> f64 {
        f64::from_bits(self.models[model].sum.load(Ordering::Relaxed))
    }

    /// Adds the events up to the end of each fine bin of `ends` and above the one before; of the last, all that are above.
    pub(super) fn add_coarse(&self, model: usize, ends: &[usize], coarse: &mut [u64]) {
        let (mut from, bins) = (0, &self.models[model].bins);
        for (index, events) in coarse.iter_mut().enumerate() {
            let to = ends.get(index).map_or(SCORE_BINS, |end| end + 1);
            *events += bins[from..to].iter().map(|bin| bin.load(Ordering::Relaxed)).sum::<u64>();
            from = to;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ScoreCounts;
    use crate::statistics::{ScoreDistribution, Scores, score_bin};

    #[test]
    fn scores_counted_one_by_one_are_those_of_the_sample() {
        let values: Vec<f32> = (0..5000).map(|i| (i % 977) as f32 * 0.37 - 20.0).collect();
        let sample = ScoreDistribution::of(&Scores::new(&values)).unwrap();
        let counts = ScoreCounts::new(1, 2);
        values.chunks(64).for_each(|some| counts.add(1, some));
        let ends: Vec<usize> = sample.edges.iter().map(|edge| score_bin(*edge)).collect();
        let mut coarse = vec![0; sample.counts.len()];
        counts.add_coarse(1, &ends, &mut coarse);
        assert_eq!(coarse, sample.counts);
        counts.add_coarse(0, &ends, &mut coarse);
        assert_eq!(coarse, sample.counts);
        let sum: f64 = values.iter().map(|value| f64::from(*value)).sum();
        assert!((counts.sum(1) - sum).abs() < 1e-6 * sum.abs());
    }
}
