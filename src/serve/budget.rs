//! Prescales that keep paths within their rate budgets.
//!
//! The rule, for each path with a budget by itself. Time is that of the receipt of the frames, in the order in which they are
//! delivered, cut into intervals of a second from the first frame on; an interval is closed by the first frame beyond it. A
//! closed interval wants the smallest whole factor on the menu's prescale that would have kept it within the budget. If that is
//! more than the factor in force, it is in force from the frame on that closed the interval. If ten closed intervals in a row
//! would have stayed within 80 % of the budget with a smaller factor, the largest that they want is in force from then on.
//! So the same frames with the same times of receipt give the same prescales, whatever the number of workers.

use std::time::{Duration, Instant};

use crate::trigger::Prescaler;

/// Length of an interval.
const INTERVAL: Duration = Duration::from_secs(1);
/// Intervals after which a factor may go down.
const CALM_INTERVALS: u32 = 10;
/// Share of the budget that a smaller factor may use.
const CALM_SHARE: f64 = 0.8;

/// A change of a path's prescale.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    /// Which path.
    pub(super) path: usize,
    /// The prescale from now on.
    pub(super) prescale: u32,
    /// Events a second that passed the threshold in the interval that made it necessary, or the highest of those that allowed it.
    pub(super) passed_hz: f64,
}

/// Watches the rates of the paths of one deployment.
pub(super) struct Budgets {
    paths: Vec<Budget>,
    interval_start: Option<Instant>,
}

struct Budget {
    path: usize,
    budget_hz: f64,
    menu_prescale: u32,
    factor: u32,
    /// Events that had passed when the interval began.
    passed: u64,
    calm: u32,
    /// The largest factor that the calm intervals want, and the rate of that one.
    wanted: (u32, f64),
}

impl Budgets {
    /// Of paths by index, each with a budget in Hz or none, and the menu's prescale.
    pub(super) fn new(paths: impl IntoIterator<Item = (Option<f64>, u32)>) -> Self {
        let budget = |(path, (budget_hz, menu_prescale)): (usize, (Option<f64>, u32))| {
            Some(Budget {
                path,
                budget_hz: budget_hz?,
                menu_prescale,
                factor: 1,
                passed: 0,
                calm: 0,
                wanted: (1, 0.0),
            })
        };
        Self { paths: paths.into_iter().enumerate().filter_map(budget).collect(), interval_start: None }
    }

    /// A frame that was received at `time` is about to be prescaled: changes what is due, and says so.
    pub(super) fn frame(&mut self, time: Instant, prescaler: &mut Prescaler) -> Vec<Change> {
        let start = *self.interval_start.get_or_insert(time);
        // Frames of several connections are not in the order of their receipt to the microsecond.
        let intervals = time.saturating_duration_since(start).as_nanos() / INTERVAL.as_nanos();
        if intervals == 0 {
            return Vec::new();
        }
        let intervals = u32::try_from(intervals).unwrap_or(u32::MAX);
        self.interval_start = start.checked_add(INTERVAL.saturating_mul(intervals));
        let mut changes = Vec::new();
        for budget in &mut self.paths {
            let passed = prescaler.counters()[budget.path].passed;
            let new = passed - budget.passed;
            budget.passed = passed;
            // All of them passed in the first of these intervals: nothing came in the others.
            let change = budget.close(new as f64 / INTERVAL.as_secs_f64(), 1);
            let later = if intervals > 1 { budget.close(0.0, intervals - 1) } else { None };
            if let Some(change) = later.or(change) {
                prescaler.set_prescale(change.path, change.prescale);
                changes.push(change);
            }
        }
        changes
    }
}

impl Budget {
    /// Closes intervals with this rate.
    fn close(&mut self, passed_hz: f64, intervals: u32) -> Option<Change> {
        let prescaled_hz = passed_hz / f64::from(self.menu_prescale);
        let needed = factor_for(prescaled_hz, self.budget_hz);
        if needed > self.factor {
            self.calm = 0;
            return Some(self.set(needed, passed_hz));
        }
        let wanted = factor_for(prescaled_hz, CALM_SHARE * self.budget_hz);
        if wanted >= self.factor {
            self.calm = 0;
            return None;
        }
        if self.calm == 0 || wanted > self.wanted.0 {
            self.wanted = (wanted, passed_hz);
        }
        self.calm = self.calm.saturating_add(intervals);
        if self.calm < CALM_INTERVALS {
            return None;
        }
        self.calm = 0;
        let (factor, passed_hz) = self.wanted;
        Some(self.set(factor, passed_hz))
    }

    fn set(&mut self, factor: u32, passed_hz: f64) -> Change {
        self.factor = factor;
        Change { path: self.path, prescale: self.menu_prescale.saturating_mul(factor), passed_hz }
    }
}

/// The smallest factor that brings `rate_hz` within `budget_hz`.
fn factor_for(rate_hz: f64, budget_hz: f64) -> u32 {
    // The conversion saturates.
    ((rate_hz / budget_hz).ceil() as u32).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trigger::ResolvedPath;

    /// One path with this budget, and frames of events that all pass it.
    struct Stream {
        budgets: Budgets,
        prescaler: Prescaler,
        start: Instant,
        changes: Vec<(f64, u32)>,
        kept: Vec<(f64, u32)>,
    }

    impl Stream {
        fn new(budget_hz: Option<f64>, prescale: u32) -> Self {
            let path =
                ResolvedPath { name: "p".to_owned(), model_index: 0, threshold: 0.0, prescale, bit: 0 };
            Self {
                budgets: Budgets::new([(budget_hz, prescale)]),
                prescaler: Prescaler::new(&[path]),
                start: Instant::now(),
                changes: Vec::new(),
                kept: Vec::new(),
            }
        }

        /// `frames` frames a second of 10 events each, from second `from` to second `to`.
        fn run(&mut self, from: u32, to: u32, frames: u32) {
            for frame in from * frames..to * frames {
                let seconds = f64::from(frame) / f64::from(frames);
                let time = self.start + Duration::from_secs_f64(seconds);
                for change in self.budgets.frame(time, &mut self.prescaler) {
                    self.changes.push((seconds, change.prescale));
                }
                let kept = (0..10).filter(|_| self.prescaler.apply(1) == 1).count() as u32;
                self.kept.push((seconds, kept));
            }
        }

        fn kept_between(&self, from: f64, to: f64) -> u32 {
            self.kept.iter().filter(|(at, _)| (from..to).contains(at)).map(|(_, kept)| kept).sum()
        }
    }

    #[test]
    fn a_flood_is_brought_within_the_budget_and_the_prescale_taken_back() {
        let mut stream = Stream::new(Some(100.0), 1);
        // 50 Hz, 1,000 Hz, 50 Hz: within the budget, ten times over it, within it.
        stream.run(0, 20, 5);
        stream.run(20, 40, 100);
        stream.run(40, 60, 5);
        assert_eq!(stream.changes, [(21.0, 10), (50.0, 1)]);
        assert_eq!(stream.kept_between(20.0, 21.0), 1000);
        assert_eq!(stream.kept_between(21.0, 40.0), 1900);
        assert_eq!(stream.kept_between(40.0, 50.0), 50);
        assert_eq!(stream.kept_between(50.0, 60.0), 500);
    }

    #[test]
    fn it_goes_down_to_what_the_busiest_calm_interval_wants() {
        let mut stream = Stream::new(Some(100.0), 3);
        // 3,000 Hz passing are 1,000 Hz after the menu's prescale; then 600 Hz and 1,200 Hz, 200 and 400 Hz of them.
        stream.run(0, 5, 300);
        stream.run(5, 9, 60);
        stream.run(9, 10, 120);
        stream.run(10, 20, 60);
        // 400 Hz within 80 Hz: a factor of 5.
        assert_eq!(stream.changes, [(1.0, 30), (15.0, 15)]);
    }

    #[test]
    fn silence_is_calm_and_a_budget_nearly_used_is_not() {
        let mut stream = Stream::new(Some(100.0), 1);
        stream.run(0, 2, 50);
        stream.run(30, 31, 1);
        assert_eq!(stream.changes, [(1.0, 5), (30.0, 1)]);
        let mut stream = Stream::new(Some(100.0), 1);
        stream.run(0, 2, 20);
        // 90 Hz fit into the budget without a prescale, but only just: the next fluctuation would be over it.
        stream.run(2, 60, 9);
        assert_eq!(stream.changes, [(1.0, 2)]);
    }

    #[test]
    fn paths_without_a_budget_are_left_alone() {
        let mut stream = Stream::new(None, 2);
        stream.run(0, 20, 100);
        assert!(stream.changes.is_empty());
        assert_eq!(stream.kept_between(0.0, 20.0), 10_000);
    }
}
