//! Offline training of trigsieve's models: a [`RecipeFile`] and event tables of background in, a model bundle out.
//!
//! The way of a training: [`data`] reads and splits the events, [`layout`] says which input is what,
//! [`preprocessing`] fits scales and weights, [`family`] says which [`parameters`] there are and what is made small,
//! [`fit`](mod@fit) makes it small, with a [`checkpoint`] now and then, and hands over a [`model`] of plain numbers.
//! [`graph`] writes it as ONNX in single precision and, after [`quantise`](mod@quantise), in int8; [`fixed`] fine-tunes it for
//! the arithmetic of firmware and writes the fixed-point program; [`bundle`] puts them in a folder with thresholds, metrics and a card. A [`combination`] skips the training: it joins bundles.
//! Same recipe, same data, same machine: bit-identical bundle.

#![forbid(unsafe_code)]

pub mod arena;
pub mod bundle;
mod card;
pub mod checkpoint;
pub mod combination;
pub mod data;
pub mod device;
mod error;
pub mod evaluation;
pub mod family;
pub mod fit;
pub mod fixed;
pub mod graph;
pub mod layout;
pub mod model;
pub mod network;
pub mod parameters;
pub mod preprocessing;
pub mod quantise;
pub mod recipe;
pub mod table;
pub mod threshold;

use std::collections::BTreeMap;
use std::path::Path;

use indicatif::ProgressBar;
use trigsieve::model::{Card, MemberCard, Precision};
use trigsieve::score::Device;

pub use checkpoint::Interval;
pub use error::TrainError;
pub use recipe::RecipeFile;
pub use trigsieve::model::BundleOutput;

use bundle::Contents;
use checkpoint::{Checkpoint, Checkpoints, Finished, Numbers};
use data::{EventMatrix, Split};
use device::Devices;
use evaluation::EvaluationFiles;
use family::{Objective, Task};
use fit::{Fitted, Setting, fit};
use fixed::Lowering;
use fixed::search::Samples;
use graph::{float_graph, int8_graph};
use model::TrainedModel;
use parameters::Parameters;
use preprocessing::Preprocessing;
use quantise::quantise;
use recipe::{EnsembleRule, Evaluation, Network, Recipe};

/// A trained bundle and what training it was like.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The bundle's card.
    pub card: Card,
    /// Events a second through training steps, in this process; 0 when there were none. Not in the card, which is the
    /// same at every run.
    pub events_per_second: f64,
}

/// Where a training reads and writes.
#[derive(Debug)]
pub struct Options<'a> {
    /// Folder at which the recipe's relative paths start.
    pub data_folder: &'a Path,
    /// The bundle to write.
    pub output: &'a BundleOutput,
    /// How often a checkpoint is written; `None`: never.
    pub checkpoint_every: Option<Interval>,
    /// Whether to go on from a checkpoint, if there is one.
    pub resume: bool,
    /// Files for the card's metrics instead of the recipe's; as they are, not below the data folder.
    pub evaluation: Option<Evaluation>,
    /// Where the table of a search for bits goes, as CSV and, with the ending `.md`, as Markdown.
    pub bits_table: Option<&'a Path>,
    /// Where to compute.
    pub device: Device,
    /// Steps done.
    pub progress: &'a ProgressBar,
}

/// Trains the model of a recipe and writes its bundle.
///
/// # Errors
/// [`TrainError`], before or at the step where the trouble shows; then nothing has appeared at the output.
pub fn train(file: &RecipeFile, options: &Options<'_>) -> Result<Outcome, TrainError> {
    let recipe = &file.recipe;
    let checkpoints = Checkpoints::new(options.output.folder(), options.checkpoint_every);
    if !options.resume && !options.output.replaces() {
        checkpoints.refuse_existing()?;
    }
    let split = data::load(recipe, options.data_folder)?;
    tracing::info!("{} training and {} validation events", split.training.len(), split.validation.len());
    let evaluation = match &options.evaluation {
        Some(evaluation) => EvaluationFiles::open(evaluation, Path::new(""), &split)?,
        None => EvaluationFiles::open(&recipe.evaluation, options.data_folder, &split)?,
    };
    let (contents, validation, events_per_second) = if let Network::Combination(settings) = &recipe.network {
        (combination::build(file, settings, &split, options.data_folder)?, split.validation, 0.0)
    } else {
        if let Some(settings) = &recipe.fixed {
            fixed::units(&split, settings)?;
        }
        let trained = train_networks(file, &split, options)?;
        let mut contents = contents(file, &trained, &split)?;
        let validation = match &recipe.fixed {
            Some(settings) => add_program(&mut contents, recipe, settings, &trained, split, options)?,
            None => split.validation,
        };
        (contents, validation, trained.events_per_second())
    };
    let card = bundle::write(contents, &validation, evaluation.as_ref(), options.output)?;
    Checkpoints::new(options.output.folder(), None).remove()?;
    Ok(Outcome { card, events_per_second })
}

/// Trained networks, not yet in a bundle.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The model of plain numbers.
    pub model: TrainedModel,
    /// Its networks, as they were trained.
    pub networks: Vec<Fitted>,
    /// What they were trained for.
    pub tasks: Vec<Task>,
}

/// Trains the networks of a recipe.
///
/// # Errors
/// As [`fit()`]; and a checkpoint that cannot be read or written.
pub fn train_networks(
    file: &RecipeFile,
    split: &Split,
    options: &Options<'_>,
) -> Result<Trained, TrainError> {
    let recipe = &file.recipe;
    let checkpoints = Checkpoints::new(options.output.folder(), options.checkpoint_every);
    let preprocessing = Preprocessing::fit(recipe, &split.features, &split.training)?;
    let tasks = objectives(&recipe.network).into_iter().map(|objective| Task::new(objective, &preprocessing));
    let tasks = tasks.collect::<Result<Vec<_>, _>>()?;
    let resume = if options.resume { checkpoints.load(&file.sha256, &split.sources)? } else { None };
    if options.resume && resume.is_none() {
        tracing::info!("{}: no checkpoint; starting anew", checkpoints.path().display());
    }
    let devices = Devices::new(options.device)?;
    let mut networks =
        Networks { file, split, preprocessing: &preprocessing, tasks: &tasks, devices, checkpoints };
    let networks = networks.fit(resume, options.progress)?;
    options.progress.finish_and_clear();
    let model = assemble(recipe, preprocessing, &tasks, &networks, split)?;
    Ok(Trained { model, networks, tasks })
}

/// What goes into the bundle of trained networks.
fn contents(file: &RecipeFile, trained: &Trained, split: &Split) -> Result<Contents, TrainError> {
    let model = &trained.model;
    let quantised = quantise(model, &split.training, &file.recipe.quantisation);
    let graphs = vec![(Precision::Float, float_graph(model)?), (Precision::Int8, int8_graph(&quantised)?)];
    Ok(Contents { graphs, card: card::of_model(file, model, members(trained), split) })
}

/// Adds the fixed-point program to the contents of a bundle; gives the validation events back.
fn add_program(
    contents: &mut Contents,
    recipe: &Recipe,
    settings: &recipe::Fixed,
    trained: &Trained,
    split: Split,
    options: &Options<'_>,
) -> Result<EventMatrix, TrainError> {
    let model = &trained.model;
    let door = fixed::door(&model.preprocessing, &split, settings)?;
    let search = settings.search.as_ref();
    let samples =
        search.map(|search| Samples::load(search, options.data_folder, &split, model)).transpose()?;
    let validation = split.validation.clone();
    let events = split.counted(&door);
    let devices = Devices::new(options.device)?;
    let lowering = Lowering::new(recipe, trained, door, &events, &devices)?;
    let settings = match (search, &samples) {
        (Some(search), Some(samples)) => {
            let findings = fixed::search::search(&lowering, settings, search, samples, options.progress)?;
            findings.report(search, options.bits_table)?;
            findings.settings(settings)
        }
        _ => settings.clone(),
    };
    let outcome = lowering.run(&settings, options.progress)?;
    tracing::info!("fixed point: {}", outcome.pruning);
    card::add_program(&mut contents.card, &outcome);
    contents.graphs.push((Precision::Fixed, outcome.program.to_json().into_bytes()));
    Ok(validation)
}

/// The networks that a recipe asks for, one after the other.
#[must_use]
pub fn objectives(network: &Network) -> Vec<Objective> {
    match network {
        Network::Autoencoder(body) => vec![Objective::Autoencoder(body.clone())],
        Network::Vae(vae) => vec![Objective::Vae(vae.clone())],
        Network::DeepSvdd(svdd) => vec![Objective::DeepSvdd(svdd.clone())],
        Network::DeepSvddEnsemble(ensemble) => {
            ensemble.members.iter().cloned().map(Objective::DeepSvdd).collect()
        }
        Network::Combination(_) => vec![],
    }
}

struct Networks<'a> {
    file: &'a RecipeFile,
    split: &'a Split,
    preprocessing: &'a Preprocessing,
    tasks: &'a [Task],
    devices: Devices,
    checkpoints: Checkpoints,
}

impl Networks<'_> {
    /// Fits one network after the other, from where a checkpoint left off.
    fn fit(&mut self, resume: Option<Checkpoint>, progress: &ProgressBar) -> Result<Vec<Fitted>, TrainError> {
        let (mut finished, mut state) = match resume {
            Some(checkpoint) => (checkpoint.finished, Some(checkpoint.state)),
            None => (vec![], None),
        };
        let mut fitted = self.restore(&finished)?;
        for (index, task) in self.tasks.iter().enumerate().skip(fitted.len()) {
            if self.tasks.len() > 1 {
                progress.suspend(|| tracing::info!("network {} of {}", index + 1, self.tasks.len()));
            }
            let setting = Setting {
                recipe: &self.file.recipe,
                task,
                preprocessing: self.preprocessing,
                split: self.split,
                devices: &self.devices,
                member: index as u64,
                start: None,
                progress,
            };
            let (file, split, checkpoints) = (self.file, self.split, &mut self.checkpoints);
            let result = fit(setting, state.take(), &mut |trainer| {
                if !checkpoints.is_due() {
                    return Ok(());
                }
                checkpoints.save(&Checkpoint {
                    trainer: checkpoint::trainer(),
                    recipe_sha256: file.sha256.clone(),
                    data_sha256: split.sources.iter().map(|source| source.sha256.clone()).collect(),
                    finished: finished.clone(),
                    state: trainer.state()?,
                })
            })?;
            finished.push(Finished {
                parameters: Numbers::pack(&result.parameters.numbers()?),
                record: result.record,
            });
            fitted.push(result);
        }
        Ok(fitted)
    }

    fn restore(&self, finished: &[Finished]) -> Result<Vec<Fitted>, TrainError> {
        let network = |(finished, task): (&Finished, &Task)| {
            let numbers = finished.parameters.unpack();
            let parameters = Parameters::from_numbers(&task.shapes(), numbers, &self.devices.plain);
            let what = || TrainError::CheckpointContent { what: "finished network".to_owned() };
            let parameters = parameters.ok_or_else(what)?;
            Ok(Fitted { parameters, record: finished.record, events: 0, seconds: 0.0 })
        };
        finished.iter().zip(self.tasks).map(network).collect()
    }
}

/// The model of plain numbers.
fn assemble(
    recipe: &Recipe,
    preprocessing: Preprocessing,
    tasks: &[Task],
    fitted: &[Fitted],
    split: &Split,
) -> Result<TrainedModel, TrainError> {
    let member = |(task, fitted): (&Task, &Fitted)| task.member(&fitted.parameters, &recipe.score);
    let rule = match &recipe.network {
        Network::DeepSvddEnsemble(ensemble) => ensemble.rule,
        _ => EnsembleRule::Mean,
    };
    let mut model = TrainedModel {
        name: recipe.name.clone(),
        encoding: split.encoding.clone(),
        divisors: vec![1.0; recipe.score.terms.len()],
        preprocessing,
        members: tasks.iter().zip(fitted).map(member).collect::<Result<_, _>>()?,
        rule,
    };
    let step = (split.training.len() / recipe.quantisation.calibration_events).max(1);
    let rows: Vec<&[f32]> = split.training.iter().step_by(step).collect();
    model.normalise_members(rows.into_iter());
    model.normalise_terms(split.training.iter());
    Ok(model)
}

/// What the card says of every network of an ensemble.
fn members(trained: &Trained) -> Vec<MemberCard> {
    let member = |(task, fitted): (&Task, &Fitted)| MemberCard {
        name: task.to_string(),
        files: BTreeMap::new(),
        epochs: fitted.record.epochs as u64,
        best_epoch: fitted.record.best_epoch as u64,
        validation_loss: fitted.record.validation_loss,
    };
    trained.tasks.iter().zip(&trained.networks).map(member).collect()
}

impl Trained {
    /// Events a second through training steps, in this process; 0 when there were none.
    #[must_use]
    pub fn events_per_second(&self) -> f64 {
        let events: u64 = self.networks.iter().map(|fitted| fitted.events).sum();
        let seconds: f64 = self.networks.iter().map(|fitted| fitted.seconds).sum();
        if seconds > 0.0 { events as f64 / seconds } else { 0.0 }
    }
}
