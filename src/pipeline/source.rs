use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_utils::CachePadded;

use super::{Overload, turns};
use crate::source::{Clock, Cursor, EventSet, Run};

/// A worker lets arrived events wait for so long for more to come: a portion, and its block, of a few events each would cost
/// more than the events do. At rates where none come in that time, nothing waits.
const GRAIN_NS: u64 = 5_000;

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

impl Span {
    fn first(self) -> u64 {
        match self {
            Self::Events { first, .. } => first,
            Self::Passes(_) | Self::Time(_) => 0,
        }
    }

    /// Number of events. A time on a clock is a number of events too, so that the last one is the last one scheduled in it,
    /// however late it is taken.
    fn events(self, set: &EventSet, clock: &Clock) -> u64 {
        match self {
            Self::Passes(passes) => set.len().saturating_mul(passes),
            Self::Time(time) if clock.is_paced() => {
                clock.due(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
            }
            Self::Time(_) => u64::MAX,
            Self::Events { first, end } => end.saturating_sub(first),
        }
    }
}

/// The events in the order of their arrival, which every worker takes from itself: a thread in between would be a core, and
/// a second one that the kernel can take away, on the way of each event.
pub(super) struct Source<'a> {
    set: &'a EventSet,
    clock: &'a Clock,
    overload: Overload,
    buffer: u64,
    batch: u64,
    /// Events that are worth a portion: see [`GRAIN_NS`].
    grain: u64,
    span: Span,
    /// Number of events, if the span is not a time without a clock.
    events: u64,
    /// Number of the first event that nobody has taken.
    next: CachePadded<AtomicU64>,
}

/// Events that a worker has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Portion {
    /// Number of events, after those of other portions and before its own, that the derandomising buffer could not hold.
    pub(super) dropped: u64,
    /// Its events; none where everything up to the end was dropped.
    pub(super) run: Run,
    /// Number of its first event since the start: gives the scheduled arrivals.
    pub(super) first_event: u64,
}

impl Portion {
    /// Its place in the order of portions, with as many places as there are events, the dropped ones included.
    pub(super) fn places(&self) -> (u64, u64) {
        (self.first_event - self.dropped, self.dropped + u64::from(self.run.len))
    }
}

/// What a worker that looks for events finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// These are its own now.
    Taken(Portion),
    /// Nothing before so many nanoseconds after the start.
    NotBefore(u64),
    /// Nothing any more.
    End,
}

/// Where a worker was last: the next portion is often the next row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    event: u64,
    cursor: Option<Cursor>,
}

impl<'a> Source<'a> {
    /// The events of `span`, at most `batch` a portion, of which [`Overload::Drop`] lets `buffer` wait.
    pub(super) fn new(
        set: &'a EventSet,
        clock: &'a Clock,
        span: Span,
        batch: usize,
        (overload, buffer): (Overload, u64),
    ) -> Self {
        let (batch, events) = (batch as u64, span.events(set, clock));
        // Events that wait for others are no load: the buffer must hold them.
        let most = if overload == Overload::Drop { buffer.max(1) } else { u64::MAX };
        let grain = grain(clock, batch).min(most);
        Self { set, clock, overload, buffer, batch, grain, span, events, next: CachePadded::default() }
    }

    /// Takes what has arrived `now_ns` after the start and nobody has taken, up to a batch, or to the end of a record batch.
    /// When more than the buffer holds is waiting, those that wait longest are dropped: their decisions would be the latest.
    /// Past the end of the span the clock goes on, so that the last events grow old like all others.
    pub(super) fn take(&self, now_ns: u64, place: &mut Place) -> Next {
        turns::point();
        // Relaxed, here and below: the number is all that the workers share, nothing is published with it.
        let mut next = self.next.load(Ordering::Relaxed);
        loop {
            if next >= self.events || self.is_over(now_ns) {
                return Next::End;
            }
            let arrived = self.clock.due(now_ns);
            let due = arrived.min(self.events);
            if due < self.events.min(next.saturating_add(self.grain)) {
                let worth_ns = self.worth_ns(next);
                if due <= next || now_ns < worth_ns {
                    return Next::NotBefore(worth_ns);
                }
            }
            let dropped = match self.overload {
                Overload::Block => 0,
                Overload::Drop => (arrived - next).saturating_sub(self.buffer).min(due - next),
            };
            let first_event = next + dropped;
            let mut cursor = self.cursor(first_event, place);
            let run = self.set.run_at(cursor, self.batch.min(due - first_event));
            let end = first_event + u64::from(run.len);
            turns::point();
            match self.next.compare_exchange_weak(next, end, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => {
                    self.set.advance(&mut cursor, run);
                    *place = Place { event: end, cursor: Some(cursor) };
                    return Next::Taken(Portion { dropped, run, first_event });
                }
                Err(other) => next = other,
            }
        }
    }

    /// How many events were taken or dropped.
    pub(super) fn offered(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    /// When the events from `next` on are worth a portion.
    fn worth_ns(&self, next: u64) -> u64 {
        let last = self.events.min(next.saturating_add(self.grain)).saturating_sub(1);
        self.clock
            .scheduled_ns(last)
            .min(self.clock.scheduled_ns(next) + if self.grain > 1 { GRAIN_NS } else { 0 })
    }

    fn cursor(&self, event: u64, place: &Place) -> Cursor {
        match place.cursor {
            Some(cursor) if place.event == event => cursor,
            _ => self.set.cursor_at(self.span.first() + event),
        }
    }

    fn is_over(&self, now_ns: u64) -> bool {
        match self.span {
            Span::Time(time) if !self.clock.is_paced() => u128::from(now_ns) >= time.as_nanos(),
            _ => false,
        }
    }
}

/// Most events of a portion that nothing holds up.
pub(super) fn grain(clock: &Clock, batch: u64) -> u64 {
    let arrive = clock.rate_hz().map_or(f64::INFINITY, |rate_hz| rate_hz * GRAIN_NS as f64 * 1e-9);
    (arrive as u64).clamp(1, batch)
}

#[cfg(test)]
mod tests {
    use super::super::tests::set;
    use super::*;

    fn taken(next: Next) -> Portion {
        match next {
            Next::Taken(portion) => portion,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_has_arrived_is_taken_once_and_ends_with_the_record_batch() {
        let (_folder, set) = set(100, 30, &[]);
        let clock = Clock::fixed(1e9);
        let source = Source::new(&set, &clock, Span::Passes(2), 20, (Overload::Block, 0));
        let (mut here, mut there) = (Place::default(), Place::default());
        assert_eq!(source.take(9, &mut here), Next::NotBefore(19), "ten of twenty have arrived");
        assert_eq!(taken(source.take(19, &mut here)).run, Run { batch: 0, first: 0, len: 20 });
        assert_eq!(source.take(19, &mut here), Next::NotBefore(39));
        assert_eq!(taken(source.take(1000, &mut there)).run, Run { batch: 0, first: 20, len: 10 });
        assert_eq!(taken(source.take(1000, &mut here)).run, Run { batch: 1, first: 0, len: 20 });
        let mut numbers = vec![50];
        while let Next::Taken(portion) = source.take(1000, &mut there) {
            assert_eq!(portion.first_event, *numbers.last().unwrap());
            numbers.push(portion.first_event + u64::from(portion.run.len));
        }
        assert_eq!((numbers.last(), source.offered()), (Some(&200), 200));
        assert_eq!(source.take(1000, &mut here), Next::End);
    }

    #[test]
    fn what_the_buffer_cannot_hold_is_dropped_oldest_first_and_to_the_end() {
        let (_folder, set) = set(100, 100, &[]);
        let clock = Clock::fixed(1e9);
        let source = Source::new(&set, &clock, Span::Passes(1), 8, (Overload::Drop, 10));
        let mut place = Place::default();
        let first = taken(source.take(29, &mut place));
        assert_eq!((first.dropped, first.first_event, first.run.len), (20, 20, 8));
        assert_eq!(first.places(), (0, 28));
        // All 100 have arrived; the clock goes on, and at 200 nothing of the span is young enough.
        let second = taken(source.take(94, &mut place));
        assert_eq!((second.dropped, second.first_event, second.run.len), (57, 85, 8));
        let last = taken(source.take(200, &mut place));
        assert_eq!((last.dropped, last.run.len, last.places()), (7, 0, (93, 7)));
        assert_eq!((source.take(200, &mut place), source.offered()), (Next::End, 100));
    }

    #[test]
    fn a_small_buffer_holds_the_events_that_wait_for_others() {
        let (_folder, set) = set(1000, 1000, &[]);
        let clock = Clock::fixed(40e6);
        let source = Source::new(&set, &clock, Span::Passes(1), 1024, (Overload::Drop, 64));
        let mut place = Place::default();
        let Next::NotBefore(when) = source.take(0, &mut place) else { panic!("one event is not worth it") };
        let portion = taken(source.take(when, &mut place));
        assert_eq!((portion.dropped, portion.run.len), (0, 64));
    }

    #[test]
    fn events_wait_for_others_only_where_others_come_and_not_for_long() {
        let (_folder, set) = set(1000, 1000, &[]);
        let rare = Clock::fixed(1e5);
        let source = Source::new(&set, &rare, Span::Passes(1), 64, (Overload::Block, 0));
        assert_eq!(taken(source.take(0, &mut Place::default())).run.len, 1);
        assert_eq!(source.take(9_999, &mut Place::default()), Next::NotBefore(10_000));
        // Ten bunches an orbit, one after the other: a mean rate at which five microseconds bring half an event.
        let few =
            Clock::Filled(crate::source::FillingScheme::parse("0-9", std::path::Path::new("few")).unwrap());
        assert_eq!(grain(&few, 64), 1);
        // Trains with holes: what came before a hole does not wait for its end.
        let trains = "0-99\n1000-1999";
        let trains = crate::source::FillingScheme::parse(trains, std::path::Path::new("trains")).unwrap();
        let trains = Clock::Filled(trains);
        let source = Source::new(&set, &trains, Span::Passes(1), 64, (Overload::Block, 0));
        let mut place = Place::default();
        assert_eq!(taken(source.take(99 * 25, &mut place)).run.len, 64);
        assert_eq!(source.take(99 * 25, &mut place), Next::NotBefore(64 * 25 + GRAIN_NS));
        assert_eq!(taken(source.take(64 * 25 + GRAIN_NS, &mut place)).run.len, 36);
    }

    #[test]
    fn the_rest_of_a_run_begins_where_its_first_part_ended() {
        let (_folder, set) = set(100, 30, &[]);
        let span = Span::Events { first: 165, end: 170 };
        let source = Source::new(&set, &Clock::Unpaced, span, 64, (Overload::Block, 0));
        let portion = taken(source.take(0, &mut Place::default()));
        assert_eq!((portion.run, portion.first_event), (Run { batch: 2, first: 5, len: 5 }, 0));
        assert_eq!(source.take(0, &mut Place::default()), Next::End);
    }
}
