//! Order statistics of a model's values over signals.

/// The numbers a box-and-whisker plot shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Smallest value.
    pub minimum: f64,
    /// First quartile.
    pub lower_quartile: f64,
    /// Median.
    pub median: f64,
    /// Third quartile.
    pub upper_quartile: f64,
    /// Largest value.
    pub maximum: f64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Smallest value within 1.5 interquartile ranges of the box.
    pub lower_whisker: f64,
    /// Largest value within 1.5 interquartile ranges of the box.
    pub upper_whisker: f64,
    /// Values outside of the whiskers, ascending.
    pub outliers: Vec<f64>,
}

/// Length of a whisker at most, in interquartile ranges (Tukey, Exploratory Data Analysis, 1977, section 2D).
const WHISKER: f64 = 1.5;

impl Summary {
    /// Summarises `values`, none of which may be NaN; nothing when there are none.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (&minimum, &maximum) = (sorted.first()?, sorted.last()?);
        let (lower_quartile, upper_quartile) = (quantile(&sorted, 0.25), quantile(&sorted, 0.75));
        let reach = WHISKER * (upper_quartile - lower_quartile);
        let inside = |value: &f64| (lower_quartile - reach..=upper_quartile + reach).contains(value);
        let whiskers = || sorted.iter().copied().filter(inside);
        Some(Self {
            minimum,
            lower_quartile,
            median: median(&sorted),
            upper_quartile,
            maximum,
            mean: sorted.iter().sum::<f64>() / sorted.len() as f64,
            lower_whisker: whiskers().next().unwrap_or(minimum).min(lower_quartile),
            upper_whisker: whiskers().next_back().unwrap_or(maximum).max(upper_quartile),
            outliers: sorted.iter().copied().filter(|value| !inside(value)).collect(),
        })
    }
}

/// The middle value, or the mean of the two middle ones.
fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

/// Linear between the values (Hyndman and Fan, Am. Stat. 50 (1996) 361, definition 7), which is what numpy and
/// matplotlib do.
fn quantile(sorted: &[f64], fraction: f64) -> f64 {
    let position = fraction * (sorted.len() - 1) as f64;
    let (below, above) = (position.floor() as usize, position.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * position.fract()
}

#[cfg(test)]
mod tests {
    use super::Summary;

    /// numpy.percentile([1, 2, 4, 8, 16, 100], [25, 50, 75]) is [2.5, 6, 14].
    #[test]
    fn summary_is_that_of_numpy() {
        let summary = Summary::of(&[100.0, 8.0, 1.0, 16.0, 4.0, 2.0]).unwrap();
        assert_eq!((summary.lower_quartile, summary.median, summary.upper_quartile), (2.5, 6.0, 14.0));
        assert_eq!((summary.minimum, summary.maximum), (1.0, 100.0));
        assert_eq!((summary.lower_whisker, summary.upper_whisker), (1.0, 16.0));
        assert_eq!(summary.outliers, [100.0]);
        assert!((summary.mean - 131.0 / 6.0).abs() < 1e-12);
    }

    #[test]
    fn one_value_is_a_line_and_none_is_nothing() {
        let summary = Summary::of(&[0.5]).unwrap();
        assert_eq!((summary.lower_whisker, summary.median, summary.upper_whisker), (0.5, 0.5, 0.5));
        assert!(summary.outliers.is_empty());
        assert_eq!(Summary::of(&[]), None);
    }
}
