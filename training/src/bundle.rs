//! Writes the bundle: graphs, thresholds, metrics, card.

use trigsieve::model::{BundleOutput, Card, ModelBundle, Precision};

use crate::TrainError;
use crate::data::EventMatrix;
use crate::evaluation::{EvaluationFiles, scorer};
use crate::threshold::thresholds;

/// Events a call of the scorer when thresholds are measured.
const SCORING_BATCH: usize = 1024;

/// What goes into a bundle, before thresholds and metrics are measured.
#[derive(Clone, Debug)]
pub struct Contents {
    /// The graphs, and the program.
    pub graphs: Vec<(Precision, Vec<u8>)>,
    /// The card, without files, thresholds and metrics.
    pub card: Card,
}

/// Writes a bundle and gives back its card; thresholds are those of `validation`.
///
/// # Errors
/// When the graphs cannot be written, do not pass the engine's own checks, or do not score.
pub fn write(
    contents: Contents,
    validation: &EventMatrix,
    evaluation: Option<&EvaluationFiles>,
    output: &BundleOutput,
) -> Result<Card, TrainError> {
    let draft = output.draft()?;
    let Contents { graphs, mut card } = contents;
    for (precision, bytes) in &graphs {
        draft.put(&mut card, *precision, bytes)?;
    }
    draft.put_card(&card)?;
    let bundle = draft.open()?;
    for (precision, _) in &graphs {
        card.thresholds.insert(*precision, thresholds(scores(&bundle, *precision, validation)?));
        if let Some(files) = evaluation {
            card.metrics.insert(*precision, files.measure(&bundle, *precision)?);
        }
    }
    draft.put_card(&card)?;
    draft.commit()?;
    Ok(card)
}

/// Scores of a bundle's graph as the engine computes them.
///
/// # Errors
/// When the graph does not pass the engine's checks or does not score.
pub fn scores(
    bundle: &ModelBundle,
    precision: Precision,
    events: &EventMatrix,
) -> Result<Vec<f32>, TrainError> {
    let (mut scorer, _) = scorer(bundle, precision)?;
    let mut scores = vec![0.0; events.len()];
    for (batch, scores) in scores.chunks_mut(SCORING_BATCH).enumerate() {
        scorer.score(events.rows().slice(batch * SCORING_BATCH, scores.len()), scores)?;
    }
    Ok(scores)
}
