use super::{Interval, ONE_SIGMA, Scores, binomial_interval};

/// A threshold that keeps a wanted fraction of the background, with its statistical error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cut {
    /// Events with score >= `threshold` pass. It is the score of a background event.
    pub threshold: f32,
    /// Threshold that one standard deviation more background events pass.
    pub low: f32,
    /// Threshold that one standard deviation fewer background events pass.
    pub high: f32,
    /// Background events that pass `threshold`, ties included.
    pub passing: u64,
}

impl Cut {
    /// Half the distance from `low` to `high`: the threshold's standard error.
    #[must_use]
    pub fn error(&self) -> f32 {
        (self.high - self.low) / 2.0
    }
}

/// The loosest background score that at most the fraction `efficiency` of the background passes. Ties pass
/// together, so fewer may pass, never more; nothing when already the highest score is too common.
///
/// `low` and `high` are the scores ranked k +- sqrt(k (1 - k/N)) for k of N events passing, the one-sigma confidence
/// interval of a quantile from order statistics (David and Nagaraja, Order Statistics, 3rd ed., section
/// 7.1), with the binomial variance in its normal approximation. It assumes no shape of the distribution.
#[must_use]
pub fn background_cut(background: &Scores, efficiency: f64) -> Option<Cut> {
    let allowed = background.allowed(efficiency);
    let candidate = background.highest(allowed)?;
    let fits = background.passing(candidate) <= allowed;
    let threshold = if fits { candidate } else { background.next_above(candidate)? };
    let passing = background.passing(threshold);
    let (k, n) = (passing as f64, background.len() as f64);
    let deviation = (k * (1.0 - k / n)).sqrt().round() as u64;
    let low = background.highest((passing + deviation).min(background.len()))?;
    let high = background.highest(passing.saturating_sub(deviation).max(1))?;
    Some(Cut { threshold, low, high, passing })
}

/// Signal efficiency at a background efficiency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SignalEfficiency {
    /// eS, the fraction of signal events that pass.
    pub value: f64,
    /// Binomial interval of eS at this threshold, [`ONE_SIGMA`]; the threshold's own error comes on top.
    pub interval: Interval,
    /// The smallest score of either sample that is a threshold tight enough; nothing when no event passes.
    pub threshold: Option<f32>,
    /// Signal events that pass.
    pub signal_events_passing: u64,
    /// Background events that pass.
    pub background_events_passing: u64,
}

/// The ROC curve's signal efficiency at background efficiency `efficiency`, without interpolation: that of
/// the loosest threshold, among the scores of both samples, at which at most this fraction of the background
/// passes. With scikit-learn this is
/// `tpr[numpy.searchsorted(fpr, efficiency, side="right") - 1]` of `roc_curve(..., drop_intermediate=False)`.
/// Nothing when a sample is empty.
#[must_use]
pub fn signal_efficiency(background: &Scores, signal: &Scores, efficiency: f64) -> Option<SignalEfficiency> {
    if background.is_empty() || signal.is_empty() {
        return None;
    }
    // The highest background score that may not pass any more: every threshold above it is tight enough.
    let stopped = background.highest(background.allowed(efficiency) + 1).unwrap_or(f32::NEG_INFINITY);
    let passing = signal.above(stopped);
    let thresholds = [background.next_above(stopped), signal.next_above(stopped)];
    Some(SignalEfficiency {
        value: passing as f64 / signal.len() as f64,
        interval: binomial_interval(passing, signal.len(), ONE_SIGMA),
        threshold: thresholds.into_iter().flatten().reduce(f32::min),
        signal_events_passing: passing,
        background_events_passing: background.above(stopped),
    })
}
