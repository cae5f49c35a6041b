use std::ops::Range;
use std::time::Instant;

use trigsieve_ring::{Consumer, Producer, PushError};

use super::block::{DecidedBlock, QuietRuns};
use super::counters::{Counters, DropCause};
use super::finite::are_finite;
use super::source::{Next, Place, Portion, Source};
use super::wait::wait_until;
use super::{PipelineError, Stop, WaitStrategy, turns};
use crate::event::{Rows, Values};
use crate::latency::{Ramps, StageLatencies};
use crate::score::{Home, ScoreError, Scorer};
use crate::source::{Clock, EventSet};
use crate::trigger::{Decider, INVALID_BIT};

/// Events whose scores are compared with the lowest thresholds together.
const LOOKED_AT_ONCE: usize = 64;

/// For how long the sink is not told of events that were not accepted: of its own pause, and a share of what the rings
/// hold at any rate.
const QUIET_NS: u64 = 1_000_000;

/// A worker that was away from the clock for longer than this, with nothing to do, was held up by the machine.
const HELD_UP_NS: u64 = 100_000;

/// A worker's ends of its rings.
pub(super) struct WorkerRings {
    pub(super) free: Consumer<Box<DecidedBlock>>,
    pub(super) decided: Producer<Box<DecidedBlock>>,
}

/// What a worker leaves behind.
#[derive(Default)]
pub(super) struct WorkerTally {
    pub(super) counters: Counters,
    pub(super) latencies: StageLatencies,
    /// When it took events last, nanoseconds after the start.
    pub(super) last_taken_ns: u64,
}

/// Scores and decides, one run of events after the other. Its loop allocates nothing: scores, blocks and
/// histograms are there before the first event.
pub(super) struct Worker<'a> {
    index: usize,
    set: &'a EventSet,
    clock: &'a Clock,
    decider: Decider,
    scorers: Vec<Box<dyn Scorer>>,
    home: Option<Home>,
    /// One buffer a model, `batch` scores each.
    scores: Vec<Vec<f32>>,
    rings: WorkerRings,
    wait: WaitStrategy,
    tally: WorkerTally,
    /// On a clock of whole nanoseconds: distance of its events, and their waiting times and latencies.
    ramps: Option<(u64, Ramps, Ramps)>,
    /// Where in the set it is.
    place: Place,
    /// Events taken and not yet counted: what a failure loses.
    in_hand: u64,
    /// What the sink was not told of yet.
    quiet: Option<QuietRuns>,
    /// The block of a quiet run, for the next one.
    spare: Option<Box<DecidedBlock>>,
}

impl<'a> Worker<'a> {
    pub(super) fn new(
        index: usize,
        set: &'a EventSet,
        clock: &'a Clock,
        decider: Decider,
        mut scorers: Vec<Box<dyn Scorer>>,
        rings: WorkerRings,
        (batch, wait): (usize, WaitStrategy),
    ) -> Self {
        let scores = scorers.iter().map(|_| vec![0.0; batch]).collect();
        let home = Home::of(&mut scorers);
        let tally = WorkerTally::default();
        let ramps = clock.step_ns().map(|step_ns| (step_ns, Ramps::new(step_ns), Ramps::new(step_ns)));
        Self {
            index,
            set,
            clock,
            decider,
            scorers,
            home,
            scores,
            rings,
            wait,
            tally,
            ramps,
            place: Place::default(),
            in_hand: 0,
            quiet: None,
            spare: None,
        }
    }

    /// Scores the set's first events without counting them, so that a runtime's first-call work (arenas, plans)
    /// is over before the clock starts: once with a full batch, once with a single event.
    pub(super) fn warm_up(&mut self) -> Result<(), PipelineError> {
        let batch = self.scores.first().map_or(0, Vec::len) as u64;
        for events in [batch, 1] {
            let run = self.set.run_at(crate::source::Cursor::default(), events);
            self.score(self.set.rows(run))
                .map_err(|source| PipelineError::Score { worker: self.index, source })?;
        }
        Ok(())
    }

    /// The thread that it should run on, if it is not all the same; asked for once.
    pub(super) fn take_home(&mut self) -> Option<Home> {
        self.home.take()
    }

    /// Works until the source has nothing any more, or the run is to stop.
    pub(super) fn run(&mut self, source: &Source<'_>, start: Instant, stop: &Stop) {
        let waiter = self.wait.waiter();
        while Instant::now() < start {
            std::hint::spin_loop();
        }
        // Until when it was busy, or meant to be away.
        let mut accounted_ns = 0;
        while !stop.is_requested() {
            let now_ns = nanoseconds_since(start);
            match source.take(now_ns, &mut self.place) {
                Next::Taken(portion) => {
                    waiter.reset();
                    self.in_hand = portion.run.len.into();
                    let held_up = now_ns.saturating_sub(accounted_ns) > HELD_UP_NS;
                    let cause = if held_up { DropCause::SourceLate } else { DropCause::QueueFull };
                    self.tally.counters.drop_events(cause, portion.dropped);
                    self.tally.last_taken_ns = now_ns;
                    match self.take(portion, now_ns, start, stop) {
                        Ok(done_ns) => accounted_ns = done_ns,
                        Err(error) => {
                            stop.fail(error);
                            self.abandon();
                        }
                    }
                }
                Next::NotBefore(arrival_ns) => {
                    self.tell_of_old_quiet(now_ns, stop);
                    accounted_ns = now_ns + wait_until(arrival_ns, now_ns, &waiter);
                }
                Next::End => return,
            }
        }
    }

    /// Counts what was in hand as lost.
    pub(super) fn abandon(&mut self) {
        self.tally.counters.drop_events(DropCause::Failed, std::mem::take(&mut self.in_hand));
    }

    pub(super) fn finish(mut self, stop: &Stop) -> WorkerTally {
        self.tell_of_quiet(stop);
        if let Some((_, queue, decision)) = self.ramps {
            queue.finish(&mut self.tally.latencies.queue);
            decision.finish(&mut self.tally.latencies.decision);
        }
        // With the worker go its ends of the rings.
        turns::point();
        self.tally
    }

    /// Scores and decides a portion; gives the time when that was done.
    fn take(
        &mut self,
        portion: Portion,
        begun_ns: u64,
        start: Instant,
        stop: &Stop,
    ) -> Result<u64, PipelineError> {
        let (run, (place, places)) = (portion.run, portion.places());
        if run.len == 0 {
            return Ok(begun_ns);
        }
        if self.quiet.is_some_and(|quiet| !quiet.are_followed_by(place, run)) {
            self.tell_of_quiet(stop);
        }
        let Some(mut block) = self.free_block(stop) else {
            self.abandon();
            return Ok(begun_ns);
        };
        let rows = self.set.rows(run);
        // Looked at before scoring: whoever reads the rows first pays for bringing them in, the other finds them there.
        let finite_inputs = is_finite(rows);
        self.score(rows).map_err(|source| PipelineError::Score { worker: self.index, source })?;
        block.begin((place, places), run);
        self.decide(rows, finite_inputs, &mut block);
        let intact = self.set.check_pages(run);
        intact.map_err(|source| PipelineError::Source { worker: self.index, source })?;
        let decided_ns = nanoseconds_since(start);
        let arrival_ns = |row| self.arrival_ns(portion.first_event + u64::from(row - run.first), begun_ns);
        block.stamp(decided_ns, arrival_ns);
        self.record(portion, begun_ns, decided_ns);
        self.tally.counters.events_scored += std::mem::take(&mut self.in_hand);
        if let Some(quiet) = self.quiet.take() {
            block.follow(&quiet);
        }
        if block.is_quiet() {
            self.quiet = Some(QuietRuns::of(&block));
            self.spare = Some(block);
            self.tell_of_old_quiet(decided_ns, stop);
        } else {
            self.hand_over(block);
        }
        Ok(decided_ns)
    }

    fn tell_of_old_quiet(&mut self, now_ns: u64, stop: &Stop) {
        if self.quiet.is_some_and(|quiet| quiet.age_ns(now_ns) >= QUIET_NS) {
            self.tell_of_quiet(stop);
        }
    }

    /// Tells the sink of the runs that it was not told of.
    fn tell_of_quiet(&mut self, stop: &Stop) {
        let Some(quiet) = self.quiet.take() else { return };
        // Without a block there is no sink any more to tell.
        if let Some(mut block) = self.free_block(stop) {
            quiet.fill(&mut block);
            self.hand_over(block);
        }
    }

    fn score(&mut self, rows: Rows<'_>) -> Result<(), ScoreError> {
        let events = rows.len();
        for (scorer, scores) in self.scorers.iter_mut().zip(&mut self.scores) {
            scorer.score(rows, &mut scores[..events])?;
        }
        Ok(())
    }

    /// Adds the events that pass a path, and the invalid ones, to `block`.
    fn decide(&mut self, rows: Rows<'_>, finite_inputs: bool, block: &mut DecidedBlock) {
        let events = rows.len();
        let finite = finite_inputs && self.scores.iter().all(|scores| are_finite(&scores[..events]));
        for first in (0..events).step_by(LOOKED_AT_ONCE) {
            let some = first..events.min(first + LOOKED_AT_ONCE);
            // Nearly all events end here; the rest is the rare case.
            let may_pass =
                |(model, scores): (usize, &Vec<f32>)| self.decider.may_pass(model, &scores[some.clone()]);
            if !finite || self.scores.iter().enumerate().any(may_pass) {
                self.decide_each(rows, some, finite_inputs, block);
            }
        }
    }

    fn decide_each(
        &mut self,
        rows: Rows<'_>,
        events: Range<usize>,
        finite_inputs: bool,
        block: &mut DecidedBlock,
    ) {
        for event in events {
            let decision = if finite_inputs || is_finite(rows.slice(event, 1)) {
                self.decider.decide(self.scores.len(), |model| self.scores[model][event])
            } else {
                INVALID_BIT
            };
            if self.decider.is_near(|model| self.scores[model][event]) {
                self.tally.counters.events_near_threshold += 1;
            }
            if decision != 0 {
                self.tally.counters.events_invalid += u64::from(decision == INVALID_BIT);
                self.tally.counters.events_kept += 1;
                let scores = self.scores.iter().map(|scores| scores[event]);
                block.push(block.run.first + event as u32, decision, scores);
            }
        }
    }

    /// When the event arrived: as scheduled, or, with no schedule, when its batch was begun.
    fn arrival_ns(&self, event: u64, begun_ns: u64) -> u64 {
        if self.clock.is_paced() { self.clock.scheduled_ns(event) } else { begun_ns }
    }

    fn record(&mut self, portion: Portion, begun_ns: u64, decided_ns: u64) {
        let events = u64::from(portion.run.len);
        let latencies = &mut self.tally.latencies;
        let service_ns = decided_ns.saturating_sub(begun_ns);
        latencies.score.saturating_record_n(service_ns, events);
        if !self.clock.is_paced() {
            latencies.decision.saturating_record_n(service_ns, events);
            return;
        }
        let end = portion.first_event + events;
        let mut event = portion.first_event;
        while event < end {
            let scheduled_ns = self.clock.scheduled_ns(event);
            let (queue_ns, decision_ns) =
                (begun_ns.saturating_sub(scheduled_ns), decided_ns.saturating_sub(scheduled_ns));
            let run = self.clock.evenly_spaced(event, end - event);
            match &mut self.ramps {
                // An event is offered when it has arrived, so none of the run can be younger than nothing; were one, each
                // would be recorded on its own.
                Some((step_ns, queue, decision)) if queue_ns >= (run - 1) * *step_ns => {
                    queue.record(queue_ns, run, &mut latencies.queue);
                    decision.record(decision_ns, run, &mut latencies.decision);
                    event += run;
                }
                _ => {
                    latencies.queue.saturating_record(queue_ns);
                    latencies.decision.saturating_record(decision_ns);
                    event += 1;
                }
            }
        }
    }

    /// A block to fill; none when the sink is gone.
    fn free_block(&mut self, stop: &Stop) -> Option<Box<DecidedBlock>> {
        if let Some(block) = self.spare.take() {
            return Some(block);
        }
        let waiter = self.wait.waiter();
        loop {
            turns::point();
            if let Some(block) = self.rings.free.pop() {
                return Some(block);
            }
            if stop.has_failed() || self.rings.free.is_finished() {
                return None;
            }
            waiter.wait();
        }
    }

    fn hand_over(&mut self, block: Box<DecidedBlock>) {
        turns::point();
        // The ring has a place for every block of this worker, so it is never full; a sink that is gone has
        // reported why, and the source will stop.
        match self.rings.decided.push(block) {
            Ok(()) | Err(PushError::Full(_) | PushError::Abandoned(_)) => {}
        }
    }
}

/// Nanoseconds since `start`; a run of more than 584 years saturates.
pub(super) fn nanoseconds_since(start: Instant) -> u64 {
    turns::now_ns().unwrap_or_else(|| u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX))
}

/// Whether every input of `rows` is a number.
pub(crate) fn is_finite(rows: Rows<'_>) -> bool {
    match rows.values() {
        Values::F32(values) => are_finite(values),
        Values::I16(_) => true,
    }
}
