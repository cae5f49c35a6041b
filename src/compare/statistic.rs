use serde::Serialize;

use crate::model::Threshold;

/// Quantiles of the differences that are told, with their names.
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99_9", 0.999)];

/// How two lists of scores of the same events differ. Events that are valid for one alone count as beyond any
/// tolerance; those that are valid for neither take part in nothing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Events compared.
    pub events: u64,
    /// Events without a finite score of either.
    pub invalid: u64,
    /// Events with a finite score of one alone.
    pub one_sided: u64,
    /// Largest |b - a|; none without an event that both score.
    pub max: Option<f64>,
    /// Row of that event.
    pub max_row: Option<u64>,
    /// Mean of b - a.
    pub mean: Option<f64>,
    /// Mean of |b - a|.
    pub mean_absolute: Option<f64>,
    /// Quantiles of |b - a|: the smallest value that this fraction of the events does not exceed.
    pub quantiles: Vec<(&'static str, f64)>,
    /// Pearson's correlation coefficient of the scores; none where one of them is constant.
    pub correlation: Option<f64>,
    /// Spearman's rank correlation, ties at their mean rank; a trigger sees only the order.
    pub rank_correlation: Option<f64>,
    /// Events with |b - a| above the tolerance, if there is one, and the one-sided ones.
    pub beyond_tolerance: Option<u64>,
}

/// Events that two parties decide differently.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decisions {
    /// Background efficiency that both thresholds stand for on their cards; none for a threshold that was given.
    pub background_efficiency: Option<f64>,
    /// Threshold of the first.
    pub a_threshold: f64,
    /// Threshold of the second.
    pub b_threshold: f64,
    /// Events that both accept.
    pub both: u64,
    /// Events that the first alone accepts.
    pub a_only: u64,
    /// Events that the second alone accepts.
    pub b_only: u64,
}

impl Difference {
    /// Compares `a` with `b`, scores of the same events in the same order.
    #[must_use]
    pub fn of(a: &[f64], b: &[f64], tolerance: Option<f64>) -> Self {
        let rows = || a.iter().zip(b);
        let finite = |(a, b): &(&f64, &f64)| a.is_finite() && b.is_finite();
        let one_sided = rows().filter(|(a, b)| a.is_finite() != b.is_finite()).count() as u64;
        let (left, right): (Vec<f64>, Vec<f64>) = rows().filter(finite).unzip();
        let differences: Vec<f64> = left.iter().zip(&right).map(|(a, b)| (b - a).abs()).collect();
        let largest =
            rows().enumerate().filter(|(_, pair)| finite(pair)).map(|(row, (a, b))| (row, (b - a).abs()));
        let largest = largest.max_by(|(_, a), (_, b)| a.total_cmp(b));
        let mean = |sum: f64| (!left.is_empty()).then(|| sum / left.len() as f64);
        let beyond = |tolerance| differences.iter().filter(|value| **value > tolerance).count() as u64;
        let beyond_tolerance = tolerance.map(|tolerance| beyond(tolerance) + one_sided);
        Self {
            events: a.len() as u64,
            invalid: rows().filter(|(a, b)| !a.is_finite() && !b.is_finite()).count() as u64,
            one_sided,
            max: largest.map(|(_, value)| value),
            max_row: largest.map(|(row, _)| row as u64),
            mean: mean(left.iter().zip(&right).map(|(a, b)| b - a).sum()),
            mean_absolute: mean(differences.iter().sum()),
            beyond_tolerance,
            quantiles: quantiles(differences),
            correlation: correlation(&left, &right),
            rank_correlation: correlation(&ranks(&left), &ranks(&right)),
        }
    }
}

impl Decisions {
    /// At one threshold for both.
    #[must_use]
    pub fn at(threshold: f64, a: &[f64], b: &[f64]) -> Self {
        Self::at_both((threshold, threshold), None, a, b)
    }

    /// At the thresholds of the background efficiencies that both cards have.
    #[must_use]
    pub fn of_cards((a_card, b_card): (&[Threshold], &[Threshold]), a: &[f64], b: &[f64]) -> Vec<Self> {
        let pairs = a_card.iter().filter_map(|left| {
            let efficiency = left.background_efficiency;
            let right = b_card.iter().find(|right| right.background_efficiency == efficiency)?;
            Some(((f64::from(left.value), f64::from(right.value)), efficiency))
        });
        pairs.map(|(thresholds, efficiency)| Self::at_both(thresholds, Some(efficiency), a, b)).collect()
    }

    fn at_both(
        (a_threshold, b_threshold): (f64, f64),
        background_efficiency: Option<f64>,
        a: &[f64],
        b: &[f64],
    ) -> Self {
        let (mut both, mut a_only, mut b_only) = (0, 0, 0);
        for (a, b) in a.iter().zip(b) {
            // As the trigger has it: a score that is not finite is invalid, and fires no path.
            match (a.is_finite() && *a >= a_threshold, b.is_finite() && *b >= b_threshold) {
                (true, true) => both += 1,
                (true, false) => a_only += 1,
                (false, true) => b_only += 1,
                (false, false) => {}
            }
        }
        Self { background_efficiency, a_threshold, b_threshold, both, a_only, b_only }
    }
}

fn quantiles(mut values: Vec<f64>) -> Vec<(&'static str, f64)> {
    values.sort_unstable_by(f64::total_cmp);
    let at = |fraction: f64| {
        let rank = (fraction * values.len() as f64).ceil() as usize;
        values.get(rank.saturating_sub(1)).copied()
    };
    QUANTILES.iter().filter_map(|(name, fraction)| Some((*name, at(*fraction)?))).collect()
}

/// Pearson's coefficient.
fn correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    let count = a.len() as f64;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / count;
    let (a_mean, b_mean) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (a - a_mean, b - b_mean);
        ab += a * b;
        aa += a * a;
        bb += b * b;
    }
    let scale = (aa * bb).sqrt();
    (scale > 0.0 && scale.is_finite()).then(|| ab / scale)
}

/// Ranks from 1; equal values share their mean.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for group in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let mean = first as f64 + (group.len() + 1) as f64 / 2.0;
        group.iter().for_each(|index| ranks[*index] = mean);
        first += group.len();
    }
    ranks
}
