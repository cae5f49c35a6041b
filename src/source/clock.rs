use super::FillingScheme;

/// Length of a bunch crossing.
pub const CROSSING_NS: u64 = 25;
/// Bunch crossings an LHC orbit.
pub const ORBIT_CROSSINGS: u64 = 3564;

/// Gives every event its scheduled arrival, in closed form, so that a late reader loses no event of the count.
#[derive(Clone, Debug)]
pub enum Clock {
    /// No schedule: as fast as it goes.
    Unpaced,
    /// A fixed interval between events, in nanoseconds (25 for the LHC's 40 MHz).
    Fixed {
        /// Nanoseconds between events.
        interval_ns: f64,
    },
    /// The LHC's bunch clock, an event in every filled crossing.
    Filled(FillingScheme),
}

impl Clock {
    /// Events at `rate_hz`, equally spaced.
    #[must_use]
    pub fn fixed(rate_hz: f64) -> Self {
        Self::Fixed { interval_ns: 1e9 / rate_hz }
    }

    /// Whether events have a scheduled arrival.
    #[must_use]
    pub fn is_paced(&self) -> bool {
        !matches!(self, Self::Unpaced)
    }

    /// Mean rate of events, Hz; none when unpaced.
    #[must_use]
    pub fn rate_hz(&self) -> Option<f64> {
        match self {
            Self::Unpaced => None,
            Self::Fixed { interval_ns } => Some(1e9 / interval_ns),
            Self::Filled(scheme) => {
                let orbit_s = (ORBIT_CROSSINGS * CROSSING_NS) as f64 * 1e-9;
                Some(scheme.filled().len() as f64 / orbit_s)
            }
        }
    }

    /// Scheduled arrival of event `index`, counted from 0, in nanoseconds after the start. Zero when unpaced.
    #[must_use]
    pub fn scheduled_ns(&self, index: u64) -> u64 {
        match self {
            Self::Unpaced => 0,
            // Exact for whole intervals up to 2^53 ns, more than a hundred days.
            Self::Fixed { interval_ns } => (index as f64 * interval_ns) as u64,
            Self::Filled(scheme) => scheme.crossing(index) * CROSSING_NS,
        }
    }

    /// Distance in nanoseconds of events that are evenly spaced by this clock; none when unpaced or when the distance is
    /// not whole.
    #[must_use]
    pub fn step_ns(&self) -> Option<u64> {
        match self {
            Self::Fixed { interval_ns } if interval_ns.fract() == 0.0 && *interval_ns >= 1.0 => {
                Some(*interval_ns as u64)
            }
            Self::Unpaced | Self::Fixed { .. } => None,
            Self::Filled(_) => Some(CROSSING_NS),
        }
    }

    /// How many of the `events` events from `index` on are [`Clock::step_ns`] apart: at least one.
    #[must_use]
    pub fn evenly_spaced(&self, index: u64, events: u64) -> u64 {
        match self {
            Self::Filled(scheme) => scheme.consecutive(index).min(events),
            Self::Fixed { .. } | Self::Unpaced => events,
        }
    }

    /// How many events are scheduled at or before `now_ns` after the start. Everything when unpaced.
    #[must_use]
    pub fn due(&self, now_ns: u64) -> u64 {
        match self {
            Self::Unpaced => u64::MAX,
            Self::Fixed { interval_ns } => {
                // The division can be off by one against `scheduled_ns`, which is the truth.
                let estimate = (now_ns as f64 / interval_ns) as u64;
                let first = estimate.saturating_sub(1);
                (first..first + 4).find(|&index| self.scheduled_ns(index) > now_ns).unwrap_or(estimate)
            }
            Self::Filled(scheme) => scheme.filled_until(now_ns / CROSSING_NS),
        }
    }
}
