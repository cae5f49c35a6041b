//! Metrics for the card: how well the bundle tells signals from background, measured after the training.

use std::path::{Path, PathBuf};

use trigsieve::evaluate::{Model, Sample, evaluate};
use trigsieve::event::EventTable;
use trigsieve::model::{Metrics, ModelBundle, Precision};
use trigsieve::score::{Engine, Scorer, ScorerSpec};

use crate::TrainError;
use crate::data::Split;
use crate::recipe::Evaluation;

/// The tables of an evaluation, opened before the training so that a wrong one does not cost it.
#[derive(Debug)]
pub struct EvaluationFiles {
    background: EventTable,
    signals: Vec<EventTable>,
}

impl EvaluationFiles {
    /// Opens the tables; `None` when there are none. Relative paths start at `folder`.
    ///
    /// # Errors
    /// A table that cannot be read, or has another encoding or K than the training's.
    pub fn open(evaluation: &Evaluation, folder: &Path, split: &Split) -> Result<Option<Self>, TrainError> {
        let Some(background) = &evaluation.background else { return Ok(None) };
        let open = |path: &PathBuf| {
            let table = EventTable::open(&folder.join(path))?;
            table.expect("the training", &split.encoding, split.training.k())?;
            Ok(table)
        };
        let signals = evaluation.signals.iter().map(open).collect::<Result<_, TrainError>>()?;
        Ok(Some(Self { background: open(background)?, signals }))
    }

    /// The metrics of one of the graphs of a bundle.
    ///
    /// # Errors
    /// When the graph does not score, a table has unequal weights, or two signals have the same name.
    pub fn measure(&self, bundle: &ModelBundle, precision: Precision) -> Result<Metrics, TrainError> {
        let (mut scorer, sha256) = scorer(bundle, precision)?;
        let model = model(bundle, precision, scorer.describe(), sha256);
        let mut score = |table| Sample::score(table, scorer.as_mut(), &mut |_| {});
        let background = score(&self.background)?;
        let signals = self.signals.iter().map(score).collect::<Result<Vec<_>, _>>()?;
        Ok(evaluate(model, &background, &signals)?.card())
    }
}

/// How metrics name one of the graphs of a bundle.
pub fn model(bundle: &ModelBundle, precision: Precision, engine: String, model_sha256: String) -> Model {
    let card = bundle.card();
    let (name, encoding) = (card.name.clone(), card.encoding.clone());
    Model { name, encoding, engine, precision, model_sha256 }
}

/// The compiled-in engine on one of the graphs of a bundle, and the graph's SHA-256.
///
/// # Errors
/// When the graph does not pass the engine's checks.
pub fn scorer(bundle: &ModelBundle, precision: Precision) -> Result<(Box<dyn Scorer>, String), TrainError> {
    let spec = ScorerSpec { engine: Engine::Rten, precision, ..ScorerSpec::default() };
    let factory = spec.load(bundle)?;
    Ok((factory.scorer()?, factory.sha256().to_owned()))
}
