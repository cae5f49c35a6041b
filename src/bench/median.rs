use serde::Serialize;

/// Confidence that an interval has at least, where there are rounds enough.
const CONFIDENCE: f64 = 0.9;

/// Median of rounds with its confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MedianInterval {
    /// The median of the rounds.
    pub median: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Probability that the interval holds the true median.
    pub confidence: f64,
}

/// The median of `values` and the narrowest pair of order statistics that holds the true median with a probability of 90 %,
/// whatever the distribution (Conover, Practical Nonparametric Statistics, section 3.2): of five rounds the smallest and the
/// largest, with 93.75 %. Fewer give less confidence than 90 %, and it is said how much. None without values.
#[must_use]
pub fn median_interval(values: &[f64]) -> Option<MedianInterval> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let (&first, &last) = (sorted.first()?, sorted.last()?);
    let middle = sorted.len() / 2;
    let median =
        if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 };
    let mut interval =
        MedianInterval { median, low: first, high: last, confidence: confidence(sorted.len(), 0) };
    for left_out in 1..=(sorted.len() - 1) / 2 {
        let confidence = confidence(sorted.len(), left_out);
        if confidence < CONFIDENCE {
            break;
        }
        let (low, high) = (sorted[left_out], sorted[sorted.len() - 1 - left_out]);
        interval = MedianInterval { median, low, high, confidence };
    }
    Some(interval)
}

/// Probability that of `n` values more than `left_out` lie on either side of the median.
fn confidence(n: usize, left_out: usize) -> f64 {
    let mut term = 0.5_f64.powi(n as i32);
    let mut tail = 0.0;
    for k in 0..=left_out {
        tail += term;
        term *= (n - k) as f64 / (k + 1) as f64;
    }
    (1.0 - 2.0 * tail).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::median_interval;

    #[test]
    fn the_interval_of_the_median_is_of_order_statistics() {
        let of = |n: u32| median_interval(&(1..=n).rev().map(f64::from).collect::<Vec<_>>()).unwrap();
        let five = of(5);
        assert_eq!((five.median, five.low, five.high, five.confidence), (3.0, 1.0, 5.0, 0.9375));
        // 1 - 2 (1 + 10 + 45) / 1024
        let ten = of(10);
        assert_eq!((ten.median, ten.low, ten.high), (5.5, 2.0, 9.0));
        assert!((ten.confidence - (1.0 - 22.0 / 1024.0)).abs() < 1e-12);
        let one = of(1);
        assert_eq!((one.median, one.low, one.high, one.confidence), (1.0, 1.0, 1.0, 0.0));
        assert_eq!(median_interval(&[]), None);
    }
}
