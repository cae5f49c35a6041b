//! The figures of merit: area under the ROC curve, and signal efficiency at three background efficiencies.

use std::fmt;

/// A background efficiency eB at which the signal efficiency eS is compared: 1e-2, 1e-3 or 1e-4, as in the results
/// of the Dark Machines paper (arXiv:2105.14027).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WorkingPoint {
    /// eB = 1e-2.
    OneIn100,
    /// eB = 1e-3.
    OneIn1000,
    /// eB = 1e-4.
    OneIn10000,
}

impl WorkingPoint {
    /// All three, loosest first: the order of the table's columns.
    pub const ALL: [Self; 3] = [Self::OneIn100, Self::OneIn1000, Self::OneIn10000];

    /// Name of the table's column.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OneIn100 => "1e-2",
            Self::OneIn1000 => "1e-3",
            Self::OneIn10000 => "1e-4",
        }
    }

    /// eB.
    #[must_use]
    pub fn background_efficiency(self) -> f64 {
        match self {
            Self::OneIn100 => 1e-2,
            Self::OneIn1000 => 1e-3,
            Self::OneIn10000 => 1e-4,
        }
    }

    /// Background events of `events` that pass here, to the nearest whole one from below. With none an efficiency
    /// is not measurable; with fewer than [`MIN_BACKGROUND_EVENTS`] the threshold itself is uncertain.
    #[must_use]
    pub fn passing(self, events: u64) -> u64 {
        match self {
            Self::OneIn100 => events / 100,
            Self::OneIn1000 => events / 1000,
            Self::OneIn10000 => events / 10_000,
        }
    }

    /// Significance improvement eS / sqrt(eB) of the signal efficiency `signal`, for counts large enough to be
    /// Gaussian.
    #[must_use]
    pub fn significance_improvement(self, signal: f64) -> f64 {
        signal / self.background_efficiency().sqrt()
    }

    pub(crate) fn index(self) -> usize {
        match self {
            Self::OneIn100 => 0,
            Self::OneIn1000 => 1,
            Self::OneIn10000 => 2,
        }
    }
}

/// Background events that have to pass before a working point is trusted: ten of them know it to a third.
pub const MIN_BACKGROUND_EVENTS: u64 = 10;

/// What models are ranked by; more is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Metric {
    /// Area under the ROC curve.
    Auc,
    /// Signal efficiency at a background efficiency.
    SignalEfficiency(WorkingPoint),
}

impl Metric {
    /// All four, in the order of the table's columns.
    pub const ALL: [Self; 4] = [
        Self::Auc,
        Self::SignalEfficiency(WorkingPoint::OneIn100),
        Self::SignalEfficiency(WorkingPoint::OneIn1000),
        Self::SignalEfficiency(WorkingPoint::OneIn10000),
    ];

    /// Name of the table's column.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auc => "AUC",
            Self::SignalEfficiency(point) => point.name(),
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auc => f.write_str("AUC"),
            Self::SignalEfficiency(point) => write!(f, "eS at eB = {}", point.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::WorkingPoint;

    #[test]
    fn passing_agrees_with_the_efficiency() {
        for point in WorkingPoint::ALL {
            let events = (1.0 / point.background_efficiency()).round() as u64;
            assert_eq!(point.passing(events), 1, "{point:?}");
            assert_eq!(point.passing(events - 1), 0, "{point:?}");
            assert_eq!(point.name().parse::<f64>(), Ok(point.background_efficiency()));
        }
    }
}
