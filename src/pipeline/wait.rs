use std::time::{Duration, Instant};

use crossbeam_utils::Backoff;

/// Below this distance to a deadline a clock spins: the kernel's timer slack and a wake-up cost tens of
/// microseconds.
const SPIN_BEFORE_DEADLINE: Duration = Duration::from_micros(200);

/// A clock that sleeps for longer would not see that the run is to stop.
const LONGEST_SLEEP: Duration = Duration::from_millis(20);

/// How a stage waits for its neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitStrategy {
    /// Busy-waits on a core of its own: lowest latency.
    Spin,
    /// Spins briefly, then gives its time slice away: when threads outnumber cores.
    Yield,
    /// Spins briefly, then sleeps this long at a time: for stages whose neighbour buffers for longer.
    Park(Duration),
}

impl WaitStrategy {
    /// A waiter in its initial, eager state.
    #[must_use]
    pub fn waiter(self) -> Waiter {
        Waiter { strategy: self, backoff: Backoff::new() }
    }
}

/// State of one wait.
#[derive(Debug)]
pub struct Waiter {
    strategy: WaitStrategy,
    backoff: Backoff,
}

impl Waiter {
    /// Waits a little.
    pub fn wait(&self) {
        match self.strategy {
            WaitStrategy::Spin => std::hint::spin_loop(),
            _ if !self.backoff.is_completed() => self.backoff.snooze(),
            WaitStrategy::Yield => std::thread::yield_now(),
            WaitStrategy::Park(time) => std::thread::sleep(time),
        }
    }

    /// Becomes eager again: call it when the wait is over.
    pub fn reset(&self) {
        self.backoff.reset();
    }
}

/// Sleeps while `deadline` is far, for a while at most, and returns at once when it is near enough to be spun for.
pub fn sleep_towards(deadline: Instant, now: Instant) {
    let left = deadline.saturating_duration_since(now);
    if left > SPIN_BEFORE_DEADLINE * 2 {
        std::thread::sleep((left - SPIN_BEFORE_DEADLINE).min(LONGEST_SLEEP));
    } else {
        std::hint::spin_loop();
    }
}
