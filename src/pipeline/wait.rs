use std::cell::Cell;
use std::time::Duration;

use crossbeam_utils::Backoff;

use super::turns;

/// Below this distance to a deadline a clock spins: the kernel's timer slack and a wake-up cost tens of
/// microseconds.
const SPIN_BEFORE_DEADLINE: Duration = Duration::from_micros(200);

/// Some 100 us: much longer than a hand-over to a stage that runs, much shorter than a time slice.
const SPINS_BEFORE_YIELD: u32 = 4096;

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
        if turns::give_way(self.strategy) {
            return;
        }
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

/// Waits, a little or until `deadline_ns`, as the waiter's strategy is: what is near enough is spun for or yielded, what is
/// far is slept for, and [`WaitStrategy::Park`] always sleeps. Returns for how long it meant to be away.
pub fn wait_until(deadline_ns: u64, now_ns: u64, waiter: &Waiter) -> u64 {
    let left = Duration::from_nanos(deadline_ns.saturating_sub(now_ns));
    let pause = match waiter.strategy {
        WaitStrategy::Park(time) => left.max(time),
        _ if left <= SPIN_BEFORE_DEADLINE * 2 => {
            waiter.wait();
            return 0;
        }
        _ => left - SPIN_BEFORE_DEADLINE,
    };
    let pause = pause.min(LONGEST_SLEEP);
    turns::sleep(pause);
    pause.as_nanos() as u64
}
