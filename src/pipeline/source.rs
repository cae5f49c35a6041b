use std::time::{Duration, Instant};

use trigsieve_ring::{Producer, PushError};

use super::counters::{Counters, DropCause};
use super::wait::{sleep_past, sleep_towards};
use super::worker::nanoseconds_since;
use super::{Overload, Stop, WaitStrategy, Waiter};
use crate::source::{Clock, Cursor, EventSet, Run};

/// A source that was away from its clock for longer than this was held up by the machine, not by its queues.
const HELD_UP: Duration = Duration::from_micros(100);

/// What travels to a worker: which rows, and which place they have in time and order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Descriptor {
    pub(super) run: Run,
    /// Number of its first event since the start: gives the scheduled arrivals.
    pub(super) first_event: u64,
    /// Number of the descriptor since the start: gives the order.
    pub(super) sequence: u64,
}

/// How far a run goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Span {
    /// Over all events this many times.
    Passes(u64),
    /// For this long, over and over.
    Time(Duration),
    /// The events of these numbers, over and over the set: the rest of a run whose first part was done before. The clock
    /// starts anew with the first of them.
    Events {
        /// The first.
        first: u64,
        /// The one after the last.
        end: u64,
    },
}

/// Offers the events to the workers when the clock says so.
pub(super) struct Source<'a> {
    pub(super) set: &'a EventSet,
    pub(super) clock: &'a Clock,
    pub(super) overload: Overload,
    /// See [`super::ReplayPlan::buffer`].
    pub(super) buffer: u64,
    pub(super) span: Span,
    pub(super) batch: u64,
    pub(super) wait: WaitStrategy,
    /// Whether it has a core of its own to spin on between events.
    pub(super) own_core: bool,
    pub(super) queues: Vec<Producer<Descriptor>>,
}

/// What the source leaves behind.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SourceTally {
    pub(super) counters: Counters,
    pub(super) elapsed: Duration,
}

#[derive(Default)]
struct Position {
    cursor: Cursor,
    event: u64,
    sequence: u64,
    next_queue: usize,
}

impl Source<'_> {
    /// Runs to the end of the span or until a stop; dropping the queues afterwards lets the workers finish.
    pub(super) fn run(&mut self, start: Instant, stop: &Stop) -> SourceTally {
        let mut tally = SourceTally::default();
        let cursor = self.set.cursor_at(self.first_event());
        let mut position = Position { cursor, ..Position::default() };
        let last_event = self.last_event();
        let mut previous_ns = 0;
        let waiter = self.wait.waiter();
        while position.event < last_event && !stop.is_requested() {
            let now_ns = nanoseconds_since(start);
            let arrived = self.clock.due(now_ns);
            let due = arrived.min(last_event);
            if self.is_over(now_ns) {
                break;
            }
            if due <= position.event {
                let meant = self.wait_for(position.event, start);
                previous_ns = now_ns + u64::try_from(meant.as_nanos()).unwrap_or(u64::MAX);
                continue;
            }
            let held_up = Duration::from_nanos(now_ns.saturating_sub(previous_ns)) > HELD_UP;
            previous_ns = now_ns;
            self.offer((due, arrived), held_up, &mut position, &mut tally.counters, (stop, &waiter));
        }
        tally.counters.events_in = position.event;
        tally.elapsed = start.elapsed();
        tally
    }

    fn first_event(&self) -> u64 {
        match self.span {
            Span::Events { first, .. } => first,
            Span::Passes(_) | Span::Time(_) => 0,
        }
    }

    /// Number of events in the span. A time on a clock is a number of events too, so that the last one is the last
    /// one scheduled in it, however late the source is.
    fn last_event(&self) -> u64 {
        match self.span {
            Span::Passes(passes) => self.set.len().saturating_mul(passes),
            Span::Time(time) if self.clock.is_paced() => {
                self.clock.due(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
            }
            Span::Time(_) => u64::MAX,
            Span::Events { first, end } => end.saturating_sub(first),
        }
    }

    fn is_over(&self, now_ns: u64) -> bool {
        match self.span {
            Span::Time(time) if !self.clock.is_paced() => u128::from(now_ns) >= time.as_nanos(),
            _ => false,
        }
    }

    /// Returns for how long it meant to be away.
    fn wait_for(&self, event: u64, start: Instant) -> Duration {
        let deadline = start + Duration::from_nanos(self.clock.scheduled_ns(event));
        let wait = if self.own_core { sleep_towards } else { sleep_past };
        wait(deadline, Instant::now())
    }

    /// Offers every event up to `due`, or, when all queues are full, blocks, or drops what the buffer cannot hold. Past
    /// the end of the span the clock goes on (`arrived`), so that the last events grow old like all others.
    fn offer(
        &mut self,
        (due, arrived): (u64, u64),
        held_up: bool,
        position: &mut Position,
        counters: &mut Counters,
        (stop, waiter): (&Stop, &Waiter),
    ) {
        while position.event < due {
            let run = self.set.run_at(position.cursor, self.batch.min(due - position.event));
            if self.place(run, position) {
                self.advance(run, position);
                waiter.reset();
                // At `max` nothing is ever waited for above, so an unbounded span must look up from here.
                if !self.clock.is_paced() {
                    return;
                }
                continue;
            }
            if stop.is_requested() {
                return;
            }
            match self.overload {
                Overload::Block => waiter.wait(),
                Overload::Drop if arrived - position.event <= self.buffer => {
                    waiter.wait();
                    return;
                }
                Overload::Drop => {
                    let cause = if held_up { DropCause::SourceLate } else { DropCause::QueueFull };
                    let excess = (arrived - position.event - self.buffer).min(due - position.event);
                    let dropped = self.set.run_at(position.cursor, excess);
                    counters.drop_events(cause, u64::from(dropped.len));
                    self.advance(dropped, position);
                }
            }
        }
    }

    /// Puts the run in the next queue with room.
    fn place(&mut self, run: Run, position: &mut Position) -> bool {
        let descriptor = Descriptor { run, first_event: position.event, sequence: position.sequence };
        for offset in 0..self.queues.len() {
            let index = (position.next_queue + offset) % self.queues.len();
            match self.queues[index].push(descriptor) {
                Ok(()) => {
                    position.next_queue = (index + 1) % self.queues.len();
                    position.sequence += 1;
                    return true;
                }
                Err(PushError::Full(_) | PushError::Abandoned(_)) => {}
            }
        }
        false
    }

    fn advance(&self, run: Run, position: &mut Position) {
        self.set.advance(&mut position.cursor, run);
        position.event += u64::from(run.len);
    }
}
