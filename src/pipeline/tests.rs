use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{DecidedBlock, Outcome, Overload, PipelineError, ReplayPlan, Sink, Span, Stop, replay};
use crate::event::{ElementType, EventSchema, EventWriter, Rows, Values};
use crate::score::{ScoreError, Scorer};
use crate::source::{Clock, EventSet};
use crate::trigger::{Decider, INVALID_BIT, ResolvedPath};

/// A set of `events` events with two inputs, the first of them the event's id, in record batches of `batch`.
fn events_file(path: &Path, events: usize, batch: usize, invalid: &[usize]) {
    let schema = EventSchema {
        encoding: "test".into(),
        k: 2,
        element: ElementType::F32,
        features: Vec::new(),
        sources: Vec::new(),
    };
    let mut writer = EventWriter::create(path, schema.to_arrow([])).unwrap();
    let ids: Vec<usize> = (0..events).collect();
    for chunk in ids.chunks(batch) {
        let inputs = chunk.iter().flat_map(|&id| {
            let second = if invalid.contains(&id) { f32::NAN } else { 0.0 };
            [id as f32, second]
        });
        let ids: Vec<u64> = chunk.iter().map(|&id| id as u64).collect();
        writer.write_events(ids.clone(), ids, inputs.collect(), Vec::new()).unwrap();
    }
    writer.finish().unwrap();
}

pub(super) fn set(events: usize, batch: usize, invalid: &[usize]) -> (tempfile::TempDir, EventSet) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.arrow");
    events_file(&path, events, batch, invalid);
    let set = EventSet::open(&[path]).unwrap();
    (folder, set)
}

/// Scores an event with its first input; what else it does is up to the test.
pub(super) struct FirstInput<F> {
    pub(super) calls: u64,
    pub(super) before: F,
}

impl<F: FnMut(u64) -> Result<(), ScoreError> + Send> Scorer for FirstInput<F> {
    fn score(&mut self, rows: Rows<'_>, scores: &mut [f32]) -> Result<(), ScoreError> {
        self.calls += 1;
        (self.before)(self.calls)?;
        let Values::F32(values) = rows.values() else { unreachable!() };
        for (score, row) in scores.iter_mut().zip(values.chunks(rows.k())) {
            *score = row[0];
        }
        Ok(())
    }

    fn describe(&self) -> String {
        "the first input".into()
    }
}

fn scorers<F>(workers: usize, before: F) -> Vec<Vec<Box<dyn Scorer>>>
where
    F: FnMut(u64) -> Result<(), ScoreError> + Send + Clone + 'static,
{
    (0..workers)
        .map(|_| vec![Box::new(FirstInput { calls: 0, before: before.clone() }) as Box<dyn Scorer>])
        .collect()
}

/// Keeps everything it is given, and fails after `fail_after` blocks.
#[derive(Default)]
struct Collect {
    ids: Vec<u64>,
    decisions: Vec<u32>,
    scores: Vec<f32>,
    blocks: usize,
    fail_after: Option<usize>,
}

impl Sink for Collect {
    fn accept(&mut self, block: &DecidedBlock) -> Result<(), PipelineError> {
        if self.fail_after.is_some_and(|limit| self.blocks >= limit) {
            return Err(PipelineError::Output("no space left on device".into()));
        }
        self.blocks += 1;
        for event in block.accepted() {
            self.ids.push(u64::from(event.row));
            self.decisions.push(event.decision);
            self.scores.push(event.scores[0]);
        }
        Ok(())
    }
}

fn plan(clock: Clock, overload: Overload, batch: usize, span: Span) -> ReplayPlan {
    ReplayPlan { clock, overload, span, batch, pin: false, buffer: super::BUFFERED_EVENTS, wait: None }
}

fn at_max(batch: usize) -> ReplayPlan {
    plan(Clock::Unpaced, Overload::Block, batch, Span::Passes(1))
}

pub(super) fn cut(threshold: f32) -> Decider {
    Decider::new(&[ResolvedPath { name: "cut".into(), model_index: 0, threshold, prescale: 1, bit: 0 }], 1)
}

fn run(
    set: &EventSet,
    plan: &ReplayPlan,
    scorers: Vec<Vec<Box<dyn Scorer>>>,
    sink: &mut Collect,
    stop: &Stop,
) -> Outcome {
    replay(set, plan, &cut(0.0), scorers, sink, stop, &|_| {}).unwrap()
}

#[test]
fn order_and_number_are_kept_for_any_workers_and_batch() {
    let (_folder, set) = set(5_000, 777, &[]);
    for workers in [1, 2, 3] {
        for batch in [1, 7, 64, 1000, 8192] {
            let mut sink = Collect::default();
            let outcome =
                run(&set, &at_max(batch), scorers(workers, |_| Ok(())), &mut sink, &Stop::default());
            assert!(outcome.error.is_none());
            outcome.counters.check(true).unwrap();
            assert_eq!(outcome.counters.events_scored, 5_000);
            let expected: Vec<f32> = (0..5_000).map(|id| id as f32).collect();
            assert_eq!(sink.scores, expected, "{workers} workers, batch {batch}");
            assert_eq!(outcome.latencies.decision.len(), 5_000);
        }
    }
}

#[test]
fn passes_repeat_the_file() {
    let (_folder, set) = set(100, 30, &[]);
    let mut sink = Collect::default();
    let plan = ReplayPlan { span: Span::Passes(7), ..at_max(64) };
    let outcome = run(&set, &plan, scorers(2, |_| Ok(())), &mut sink, &Stop::default());
    assert_eq!(outcome.counters.events_in, 700);
    assert_eq!(sink.scores.len(), 700);
    assert_eq!(sink.scores[..100], sink.scores[600..]);
}

#[test]
fn no_events_is_a_run_of_nothing() {
    let (_folder, set) = set(0, 1, &[]);
    let mut sink = Collect::default();
    let outcome = run(&set, &at_max(64), scorers(1, |_| Ok(())), &mut sink, &Stop::default());
    outcome.counters.check(true).unwrap();
    assert_eq!(outcome.counters.events_in, 0);
}

#[test]
fn invalid_events_are_counted_and_written_and_fire_nothing() {
    let (_folder, set) = set(1_000, 100, &[0, 17, 999]);
    let mut sink = Collect::default();
    let decider = cut(500.0);
    let outcome =
        replay(&set, &at_max(64), &decider, scorers(1, |_| Ok(())), &mut sink, &Stop::default(), &|_| {})
            .unwrap();
    assert_eq!(outcome.counters.events_invalid, 3);
    assert_eq!(outcome.counters.events_scored, 1_000);
    assert_eq!(sink.decisions.iter().filter(|&&decision| decision == INVALID_BIT).count(), 3);
    assert_eq!(sink.decisions.iter().filter(|&&decision| decision == 1).count(), 499);
}

#[test]
fn a_clock_that_outruns_the_scorer_drops_and_accounts() {
    let (_folder, set) = set(50_000, 10_000, &[]);
    let mut sink = Collect::default();
    let slow = |_| {
        std::thread::sleep(Duration::from_millis(1));
        Ok(())
    };
    let span = Span::Time(Duration::from_millis(200));
    let plan = plan(Clock::fixed(20e6), Overload::Drop, 100, span);
    let outcome = run(&set, &plan, scorers(1, slow), &mut sink, &Stop::default());
    outcome.counters.check(true).unwrap();
    assert_eq!(outcome.counters.events_in, 4_000_001, "200 ms at 20 MHz, both ends");
    assert!(outcome.counters.events_dropped.total() > 3_000_000);
    // The scorer would need 0.65 s for what the buffer holds at the end.
    assert!(outcome.source_time < Duration::from_millis(450), "{:?}", outcome.source_time);
    assert_eq!(sink.scores.len() as u64, outcome.counters.events_scored);
}

#[test]
fn blocking_loses_nothing_and_shows_the_stall_as_latency() {
    let (_folder, set) = set(2_000, 1_000, &[]);
    let mut sink = Collect::default();
    let slow = |_| {
        std::thread::sleep(Duration::from_millis(1));
        Ok(())
    };
    let plan = plan(Clock::fixed(1e6), Overload::Block, 100, Span::Passes(1));
    let outcome = run(&set, &plan, scorers(1, slow), &mut sink, &Stop::default());
    outcome.counters.check(true).unwrap();
    assert_eq!(outcome.counters.events_scored, 2_000);
    // 20 batches of at least 1 ms for 2 ms of schedule: the last events waited for most of it.
    assert!(outcome.latencies.decision.max() > 10_000_000);
    assert!(outcome.latencies.queue.max() > 10_000_000);
}

#[test]
fn a_failing_scorer_ends_the_run_and_the_counts_hold() {
    let (_folder, set) = set(100_000, 1_000, &[]);
    for workers in [1, 3] {
        let mut sink = Collect::default();
        let fails = |call| match call {
            20.. => Err(ScoreError::Run { engine: "test", reason: "it broke".into() }),
            _ => Ok(()),
        };
        let outcome = run(&set, &at_max(64), scorers(workers, fails), &mut sink, &Stop::default());
        let error = outcome.error.as_ref().unwrap().to_string();
        assert!(error.contains("it broke"), "{error}");
        outcome.counters.check(true).unwrap();
        assert!(outcome.counters.events_dropped.failed > 0);
        assert!(sink.scores.is_sorted(), "what was decided is delivered in order");
    }
}

#[test]
fn a_panicking_scorer_ends_the_run_and_the_counts_hold() {
    let (_folder, set) = set(100_000, 1_000, &[]);
    let mut sink = Collect::default();
    let panics = |call| {
        assert!(call < 20, "a defect");
        Ok(())
    };
    let outcome = run(&set, &at_max(64), scorers(2, panics), &mut sink, &Stop::default());
    let error = outcome.error.as_ref().unwrap().to_string();
    assert!(error.contains("panicked") && error.contains("a defect"), "{error}");
    outcome.counters.check(true).unwrap();
}

#[test]
fn a_failing_sink_ends_the_run_and_the_counts_hold() {
    let (_folder, set) = set(100_000, 1_000, &[]);
    let mut sink = Collect { fail_after: Some(5), ..Collect::default() };
    let outcome = run(&set, &at_max(64), scorers(2, |_| Ok(())), &mut sink, &Stop::default());
    assert!(outcome.error.as_ref().unwrap().to_string().contains("no space left"));
    outcome.counters.check(false).unwrap();
    assert!(outcome.counters.events_scored >= outcome.counters.events_delivered);
}

#[test]
fn an_interrupt_decides_what_was_offered() {
    let (_folder, set) = set(10_000, 1_000, &[]);
    let stop = Stop::default();
    let calls = std::sync::Arc::new(AtomicU64::new(0));
    let (counted, stopper) = (calls.clone(), stop.clone());
    let interrupts = move |_| {
        if counted.fetch_add(1, Ordering::Relaxed) == 50 {
            stopper.interrupt();
        }
        Ok(())
    };
    let mut sink = Collect::default();
    let plan = ReplayPlan { span: Span::Time(Duration::from_secs(3600)), ..at_max(64) };
    let outcome = run(&set, &plan, scorers(2, interrupts), &mut sink, &stop);
    assert!(outcome.interrupted && outcome.error.is_none());
    outcome.counters.check(true).unwrap();
    assert_eq!(outcome.counters.events_dropped.total(), 0);
    assert_eq!(sink.scores.len() as u64, outcome.counters.events_in);
}

/// A library that was compiled with fast mathematics does this to the thread that calls it.
#[cfg(target_arch = "x86_64")]
#[test]
fn a_scorer_that_turns_denormals_off_ends_the_run() {
    let (_folder, set) = set(1_000, 100, &[]);
    let flushes = |call| {
        if call == 5 {
            // Every exception masked, FTZ (bit 15) and DAZ (bit 6): Intel SDM volume 1, 10.2.3.
            let mxcsr: u32 = 0x9fc0;
            // SAFETY: the register takes this value, and only arithmetic with denormal numbers on this thread, which ends
            // with the run, is another from here on.
            unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const mxcsr, options(nostack)) };
        }
        Ok(())
    };
    let mut sink = Collect::default();
    let outcome = run(&set, &at_max(64), scorers(1, flushes), &mut sink, &Stop::default());
    let error = outcome.error.as_ref().unwrap().to_string();
    assert!(error.contains("denormal"), "{error}");
}

#[test]
fn events_near_a_threshold_are_counted() {
    let (_folder, set) = set(1_000, 100, &[]);
    // Scores are whole numbers, and 500 (1 + 1e-5) is above the one and near it.
    for (threshold, band, near) in
        [(500.0, 0.0, 0), (500.0, 1e-5, 1), (500.0 * (1.0 + 5e-6), 1e-5, 1), (500.5, 1e-5, 0)]
    {
        let decider = cut(threshold).with_band(band);
        let mut sink = Collect::default();
        let outcome =
            replay(&set, &at_max(64), &decider, scorers(2, |_| Ok(())), &mut sink, &Stop::default(), &|_| {})
                .unwrap();
        assert_eq!(outcome.counters.events_near_threshold, near, "{threshold}, {band}");
        assert_eq!(sink.ids.len(), (0..1000).filter(|id| *id as f32 >= threshold).count());
    }
}

/// Panics at the first block.
struct Panics;

impl Sink for Panics {
    fn accept(&mut self, _block: &DecidedBlock) -> Result<(), PipelineError> {
        panic!("a defect");
    }
}

/// Nothing is kept from then on: the rest of a run of a minute would be lost.
#[test]
fn a_panicking_sink_ends_the_run_at_once() {
    let (_folder, set) = set(1000, 1000, &[]);
    let plan = plan(Clock::fixed(1e5), Overload::Block, 8, Span::Time(Duration::from_secs(60)));
    let scorers = scorers(2, |_| Ok(()));
    let outcome = replay(&set, &plan, &cut(0.0), scorers, &mut Panics, &Stop::default(), &|_| {}).unwrap();
    let error = outcome.error.unwrap().to_string();
    assert!(error.contains("the sink") && error.contains("a defect"), "{error}");
    assert!(outcome.wall < Duration::from_secs(30), "{:?}", outcome.wall);
}

/// The others wait for every worker before the clock starts.
#[test]
fn a_scorer_that_panics_on_its_own_thread_before_the_start_ends_the_run() {
    let (_folder, set) = set(1000, 1000, &[]);
    // Two calls on the thread that makes the workers, and two more on theirs.
    let panics = |call| if call == 3 { panic!("a defect") } else { Ok(()) };
    let mut sink = Collect::default();
    let outcome = run(&set, &at_max(64), scorers(2, panics), &mut sink, &Stop::default());
    let error = outcome.error.unwrap().to_string();
    assert!(error.contains("panicked") && error.contains("a defect"), "{error}");
    assert!(sink.ids.is_empty());
}
