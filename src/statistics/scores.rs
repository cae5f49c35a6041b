/// Anomaly scores of one sample, ready for counting: the finite ones in ascending order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores {
    ascending: Vec<f32>,
    invalid: u64,
}

impl Scores {
    /// Sorts `values`; NaN and infinite ones are counted as invalid and left out.
    #[must_use]
    pub fn new(values: &[f32]) -> Self {
        // Adding zero turns -0 into +0: equal scores have to be neighbours in the total order as well.
        let mut ascending: Vec<f32> =
            values.iter().filter(|score| score.is_finite()).map(|score| score + 0.0).collect();
        ascending.sort_unstable_by(f32::total_cmp);
        let invalid = (values.len() - ascending.len()) as u64;
        Self { ascending, invalid }
    }

    /// Valid scores, in ascending order.
    #[must_use]
    pub fn ascending(&self) -> &[f32] {
        &self.ascending
    }

    /// Number of valid scores.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.ascending.len() as u64
    }

    /// Whether there is no valid score.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ascending.is_empty()
    }

    /// Number of scores that were left out because they are not finite.
    #[must_use]
    pub fn invalid(&self) -> u64 {
        self.invalid
    }

    /// Events that pass `threshold`: score >= threshold.
    #[must_use]
    pub fn passing(&self, threshold: f32) -> u64 {
        self.len() - self.ascending.partition_point(|score| *score < threshold) as u64
    }

    /// Events above `value`: score > value.
    #[must_use]
    pub fn above(&self, value: f32) -> u64 {
        self.len() - self.ascending.partition_point(|score| *score <= value) as u64
    }

    /// The `rank`-th highest score, from 1; nothing when there are fewer, or for rank 0.
    #[must_use]
    pub fn highest(&self, rank: u64) -> Option<f32> {
        let index = self.len().checked_sub(rank)?;
        self.ascending.get(usize::try_from(index).ok()?).copied()
    }

    /// The smallest score > `value`.
    #[must_use]
    pub fn next_above(&self, value: f32) -> Option<f32> {
        self.highest(self.above(value))
    }

    /// The largest number of events whose fraction of this sample is <= `efficiency`, ties left aside.
    ///
    /// The comparison is the one of the rounded quotient, as a ROC curve of floating-point rates makes it:
    /// 2500 of 250,000 events are <= 1e-2.
    #[must_use]
    pub fn allowed(&self, efficiency: f64) -> u64 {
        let fits = |events: u64| events as f64 / self.len() as f64 <= efficiency;
        let mut events = ((efficiency * self.len() as f64) as u64).min(self.len());
        while events < self.len() && fits(events + 1) {
            events += 1;
        }
        while events > 0 && !fits(events) {
            events -= 1;
        }
        events
    }
}
