use super::{ScoreError, Scorer};
use crate::event::{EventTable, Rows, Values};

/// Events scored at once: where the engines' throughput on trigger-size networks is highest.
const BATCH: usize = 4096;

/// Scores every event of `table`, in order. An event with an input that is not finite gets the score NaN, whatever
/// the network makes of it: a ReLU can turn a NaN into a number that looks like an answer.
///
/// # Errors
/// As [`Scorer::score`]; [`ScoreError::Events`] when the file was cut meanwhile.
pub fn score_table(table: &EventTable, scorer: &mut dyn Scorer) -> Result<Vec<f32>, ScoreError> {
    score_table_with(table, scorer, &mut |_| {})
}

/// [`score_table`], telling `progress` how many events are done after each batch.
///
/// # Errors
/// As [`Scorer::score`]; [`ScoreError::Events`] when the file was cut meanwhile.
pub fn score_table_with(
    table: &EventTable,
    scorer: &mut dyn Scorer,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<f32>, ScoreError> {
    let mut scores = Vec::with_capacity(usize::try_from(table.len()).unwrap_or(0));
    for batch in table.batches() {
        let rows = batch.rows();
        for first in (0..rows.len()).step_by(BATCH) {
            let rows = rows.slice(first, BATCH.min(rows.len() - first));
            let start = scores.len();
            scores.resize(start + rows.len(), 0.0);
            scorer.score(rows, &mut scores[start..])?;
            invalidate(rows, &mut scores[start..]);
            progress(scores.len() as u64);
        }
    }
    table.check_intact()?;
    Ok(scores)
}

fn invalidate(rows: Rows<'_>, scores: &mut [f32]) {
    let Values::F32(values) = rows.values() else { return };
    for (row, score) in values.chunks_exact(rows.k()).zip(scores) {
        if !row.iter().all(|input| input.is_finite()) {
            *score = f32::NAN;
        }
    }
}
