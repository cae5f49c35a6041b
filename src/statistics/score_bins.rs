use serde::{Deserialize, Serialize};

use super::{MIN_BACKGROUND_EVENTS, Scores};

/// Bits of the mantissa that tell bins apart: 64 bins an octave, each 1 to 1.6 % wide.
const MANTISSA_BITS: u32 = 6;
const SHIFT: u32 = f32::MANTISSA_DIGITS - 1 - MANTISSA_BITS;
const SIGN: u32 = 1 << 31;

/// Bins that a score can fall into, whatever its model: all single-precision numbers of the same sign, exponent and leading
/// six bits of mantissa, with the upper end and without the lower one.
pub const SCORE_BINS: usize = 1 << (32 - SHIFT);

/// The bin of a score that is not NaN. Bins ascend with the score.
#[must_use]
pub fn score_bin(score: f32) -> usize {
    // Adding zero makes -0 the same as 0.
    let bits = (score + 0.0).to_bits();
    // In this order the integers ascend as the numbers do.
    let ascending = if bits & SIGN == 0 { bits | SIGN } else { !bits };
    (ascending.wrapping_sub(1) >> SHIFT) as usize
}

/// The largest score of a bin; the largest number of all for bins beyond the finite scores.
#[must_use]
pub fn score_bin_end(bin: usize) -> f32 {
    let ascending = u32::try_from((bin + 1) << SHIFT).unwrap_or(u32::MAX);
    let bits = if ascending & SIGN == 0 { !ascending } else { ascending & !SIGN };
    let end = f32::from_bits(bits);
    if end.is_nan() { f32::MAX.copysign(end) } else { end.clamp(f32::MIN, f32::MAX) }
}

/// How the scores of a background are distributed: events in bins of some 1 % of them each, and narrower and narrower ones in
/// the tail, where a trigger looks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreDistribution {
    /// Ends of all bins but the last, ascending; each is the largest score of its bin. Ends of [`score_bin`]s.
    pub edges: Vec<f32>,
    /// Events by bin; one more than `edges`.
    pub counts: Vec<u64>,
}

impl ScoreDistribution {
    /// Of a sample; none of an empty one.
    ///
    /// From the top, a bin is closed when it holds as many events as are above it, at least [`MIN_BACKGROUND_EVENTS`] and at
    /// most 1 % of the sample (more when scores are equal).
    #[must_use]
    pub fn of(scores: &Scores) -> Option<Self> {
        let most = scores.len() / 100;
        let mut fine = fine_bins(scores);
        let (mut edges, mut counts) = (Vec::new(), Vec::new());
        let (mut above, mut events) = (0, 0);
        while let Some((_, here)) = fine.pop() {
            events += here;
            let enough = above.min(most).max(MIN_BACKGROUND_EVENTS);
            if events >= enough
                && let Some((below, _)) = fine.last()
            {
                edges.push(score_bin_end(*below));
                counts.push(events);
                above += events;
                events = 0;
            }
        }
        counts.push(events);
        edges.reverse();
        counts.reverse();
        (!scores.is_empty()).then_some(Self { edges, counts })
    }

    /// What is wrong with one that was read.
    ///
    /// # Errors
    /// In words.
    pub fn check(&self) -> Result<(), String> {
        if self.counts.len() != self.edges.len() + 1 {
            return Err(format!(
                "{} counts for {} edges, expected one more",
                self.counts.len(),
                self.edges.len()
            ));
        }
        if self
            .counts
            .iter()
            .try_fold(0_u64, |sum, events| sum.checked_add(*events))
            .is_none_or(|sum| sum == 0)
        {
            return Err("the counts add up to nothing".to_owned());
        }
        if let Some(pair) =
            self.edges.windows(2).find(|pair| pair[0].partial_cmp(&pair[1]) != Some(std::cmp::Ordering::Less))
        {
            return Err(format!("the edges do not ascend at {} and {}", pair[0], pair[1]));
        }
        match self.edges.iter().find(|edge| score_bin_end(score_bin(**edge)) != **edge) {
            Some(edge) => Err(format!(
                "{edge} is no edge: an edge has at most {MANTISSA_BITS} bits after the leading one"
            )),
            None => Ok(()),
        }
    }

    /// Events.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// Bins that are not empty, ascending, with their events.
fn fine_bins(scores: &Scores) -> Vec<(usize, u64)> {
    let mut bins: Vec<(usize, u64)> = Vec::new();
    for score in scores.ascending() {
        let bin = score_bin(*score);
        match bins.last_mut() {
            Some((last, events)) if *last == bin => *events += 1,
            _ => bins.push((bin, 1)),
        }
    }
    bins
}

/// The largest distance between the cumulative distributions of two samples in the same bins, the statistic of Kolmogorov and
/// Smirnov: 0 when they are the same, 1 when no event of one has an event of the other on either side. Binned, it is at most
/// that of the scores themselves. Nothing when a sample is empty.
#[must_use]
pub fn kolmogorov_distance(first: &[u64], second: &[u64]) -> Option<f64> {
    let events = [first, second].map(|counts| counts.iter().sum::<u64>());
    if events.contains(&0) {
        return None;
    }
    let (mut below, mut distance) = ([0, 0], 0.0_f64);
    for (a, b) in first.iter().zip(second) {
        below = [below[0] + a, below[1] + b];
        let [x, y] = [0, 1].map(|sample| below[sample] as f64 / events[sample] as f64);
        distance = distance.max((x - y).abs());
    }
    Some(distance)
}

/// By how much the distance of samples of so many events is from that of the distributions they were drawn from, at most, but
/// for a probability of `doubt`: the bound of Dvoretzky, Kiefer and Wolfowitz with the constant of Massart (Ann. Probab. 18
/// (1990) 1269) for each sample. Holds for samples of any size and for any distributions, binned or not.
#[must_use]
pub fn kolmogorov_error(events: [u64; 2], doubt: f64) -> f64 {
    let of_sample = |events: u64| ((4.0 / doubt).ln() / (2.0 * events.max(1) as f64)).sqrt();
    events.map(of_sample).iter().sum::<f64>().min(1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_score_is_in_its_bin(bits: u32) {
            let score = f32::from_bits(bits);
            prop_assume!(score.is_finite());
            let bin = score_bin(score);
            prop_assert!(bin < SCORE_BINS);
            prop_assert!(score <= score_bin_end(bin), "{score} above {}", score_bin_end(bin));
            prop_assert!(bin == 0 || score > score_bin_end(bin - 1) || score_bin_end(bin - 1) == f32::MIN);
            prop_assert_eq!(score_bin_end(score_bin(score_bin_end(bin))), score_bin_end(bin));
        }

        /// Every event is in one bin, the one that the edges say.
        #[test]
        fn a_distribution_counts_what_the_edges_part(
            values in proptest::collection::vec(prop_oneof![-4.0_f32..4.0, 0.0_f32..1000.0, Just(0.0), Just(7.0)], 1..3000),
        ) {
            let scores = Scores::new(&values);
            let found = ScoreDistribution::of(&scores).unwrap();
            prop_assert_eq!(found.check(), Ok(()));
            let up_to = |edge: &f32| scores.ascending().partition_point(|score| score <= edge) as u64;
            let sums: Vec<u64> = found.counts.iter().scan(0, |sum, count| { *sum += count; Some(*sum) }).collect();
            let expected: Vec<u64> = found.edges.iter().map(up_to).chain([scores.len()]).collect();
            prop_assert_eq!(sums, expected);
            prop_assert!(found.counts.len() == 1 || found.counts[1..].iter().all(|events| *events >= MIN_BACKGROUND_EVENTS));
        }
    }

    #[test]
    fn the_tail_has_finer_bins() {
        let values: Vec<f32> = (1..=100_000).map(|rank| (rank as f32 / 100_000.0).recip()).collect();
        let found = ScoreDistribution::of(&Scores::new(&values)).unwrap();
        assert_eq!(found.counts.last(), Some(&10));
        assert!((80..140).contains(&found.counts.len()), "{}", found.counts.len());
        // A bin of 64 an octave holds more than 1 % in the bulk: only then more than asked for.
        assert!(found.counts.iter().skip(1).all(|events| *events <= 3000), "{:?}", found.counts);
    }

    #[test]
    fn equal_scores_are_one_bin() {
        let found = ScoreDistribution::of(&Scores::new(&[3.0; 500])).unwrap();
        assert_eq!((found.edges.len(), found.counts), (0, vec![500]));
        assert_eq!(ScoreDistribution::of(&Scores::new(&[f32::NAN])), None);
    }

    #[test]
    fn what_is_no_distribution_is_refused() {
        let of = |edges: &[f32], counts: &[u64]| {
            ScoreDistribution { edges: edges.to_vec(), counts: counts.to_vec() }.check()
        };
        assert_eq!(of(&[1.0, 2.0], &[1, 2, 3]), Ok(()));
        for (edges, counts, reason) in [
            (&[1.0][..], &[1][..], "expected one more"),
            (&[2.0, 1.0], &[1, 1, 1], "do not ascend"),
            (&[1.0, f32::NAN], &[1, 1, 1], "do not ascend"),
            (&[f32::NAN], &[1, 1], "NaN is no edge"),
            (&[1.001], &[1, 1], "1.001 is no edge"),
            (&[1.0], &[0, 0], "add up to nothing"),
            (&[1.0], &[u64::MAX, 1], "add up to nothing"),
        ] {
            let error = of(edges, counts).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn the_distance_is_that_of_the_cumulative_distributions() {
        assert_eq!(kolmogorov_distance(&[10, 10], &[1, 1]), Some(0.0));
        assert_eq!(kolmogorov_distance(&[1, 0, 3], &[1, 2, 1]), Some(0.5));
        assert_eq!(kolmogorov_distance(&[4, 0], &[0, 7]), Some(1.0));
        assert_eq!(kolmogorov_distance(&[0, 0], &[1, 1]), None);
        // ln(4e6) = 15.2; of 1e6 and 1e4 events 0.0028 and 0.0276.
        assert!((kolmogorov_error([1_000_000, 10_000], 1e-6) - 0.030_33).abs() < 1e-4);
        assert_eq!(kolmogorov_error([1_000_000, 2], 1e-6), 1.0);
    }
}
