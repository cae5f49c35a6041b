use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;

use super::EvaluateError;
use crate::event::schema::WEIGHT;
use crate::event::{EventTable, TableBatch};
use crate::model::{DataSource, sha256_of_file};
use crate::score::{Scorer, score_table_with};
use crate::statistics::Scores;

/// A scored event file.
#[derive(Clone, Debug)]
pub struct Sample {
    /// What `metrics.json` and plots call it: the file's stem.
    pub name: String,
    /// File, sha256 and number of events.
    pub source: DataSource,
    /// The scores in the order of the events; not finite for invalid ones.
    pub values: Vec<f32>,
    /// The scores, ready for counting.
    pub scores: Scores,
}

impl Sample {
    /// A sample whose scores are known.
    #[must_use]
    pub fn new(name: &str, source: DataSource, values: Vec<f32>) -> Self {
        let scores = Scores::new(&values);
        Self { name: name.to_owned(), source, values, scores }
    }

    /// Scores `table`, telling `progress` how many events are done.
    ///
    /// A column `weight` is accepted when all its values are equal: everything here counts events.
    ///
    /// # Errors
    /// [`EvaluateError::Weights`], [`EvaluateError::Score`], [`EvaluateError::Io`].
    pub fn score(
        table: &EventTable,
        scorer: &mut dyn Scorer,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Self, EvaluateError> {
        let path = table.path();
        refuse_weights(table)?;
        let values = score_table_with(table, scorer, progress)
            .map_err(|source| EvaluateError::Score { path: path.to_owned(), source: Box::new(source) })?;
        let sha256 =
            sha256_of_file(path).map_err(|source| EvaluateError::Io { path: path.to_owned(), source })?;
        let text = |name: Option<&std::ffi::OsStr>| name.unwrap_or_default().to_string_lossy().into_owned();
        let source = DataSource { file: text(path.file_name()), sha256, events: table.len() };
        Ok(Self::new(&text(path.file_stem()), source, values))
    }
}

fn refuse_weights(table: &EventTable) -> Result<(), EvaluateError> {
    let mut weights = table.batches().iter().flat_map(weights_of).enumerate();
    let Some((_, first)) = weights.next() else { return Ok(()) };
    match weights.find(|(_, weight)| *weight != first) {
        None => Ok(()),
        Some((row, other)) => {
            Err(EvaluateError::Weights { path: table.path().to_owned(), first, other, row })
        }
    }
}

fn weights_of(batch: &TableBatch) -> Vec<f32> {
    let column = batch.record_batch().column_by_name(WEIGHT);
    column.and_then(|column| column.as_primitive_opt::<Float32Type>()).map_or_else(Vec::new, |weights| {
        // A null weight is no weight at all: NaN differs from every other value.
        weights.iter().map(|weight| weight.unwrap_or(f32::NAN)).collect()
    })
}
