use serde::Serialize;

use super::{MIN_BACKGROUND_EVENTS, Scores};

/// What passes one threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RocPoint {
    /// Events with score >= `threshold` pass; infinite in the curve's first point, where none does.
    pub threshold: f32,
    /// Background events that pass.
    pub background: u64,
    /// Signal events that pass.
    pub signal: u64,
}

/// The ROC curve: a point for no event, then one for each distinct score of both samples, in descending order.
/// These are the points of scikit-learn's `roc_curve(..., drop_intermediate=False)`.
pub fn roc<'a>(background: &'a Scores, signal: &'a Scores) -> impl Iterator<Item = RocPoint> + 'a {
    let none = RocPoint { threshold: f32::INFINITY, background: 0, signal: 0 };
    std::iter::successors(Some(none), |point| {
        let next = next_below(background.ascending(), point.background);
        let threshold = match (next, next_below(signal.ascending(), point.signal)) {
            (Some(background), Some(signal)) => background.max(signal),
            (background, signal) => background.or(signal)?,
        };
        Some(RocPoint {
            threshold,
            background: pass(background.ascending(), point.background, threshold),
            signal: pass(signal.ascending(), point.signal, threshold),
        })
    })
}

/// The highest score that is not among the `passing` highest.
fn next_below(ascending: &[f32], passing: u64) -> Option<f32> {
    ascending.len().checked_sub(passing as usize + 1).map(|index| ascending[index])
}

/// Events that pass `threshold`, of which `passing` are known to: the whole curve takes linear time.
fn pass(ascending: &[f32], passing: u64, threshold: f32) -> u64 {
    let rest = &ascending[..ascending.len() - passing as usize];
    passing + rest.iter().rev().take_while(|score| **score >= threshold).count() as u64
}

/// Where a threshold gains the most significance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SignificanceImprovement {
    /// eS / sqrt(eB).
    pub value: f64,
    /// eB, the fraction of background events that pass.
    pub background_efficiency: f64,
    /// eS, the fraction of signal events that pass.
    pub signal_efficiency: f64,
    /// The threshold.
    pub threshold: f32,
    /// Background events that pass.
    pub background_events_passing: u64,
}

/// The maximum of the significance improvement eS / sqrt(eB), by which a selection multiplies S / sqrt(B)
/// (Gallicchio et al., JHEP 04 (2011) 069, arXiv:1010.3698), over the ROC curve's points at which at least
/// [`MIN_BACKGROUND_EVENTS`] background events pass: with fewer, a downward fluctuation of the background
/// would make the maximum. The loosest of equal points is given; nothing where no point qualifies.
#[must_use]
pub fn max_significance_improvement(background: &Scores, signal: &Scores) -> Option<SignificanceImprovement> {
    if signal.is_empty() {
        return None;
    }
    roc(background, signal)
        .filter(|point| point.background >= MIN_BACKGROUND_EVENTS)
        .map(|point| improvement(point, background.len(), signal.len()))
        .max_by(|a, b| a.value.total_cmp(&b.value))
}

fn improvement(point: RocPoint, background: u64, signal: u64) -> SignificanceImprovement {
    let background_efficiency = point.background as f64 / background as f64;
    let signal_efficiency = point.signal as f64 / signal as f64;
    SignificanceImprovement {
        value: signal_efficiency / background_efficiency.sqrt(),
        background_efficiency,
        signal_efficiency,
        threshold: point.threshold,
        background_events_passing: point.background,
    }
}
