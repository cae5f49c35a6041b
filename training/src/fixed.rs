//! The fixed-point program of a trained model: the arithmetic of firmware, and a fine-tuning that knows of it.
//!
//! [`Door`] turns the preprocessing into a shift and puts what is left into the weights; [`formats`] fits what the recipe
//! leaves open; [`fit`](mod@crate::fit) fine-tunes with rounded weights and activations, whose gradient is that of
//! the number before rounding where that is in range, else 0 (the straight-through estimator, arXiv:1308.3432,
//! section 4); [`lower`](mod@lower) writes the operations. The program computes what the fine-tuning computed, bit for bit, as
//! long as single precision holds the sums exactly: up to 25 bits, which 8-bit inputs and weights keep for up to 512 inputs.
//!
//! A fine-tuning has no checkpoints: a training that is interrupted in it is resumed at its start.

mod door;
pub mod formats;
pub mod lower;
pub mod network;
mod prune;
pub mod search;

use indicatif::ProgressBar;
use trigsieve::event::{Encoding, Feature, HardwareUnits};
use trigsieve_fixed::{CheckedProgram, Format};

use crate::data::Split;
use crate::device::Devices;
use crate::family::{Objective, Task};
use crate::fit::{Record, Setting, Start, fit};
use crate::layout::Layout;
use crate::model::Head;
use crate::network::Network;
use crate::parameters::Parameters;
use crate::preprocessing::Preprocessing;
use crate::recipe::{Fixed, Optimiser, Recipe, Schedule, Training, Units, Width};
use crate::{TrainError, Trained};

pub use door::{Door, Logarithms};
pub use prune::Pruning;

use formats::Fitting;
use lower::lower;
use network::{FixedNetwork, StackFormats, nearest};

/// Stream of the generator that draws the order of events in a fine-tuning; members of an ensemble count up from 0.
const FINE_TUNING_STREAM: u64 = 1 << 32;

/// Background efficiency at which the score of a reconstruction is brought between 1 and 2.
const SCALE_EFFICIENCY: f64 = 1e-3;

/// A trained model in integers: what a program is written from.
#[derive(Clone, Debug, PartialEq)]
pub struct FixedModel {
    /// Name of the bundle.
    pub name: String,
    /// From hardware integers to network inputs.
    pub door: Door,
    /// The layers.
    pub network: FixedNetwork,
    /// What the outputs become.
    pub head: Head,
    /// Factor from the second half of the outputs to ln sigma^2, where the head looks at it.
    pub log_factor: f64,
    /// ln sigma^2 is kept between this and minus this.
    pub log_variance_limit: f64,
    /// The score's own numbers.
    pub score: FixedScore,
    /// Of every layer; `None`: as wide as needed.
    pub accumulator: Option<Format>,
}

/// What a score needs besides the network.
#[derive(Clone, Debug, PartialEq)]
pub enum FixedScore {
    /// Nothing.
    Latent,
    /// The largest of weighted sums of squared errors of present objects.
    Reconstruction {
        /// Roots of the weights, a list for each sum; 0 for errors that do not count.
        roots: Vec<Vec<f64>>,
        /// Binary logarithm of the score's factor.
        exponent: i32,
        /// Format of what a reconstruction is compared with.
        target: Format,
        /// Format of an error.
        error: Format,
        /// Format of an error times its root.
        term: Format,
    },
}

/// A program and how it came about.
#[derive(Clone, Debug)]
pub struct FixedOutcome {
    /// The model.
    pub model: FixedModel,
    /// Its program.
    pub program: CheckedProgram,
    /// What of the network does nothing.
    pub pruning: Pruning,
    /// The fine-tuning; `None` without one.
    pub record: Option<Record>,
    /// The network as the fine-tuning had it: its task, and its parameters before rounding.
    pub tuned: (Task, Parameters),
}

/// A trained model on its way to a program.
pub struct Lowering<'a> {
    recipe: &'a Recipe,
    door: Door,
    task: &'a Task,
    /// As trained, but from network inputs in powers of two; stack by stack.
    stacks: Vec<Network>,
    head: Head,
    log_variance_limit: f64,
    /// What the terms of a reconstruction error are divided by.
    divisors: &'a [f32],
    features: &'a [Feature],
    /// Hardware integers.
    events: &'a Split,
    devices: &'a Devices,
}

/// A training event to which formats are fitted.
struct Calibration<'e> {
    /// Hardware integers.
    row: &'e [f32],
    /// Network inputs, not rounded.
    inputs: Vec<f32>,
}

/// The door of a model with the recipe's units.
///
/// # Errors
/// As [`units`] and [`Door::new`].
pub fn door(preprocessing: &Preprocessing, split: &Split, settings: &Fixed) -> Result<Door, TrainError> {
    Door::new(preprocessing, units(split, settings)?)
}

/// Size of a step of each input.
///
/// # Errors
/// [`TrainError::Fixed`] for an encoding or a number of inputs without units, and for inputs that
/// are one-hot types, which a program's score does not compare.
pub fn units(split: &Split, settings: &Fixed) -> Result<Vec<f64>, TrainError> {
    let features = &split.features;
    let typed = Layout::of(features).typed_objects().next().is_some();
    let units = match &settings.units {
        Units::Cms => cms_units(&split.encoding)?,
        Units::Steps(steps) => steps.clone(),
    };
    if typed {
        let reason = "an encoding with one-hot types has no fixed-point program".to_owned();
        return Err(TrainError::Fixed { reason });
    }
    if units.len() != features.len() {
        let reason =
            format!("fixed.units has {} steps for {} inputs; give one an input", units.len(), features.len());
        return Err(TrainError::Fixed { reason });
    }
    Ok(units)
}

fn cms_units(encoding: &str) -> Result<Vec<f64>, TrainError> {
    let encoding = encoding.parse::<Encoding>();
    let reason = "the encoding has no units of the CMS global trigger; give fixed.units a list".to_owned();
    encoding.map(|encoding| HardwareUnits::cms(encoding).steps()).map_err(|_| TrainError::Fixed { reason })
}

impl<'a> Lowering<'a> {
    /// The network of a training, folded; `events` are hardware integers, as [`Door::count`] makes them.
    ///
    /// # Errors
    /// [`TrainError::Fixed`] for a model that is no single network with ReLUs; [`TrainError::Burn`].
    pub fn new(
        recipe: &'a Recipe,
        trained: &'a Trained,
        door: Door,
        events: &'a Split,
        devices: &'a Devices,
    ) -> Result<Self, TrainError> {
        let single =
            (trained.tasks.as_slice(), trained.networks.as_slice(), trained.model.members.as_slice());
        let ([task], [fitted], [member]) = single else {
            let reason = "an ensemble of networks has no fixed-point program".to_owned();
            return Err(TrainError::Fixed { reason });
        };
        let activation = task.activation();
        let count = task.shapes().len();
        let stacks = (0..count).map(|stack| fitted.parameters.stack(stack).to_network(activation));
        let mut stacks = stacks.collect::<Result<Vec<_>, _>>()?;
        fold(&mut stacks, task.objective(), &door);
        let (head, features) = (member.head, events.features.as_slice());
        let log_variance_limit = f64::from(member.log_variance_limit);
        let divisors = trained.model.divisors.as_slice();
        Ok(Self { recipe, door, task, stacks, head, log_variance_limit, divisors, features, events, devices })
    }

    /// Formats, fine-tuning where the recipe asks for it, and the program.
    ///
    /// # Errors
    /// As [`fit()`] and [`lower()`]; [`TrainError::Burn`].
    pub fn run(&self, settings: &Fixed, progress: &ProgressBar) -> Result<FixedOutcome, TrainError> {
        let events = self.calibration(settings);
        let formats = self.formats(settings, &events);
        let task = self.task.in_fixed_point(formats.clone());
        let (parameters, record) = if settings.qat_epochs > 0 {
            let (parameters, record) = self.fine_tune(&task, settings, progress)?;
            (parameters, Some(record))
        } else {
            (self.start_parameters(&task)?, None)
        };
        let count = formats.len();
        let stacks = (0..count).map(|stack| parameters.stack(stack).to_network(task.activation()));
        let stacks = stacks.collect::<Result<Vec<_>, _>>()?;
        let model = self.model(settings, &stacks, &formats, &events);
        let program = lower(&model)?;
        let pruning = Pruning::of(&model, self.features);
        Ok(FixedOutcome { model, program, pruning, record, tuned: (task, parameters) })
    }

    /// Events spread evenly over the training's.
    fn calibration(&self, settings: &Fixed) -> Vec<Calibration<'_>> {
        let training = &self.events.training;
        let step = (training.len() / settings.calibration_events).max(1);
        let preprocessing = self.door.preprocessing();
        let event = |row| {
            let mut inputs = Vec::with_capacity(training.k());
            preprocessing.extend_network_inputs(row, &mut inputs);
            Calibration { row, inputs }
        };
        training.iter().step_by(step).map(event).collect()
    }

    /// The stacks that the program has.
    fn exported(&self) -> usize {
        if self.head == Head::Reconstruction { self.stacks.len() } else { 1 }
    }

    /// Outputs of a stack that the program has.
    fn outputs(&self, stack: usize) -> usize {
        let all = self.stacks[stack].layers.last().map_or(0, |layer| layer.outputs());
        match self.task.latent() {
            Some(latent) if stack == 0 && !self.head.has_variance() => latent,
            _ => all,
        }
    }

    fn formats(&self, settings: &Fixed, events: &[Calibration<'_>]) -> Vec<StackFormats> {
        let mut fitting = Fitting::new(settings, events.iter().map(|event| event.inputs.as_slice()));
        (0..self.exported()).map(|stack| fitting.stack(&self.stacks[stack], self.outputs(stack))).collect()
    }

    fn start(&self) -> Start {
        let layers = self.stacks.iter().flat_map(|stack| &stack.layers);
        let numbers = layers.flat_map(|layer| [layer.weights.clone(), layer.bias.clone()]).collect();
        Start { numbers, train_biases: self.task.trains_biases() }
    }

    fn start_parameters(&self, task: &Task) -> Result<Parameters, TrainError> {
        let start = self.start();
        Parameters::from_numbers(&task.shapes(), start.numbers, &self.devices.plain)
            .ok_or_else(|| TrainError::Burn("the folded parameters do not fit the network".to_owned()))
    }

    fn fine_tune(
        &self,
        task: &Task,
        settings: &Fixed,
        progress: &ProgressBar,
    ) -> Result<(Parameters, Record), TrainError> {
        let epochs = settings.qat_epochs;
        let mut recipe = self.recipe.clone();
        recipe.training = Training { max_epochs: epochs, patience: epochs, ..recipe.training };
        let Optimiser::Adam { learning_rate, schedule, .. } = &mut recipe.optimiser;
        (*learning_rate, *schedule) = (settings.learning_rate, Schedule::Cosine);
        let start = self.start();
        let setting = Setting {
            recipe: &recipe,
            task,
            preprocessing: self.door.preprocessing(),
            split: self.events,
            devices: self.devices,
            member: FINE_TUNING_STREAM,
            start: Some(&start),
            progress,
        };
        progress.suspend(|| tracing::info!("fine-tuning with rounded weights and activations"));
        progress.set_position(0);
        let fitted = fit(setting, None, &mut |_| Ok(()))?;
        progress.finish_and_clear();
        Ok((fitted.parameters, fitted.record))
    }

    fn model(
        &self,
        settings: &Fixed,
        stacks: &[Network],
        formats: &[StackFormats],
        events: &[Calibration<'_>],
    ) -> FixedModel {
        let mut chain = Network::default();
        for (index, stack) in stacks.iter().enumerate() {
            let mut stack = stack.clone();
            if let Some(last) = stack.layers.last_mut() {
                *last = last.columns(0..self.outputs(index));
            }
            chain.layers.extend(stack.layers);
        }
        let layers: Vec<_> = formats.iter().flat_map(|stack| stack.layers.iter().copied()).collect();
        let input = formats.first().and_then(|stack| stack.input).unwrap_or(Format::signed(8, 3));
        let network = FixedNetwork::new(&chain, input, &layers);
        let score = match self.head {
            Head::Reconstruction => self.reconstruction_score(&network, settings, events),
            _ => FixedScore::Latent,
        };
        FixedModel {
            name: self.recipe.name.clone(),
            door: self.door.clone(),
            network,
            head: self.head,
            log_variance_limit: self.log_variance_limit,
            log_factor: if matches!(self.task.objective(), Objective::DeepSvdd(_)) { 2.0 } else { 1.0 },
            score,
            accumulator: settings.accumulator,
        }
    }

    /// The roots of the weights, with the power of two that brings the score into the range of its format.
    fn reconstruction_score(
        &self,
        network: &FixedNetwork,
        settings: &Fixed,
        events: &[Calibration<'_>],
    ) -> FixedScore {
        let divided = self.door.preprocessing().terms().iter().zip(self.divisors);
        let divided =
            divided.map(|(term, divisor)| term.iter().map(|weight| weight / divisor).collect::<Vec<f32>>());
        let weights: Vec<Vec<f32>> = divided.collect();
        let score = |event| score(&self.door, network, settings, &weights, event);
        let mut scores: Vec<f64> = events.iter().map(score).collect();
        scores.sort_unstable_by(|left, right| right.total_cmp(left));
        let rank = ((scores.len() as f64 * SCALE_EFFICIENCY) as usize).min(scores.len().saturating_sub(1));
        let reference = scores.get(rank).copied().filter(|score| *score > 0.0).unwrap_or(1.0);
        let exponent = -(reference.log2().floor() as i32);
        let factor = f64::from(exponent).exp2();
        let root = |weight: &f32| (f64::from(*weight) * factor).sqrt();
        FixedScore::Reconstruction {
            roots: weights.iter().map(|weights| weights.iter().map(root).collect()).collect(),
            exponent,
            target: settings.target,
            error: settings.error,
            term: settings.term,
        }
    }
}

/// Moves the preprocessing's factors, and the target of a Deep SVDD network, into weights and biases.
fn fold(stacks: &mut [Network], objective: &Objective, door: &Door) {
    if let Some(first) = stacks.first_mut().and_then(|stack| stack.layers.first_mut()) {
        door.fold_inputs(&mut first.weights, &mut first.bias);
    }
    let Some(last) = stacks.last_mut().and_then(|stack| stack.layers.last_mut()) else { return };
    if let Objective::DeepSvdd(svdd) = objective {
        last.bias[..svdd.output_dimension].iter_mut().for_each(|bias| *bias -= svdd.target);
    } else {
        door.fold_outputs(&mut last.weights, &mut last.bias);
    }
}

/// The reconstruction score of one event, in the units of the float model's.
fn score(
    door: &Door,
    network: &FixedNetwork,
    settings: &Fixed,
    weights: &[Vec<f32>],
    event: &Calibration<'_>,
) -> f64 {
    let outputs = network.outputs(&event.inputs);
    let errors = outputs.iter().zip(&event.inputs).map(|(output, input)| {
        let target = nearest(f64::from(*input), &settings.target);
        nearest(output - target, &settings.error)
    });
    let mut squares: Vec<f64> = errors.map(|error| error * error).collect();
    if door.preprocessing().masking() {
        let objects = &door.preprocessing().layout().objects;
        for object in objects.iter().filter(|object| !object.is_present(event.row)) {
            object.continuous().for_each(|input| squares[input] = 0.0);
        }
    }
    let sum = |weights: &Vec<f32>| -> f64 {
        squares.iter().zip(weights).map(|(square, weight)| square * f64::from(*weight)).sum()
    };
    weights.iter().map(sum).fold(0.0, f64::max)
}

/// Bits that a recipe tries, in place of the recipe's own.
#[must_use]
pub fn with_bits(settings: &Fixed, weights: u32, activations: u32) -> Fixed {
    let all = |bits| crate::recipe::PerLayer::All(Width::Bits(bits));
    Fixed { weights: all(weights), activations: all(activations), ..settings.clone() }
}
