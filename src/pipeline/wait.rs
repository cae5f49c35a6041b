use std::cell::Cell;
use std::time::{Duration, Instant};

use crossbeam_utils::Backoff;

/// Below this distance to a deadline a clock spins: the kernel's timer slack and a wake-up cost tens of
/// microseconds.
const SPIN_BEFORE_DEADLINE: Duration = Duration::from_micros(200);

/// Some 100 us: much longer than a hand-over to a stage that runs, much shorter than a time slice.
const SPINS_BEFORE_YIELD: u32 = 4096;

/// Pause of a source that shares its core with workers: some thousand events at 40 MHz, so that they become one batch
/// and waking up costs the workers little.
const CROWDED_PAUSE: Duration = Duration::from_micros(100);

/// A clock that sleeps for longer would not see that the run is to stop.
const LONGEST_SLEEP: Duration = Duration::from_millis(20);

/// How a stage waits for its neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitStrategy {
    /// Busy-waits on a core of its own: lowest latency. Gives way now and then all the same: no process can know that
    /// the kernel left it the core, and two stages that spin on one would each wait for the other's time slice.
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
        Waiter { strategy: self, backoff: Backoff::new(), spins: Cell::new(0) }
    }
}

/// State of one wait.
#[derive(Debug)]
pub struct Waiter {
    strategy: WaitStrategy,
    backoff: Backoff,
    spins: Cell<u32>,
}

impl Waiter {
    /// Waits a little.
    pub fn wait(&self) {
        match self.strategy {
            WaitStrategy::Spin if self.spins.get() < SPINS_BEFORE_YIELD => {
                self.spins.set(self.spins.get() + 1);
                std::hint::spin_loop();
            }
            WaitStrategy::Spin => {
                self.spins.set(0);
                std::thread::yield_now();
            }
            _ if !self.backoff.is_completed() => self.backoff.snooze(),
            WaitStrategy::Yield => std::thread::yield_now(),
            WaitStrategy::Park(time) => std::thread::sleep(time),
        }
    }

    /// Becomes eager again: call it when the wait is over.
    pub fn reset(&self) {
        self.backoff.reset();
        self.spins.set(0);
    }
}

/// Sleeps until `deadline`, for [`CROWDED_PAUSE`] at least: for a source that has no core of its own, where each turn of
/// a spin is taken from the worker that it waits for. Returns for how long it meant to sleep.
pub fn sleep_past(deadline: Instant, now: Instant) -> Duration {
    let pause = deadline.saturating_duration_since(now).clamp(CROWDED_PAUSE, LONGEST_SLEEP);
    std::thread::sleep(pause);
    pause
}

/// Sleeps while `deadline` is far, for a while at most, and returns at once when it is near enough to be spun for.
/// Returns for how long it meant to sleep.
pub fn sleep_towards(deadline: Instant, now: Instant) -> Duration {
    let left = deadline.saturating_duration_since(now);
    if left <= SPIN_BEFORE_DEADLINE * 2 {
        std::hint::spin_loop();
        return Duration::ZERO;
    }
    let pause = (left - SPIN_BEFORE_DEADLINE).min(LONGEST_SLEEP);
    std::thread::sleep(pause);
    pause
}
