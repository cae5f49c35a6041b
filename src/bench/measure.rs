use std::sync::Barrier;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::BenchError;
use crate::latency::{add, histogram};
use crate::pipeline::{
    BUFFERED_EVENTS, DecidedBlock, Overload, PipelineError, ReplayPlan, Sink, Span, Stop, WaitStrategy,
    bind_to_core, replay,
};
use crate::score::{Home, ScoreError, Scorer, ScorerFactory};
use crate::source::{Clock, Cursor, EventSet};
use crate::trigger::{Decider, ResolvedPath};

/// How scorers are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Events a call.
    pub batch: usize,
    /// Threads, each with a scorer of its own.
    pub workers: usize,
}

/// How events come to a replay, and how it waits for them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Rate of the clock, Hz; none: as fast as it goes.
    pub rate_hz: Option<f64>,
    /// How its stages wait; none: as suits the machine.
    pub wait: Option<WaitStrategy>,
    /// Whether its threads are bound to cores.
    pub pin: bool,
}

/// What one round of one entry gave.
#[derive(Clone, Debug)]
pub struct Measurement {
    /// Events a second of all workers together.
    pub throughput_hz: f64,
    /// Nanoseconds that an event's batch took, or on a clock from arrival to score; an entry an event.
    pub latencies: Histogram<u64>,
}

/// For `time`, calls one scorer a worker on the events over and over, each worker from another place on.
///
/// # Errors
/// When a scorer cannot be made, or fails.
pub fn calls(
    set: &EventSet,
    factory: &ScorerFactory,
    shape: Shape,
    time: Duration,
) -> Result<Measurement, BenchError> {
    let scorers = (0..shape.workers).map(|_| factory.scorer()).collect::<Result<Vec<_>, _>>()?;
    let ready = Barrier::new(shape.workers);
    let done = std::thread::scope(|scope| {
        let ready = &ready;
        let spawn = |(index, scorer): (usize, Box<dyn Scorer>)| {
            let (home, bare) = Bare::new(set, scorer, shape, index);
            scope.spawn(move || Home::run(home.as_ref(), || bare.run(ready, time)))
        };
        let threads: Vec<_> = scorers.into_iter().enumerate().map(spawn).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect::<Vec<_>>()
    });
    let mut all = Measurement { throughput_hz: 0.0, latencies: histogram() };
    for of_a_worker in done {
        let of_a_worker = of_a_worker?;
        all.throughput_hz += of_a_worker.throughput_hz;
        add(&mut all.latencies, &of_a_worker.latencies);
    }
    Ok(all)
}

/// A loop of bare calls.
struct Bare<'a> {
    set: &'a EventSet,
    scorer: Box<dyn Scorer>,
    scores: Vec<f32>,
    cursor: Cursor,
}

impl<'a> Bare<'a> {
    /// The worker `index` begins that part of the way into the events.
    /// With the thread that it should run on.
    fn new(
        set: &'a EventSet,
        mut scorer: Box<dyn Scorer>,
        shape: Shape,
        index: usize,
    ) -> (Option<Home>, Self) {
        let home = Home::of(std::slice::from_mut(&mut scorer));
        let mut bare = Self { set, scorer, scores: vec![0.0; shape.batch], cursor: Cursor::default() };
        let mut to_skip = set.len() * index as u64 / shape.workers as u64;
        while to_skip > 0 {
            let run = set.run_at(bare.cursor, to_skip);
            set.advance(&mut bare.cursor, run);
            to_skip -= u64::from(run.len);
        }
        (home, bare)
    }

    fn run(mut self, ready: &Barrier, time: Duration) -> Result<Measurement, ScoreError> {
        // A runtime's first call is not one like the others. The barrier comes in any case: the others wait at it.
        let warm = self.call();
        ready.wait();
        warm?;
        let mut latencies = histogram();
        let (start, mut begun, mut events) = (Instant::now(), Duration::ZERO, 0);
        while begun < time {
            let scored = self.call()?;
            let end = start.elapsed();
            latencies.saturating_record_n((end - begun).as_nanos() as u64, scored);
            events += scored;
            begun = end;
        }
        Ok(Measurement { throughput_hz: events as f64 / begun.as_secs_f64(), latencies })
    }

    fn run_paced(&mut self, clock: &Clock, time: Duration) -> Result<Measurement, ScoreError> {
        for most in [self.scores.len() as u64, 1] {
            self.call_of(most)?;
        }
        let mut latencies = histogram();
        let (start, mut event) = (Instant::now(), 0);
        let nanoseconds = |start: Instant| start.elapsed().as_nanos() as u64;
        let events = clock.due(time.as_nanos() as u64);
        while event < events {
            let due = clock.due(nanoseconds(start)).min(events);
            if due == event {
                std::hint::spin_loop();
                continue;
            }
            let scored = self.call_of((due - event).min(self.scores.len() as u64))?;
            let done_ns = nanoseconds(start);
            for arrived in event..event + scored {
                latencies.saturating_record(done_ns.saturating_sub(clock.scheduled_ns(arrived)));
            }
            event += scored;
        }
        Ok(Measurement { throughput_hz: event as f64 / start.elapsed().as_secs_f64(), latencies })
    }

    /// Scores the next batch; how many events that was.
    fn call(&mut self) -> Result<u64, ScoreError> {
        self.call_of(self.scores.len() as u64)
    }

    /// Scores the next events, `most` of them at most; how many that was.
    fn call_of(&mut self, most: u64) -> Result<u64, ScoreError> {
        let run = self.set.run_at(self.cursor, most);
        self.scorer.score(self.set.rows(run), &mut self.scores[..run.len as usize])?;
        std::hint::black_box(&mut self.scores);
        self.set.advance(&mut self.cursor, run);
        Ok(u64::from(run.len))
    }
}

/// For `time`, one thread, on the core that a replay's first worker is bound to if `pin`, calls a scorer on the events that have
/// arrived on a clock, `batch` of them at most, and spins where there are none: what a trigger's latency is without a trigger.
///
/// # Errors
/// When the scorer cannot be made, or fails, or the thread cannot be bound.
pub fn paced_calls(
    set: &EventSet,
    factory: &ScorerFactory,
    batch: usize,
    (time, rate_hz, pin): (Duration, f64, bool),
) -> Result<Measurement, BenchError> {
    let (home, mut bare) = Bare::new(set, factory.scorer()?, Shape { batch, workers: 1 }, 0);
    let clock = Clock::fixed(rate_hz);
    std::thread::scope(|scope| {
        let run = move || {
            if pin {
                bind_to_core(1).map_err(BenchError::Pin)?;
            }
            Ok(bare.run_paced(&clock, time)?)
        };
        let thread = scope.spawn(move || Home::run(home.as_ref(), run));
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// For `time`, replays the events over and over as fast as it goes or on a clock: source, rings, decisions at `threshold`, histograms and
/// counters, into a sink that only counts what is accepted.
///
/// # Errors
/// When a scorer cannot be made, or the chain fails.
pub fn chain(
    set: &EventSet,
    factory: &ScorerFactory,
    shape: Shape,
    (time, pace): (Duration, Pace),
    threshold: f32,
) -> Result<Measurement, BenchError> {
    let plan = ReplayPlan {
        clock: pace.rate_hz.map_or(Clock::Unpaced, Clock::fixed),
        overload: Overload::Block,
        span: Span::Time(time),
        batch: shape.batch,
        pin: pace.pin,
        buffer: BUFFERED_EVENTS,
        wait: pace.wait,
    };
    let path = ResolvedPath { name: "cut".to_owned(), model_index: 0, threshold, prescale: 1, bit: 0 };
    let scorers =
        (0..shape.workers).map(|_| Ok(vec![factory.scorer()?])).collect::<Result<Vec<_>, ScoreError>>()?;
    let decider = Decider::new(&[path], 1);
    let outcome = replay(set, &plan, &decider, scorers, &mut Counting(0), &Stop::default(), &|_| {})?;
    if let Some(error) = outcome.error {
        return Err(error.into());
    }
    let throughput_hz = outcome.counters.events_scored as f64 / outcome.wall.as_secs_f64();
    Ok(Measurement { throughput_hz, latencies: outcome.latencies.decision })
}

/// Counts the accepted events.
struct Counting(u64);

impl Sink for Counting {
    fn accept(&mut self, block: &DecidedBlock) -> Result<(), PipelineError> {
        self.0 += block.accepted().count() as u64;
        Ok(())
    }
}
