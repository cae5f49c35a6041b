//! The training loop.
//!
//! A plain loop over burn's optimiser and learning-rate scheduler, not burn's `Learner`: the learner draws batches
//! from data-loader threads item by item, takes its randomness from a generator shared by the whole process, and
//! writes its own experiment folder. Here a batch is assembled in one pass from rows in memory, in an order that a
//! seeded generator owned by this training decides, so that a recipe gives the same bits again, and a training that
//! was interrupted gives those bits too.

mod rate;

use std::ops::Range;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Instant;

use burn::grad_clipping::GradientClippingConfig;
use burn::module::Module;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Bytes, Device, Tensor, TensorData};
use indicatif::ProgressBar;
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;
use rand::seq::SliceRandom;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::TrainError;
use crate::checkpoint::{Numbers, pack_order, unpack_order};
use crate::data::{EventMatrix, Split};
use crate::device::Devices;
use crate::family::{Batch, Task};
use crate::parameters::{Parameters, numbers};
use crate::preprocessing::Preprocessing;
use crate::recipe::{GradientClipping, Keep, Optimiser, Recipe};

pub use rate::{Rate, RateState};

/// Events a step of the validation.
const VALIDATION_BATCH: usize = 4096;

/// Batches that wait for the training: while it takes a step, another thread assembles the next one.
const BATCHES_AHEAD: usize = 2;

/// Stream of the generator that makes the noise of a validation; members of an ensemble count up from 0.
const VALIDATION_STREAM: u64 = u64::MAX;

/// What a training of one network was like.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Epochs run.
    pub epochs: usize,
    /// Epoch whose parameters were kept, from 1.
    pub best_epoch: usize,
    /// Its validation loss: the mean over the validation events.
    pub validation_loss: f64,
}

/// A fitted network and how it came about.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// The parameters of the epoch that is kept, without gradients.
    pub parameters: Parameters,
    /// Its story.
    pub record: Record,
    /// Events that went through training steps, in this process.
    pub events: u64,
    /// Seconds that they took, validation not counted.
    pub seconds: f64,
}

/// Everything that decides how a training goes on, between two steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FitState {
    parameters: Numbers,
    best: Numbers,
    optimiser: ByteBuf,
    rate: RateState,
    random: ByteBuf,
    order: ByteBuf,
    /// From 1.
    epoch: usize,
    /// Steps done in the epoch.
    step: usize,
    loss_sum: f64,
    record: Record,
    least: Least,
}

/// The least validation loss so far.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Least {
    epoch: usize,
    loss: f64,
}

/// Where a fine-tuning starts.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// As [`Parameters::numbers`].
    pub numbers: Vec<Vec<f32>>,
    /// Whether biases are trained, or constants.
    pub train_biases: bool,
}

/// What a training is fitted to, and with which settings.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// Optimiser, epochs, seed.
    pub recipe: &'a Recipe,
    /// The network and its loss.
    pub task: &'a Task,
    /// Scales and weights.
    pub preprocessing: &'a Preprocessing,
    /// Events.
    pub split: &'a Split,
    /// Where to compute.
    pub devices: &'a Devices,
    /// Number of the network in an ensemble, from 0: its own stream of random numbers.
    pub member: u64,
    /// First parameters; `None`: random ones.
    pub start: Option<&'a Start>,
    /// Steps done.
    pub progress: &'a ProgressBar,
}

impl Setting<'_> {
    fn steps(&self) -> usize {
        self.split.training.len() / self.recipe.training.batch
    }
}

/// Fits a network until its epochs are over or the validation loss has not improved for the recipe's patience.
///
/// `state` is where to go on, `after_step` is called after every step with a way to get that state.
///
/// # Errors
/// [`TrainError::NonFiniteLoss`] at the step where the loss stops being a number; [`TrainError::Burn`] for a
/// setting that burn refuses; [`TrainError::CheckpointContent`] for a state that does not fit; what `after_step` returns.
pub fn fit(
    setting: Setting<'_>,
    state: Option<FitState>,
    after_step: &mut dyn FnMut(&Trainer<'_>) -> Result<(), TrainError>,
) -> Result<Fitted, TrainError> {
    let max_epochs = setting.recipe.training.max_epochs;
    setting.progress.set_length((setting.steps() * max_epochs) as u64);
    let mut trainer = match state {
        Some(state) => Trainer::resumed(setting, state)?,
        None => Trainer::new(setting)?,
    };
    let (mut events, mut seconds) = (0, 0.0);
    while trainer.goes_on() {
        setting.progress.set_position((trainer.steps_before() + trainer.step) as u64);
        let (start, first) = (Instant::now(), trainer.step);
        trainer.epoch(after_step)?;
        seconds += start.elapsed().as_secs_f64();
        events += ((setting.steps() - first) * setting.recipe.training.batch) as u64;
        trainer.end_epoch(events as f64 / seconds.max(f64::MIN_POSITIVE))?;
    }
    Ok(Fitted { parameters: trainer.best, record: trainer.record, events, seconds })
}

/// A training between two steps.
pub struct Trainer<'a> {
    setting: Setting<'a>,
    parameters: Parameters,
    best: Parameters,
    optimiser: ModuleOptimizer,
    rate: Rate,
    random: ChaCha12Rng,
    order: Vec<u32>,
    /// The epoch that runs, from 1; one past the last when it is over.
    epoch: usize,
    step: usize,
    loss_sum: f64,
    record: Record,
    least: Least,
}

impl<'a> Trainer<'a> {
    fn new(setting: Setting<'a>) -> Result<Self, TrainError> {
        let mut random = ChaCha12Rng::seed_from_u64(setting.recipe.seed);
        random.set_stream(setting.member);
        let parameters = first_parameters(&setting, &mut random, &setting.devices.training)?;
        let events = u32::try_from(setting.split.training.len()).map_err(|_| TrainError::TooManyEvents)?;
        let mut trainer = Self {
            best: parameters.valid(),
            parameters,
            optimiser: optimiser(&setting.recipe.optimiser),
            rate: Rate::new(&setting.recipe.optimiser, &setting.recipe.training, setting.steps())?,
            random,
            order: (0..events).collect(),
            epoch: 0,
            step: 0,
            loss_sum: 0.0,
            record: Record { epochs: 0, best_epoch: 0, validation_loss: f64::INFINITY },
            least: Least { epoch: 0, loss: f64::INFINITY },
            setting,
        };
        trainer.start_epoch();
        Ok(trainer)
    }

    fn resumed(setting: Setting<'a>, state: FitState) -> Result<Self, TrainError> {
        let mut trainer = Self::new(setting)?;
        let damaged = |what: &str| TrainError::CheckpointContent { what: what.to_owned() };
        let shapes = setting.task.shapes();
        trainer.parameters =
            Parameters::from_numbers(&shapes, state.parameters.unpack(), &setting.devices.training)
                .ok_or_else(|| damaged("parameters"))?;
        trainer.best = Parameters::from_numbers(&shapes, state.best.unpack(), &setting.devices.plain)
            .ok_or_else(|| damaged("parameters of the best epoch"))?;
        let bytes = Bytes::from_bytes_vec(state.optimiser.into_vec());
        let optimiser = optimiser(&setting.recipe.optimiser);
        trainer.optimiser =
            optimiser.from_bytes(bytes).map_err(|error| damaged(&format!("optimiser ({error})")))?;
        trainer.rate.restore(state.rate)?;
        let random = state.random.as_slice().try_into().map_err(|_| damaged("generator"))?;
        trainer.random = ChaCha12Rng::deserialize_state(random);
        trainer.order = unpack_order(&state.order, setting.split.training.len())
            .ok_or_else(|| damaged("order of events"))?;
        (trainer.epoch, trainer.step, trainer.loss_sum) = (state.epoch, state.step, state.loss_sum);
        (trainer.record, trainer.least) = (state.record, state.least);
        Ok(trainer)
    }

    /// For a checkpoint.
    ///
    /// # Errors
    /// [`TrainError::Burn`] when something cannot be read back from the device.
    pub fn state(&self) -> Result<FitState, TrainError> {
        let optimiser = self.optimiser.into_bytes().map_err(|error| TrainError::Burn(error.to_string()))?;
        Ok(FitState {
            parameters: Numbers::pack(&self.parameters.numbers()?),
            best: Numbers::pack(&self.best.numbers()?),
            optimiser: ByteBuf::from(optimiser.to_vec()),
            rate: self.rate.state()?,
            random: ByteBuf::from(self.random.serialize_state()),
            order: pack_order(&self.order),
            epoch: self.epoch,
            step: self.step,
            loss_sum: self.loss_sum,
            record: self.record,
            least: self.least,
        })
    }

    /// The epoch that runs, from 1, and the steps done in it.
    #[must_use]
    pub fn position(&self) -> (usize, usize) {
        (self.epoch, self.step)
    }

    fn goes_on(&self) -> bool {
        let training = &self.setting.recipe.training;
        let waited = self.record.epochs - self.least.epoch;
        self.record.epochs < training.max_epochs && waited < training.patience
    }

    fn steps_before(&self) -> usize {
        self.record.epochs * self.setting.steps()
    }

    fn start_epoch(&mut self) {
        self.order.shuffle(&mut self.random);
        (self.epoch, self.step, self.loss_sum) = (self.epoch + 1, 0, 0.0);
    }

    /// The rest of the epoch's pass over the training events.
    fn epoch(
        &mut self,
        after_step: &mut dyn FnMut(&Trainer<'_>) -> Result<(), TrainError>,
    ) -> Result<(), TrainError> {
        let setting = self.setting;
        let (order, random) = (self.order.clone(), copy_of(&self.random));
        let steps = self.step..setting.steps();
        std::thread::scope(|scope| {
            let (sender, receiver) = sync_channel(BATCHES_AHEAD);
            scope.spawn(move || assemble(setting, &order, steps, random, &sender));
            for (rows, random) in receiver {
                // Where the generator is after this batch, whatever the other thread has drawn since.
                self.random = random;
                self.train_step(rows)?;
                after_step(self)?;
            }
            Ok(())
        })
    }

    fn train_step(&mut self, rows: Rows) -> Result<(), TrainError> {
        let batch = rows.tensors(&self.setting, &self.setting.devices.training);
        let learning_rate = self.rate.step();
        let loss = self.update(batch, learning_rate)?;
        self.step += 1;
        if !loss.is_finite() {
            return Err(self.not_finite("training", self.step, loss));
        }
        self.loss_sum += loss;
        self.setting.progress.inc(1);
        Ok(())
    }

    fn update(&mut self, batch: Batch, rate: f64) -> Result<f64, TrainError> {
        let loss = self.setting.task.losses(&self.parameters, batch).mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &self.parameters);
        self.parameters = self.optimiser.step(rate, self.parameters.clone(), gradients);
        Ok(numbers(loss)?.iter().copied().map(f64::from).sum())
    }

    /// Validates, keeps the parameters if they are the best so far, and draws the order of the next epoch.
    fn end_epoch(&mut self, events_per_second: f64) -> Result<(), TrainError> {
        let validation_loss = self.validate()?;
        self.record.epochs = self.epoch;
        let improved = validation_loss < self.least.loss;
        if improved {
            self.least = Least { epoch: self.epoch, loss: validation_loss };
        }
        if improved || self.setting.recipe.training.keep == Keep::Last {
            (self.record.best_epoch, self.record.validation_loss) = (self.epoch, validation_loss);
            self.best = self.parameters.valid();
        }
        self.rate.end_epoch(improved);
        let training_loss = self.loss_sum / self.setting.steps() as f64;
        let (epoch, best) = (self.epoch, self.least.loss);
        self.setting.progress.suspend(|| {
            tracing::info!(
                "epoch {epoch}: training loss {training_loss:.6}, validation loss {validation_loss:.6}, \
                 best {best:.6}, {events_per_second:.0} events/s"
            );
        });
        self.start_epoch();
        Ok(())
    }

    /// Mean loss of the validation events, with the same noise in every epoch.
    fn validate(&self) -> Result<f64, TrainError> {
        let parameters = self.parameters.valid();
        let losses = losses(&parameters, &self.setting.split.validation, &self.setting)?;
        let loss = losses.iter().copied().map(f64::from).sum::<f64>() / losses.len() as f64;
        if loss.is_finite() { Ok(loss) } else { Err(self.not_finite("validation", 0, loss)) }
    }

    fn not_finite(&self, split: &'static str, step: usize, loss: f64) -> TrainError {
        let (epoch, learning_rate) = (self.epoch, self.rate.last());
        TrainError::NonFiniteLoss { split, epoch, step, loss, learning_rate }
    }
}

fn first_parameters(
    setting: &Setting<'_>,
    random: &mut ChaCha12Rng,
    device: &Device,
) -> Result<Parameters, TrainError> {
    let shapes = setting.task.shapes();
    let Some(start) = setting.start else { return Ok(Parameters::random(&shapes, random, device)) };
    let parameters = Parameters::from_numbers(&shapes, start.numbers.clone(), device);
    let parameters = parameters
        .ok_or_else(|| TrainError::Burn("the first parameters do not fit the network".to_owned()))?;
    Ok(if start.train_biases { parameters } else { parameters.with_constant_biases() })
}

fn optimiser(settings: &Optimiser) -> ModuleOptimizer {
    let Optimiser::Adam { betas, epsilon, weight_decay, gradient_clipping, .. } = *settings;
    let decay = (weight_decay > 0.0).then(|| WeightDecayConfig::new(weight_decay));
    let clipping = gradient_clipping.map(|clipping| match clipping {
        GradientClipping::Norm(limit) => GradientClippingConfig::Norm(limit),
        GradientClipping::Value(limit) => GradientClippingConfig::Value(limit),
    });
    AdamConfig::new()
        .with_beta_1(betas[0])
        .with_beta_2(betas[1])
        .with_epsilon(epsilon)
        .with_weight_decay(decay)
        .with_grad_clipping(clipping)
        .init()
}

/// Loss of every event with parameters without gradients.
///
/// # Errors
/// [`TrainError::Burn`] when the losses cannot be read back from the device.
pub fn losses(
    parameters: &Parameters,
    events: &EventMatrix,
    setting: &Setting<'_>,
) -> Result<Vec<f32>, TrainError> {
    let mut random = ChaCha12Rng::seed_from_u64(setting.recipe.seed);
    random.set_stream(VALIDATION_STREAM);
    let mut losses = Vec::with_capacity(events.len());
    for first in (0..events.len()).step_by(VALIDATION_BATCH) {
        let last = events.len().min(first + VALIDATION_BATCH);
        let rows = (first..last).map(|event| events.row(event));
        let batch = Rows::new(rows, setting, &mut random).tensors(setting, &setting.devices.plain);
        losses.extend(numbers(setting.task.losses(parameters, batch))?);
    }
    Ok(losses)
}

/// Assembles the batches of an epoch, each with the generator as it is after it, until they are done or no longer wanted.
fn assemble(
    setting: Setting<'_>,
    order: &[u32],
    steps: Range<usize>,
    mut random: ChaCha12Rng,
    batches: &SyncSender<(Rows, ChaCha12Rng)>,
) {
    let events = &setting.split.training;
    let chosen = order.chunks_exact(setting.recipe.training.batch).take(steps.end).skip(steps.start);
    for chosen in chosen {
        let rows = chosen.iter().map(|&event| events.row(event as usize));
        let rows = Rows::new(rows, &setting, &mut random);
        if batches.send((rows, copy_of(&random))).is_err() {
            return;
        }
    }
}

/// A generator that goes on as the other does; it has no `Clone`, lest it be copied without intent.
fn copy_of(random: &ChaCha12Rng) -> ChaCha12Rng {
    ChaCha12Rng::deserialize_state(&random.serialize_state())
}

/// A batch as plain numbers.
struct Rows {
    events: usize,
    inputs: Vec<f32>,
    weights: Option<Vec<f32>>,
    noise: Vec<f32>,
}

impl Rows {
    fn new<'r>(
        rows: impl ExactSizeIterator<Item = &'r [f32]>,
        setting: &Setting<'_>,
        random: &mut ChaCha12Rng,
    ) -> Self {
        let (events, k) = (rows.len(), setting.split.training.k());
        let mut inputs = Vec::with_capacity(events * k);
        let mut weights = setting.task.reconstructs().then(|| Vec::with_capacity(events * k));
        for row in rows {
            setting.preprocessing.extend_network_inputs(row, &mut inputs);
            if let Some(weights) = &mut weights {
                setting.preprocessing.extend_weights(row, weights);
            }
        }
        let noise = StandardNormal.sample_iter(random).take(events * setting.task.noise_width()).collect();
        Self { events, inputs, weights, noise }
    }

    fn tensors(self, setting: &Setting<'_>, device: &Device) -> Batch {
        let (events, k, width) = (self.events, setting.split.training.k(), setting.task.noise_width());
        let tensor = |values, width| Tensor::from_data(TensorData::new(values, [events, width]), device);
        Batch {
            inputs: tensor(self.inputs, k),
            weights: self.weights.map(|weights| tensor(weights, k)),
            noise: (width > 0).then(|| tensor(self.noise, width)),
        }
    }
}
