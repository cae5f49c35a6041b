//! After the warm-up the source and the workers allocate nothing, and the sink only for events that it writes.
//!
//! The allocator counts calls by thread. A worker's are seen by its scorer, which runs on its thread; the source's by
//! comparing runs of different lengths, since what a run allocates before and after its loop does not depend on it.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::{ENCODING, K, fixed_program, write_events, write_fixed_bundle};
use trigsieve::event::{Rows, Values};
use trigsieve::model::{ModelBundle, Precision};
use trigsieve::pipeline::{
    BUFFERED_EVENTS, DecidedBlock, Outcome, Overload, PipelineError, ReplayPlan, Sink, Span, Stop, replay,
};
use trigsieve::score::{Engine, ScoreError, Scorer, ScorerSpec};
use trigsieve::sink::{OutputFormat, TaggedEvents, TaggedWriter, tagged_schema};
use trigsieve::source::{Clock, EventSet};
use trigsieve::trigger::{Decider, Prescaler, ResolvedPath};

struct Counting;

thread_local! {
    /// Needs no destructor and no allocation of its own, so that the allocator may use it.
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that is going away has no locals any more; nobody compares its count.
    let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
}

fn calls() -> u64 {
    CALLS.get()
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call goes to the system's allocator unchanged; counting touches no memory that is managed here.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are those of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // Not counted: blocks whose worker is done are freed where they are. What went on being freed would have to be
        // allocated somewhere.
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// What happened on the worker's thread between its first and its last event.
#[derive(Default)]
struct Seen {
    allocations: AtomicU64,
    calls: AtomicU64,
}

/// Scores an event with its first input and looks at the allocator's count of its thread.
struct Watching {
    seen: Arc<Seen>,
    thread: Option<std::thread::ThreadId>,
    first: u64,
}

impl Scorer for Watching {
    fn score(&mut self, rows: Rows<'_>, scores: &mut [f32]) -> Result<(), ScoreError> {
        // A first warm-up is on another thread.
        let thread = std::thread::current().id();
        if self.thread != Some(thread) {
            self.thread = Some(thread);
            self.first = calls();
        }
        // Relaxed: read after the thread was joined.
        self.seen.allocations.store(calls() - self.first, Ordering::Relaxed);
        self.seen.calls.fetch_add(1, Ordering::Relaxed);
        let Values::F32(values) = rows.values() else { unreachable!() };
        for (score, row) in scores.iter_mut().zip(values.chunks(rows.k())) {
            *score = row[0];
        }
        Ok(())
    }

    fn describe(&self) -> String {
        String::new()
    }
}

/// Counts what it is given, and the allocator's calls on its thread since the first block.
#[derive(Default)]
struct Count {
    accepted: u64,
    first: Option<u64>,
    allocations: u64,
}

impl Sink for Count {
    fn accept(&mut self, block: &DecidedBlock) -> Result<(), PipelineError> {
        self.accepted += block.accepted().count() as u64;
        let first = *self.first.get_or_insert_with(calls);
        self.allocations = calls() - first;
        Ok(())
    }
}

fn events(path: &Path) -> EventSet {
    write_events(path, 10_000, K, ENCODING);
    EventSet::open(&[path.to_owned()]).unwrap()
}

fn path(threshold: f32, prescale: u32) -> ResolvedPath {
    ResolvedPath { name: "cut".into(), model_index: 0, threshold, prescale, bit: 0 }
}

/// Runs `plan` and gives the outcome, what the workers saw, and the calls on this thread, the source's.
fn run(
    set: &EventSet,
    plan: &ReplayPlan,
    threshold: f32,
    workers: usize,
    sink: &mut dyn Sink,
) -> (Outcome, Vec<Arc<Seen>>, u64) {
    let seen: Vec<Arc<Seen>> = (0..workers).map(|_| Arc::default()).collect();
    let watching = |seen: &Arc<Seen>| {
        vec![Box::new(Watching { seen: seen.clone(), thread: None, first: 0 }) as Box<dyn Scorer>]
    };
    let scorers = seen.iter().map(watching).collect();
    let decider = Decider::new(&[path(threshold, 1)], 1);
    let before = calls();
    let outcome = replay(set, plan, &decider, scorers, sink, &Stop::default(), &|_| {}).unwrap();
    let allocations = calls() - before;
    outcome.counters.check(true).unwrap();
    assert!(outcome.error.is_none());
    (outcome, seen, allocations)
}

/// Plans of all kinds: unpaced and on a clock, blocking and dropping, of `passes` passes over the events.
fn plans(passes: u64) -> Vec<ReplayPlan> {
    let plan = |clock, overload, batch| ReplayPlan {
        clock,
        overload,
        span: Span::Passes(passes),
        batch,
        pin: false,
        buffer: BUFFERED_EVENTS,
        wait: None,
    };
    vec![
        plan(Clock::Unpaced, Overload::Block, 1),
        plan(Clock::Unpaced, Overload::Block, 1000),
        plan(Clock::fixed(5e6), Overload::Block, 64),
        plan(Clock::fixed(20e6), Overload::Drop, 7),
    ]
}

#[test]
fn the_allocator_counts() {
    let before = calls();
    let boxed = std::hint::black_box(Box::new([0_u8; 100]));
    drop(boxed);
    assert_eq!(calls() - before, 1);
}

#[test]
fn workers_allocate_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let set = events(&folder.path().join("events.arrow"));
    // Everything accepted, something, nothing: blocks that fill, and blocks that stay empty.
    for threshold in [-1.0, 5.0, f32::MAX] {
        for workers in [1, 2] {
            for plan in plans(20) {
                let (outcome, seen, _) = run(&set, &plan, threshold, workers, &mut Count::default());
                assert!(outcome.counters.events_scored > 0);
                let warm_up = 4 * workers as u64;
                assert!(seen.iter().map(|seen| seen.calls.load(Ordering::Relaxed)).sum::<u64>() > warm_up);
                for seen in seen {
                    assert_eq!(
                        seen.allocations.load(Ordering::Relaxed),
                        0,
                        "{plan:?}, threshold {threshold}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_source_allocates_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let set = events(&folder.path().join("events.arrow"));
    for (short, long) in plans(1).into_iter().zip(plans(30)) {
        let of = |plan| run(&set, plan, f32::MAX, 2, &mut Count::default());
        let (_, _, few) = of(&short);
        let (outcome, _, many) = of(&long);
        assert_eq!(outcome.counters.events_in, 300_000);
        assert_eq!(few, many, "{long:?}");
    }
}

#[test]
fn the_sinks_thread_allocates_nothing_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let set = events(&folder.path().join("events.arrow"));
    for plan in plans(20) {
        let mut sink = Count::default();
        let (outcome, ..) = run(&set, &plan, -1.0, 2, &mut sink);
        assert_eq!(sink.accepted, outcome.counters.events_scored);
        assert_eq!(sink.allocations, 0, "{plan:?}");
    }
}

/// The fixed engine on either kind of rows and any number of them.
#[test]
fn the_fixed_engine_allocates_nothing() {
    let folder = tempfile::tempdir().unwrap();
    write_fixed_bundle(folder.path(), "toy", &fixed_program(Some(vec![0.5; K])));
    let bundle = ModelBundle::open(folder.path()).unwrap();
    let spec = ScorerSpec { engine: Engine::Fixed, precision: Precision::Fixed, ..ScorerSpec::default() };
    let mut scorer = spec.scorer(&bundle).unwrap();
    let (integers, physical) = (vec![7_i16; 5000 * K], vec![3.5_f32; 5000 * K]);
    let mut scores = vec![0.0; 5000];
    let before = calls();
    for events in [5000, 1, 0, 7, 1024] {
        scorer.score(Rows::new(Values::I16(&integers[..events * K]), K), &mut scores[..events]).unwrap();
        scorer.score(Rows::new(Values::F32(&physical[..events * K]), K), &mut scores[..events]).unwrap();
    }
    assert_eq!(calls() - before, 0);
    assert!(scores.iter().all(|score| *score > 0.0));
}

/// The sink of a replay, and the allocator's calls on its thread since the first block.
struct Watched<'a> {
    sink: TaggedEvents<'a>,
    first: Option<u64>,
    allocations: u64,
}

impl Sink for Watched<'_> {
    fn accept(&mut self, block: &DecidedBlock) -> Result<(), PipelineError> {
        let first = *self.first.get_or_insert_with(calls);
        self.sink.accept(block)?;
        self.allocations = calls() - first;
        Ok(())
    }
}

#[test]
fn the_tagged_events_cost_an_allocation_only_when_there_are_any() {
    let folder = tempfile::tempdir().unwrap();
    let set = events(&folder.path().join("events.arrow"));
    let plan = ReplayPlan {
        clock: Clock::Unpaced,
        overload: Overload::Block,
        span: Span::Time(Duration::from_millis(50)),
        batch: 64,
        pin: false,
        buffer: BUFFERED_EVENTS,
        wait: None,
    };
    let models = ["squares".to_owned()];
    for (threshold, expected) in [(f32::MAX, false), (5.0, true)] {
        let schema = tagged_schema(set.tables()[0].arrow_schema(), &models);
        let file = folder.path().join("tagged.arrow");
        let writer = TaggedWriter::create(OutputFormat::Arrow, &file, schema.clone()).unwrap();
        let prescaler = Prescaler::new(&[path(threshold, 1)]);
        let sink = TaggedEvents::new(&set, prescaler, writer, schema, 1).unwrap();
        let mut sink = Watched { sink, first: None, allocations: 0 };
        let (outcome, ..) = run(&set, &plan, threshold, 1, &mut sink);
        assert!(outcome.counters.events_scored > 10_000);
        assert_eq!(sink.allocations > 0, expected, "{} allocations", sink.allocations);
    }
}
