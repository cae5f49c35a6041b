//! Where a stage looks at what others do, or waits for it. In a program there is nothing more to it; in tests a scheduler can
//! say at each of these points which stage goes on, and what the time is (see `stepper.rs`).

#[cfg(test)]
pub(super) use super::stepper::{Turns, give_way, now_ns, point, sleep};
#[cfg(not(test))]
pub(super) use free::{Turns, give_way, now_ns, point, sleep};

#[cfg(not(test))]
mod free {
    use std::time::Duration;

    use crate::pipeline::WaitStrategy;

    /// Stages that run when the system lets them.
    pub struct Turns;

    /// Of a stage that runs: nothing to give back.
    pub struct Turn;

    impl Turns {
        pub fn of_caller() -> Self {
            Self
        }

        /// Blocks of a worker.
        pub fn blocks(&self, blocks: usize) -> usize {
            blocks
        }

        pub fn enter(&self, _stage: usize) -> Turn {
            Turn
        }
    }

    /// Another stage may do something here that this one sees.
    #[inline(always)]
    pub fn point() {}

    /// Whether the wait is over for having given others their turn.
    #[inline(always)]
    pub fn give_way(_strategy: WaitStrategy) -> bool {
        false
    }

    /// Nanoseconds since the start, where a scheduler counts them.
    #[inline(always)]
    pub fn now_ns() -> Option<u64> {
        None
    }

    pub fn sleep(time: Duration) {
        std::thread::sleep(time);
    }
}
