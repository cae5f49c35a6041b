//! A scheduler for the stages of a pipeline: one of them runs at a time, from one point where it looks at what others do, or
//! waits, to the next. Which one that is, for how long one is stalled, when the user interrupts and what the time is comes from
//! a seed: the same seed gives the same run, step by step, on any machine.
//!
//! Half of the seeds choose evenly among the stages that are ready. The other half give them priorities that change when
//! a stage waits and at random, as probabilistic concurrency testing does (doi:10.1145/1736020.1736040): a stage then runs far
//! ahead of the others.

use std::cell::RefCell;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::stress::Random;
use super::{Stop, WaitStrategy};

/// A run that takes more steps hangs: hundreds are usual, and some thousands the most.
const HANGS: u64 = 200_000;
/// Longest time from one step of a stage to the next, when it is not stalled.
const STEP_NS: u64 = 400;
/// Longest pause of a stage that spins.
const SPIN_NS: u64 = 20_000;
/// A stage is stalled at one in so many of its steps, for up to 2 to this power nanoseconds.
const STALL: (u64, u64) = (50, 23);
/// The stage that runs becomes the least urgent at one in so many steps.
const CHANGE: u64 = 100;

thread_local! {
    /// The scheduler of the pipelines that this thread starts.
    static CALLER: RefCell<Option<Arc<Stepper>>> = const { RefCell::new(None) };
    /// The scheduler and the number of the stage that this thread is.
    static STAGE: RefCell<Option<(Arc<Stepper>, usize)>> = const { RefCell::new(None) };
}

/// The scheduler.
pub(super) struct Stepper {
    state: Mutex<State>,
    /// One a stage, told when its turn comes.
    turns: Vec<Condvar>,
    blocks: usize,
    stop: Stop,
}

struct State {
    random: Random,
    by_priority: bool,
    stages: Vec<Stage>,
    running: Option<usize>,
    /// Below every priority so far.
    lowest: i64,
    steps: u64,
    now_ns: u64,
    /// At which steps the user interrupts, the last one first.
    interrupts: Vec<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Presence {
    NotYet,
    Here,
    Gone,
}

#[derive(Clone, Copy)]
struct Stage {
    presence: Presence,
    /// When it is ready.
    wakes_ns: u64,
    priority: i64,
}

/// For how long a stage has nothing to do.
enum Pause {
    Nothing,
    Spin,
    Sleep(Duration),
}

impl Stepper {
    /// For one run of so many stages, whose workers have so many blocks each, with interrupts of `stop` at these steps.
    pub(super) fn new(
        seed: u64,
        stages: usize,
        blocks: usize,
        stop: &Stop,
        mut interrupts: Vec<u64>,
    ) -> Arc<Self> {
        let mut random = Random::of(seed);
        let by_priority = random.below(2) == 0;
        let stage =
            |_| Stage { presence: Presence::NotYet, wakes_ns: 0, priority: random.below(1 << 20) as i64 };
        let of_stages = (0..stages).map(stage).collect();
        interrupts.sort_unstable_by(|a, b| b.cmp(a));
        let state = State {
            random,
            by_priority,
            stages: of_stages,
            running: None,
            lowest: 0,
            steps: 0,
            now_ns: 0,
            interrupts,
        };
        let turns = (0..stages).map(|_| Condvar::new()).collect();
        Arc::new(Self { state: Mutex::new(state), turns, blocks, stop: stop.clone() })
    }

    /// Runs `pipeline`, which starts the stages and waits for their end.
    pub(super) fn run<T>(self: &Arc<Self>, pipeline: impl FnOnce() -> T) -> T {
        CALLER.set(Some(self.clone()));
        let outcome = pipeline();
        CALLER.set(None);
        outcome
    }

    /// Number of its steps and the time at its end: other orders have others.
    pub(super) fn end(&self) -> (u64, u64) {
        let state = self.lock();
        assert!(state.steps < HANGS, "it hung");
        (state.steps, state.now_ns)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until all stages are here and the turn of this one comes.
    fn enter(&self, stage: usize) {
        let mut state = self.lock();
        state.stages[stage].presence = Presence::Here;
        if state.stages.iter().all(|stage| stage.presence == Presence::Here) {
            self.go_on(&mut state);
        }
        self.wait_for_turn(stage, state);
    }

    fn step(&self, stage: usize, pause: &Pause) {
        let mut state = self.lock();
        state.steps += 1;
        assert!(state.steps < HANGS, "it hangs");
        state.now_ns += state.random.below(STEP_NS);
        while state.interrupts.last().is_some_and(|step| *step <= state.steps) {
            state.interrupts.pop();
            self.stop.interrupt();
        }
        let pause_ns = match pause {
            Pause::Nothing if state.random.below(STALL.0) == 0 => {
                let longest = 1 << state.random.below(STALL.1 + 1);
                state.random.below(longest)
            }
            Pause::Nothing => 0,
            Pause::Spin => state.random.below(SPIN_NS),
            Pause::Sleep(time) => time.as_nanos() as u64 + state.random.below(STEP_NS),
        };
        state.stages[stage].wakes_ns = state.now_ns + pause_ns;
        if pause_ns > 0 || state.random.below(CHANGE) == 0 {
            state.lowest -= 1;
            state.stages[stage].priority = state.lowest;
        }
        self.go_on(&mut state);
        self.wait_for_turn(stage, state);
    }

    fn leave(&self, stage: usize) {
        let mut state = self.lock();
        state.stages[stage].presence = Presence::Gone;
        self.go_on(&mut state);
    }

    /// Gives the turn to a stage that is ready, or will be first.
    fn go_on(&self, state: &mut State) {
        let here = |state: &State| {
            let stages = state.stages.iter().copied().enumerate();
            stages.filter(|(_, stage)| stage.presence == Presence::Here).collect::<Vec<_>>()
        };
        let mut ready = here(state);
        let earliest_ns = ready.iter().map(|(_, stage)| stage.wakes_ns).min();
        state.now_ns = state.now_ns.max(earliest_ns.unwrap_or(0));
        ready.retain(|(_, stage)| stage.wakes_ns <= state.now_ns);
        let next = match ready.len() as u64 {
            0 => None,
            _ if state.by_priority => ready.iter().max_by_key(|(_, stage)| stage.priority),
            stages => ready.get(state.random.below(stages) as usize),
        };
        state.running = next.map(|(number, _)| *number);
        if let Some(next) = state.running {
            self.turns[next].notify_one();
        }
    }

    fn wait_for_turn(&self, stage: usize, mut state: MutexGuard<'_, State>) {
        while state.running != Some(stage) {
            state = self.turns[stage].wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Whether the stages of a pipeline take turns.
pub(super) struct Turns(Option<Arc<Stepper>>);

/// Of a stage, from its start to its end.
pub(super) struct Turn(Option<(Arc<Stepper>, usize)>);

impl Turns {
    pub(super) fn of_caller() -> Self {
        Self(CALLER.with_borrow(Clone::clone))
    }

    /// Blocks of a worker.
    pub(super) fn blocks(&self, blocks: usize) -> usize {
        self.0.as_ref().map_or(blocks, |stepper| stepper.blocks)
    }

    pub(super) fn enter(&self, stage: usize) -> Turn {
        let of_stage = self.0.clone().map(|stepper| (stepper, stage));
        if let Some((stepper, stage)) = &of_stage {
            STAGE.set(Some((stepper.clone(), *stage)));
            stepper.enter(*stage);
        }
        Turn(of_stage)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some((stepper, stage)) = self.0.take() {
            STAGE.set(None);
            stepper.leave(stage);
        }
    }
}

/// The scheduler of this thread, if it has one, and the number of its stage.
fn stage() -> Option<(Arc<Stepper>, usize)> {
    STAGE.with_borrow(Clone::clone)
}

/// Another stage may do something here that this one sees.
pub(super) fn point() {
    if let Some((stepper, stage)) = stage() {
        stepper.step(stage, &Pause::Nothing);
    }
}

/// Whether the wait is over for having given others their turn.
pub(super) fn give_way(strategy: WaitStrategy) -> bool {
    let Some((stepper, stage)) = stage() else { return false };
    let pause = match strategy {
        WaitStrategy::Park(time) => Pause::Sleep(time),
        WaitStrategy::Spin | WaitStrategy::Yield => Pause::Spin,
    };
    stepper.step(stage, &pause);
    true
}

/// Nanoseconds since the start, where a scheduler counts them.
pub(super) fn now_ns() -> Option<u64> {
    stage().map(|(stepper, _)| stepper.lock().now_ns)
}

pub(super) fn sleep(time: Duration) {
    match stage() {
        Some((stepper, stage)) => stepper.step(stage, &Pause::Sleep(time)),
        None => std::thread::sleep(time),
    }
}
