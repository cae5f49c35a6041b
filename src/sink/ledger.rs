//! The invariants of a run: every count, each from the stage that knows it, against the counts of the other stages.

use serde::Serialize;

use super::{Census, Tagged};
use crate::pipeline::Counters;
use crate::trigger::{INVALID_BIT, ResolvedPath};

/// Two counts that have to agree, or of which the first may not be the smaller one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Invariant {
    /// What has to hold, in words.
    pub what: String,
    /// The left side.
    pub left: u64,
    /// The right side.
    pub right: u64,
    /// Whether it does.
    pub holds: bool,
}

/// An invariant that does not hold: a defect, or a file that is not what was written to it; never an effect of load.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the event counts do not add up: {what}: {left} against {right}")]
pub struct BrokenInvariant {
    what: String,
    left: u64,
    right: u64,
}

/// The counts of a run, over all its parts if it was resumed.
#[derive(Clone, Copy, Debug)]
pub struct Ledger<'a> {
    /// Of the source and the workers.
    pub counters: &'a Counters,
    /// Of the sink.
    pub tagged: &'a Tagged,
    /// Of the file, read anew; none when there is no file, because the run failed.
    pub file: Option<&'a Census>,
    /// The menu.
    pub paths: &'a [ResolvedPath],
    /// Whether no stage failed, so that what one stage let go has reached the next.
    pub complete: bool,
}

impl Ledger<'_> {
    /// Every invariant that applies, whether it holds or not.
    #[must_use]
    pub fn invariants(&self) -> Vec<Invariant> {
        let Counters { events_in, events_scored, events_dropped, .. } = *self.counters;
        let mut all =
            vec![equal("events in = scored + dropped", events_in, events_scored + events_dropped.total())];
        if self.complete {
            all.extend(self.between_stages());
        }
        all.extend(self.of_paths());
        if let Some(file) = self.file {
            all.extend(self.of_file(file));
        }
        all
    }

    /// Checks them.
    ///
    /// # Errors
    /// The first that does not hold.
    pub fn check(&self) -> Result<(), BrokenInvariant> {
        let broken = self.invariants().into_iter().find(|invariant| !invariant.holds);
        broken
            .map_or(Ok(()), |Invariant { what, left, right, .. }| Err(BrokenInvariant { what, left, right }))
    }

    /// What the workers let go against what the sink got.
    fn between_stages(&self) -> [Invariant; 4] {
        let (counters, seen) = (self.counters, self.tagged.seen);
        [
            equal(
                "events scored = events delivered to the sink",
                counters.events_scored,
                counters.events_delivered,
            ),
            equal(
                "events delivered to the sink = events that it saw",
                counters.events_delivered,
                seen.events,
            ),
            equal("events kept by the workers = events that the sink saw", counters.events_kept, seen.kept),
            equal("invalid events of the workers = of the sink", counters.events_invalid, seen.invalid),
        ]
    }

    fn of_paths(&self) -> Vec<Invariant> {
        let (seen, handed) = (self.tagged.seen, &self.tagged.handed);
        let mut all = vec![at_least("events scored >= events kept", self.counters.events_scored, seen.kept)];
        for (path, counter) in self.paths.iter().zip(&self.tagged.paths) {
            let of = |what: &str| format!("path {}: {what}", path.name);
            let group = u64::from(counter.prescale.max(1));
            all.push(at_least(of("events kept >= passed"), seen.kept, counter.passed));
            all.push(equal(
                of("accepted = passed / prescale, rounded up"),
                counter.accepted,
                counter.passed.div_ceil(group),
            ));
            if self.complete {
                let written = handed.by_bit[path.bit as usize];
                all.push(equal(of("accepted = handed to the file"), counter.accepted, written));
            }
        }
        if self.complete {
            let written = handed.by_bit[INVALID_BIT.ilog2() as usize];
            all.push(equal("invalid events = handed to the file", seen.invalid, written));
        }
        all
    }

    fn of_file(&self, file: &Census) -> Vec<Invariant> {
        let handed = &self.tagged.handed;
        let by_path = self.paths.iter().map(|path| {
            let bit = path.bit as usize;
            equal(
                format!("path {}: handed to the file = found in it", path.name),
                handed.by_bit[bit],
                file.by_bit[bit],
            )
        });
        let invalid = INVALID_BIT.ilog2() as usize;
        let others = [
            equal("events handed to the file = found in it", handed.rows, file.rows),
            equal(
                "invalid events handed to the file = found in it",
                handed.by_bit[invalid],
                file.by_bit[invalid],
            ),
        ];
        by_path.chain(others).collect()
    }
}

fn equal(what: impl Into<String>, left: u64, right: u64) -> Invariant {
    Invariant { what: what.into(), left, right, holds: left == right }
}

fn at_least(what: impl Into<String>, left: u64, right: u64) -> Invariant {
    Invariant { what: what.into(), left, right, holds: left >= right }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::DropCause;
    use crate::sink::Seen;
    use crate::trigger::PathCounter;

    fn paths() -> Vec<ResolvedPath> {
        let path = |bit, prescale| ResolvedPath {
            name: format!("p{bit}"),
            model_index: 0,
            threshold: 0.0,
            prescale,
            bit,
        };
        vec![path(0, 1), path(1, 3)]
    }

    /// A run of 100 events: 10 dropped, 7 invalid; path 0 passes 20, path 1 10, prescaled by 3.
    fn counts() -> (Counters, Tagged, Census) {
        let mut counters = Counters { events_in: 100, events_scored: 90, ..Counters::default() };
        counters.drop_events(DropCause::QueueFull, 9);
        counters.drop_events(DropCause::Failed, 1);
        (counters.events_invalid, counters.events_kept, counters.events_delivered) = (7, 37, 90);
        let mut handed = Census { rows: 31, ..Census::default() };
        (handed.by_bit[0], handed.by_bit[1], handed.by_bit[31]) = (20, 4, 7);
        let tagged = Tagged {
            paths: vec![
                PathCounter { prescale: 1, passed: 20, accepted: 20 },
                PathCounter { prescale: 3, passed: 10, accepted: 4 },
            ],
            seen: Seen { events: 90, kept: 37, invalid: 7 },
            handed: handed.clone(),
        };
        (counters, tagged, handed)
    }

    fn check(
        counters: &Counters,
        tagged: &Tagged,
        file: Option<&Census>,
        complete: bool,
    ) -> Result<(), BrokenInvariant> {
        Ledger { counters, tagged, file, paths: &paths(), complete }.check()
    }

    #[test]
    fn a_run_that_lost_nothing_balances() {
        let (counters, tagged, file) = counts();
        check(&counters, &tagged, Some(&file), true).unwrap();
        check(&counters, &tagged, None, false).unwrap();
    }

    /// Every count is tied to another one: each of them, wrong by one in either direction, is noticed.
    #[test]
    fn every_count_that_is_wrong_by_one_is_noticed() {
        type Place = for<'a> fn(&'a mut Counters, &'a mut Tagged, &'a mut Census) -> &'a mut u64;
        let places: [Place; 21] = [
            |c, _, _| &mut c.events_in,
            |c, _, _| &mut c.events_scored,
            |c, _, _| &mut c.events_delivered,
            |c, _, _| &mut c.events_kept,
            |c, _, _| &mut c.events_invalid,
            |c, _, _| &mut c.events_dropped.queue_full,
            |c, _, _| &mut c.events_dropped.failed,
            |_, t, _| &mut t.seen.events,
            |_, t, _| &mut t.seen.kept,
            |_, t, _| &mut t.seen.invalid,
            |_, t, _| &mut t.paths[0].passed,
            |_, t, _| &mut t.paths[0].accepted,
            |_, t, _| &mut t.paths[1].accepted,
            |_, t, _| &mut t.handed.rows,
            |_, t, _| &mut t.handed.by_bit[0],
            |_, t, _| &mut t.handed.by_bit[1],
            |_, t, _| &mut t.handed.by_bit[31],
            |_, _, f| &mut f.rows,
            |_, _, f| &mut f.by_bit[0],
            |_, _, f| &mut f.by_bit[1],
            |_, _, f| &mut f.by_bit[31],
        ];
        for place in places {
            for by in [1, -1] {
                let (mut counters, mut tagged, mut file) = counts();
                let count = place(&mut counters, &mut tagged, &mut file);
                *count = count.wrapping_add_signed(by);
                check(&counters, &tagged, Some(&file), true).expect_err("a wrong count");
            }
        }
    }

    #[test]
    fn the_message_has_both_sides() {
        let (counters, tagged, mut file) = counts();
        file.rows -= 1;
        let error = check(&counters, &tagged, Some(&file), true).unwrap_err().to_string();
        assert!(error.contains("found in it: 31 against 30"), "{error}");
    }
}
