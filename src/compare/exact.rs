use serde::Serialize;

use super::{CompareError, Golden, Number, Party};
use crate::event::{EventTable, Rows};

/// Events compared at once.
const BATCH: usize = 4096;

/// An event whose exact scores differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mismatch {
    /// Row in the file, from 0.
    pub row: u64,
    /// The event's id.
    pub event_id: u64,
    /// Score of the first party; none for an invalid event.
    pub a: Option<f64>,
    /// Score of the second.
    pub b: Option<f64>,
}

/// Two parties' exact scores, event by event.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExactComparison {
    /// Events compared.
    pub events: u64,
    /// Events with an input that is not finite: neither has a score.
    pub invalid: u64,
    /// Events whose scores are not the same number.
    pub mismatches: u64,
    /// The first of them.
    pub first: Vec<Mismatch>,
}

/// The other party of an exact comparison.
pub enum Other<'a> {
    /// A fixed-point program.
    Party(&'a mut Party),
    /// Scores from a file.
    Golden(&'a Golden),
}

/// Compares `a`, a fixed-point program, with `b` on every event of `table`, and keeps the first `keep` mismatches.
///
/// # Errors
/// [`CompareError::Count`] when there is not a golden score for every event.
pub fn exact(
    a: &mut Party,
    b: &mut Other<'_>,
    table: &EventTable,
    keep: usize,
    progress: &mut dyn FnMut(u64),
) -> Result<ExactComparison, CompareError> {
    let mut found = ExactComparison { events: 0, invalid: 0, mismatches: 0, first: Vec::new() };
    if let Other::Golden(golden) = b {
        golden.check_count(table)?;
    }
    for batch in table.batches() {
        let rows = batch.rows();
        for first in (0..rows.len()).step_by(BATCH) {
            let rows = rows.slice(first, BATCH.min(rows.len() - first));
            let at = batch.first_row() + first as u64;
            let left = a.numbers(rows).unwrap_or_default();
            let right = b.numbers(rows, at, a);
            for (index, (a, b)) in left.into_iter().zip(right).enumerate() {
                found.count(at + index as u64, (a, b), keep, || batch.event_ids()[first + index]);
            }
            progress(found.events);
        }
    }
    // Of a file that was cut meanwhile both have scored zeros.
    table.check_intact()?;
    Ok(found)
}

impl Other<'_> {
    fn numbers(&mut self, rows: Rows<'_>, first: u64, a: &Party) -> Vec<Option<Number>> {
        match self {
            Self::Party(party) => party.numbers(rows).unwrap_or_default(),
            Self::Golden(golden) => golden.numbers(first, rows.len(), a.program()),
        }
    }
}

impl ExactComparison {
    fn count(
        &mut self,
        row: u64,
        (a, b): (Option<Number>, Option<Number>),
        keep: usize,
        event_id: impl Fn() -> u64,
    ) {
        self.events += 1;
        self.invalid += u64::from(a.is_none() && b.is_none());
        if a == b {
            return;
        }
        self.mismatches += 1;
        if self.first.len() < keep {
            let [a, b] = [a, b].map(|number| number.map(Number::to_f64));
            self.first.push(Mismatch { row, event_id: event_id(), a, b });
        }
    }
}
