//! The clock and how it is waited for, as typed.

use std::time::Duration;

use clap::ValueEnum;
use trigsieve::pipeline::WaitStrategy;

use super::units::RateHz;

/// How long `--wait park` sleeps at a time.
const PARK: Duration = Duration::from_micros(50);

/// How stages wait, as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WaitArg {
    /// As suits the clock and the number of cores.
    Auto,
    /// Busy.
    Spin,
    /// Giving its time slice away.
    Yield,
    /// Asleep.
    Park,
}

impl WaitArg {
    /// The strategy; none: as suits.
    pub fn strategy(self) -> Option<WaitStrategy> {
        match self {
            Self::Auto => None,
            Self::Spin => Some(WaitStrategy::Spin),
            Self::Yield => Some(WaitStrategy::Yield),
            Self::Park => Some(WaitStrategy::Park(PARK)),
        }
    }
}

/// A clock, as typed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ClockRate {
    /// None: as fast as it goes.
    Max,
    /// Equally spaced events.
    Hz(f64),
}

/// `max` or a rate.
pub fn parse_rate(text: &str) -> Result<ClockRate, String> {
    if text == "max" { Ok(ClockRate::Max) } else { text.parse().map(|RateHz(hz)| ClockRate::Hz(hz)) }
}
