//! Trains and measures for an arena: a list of recipes on a list of channels.

use std::path::{Path, PathBuf};

use indicatif::ProgressBar;
use trigsieve::evaluate::{Metrics, Sample, SignalMetrics, evaluate};
use trigsieve::event::EventTable;
use trigsieve::model::{CARD_FILE, DataSource, ModelBundle, Precision, sha256_of_file};
use trigsieve::score::Device;
use trigsieve_arena::{Channel, Job, Measurement, TrainFailure, Trainer};

use crate::evaluation::{model, scorer};
use crate::recipe::{Evaluation, Network};
use crate::{BundleOutput, Interval, Options, RecipeFile, TrainError, train};

/// The trainer of an arena.
#[derive(Debug)]
pub struct RecipeTrainer<'a> {
    /// Folder at which the recipes' relative paths start.
    pub data_folder: &'a Path,
    /// How often a checkpoint is written.
    pub checkpoint_every: Option<Interval>,
    /// Where to compute.
    pub device: Device,
    /// Steps done.
    pub progress: &'a ProgressBar,
}

impl Trainer for RecipeTrainer<'_> {
    /// The recipe is read and checked; its training reads the event tables and, in a combination, the members.
    fn prepare(&mut self, job: &Job) -> Result<Vec<PathBuf>, TrainFailure> {
        let recipe = recipe_of(job)?.recipe;
        let tables = recipe.data.files.iter().map(|file| self.data_folder.join(file));
        let members: &[PathBuf] = match &recipe.network {
            Network::Combination(combination) => &combination.members,
            _ => &[],
        };
        let cards = members.iter().map(|member| self.data_folder.join(member).join(CARD_FILE));
        Ok(tables.chain(cards).collect())
    }

    /// A training that was interrupted goes on from its checkpoint.
    fn train(&mut self, job: &Job, folder: &Path) -> Result<Vec<Measurement>, TrainFailure> {
        let output = BundleOutput::new(folder, true)?;
        let options = Options {
            data_folder: self.data_folder,
            output: &output,
            checkpoint_every: self.checkpoint_every,
            resume: true,
            // The arena measures on its own files.
            evaluation: Some(Evaluation::default()),
            device: self.device,
            bits_table: None,
            progress: self.progress,
        };
        let recipe = recipe_of(job)?;
        match train(&recipe, &options) {
            // Of a recipe or of data that have changed since.
            Err(TrainError::Checkpoint { path, reason }) => {
                tracing::warn!("{}: the checkpoint {reason}; starting anew", path.display());
                train(
                    &recipe,
                    &Options { resume: false, evaluation: Some(Evaluation::default()), ..options },
                )?
            }
            outcome => outcome?,
        };
        let bundle = ModelBundle::open(folder)?;
        let mut measurements = Vec::new();
        for channel in &job.channels {
            measurements.extend(measure(&bundle, channel)?);
        }
        Ok(measurements)
    }
}

/// The job's recipe: the file's, with the overrides of the configuration.
fn recipe_of(job: &Job) -> Result<RecipeFile, TrainFailure> {
    Ok(RecipeFile::parse(&toml::to_string(&job.recipe)?, &job.recipe_path)?)
}

/// What the float graph makes of the signals of a channel.
fn measure(bundle: &ModelBundle, channel: &Channel) -> Result<Vec<Measurement>, TrainError> {
    let (mut scorer, sha256) = scorer(bundle, Precision::Float)?;
    let mut sample = |name: &str, path: &Path| {
        let table = EventTable::open(path)?;
        table.expect("the model", &bundle.card().encoding, bundle.card().inputs)?;
        let values = trigsieve::score::score_table(&table, scorer.as_mut())?;
        let io = |source| TrainError::Io { path: path.to_owned(), source };
        let source = DataSource {
            file: path.display().to_string(),
            sha256: sha256_of_file(path).map_err(io)?,
            events: table.len(),
        };
        Ok::<_, TrainError>(Sample::new(name, source, values))
    };
    let background = sample("background", &channel.background)?;
    let signals = channel.signals.iter().map(|signal| sample(&signal.name, &signal.path));
    let signals = signals.collect::<Result<Vec<_>, _>>()?;
    let model = model(bundle, Precision::Float, scorer.describe(), sha256);
    let metrics = evaluate(model, &background, &signals)?;
    Ok(metrics.signals.iter().map(|(name, signal)| measurement(channel, &metrics, name, signal)).collect())
}

fn measurement(channel: &Channel, metrics: &Metrics, name: &str, signal: &SignalMetrics) -> Measurement {
    let background = &metrics.background.sample;
    Measurement {
        channel: channel.name.clone(),
        signal: name.to_owned(),
        background_events: background.events - background.invalid,
        auc: signal.auc,
        efficiency: ["1e-2", "1e-3", "1e-4"]
            .map(|point| signal.efficiency.get(point).and_then(|efficiency| efficiency.value)),
    }
}
