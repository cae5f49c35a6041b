use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::{Builder, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use trigsieve_ring::{Consumer, Producer, ring};

use super::block::DecidedBlock;
use super::counters::Counters;
pub use super::source::Span;
use super::source::{Source, grain};
use super::turns::{self, Turns};
use super::worker::{Worker, WorkerRings, WorkerTally, nanoseconds_since};
use super::{Overload, PipelineError, Sink, Stop, WaitStrategy, bind_to_core, denormals};
use crate::latency::{StageLatencies, histogram};
use crate::score::{Home, Scorer};
use crate::source::{Clock, EventSet};
use crate::trigger::Decider;

/// Default of [`ReplayPlan::buffer`]: 1.6 ms at 40 MHz.
pub const BUFFERED_EVENTS: u64 = 65_536;
/// Decided events of a worker that wait for the sink: some 5 ms at 100 MHz, several times the sink's pauses. Blocks cost
/// memory only for the events that they accept.
const UNDELIVERED_EVENTS: usize = 524_288;
/// Pause of a worker without a clock, whose blocks are all with the sink.
const WORKER_PAUSE: Duration = Duration::from_micros(50);
/// Pause of the sink without a clock, when there is nothing to write: far below what the blocks hold, and rare enough to cost a
/// worker on the same core nothing.
const PAUSE: Duration = Duration::from_micros(500);
/// Shortest and longest pause of the sink on a clock; see [`sink_pause`].
const PACED_SINK_PAUSE: (Duration, Duration) = (Duration::from_micros(200), Duration::from_millis(20));
/// Pause of a worker on a clock where workers outnumber cores: some thousand events at 40 MHz, so that they become one batch.
const CROWDED_WORKER_PAUSE: Duration = Duration::from_micros(100);

/// A clock starts so much later than its stages are told of it: until then they have woken up.
const WAKING_UP: Duration = Duration::from_millis(1);

/// How to replay.
#[derive(Clone, Debug)]
pub struct ReplayPlan {
    /// When events arrive.
    pub clock: Clock,
    /// What happens to those that find no room.
    pub overload: Overload,
    /// How far the run goes.
    pub span: Span,
    /// Most events that a scorer gets at once.
    pub batch: usize,
    /// Whether the sink and the workers are bound to cores: the sink to the first, the workers to the next ones, counted around.
    pub pin: bool,
    /// Size of the derandomising buffer of [`Overload::Drop`], in events that have arrived and that no worker has taken. It
    /// costs no memory, the events lie in the mapped file. When more wait, those that waited longest are dropped: their
    /// decisions would be the latest.
    pub buffer: u64,
    /// How the workers wait for events on a clock, and for the sink; none: as suits the clock and the number of cores.
    pub wait: Option<WaitStrategy>,
}

/// What a run leaves behind, besides what its sink kept.
#[derive(Debug)]
pub struct Outcome {
    /// Counts of all stages.
    pub counters: Counters,
    /// Latencies of all workers.
    pub latencies: StageLatencies,
    /// From decision to the sink: of each event, that of the oldest in its block. Up to a millisecond of events that are not
    /// accepted make one block.
    pub handover: Histogram<u64>,
    /// From the first event's schedule to the end of the last stage.
    pub wall: Duration,
    /// From the start until a worker took the last event.
    pub source_time: Duration,
    /// Whether the user stopped it.
    pub interrupted: bool,
    /// The first error, if a stage failed.
    pub error: Option<PipelineError>,
    /// How the workers waited.
    pub wait: WaitStrategy,
}

/// Replays `set` on the plan's clock through one worker per entry of `scorers` (a scorer a model) into `sink`.
/// `progress` is told the number of decided events now and then.
///
/// Everything is joined when it returns, also after a failure: the outcome has the error and the counts.
///
/// # Errors
/// Before any event is offered: when a scorer fails its warm-up, or a thread cannot be pinned.
pub fn replay(
    set: &EventSet,
    plan: &ReplayPlan,
    decider: &Decider,
    scorers: Vec<Vec<Box<dyn Scorer>>>,
    sink: &mut dyn Sink,
    stop: &Stop,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Outcome, PipelineError> {
    let wait = worker_wait(plan, scorers.len());
    if set.is_empty() {
        return Ok(nothing(wait));
    }
    set.prefault();
    let turns = Turns::of_caller();
    let blocks = turns.blocks((UNDELIVERED_EVENTS / plan.batch).clamp(16, 4096));
    let mut sink_rings = Vec::new();
    let mut workers = Vec::new();
    let number_of_workers = scorers.len();
    for (index, scorers) in scorers.into_iter().enumerate() {
        let (ends, sink_ends) = rings_of(blocks, plan.batch, scorers.len());
        let mut worker =
            Worker::new(index, set, &plan.clock, decider.clone(), scorers, ends, (plan.batch, wait));
        worker.warm_up()?;
        sink_rings.push(sink_ends);
        workers.push(worker);
    }
    let source = Source::new(set, &plan.clock, plan.span, plan.batch, (plan.overload, plan.buffer));
    let sink_pause = sink_pause(plan, blocks);
    let gate = Gate::default();
    std::thread::scope(|scope| {
        let shared = Shared { source: &source, gate: &gate, turns: &turns, stop, pin: plan.pin };
        let workers: Vec<_> = workers
            .into_iter()
            .enumerate()
            .filter_map(|(index, worker)| spawn_worker(scope, index, worker, shared))
            .collect();
        let run_sink = move || {
            pin(shared.pin, 0, "sink", stop);
            let start = shared.gate.pass();
            let _turn = shared.turns.enter(number_of_workers);
            // A panic stops the run at once: what is decided from now on would be kept by nobody.
            let run = || Ordered::new(sink_rings, start, sink_pause).run(sink, stop, progress);
            catch_unwind(AssertUnwindSafe(run))
                .map_err(|panic| stop.fail(panicked("the sink", panic.as_ref())))
                .ok()
        };
        let sink =
            started(Builder::new().name("sink".to_owned()).spawn_scoped(scope, run_sink), "the sink", stop);
        // After a stage that could not be started the others find the run stopped.
        let lead = if plan.clock.is_paced() { WAKING_UP } else { Duration::ZERO };
        let start = gate.open(workers.len() + usize::from(sink.is_some()), lead);
        let mut outcome = nothing(wait);
        for (index, worker) in workers.into_iter().enumerate() {
            match worker.join() {
                Ok(tally) => {
                    outcome.counters.merge(&tally.counters);
                    outcome.latencies.merge(&tally.latencies);
                    outcome.source_time = outcome.source_time.max(Duration::from_nanos(tally.last_taken_ns));
                }
                Err(panic) => stop.fail(panicked(&format!("worker {index}"), panic.as_ref())),
            }
        }
        outcome.counters.events_in = source.offered();
        match sink.map(ScopedJoinHandle::join) {
            Some(Ok(Some(tally))) => {
                outcome.counters.events_delivered = tally.delivered;
                outcome.handover = tally.handover;
            }
            Some(Err(panic)) => stop.fail(panicked("the sink", panic.as_ref())),
            Some(Ok(None)) | None => {}
        }
        outcome.wall = start.elapsed();
        outcome.interrupted = stop.was_interrupted();
        if let Err(error) = set.check_all_intact() {
            stop.fail(PipelineError::Sink(error));
        }
        outcome.error = stop.take_error();
        Ok(outcome)
    })
}

/// Holds the stages until all are there; then the clock starts.
#[derive(Default)]
struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Default)]
struct GateState {
    arrived: usize,
    start: Option<Instant>,
}

impl Gate {
    /// Waits for the start of the clock.
    fn pass(&self) -> Instant {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.arrived += 1;
        self.changed.notify_all();
        loop {
            match state.start {
                Some(start) => return start,
                None => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Starts the clock, `lead` after so many stages wait for it.
    fn open(&self, stages: usize, lead: Duration) -> Instant {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.arrived < stages {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let start = *state.start.get_or_insert_with(|| Instant::now() + lead);
        self.changed.notify_all();
        start
    }
}

#[derive(Clone, Copy)]
struct Shared<'a> {
    source: &'a Source<'a>,
    gate: &'a Gate,
    turns: &'a Turns,
    stop: &'a Stop,
    pin: bool,
}

/// The thread, or none and the run stopped, when the system has no room for it.
fn started<T>(thread: std::io::Result<T>, stage: &str, stop: &Stop) -> Option<T> {
    let failed =
        |source| stop.fail(PipelineError::Thread { stage: format!("{stage}: cannot be started"), source });
    thread.map_err(failed).ok()
}

fn nothing(wait: WaitStrategy) -> Outcome {
    Outcome {
        counters: Counters::default(),
        latencies: StageLatencies::default(),
        handover: histogram(),
        wall: Duration::ZERO,
        source_time: Duration::ZERO,
        interrupted: false,
        error: None,
        wait,
    }
}

/// On a clock the sink pauses for half the time in which a worker could fill its blocks: each time it wakes up it may take a
/// core from a worker that spins, and no decision waits for it.
fn sink_pause(plan: &ReplayPlan, blocks: usize) -> Duration {
    let (shortest, longest) = PACED_SINK_PAUSE;
    match plan.clock.rate_hz() {
        None => PAUSE,
        Some(rate_hz) => {
            let blocks_hz = rate_hz / grain(&plan.clock, plan.batch as u64) as f64;
            Duration::from_secs_f64((blocks as f64 / blocks_hz / 2.0).min(longest.as_secs_f64()))
                .max(shortest)
        }
    }
}

/// A worker spins while every worker has a core, else it sleeps between portions; unpaced, it waits for nothing but the sink.
fn worker_wait(plan: &ReplayPlan, workers: usize) -> WaitStrategy {
    if let Some(wait) = plan.wait {
        return wait;
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    match plan.clock.is_paced() {
        true if workers <= cores => WaitStrategy::Spin,
        true => WaitStrategy::Park(CROWDED_WORKER_PAUSE),
        false => WaitStrategy::Park(WORKER_PAUSE),
    }
}

type SinkEnds = (Consumer<Box<DecidedBlock>>, Producer<Box<DecidedBlock>>);

/// The two rings of a worker, with its blocks already waiting in the free one.
fn rings_of(blocks: usize, batch: usize, models: usize) -> (WorkerRings, SinkEnds) {
    let (decided, to_sink) = ring(blocks);
    let (mut returned, free) = ring(blocks);
    while returned.has_room() {
        // There is room, and both ends are here.
        let _ = returned.push(Box::new(DecidedBlock::with_capacity(batch, models)));
    }
    (WorkerRings { free, decided }, (to_sink, returned))
}

fn spawn_worker<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    index: usize,
    mut worker: Worker<'env>,
    shared: Shared<'env>,
) -> Option<ScopedJoinHandle<'scope, WorkerTally>> {
    let home = worker.take_home();
    let work = move || {
        pin(shared.pin, index + 1, "worker", shared.stop);
        // Once more, on the thread and the core where the calls will be made: allocators and caches are theirs.
        // Others wait for this one at the gate, whatever happens before.
        match catch_unwind(AssertUnwindSafe(|| worker.warm_up())) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => shared.stop.fail(error),
            Err(panic) => shared.stop.fail(panicked(&format!("worker {index}"), panic.as_ref())),
        }
        let start = shared.gate.pass();
        let _turn = shared.turns.enter(index);
        // A panic must not lose the counts: it fails the run.
        let outcome = catch_unwind(AssertUnwindSafe(|| worker.run(shared.source, start, shared.stop)));
        if let Err(panic) = outcome {
            shared.stop.fail(panicked(&format!("worker {index}"), panic.as_ref()));
            worker.abandon();
        }
        if !denormals::are_kept() {
            shared.stop.fail(PipelineError::Denormals { worker: index });
        }
        worker.finish(shared.stop)
    };
    let name = format!("worker {index}");
    let run = move || Home::run(home.as_ref(), work);
    started(Builder::new().name(name.clone()).spawn_scoped(scope, run), &name, shared.stop)
}

fn panicked(stage: &str, panic: &(dyn std::any::Any + Send)) -> PipelineError {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let message = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    PipelineError::Panic { stage: stage.to_owned(), message }
}

/// [`bind_to_core`], if `wanted`; a failure stops the run.
fn pin(wanted: bool, number: usize, stage: &str, stop: &Stop) {
    if !wanted {
        return;
    }
    if let Err(source) = bind_to_core(number) {
        stop.fail(PipelineError::Thread { stage: format!("{stage}: cannot be pinned"), source });
    }
}

/// What the sink's thread leaves behind.
struct SinkTally {
    delivered: u64,
    handover: Histogram<u64>,
}

/// Brings the workers' blocks back into the order of events.
struct Ordered {
    rings: Vec<SinkEnds>,
    /// The oldest block of each worker, if it was looked at and was not yet due.
    heads: Vec<Option<Box<DecidedBlock>>>,
    next: u64,
    start: Instant,
    pause: Duration,
    tally: SinkTally,
}

impl Ordered {
    fn new(rings: Vec<SinkEnds>, start: Instant, pause: Duration) -> Self {
        let heads = rings.iter().map(|_| None).collect();
        let tally = SinkTally { delivered: 0, handover: histogram() };
        Self { rings, heads, next: 0, start, pause, tally }
    }

    /// Feeds `sink` until every worker is gone and everything was delivered, or the sink fails.
    fn run(mut self, sink: &mut dyn Sink, stop: &Stop, progress: &(dyn Fn(u64) + Sync)) -> SinkTally {
        let waiter = WaitStrategy::Park(self.pause).waiter();
        loop {
            let Some((worker, block)) = self.next_block() else {
                if self.is_finished() {
                    progress(self.tally.delivered);
                    return self.tally;
                }
                progress(self.tally.delivered);
                waiter.wait();
                continue;
            };
            waiter.reset();
            if let Err(error) = self.deliver(&block, sink) {
                stop.fail(error);
                return self.tally;
            }
            turns::point();
            // A worker that is gone needs no blocks any more.
            let _ = self.rings[worker].1.push(block);
        }
    }

    fn deliver(&mut self, block: &DecidedBlock, sink: &mut dyn Sink) -> Result<(), PipelineError> {
        let events = u64::from(block.run.len);
        let handover_ns = nanoseconds_since(self.start).saturating_sub(block.decided_ns);
        self.tally.handover.saturating_record_n(handover_ns, events);
        sink.accept(block)?;
        self.tally.delivered += events;
        Ok(())
    }

    /// The block of the next sequence number, with its worker. After a failure numbers are missing for good; then
    /// the smallest that is there comes next, once every worker is gone.
    fn next_block(&mut self) -> Option<(usize, Box<DecidedBlock>)> {
        for (head, (decided, _)) in self.heads.iter_mut().zip(&mut self.rings) {
            if head.is_none() {
                turns::point();
                *head = decided.pop();
            }
        }
        let places =
            |head: &Option<Box<DecidedBlock>>| head.as_ref().map(|block| (block.sequence, block.places));
        let (worker, (first, places)) = self
            .heads
            .iter()
            .enumerate()
            .filter_map(|(worker, head)| Some((worker, places(head)?)))
            .min_by_key(|&(_, (sequence, _))| sequence)?;
        if first != self.next && !self.gap_is_final() {
            return None;
        }
        self.next = first + places;
        self.heads[worker].take().map(|block| (worker, block))
    }

    /// Whether no block can come any more that is not in `heads`.
    fn gap_is_final(&mut self) -> bool {
        self.heads
            .iter()
            .zip(&mut self.rings)
            .all(|(head, (decided, _))| head.is_some() || is_finished(decided))
    }

    fn is_finished(&mut self) -> bool {
        self.heads.iter().all(Option::is_none)
            && self.rings.iter_mut().all(|(decided, _)| is_finished(decided))
    }
}

/// Whether nothing will ever come from this worker.
fn is_finished(decided: &mut Consumer<Box<DecidedBlock>>) -> bool {
    turns::point();
    decided.is_finished()
}
