use super::{Scores, roc};

/// Area under the ROC curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Auc {
    /// Probability that a signal event scores higher than a background event, ties counted half.
    pub value: f64,
    /// Its standard error; nothing where a sample has a single event, zero where the samples are apart.
    pub error: Option<f64>,
}

/// Area under the ROC curve as the Mann-Whitney statistic, exact in integers until the last division, with the
/// error of DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988) 837: the variances of the placements, which
/// come from the ranks as in Sun and Xu, IEEE Signal Process. Lett. 21 (2014) 1389. Nothing when a sample is
/// empty.
#[must_use]
pub fn auc(background: &Scores, signal: &Scores) -> Option<Auc> {
    if background.is_empty() || signal.is_empty() {
        return None;
    }
    let (of_background, of_signal) = placements(background, signal);
    let pairs = u128::from(background.len()) * u128::from(signal.len());
    let value = of_signal.sum as f64 / (2 * pairs) as f64;
    let background_variance = of_background.variance_of_mean(signal.len());
    let error = background_variance
        .zip(of_signal.variance_of_mean(background.len()))
        .map(|(of_background, of_signal)| (of_background + of_signal).sqrt());
    Some(Auc { value, error })
}

/// Sums over one sample of twice the placements: twice the events of the other sample that an event is on
/// the right side of, ties counted once. Integers, so that no order of summation matters.
#[derive(Default)]
struct Placements {
    events: u128,
    sum: u128,
    squares: u128,
}

impl Placements {
    fn add(&mut self, events: u64, doubled: u64) {
        let (events, doubled) = (u128::from(events), u128::from(doubled));
        self.events += events;
        self.sum += events * doubled;
        self.squares += events * doubled * doubled;
    }

    /// Sample variance of the placements as fractions of the `others`, over the number of events.
    fn variance_of_mean(&self, others: u64) -> Option<f64> {
        let freedom = self.events.checked_sub(1).filter(|freedom| *freedom > 0)?;
        // By Cauchy-Schwarz not negative; below 2^128 for samples of up to 10^9 events.
        let spread = self.events * self.squares - self.sum * self.sum;
        let scale = (2 * u128::from(others)) as f64;
        Some(spread as f64 / (self.events as f64).powi(2) / freedom as f64 / (scale * scale))
    }
}

/// Placements of background events (signal above them) and of signal events (background below them).
fn placements(background: &Scores, signal: &Scores) -> (Placements, Placements) {
    let (mut of_background, mut of_signal) = (Placements::default(), Placements::default());
    let (mut background_above, mut signal_above) = (0, 0);
    for point in roc(background, signal) {
        let background_here = point.background - background_above;
        let signal_here = point.signal - signal_above;
        let background_below = background.len() - point.background;
        of_background.add(background_here, 2 * signal_above + signal_here);
        of_signal.add(signal_here, 2 * background_below + background_here);
        (background_above, signal_above) = (point.background, point.signal);
    }
    (of_background, of_signal)
}
