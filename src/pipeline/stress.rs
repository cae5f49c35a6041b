//! The pipeline under injected stalls, failures, panics and interrupts, at instants that a seed chooses: whatever happens,
//! it ends, every event is accounted for, and what the sink gets is in order. Once on threads that run as the system lets
//! them, and once step by step, in an order that the seed chooses too.
//!
//! `TRIGSIEVE_STRESS` sets the number of runs (`cargo xtask soak` does), `TRIGSIEVE_SEED` what happens in them.

use std::sync::mpsc;
use std::time::Duration;

use super::stepper::Stepper;
use super::tests::{FirstInput, cut, set};
use super::{
    DecidedBlock, Outcome, Overload, PipelineError, ReplayPlan, Sink, Span, Stop, WaitStrategy, replay, turns,
};
use crate::score::{ScoreError, Scorer};
use crate::source::{Clock, EventSet};

/// A run takes milliseconds, and some tens of them on a crowded machine: one that takes this long hangs.
const HANGS: Duration = Duration::from_secs(120);

/// xorshift64* (doi:10.18637/jss.v008.i14).
#[derive(Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn of(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % end
    }

    fn among<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// Nothing in most cases, else what the system may do to a thread: it is put off, for a short or a long time.
    fn stall(&mut self) {
        if turns::now_ns().is_some() {
            return turns::point();
        }
        match self.below(40) {
            0 => std::thread::sleep(Duration::from_micros(self.below(2000))),
            1..=4 => std::thread::yield_now(),
            5..=7 => (0..self.below(20_000)).for_each(|_| std::hint::spin_loop()),
            _ => {}
        }
    }
}

/// What happens to a run besides stalls, at the call of this number.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Event {
    Nothing,
    Interrupt,
    TwoInterrupts,
    ScorerFails,
    ScorerPanics,
    SinkFails,
    SinkPanics,
    /// The sink takes nothing for so long that every ring is full, and then the user stops the run.
    SinkStallsUntilInterrupted,
}

const EVENTS: [Event; 8] = [
    Event::Nothing,
    Event::Interrupt,
    Event::TwoInterrupts,
    Event::ScorerFails,
    Event::ScorerPanics,
    Event::SinkFails,
    Event::SinkPanics,
    Event::SinkStallsUntilInterrupted,
];

#[derive(Clone, Debug)]
struct Case {
    seed: u64,
    events: usize,
    file_batch: usize,
    workers: usize,
    event: Event,
    at: u64,
    /// Which part of the events is accepted: a block of none is not handed over at once.
    accepted: f32,
    plan: ReplayPlan,
}

impl Case {
    fn of(seed: u64) -> Self {
        let mut random = Random::of(seed);
        let _ = (0..4).map(|_| random.below(2)).sum::<u64>();
        let paced = random.below(3) == 0;
        let clock = if paced { Clock::fixed(random.among(&[3e5, 2e6, 3e7])) } else { Clock::Unpaced };
        let overload = if paced && random.below(2) == 0 { Overload::Drop } else { Overload::Block };
        let plan = ReplayPlan {
            clock,
            overload,
            span: Span::Passes(1 + random.below(3)),
            batch: random.among(&[1, 3, 16, 64, 700]),
            pin: false,
            buffer: random.among(&[1, 50, 65_536]),
            wait: random.among(&[
                None,
                Some(WaitStrategy::Yield),
                Some(WaitStrategy::Park(Duration::from_micros(50))),
            ]),
        };
        Self {
            seed,
            events: 1 + random.below(3000) as usize,
            file_batch: 1 + random.below(1000) as usize,
            workers: 1 + random.below(4) as usize,
            event: random.among(&EVENTS),
            at: random.below(40),
            accepted: random.among(&[0.0, 0.02, 0.5, 1.0, 1.0]),
            plan,
        }
    }

    /// An event's score is its number in the set.
    fn threshold(&self) -> f32 {
        self.events as f32 * (1.0 - self.accepted)
    }
}

struct Stalling {
    random: Random,
    case: Case,
    stop: Stop,
    calls: u64,
    scores: Vec<f32>,
}

impl Stalling {
    fn is_due(&mut self, event: Event) -> bool {
        self.case.event == event && self.calls == self.case.at
    }
}

impl Sink for Stalling {
    fn accept(&mut self, block: &DecidedBlock) -> Result<(), PipelineError> {
        self.calls += 1;
        self.random.stall();
        if self.is_due(Event::Interrupt) || self.is_due(Event::TwoInterrupts) {
            self.stop.interrupt();
        }
        if self.case.event == Event::TwoInterrupts && self.calls == self.case.at + 1 {
            self.stop.interrupt();
        }
        if self.is_due(Event::SinkFails) {
            return Err(PipelineError::Output("no space left on device".into()));
        }
        assert!(!self.is_due(Event::SinkPanics), "a defect of the sink");
        if self.is_due(Event::SinkStallsUntilInterrupted) {
            turns::sleep(Duration::from_millis(20));
            self.stop.interrupt();
        }
        self.scores.extend(block.accepted().map(|event| event.scores[0]));
        Ok(())
    }
}

fn scorers(case: &Case) -> Vec<Vec<Box<dyn Scorer>>> {
    let of_worker = |worker: usize| {
        let mut random = Random((case.seed + worker as u64).wrapping_mul(0xd134_2543_de82_ef95) | 1);
        let (event, at) = (case.event, case.at);
        // The first four calls warm up.
        let before = move |call: u64| {
            if call > 4 {
                random.stall();
            }
            match event {
                Event::ScorerFails if call == at + 5 => {
                    Err(ScoreError::Run { engine: "test", reason: "it broke".into() })
                }
                Event::ScorerPanics if call == at + 5 => panic!("a defect of the scorer"),
                _ => Ok(()),
            }
        };
        vec![Box::new(FirstInput { calls: 0, before }) as Box<dyn Scorer>]
    };
    (0..case.workers).map(of_worker).collect()
}

/// Runs a case, or panics when it does not end.
fn run(case: &Case) -> (Outcome, Vec<f32>) {
    let (done, outcome) = mpsc::channel();
    let of_run = case.clone();
    std::thread::spawn(move || {
        let (_folder, set) = set(of_run.events, of_run.file_batch, &[]);
        let _ = done.send(run_on(&set, &of_run, &Stop::default()));
    });
    outcome.recv_timeout(HANGS).unwrap_or_else(|_| panic!("it hangs: {case:?}"))
}

fn run_on(set: &EventSet, case: &Case, stop: &Stop) -> (Outcome, Vec<f32>) {
    let random = Random(case.seed | 1);
    let mut sink = Stalling { random, case: case.clone(), stop: stop.clone(), calls: 0, scores: Vec::new() };
    let outcome = replay(set, &case.plan, &cut(case.threshold()), scorers(case), &mut sink, stop, &|_| {});
    (outcome.unwrap(), sink.scores)
}

/// Events of a run that takes turns, and of its record batches.
const FEW: [(usize, usize); 5] = [(1, 1), (7, 3), (40, 40), (40, 7), (90, 64)];

/// Runs a case step by step, with interrupts at any step instead of at calls of the sink. Returns also the number of its
/// steps and the time that it took by the scheduler's count.
fn run_stepped(case: &Case, set: &EventSet) -> (Outcome, Vec<f32>, (u64, u64)) {
    let mut random = Random::of(!case.seed);
    let interrupts = match case.event {
        Event::Interrupt => 1,
        Event::TwoInterrupts => 2,
        _ => 0,
    };
    let at_calls = if interrupts == 0 { case.event } else { Event::Nothing };
    let (of_run, stop) = (Case { event: at_calls, ..case.clone() }, Stop::default());
    // So few blocks that every ring is full most of the time.
    let blocks = 1 << random.below(3);
    let interrupts = (0..interrupts).map(|_| random.below(400)).collect();
    let stepper = Stepper::new(case.seed, case.workers + 1, blocks, &stop, interrupts);
    let (outcome, scores) = stepper.run(|| run_on(set, &of_run, &stop));
    (outcome, scores, stepper.end())
}

fn check(case: &Case, outcome: &Outcome, scores: &[f32]) {
    let counters = outcome.counters;
    let what = || format!("{case:?}: {counters:?}, {:?}", outcome.error);
    let offered = case.events as u64 * if let Span::Passes(passes) = case.plan.span { passes } else { 1 };
    assert!(counters.check(outcome.error.is_none()).is_ok(), "{}", what());
    assert!(counters.events_in <= offered, "{}", what());
    // An event's score is its number: in order means that the number falls only from one pass to the next.
    let passes = 1 + scores.windows(2).filter(|pair| pair[1] <= pair[0]).count();
    assert!(scores.is_empty() || passes as u64 <= offered.div_ceil(case.events as u64), "{}", what());
    match &outcome.error {
        None => {
            assert_eq!(scores.len() as u64, counters.events_kept, "{}", what());
            assert_eq!(counters.events_dropped.failed, 0, "{}", what());
            if !outcome.interrupted {
                assert_eq!(counters.events_in, offered, "{}", what());
            }
            if case.plan.overload == Overload::Block {
                assert_eq!(counters.events_dropped.total(), 0, "{}", what());
                let of_events = (0..counters.events_in).map(|event| (event % case.events as u64) as f32);
                let expected = of_events.filter(|score| *score >= case.threshold());
                assert!(scores.iter().copied().eq(expected), "{}", what());
            }
        }
        Some(_) => assert!(
            matches!(
                case.event,
                Event::ScorerFails | Event::ScorerPanics | Event::SinkFails | Event::SinkPanics
            ),
            "{}",
            what()
        ),
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[test]
fn whatever_happens_it_ends_and_every_event_is_accounted_for() {
    let (runs, first) = (number("TRIGSIEVE_STRESS", 400), number("TRIGSIEVE_SEED", 1) * 1_000_000);
    let (mut failed, mut interrupted) = (0, 0);
    for seed in first..first + runs {
        let case = Case::of(seed);
        let (outcome, scores) = run(&case);
        check(&case, &outcome, &scores);
        failed += u64::from(outcome.error.is_some());
        interrupted += u64::from(outcome.interrupted);
    }
    println!(
        "{runs} runs from seed {first}, {failed} failed, {interrupted} interrupted; 0 events unaccounted for"
    );
    assert!(failed > runs / 10 && interrupted > runs / 10, "{failed} failed, {interrupted} interrupted");
}

#[test]
fn whatever_the_order_of_steps_it_ends_and_every_event_is_accounted_for() {
    let sets = FEW.map(|(events, file_batch)| set(events, file_batch, &[]));
    let (runs, first) = (number("TRIGSIEVE_STRESS", 400) * 5, number("TRIGSIEVE_SEED", 1) * 1_000_000);
    let (mut failed, mut interrupted, mut steps) = (0, 0, 0);
    for seed in first..first + runs {
        let case = Case::of(seed);
        let which = case.events % FEW.len();
        let ((events, file_batch), (_, set)) = (FEW[which], &sets[which]);
        let case = Case { events, file_batch, at: case.at / 4, ..case };
        let (outcome, scores, end) = run_stepped(&case, set);
        check(&case, &outcome, &scores);
        // The same seed takes the same steps.
        if seed % 16 == 0 {
            let (again, same_scores, same_end) = run_stepped(&case, set);
            assert_eq!((again.counters, same_scores, same_end), (outcome.counters, scores, end), "{case:?}");
        }
        failed += u64::from(outcome.error.is_some());
        interrupted += u64::from(outcome.interrupted);
        steps += end.0;
    }
    println!(
        "{runs} orders from seed {first}, {steps} steps, {failed} failed, {interrupted} interrupted; 0 events unaccounted for"
    );
    assert!(failed > runs / 10 && interrupted > runs / 10, "{failed} failed, {interrupted} interrupted");
}
