//! Scoring whole event files, for the commands that look at score distributions.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use trigsieve::evaluate::{Model, Sample};
use trigsieve::event::EventTable;
use trigsieve::model::ModelBundle;
use trigsieve::score::{Scorer, ScorerFactory, ScorerSpec};

use super::Context;
use super::engine::{EngineArgs, ModelArgs};
use super::progress::events_bar;

/// A bundle with one scorer.
pub struct LoadedModel {
    factory: ScorerFactory,
    scorer: Box<dyn Scorer>,
    /// How metrics and menus name it.
    pub model: Model,
}

impl LoadedModel {
    /// Opens the bundle in `folder` and makes the scorer that `engine` asks for.
    pub fn open(folder: &PathBuf, engine: &EngineArgs, model: &ModelArgs) -> anyhow::Result<Self> {
        let spec = engine.spec()?;
        let bundles = model.open([folder])?;
        Self::of_bundle(&bundles[0], &spec)
    }

    fn of_bundle(bundle: &ModelBundle, spec: &ScorerSpec) -> anyhow::Result<Self> {
        let factory = spec.load(bundle)?;
        let scorer = factory.scorer()?;
        let model = Model {
            name: bundle.card().name.clone(),
            encoding: bundle.card().encoding.clone(),
            engine: scorer.describe(),
            precision: spec.precision,
            model_sha256: factory.sha256().to_owned(),
        };
        Ok(Self { factory, scorer, model })
    }

    /// Opens event files, all of the model's encoding.
    pub fn tables(&self, paths: &[PathBuf]) -> anyhow::Result<Vec<EventTable>> {
        let open = |path: &PathBuf| -> anyhow::Result<EventTable> {
            let table = EventTable::open(path)?;
            self.factory.check_events(&table)?;
            Ok(table)
        };
        paths.iter().map(open).collect()
    }

    /// [`ModelArgs::self_test`].
    pub fn self_test(&mut self, args: &ModelArgs, tables: &[EventTable]) -> anyhow::Result<()> {
        args.self_test(self.scorer.as_mut(), &self.model.name, tables)
    }

    /// Scores a file behind a progress bar.
    pub fn score(&mut self, table: &EventTable, context: Context) -> anyhow::Result<Sample> {
        let bar = events_bar(context, table.len(), &file_name(table.path()));
        let sample = Sample::score(table, self.scorer.as_mut(), &mut |events| bar.set_position(events));
        bar.finish_and_clear();
        Ok(sample?)
    }
}

/// Refuses to go on when nothing could be written to `path`'s folder: better now than after the scoring.
pub fn check_writable(path: &Path) -> anyhow::Result<()> {
    trigsieve::durable::AtomicFile::create(path).map(drop).with_context(|| path.display().to_string())
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
