use std::collections::BTreeSet;

use super::{ScoreError, Scorer};
use crate::event::{EventTable, Rows, Values};

/// Events of a self-test.
pub const SELF_TEST_EVENTS: usize = 1024;

/// With fewer different events than these, equal scores say nothing.
const FEWEST: usize = 16;

/// Scores the first events of `table` and refuses a model that says nothing about them: one whose scores are all the
/// same although the events are not, or one that gives an event with finite inputs a score that is not finite.
///
/// # Errors
/// [`ScoreError::Degenerate`], and what scoring itself fails with.
pub fn self_test(scorer: &mut dyn Scorer, model: &str, table: &EventTable) -> Result<(), ScoreError> {
    let Some(batch) = table.batches().iter().find(|batch| !batch.is_empty()) else { return Ok(()) };
    let rows = batch.rows().slice(0, batch.len().min(SELF_TEST_EVENTS));
    let mut scores = vec![0.0; rows.len()];
    scorer.score(rows, &mut scores)?;
    let degenerate = |reason: String| {
        let file = table.path().display();
        Err(ScoreError::Degenerate { model: model.to_owned(), reason: format!("{reason} of {file}") })
    };
    let usable: Vec<usize> = (0..rows.len()).filter(|&event| is_finite(rows, event)).collect();
    if let Some(event) = usable.iter().find(|&&event| !scores[event].is_finite()) {
        return degenerate(format!("the score of event {event} is {}, with finite inputs,", scores[*event]));
    }
    let different: BTreeSet<Vec<u8>> = usable.iter().take(64).map(|&event| bytes(rows, event)).collect();
    let first = usable.first().map(|&event| scores[event]);
    if different.len() >= FEWEST && usable.iter().all(|&event| Some(scores[event]) == first) {
        return degenerate(format!(
            "the score is {} for each of the first {} events",
            scores[usable[0]],
            usable.len()
        ));
    }
    Ok(())
}

fn is_finite(rows: Rows<'_>, event: usize) -> bool {
    match rows.slice(event, 1).values() {
        Values::F32(values) => values.iter().all(|value| value.is_finite()),
        Values::I16(_) => true,
    }
}

fn bytes(rows: Rows<'_>, event: usize) -> Vec<u8> {
    match rows.slice(event, 1).values() {
        Values::F32(values) => values.iter().flat_map(|value| value.to_ne_bytes()).collect(),
        Values::I16(values) => values.iter().flat_map(|value| value.to_ne_bytes()).collect(),
    }
}
