//! The training loop.
//!
//! A plain loop over burn's optimiser and learning-rate scheduler, not burn's `Learner`: the learner draws batches
//! from data-loader threads item by item, takes its randomness from a generator shared by the whole process, and
//! writes its own experiment folder. Here a batch is assembled in one pass from rows in memory, in an order that a
//! seeded generator owned by this training decides, so that a recipe gives the same bits again.

use std::time::Instant;

use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use indicatif::ProgressBar;
use rand::Rng;
use rand::seq::SliceRandom;

use crate::TrainError;
use crate::autoencoder::numbers;
use crate::data::{EventMatrix, Split};
use crate::preprocessing::Preprocessing;
use crate::recipe::{Optimiser, Recipe, Schedule};

/// Events a step of the validation.
const VALIDATION_BATCH: usize = 4096;

/// A model whose mean score over background is what training makes small.
pub trait ScoreModel: Module {
    /// Scores `[N]` of network inputs [N, K] with the weights [N, K] of their errors.
    fn scores(&self, inputs: Tensor<2>, weights: Tensor<2>) -> Tensor<1>;
}

/// A fitted model and how it came about.
#[derive(Clone, Debug)]
pub struct Fitted<M> {
    /// The model of the best epoch, without gradients.
    pub model: M,
    /// Epochs run.
    pub epochs: usize,
    /// Epoch with the least validation loss, from 1.
    pub best_epoch: usize,
    /// Its validation loss: the mean score of the validation events.
    pub validation_loss: f64,
    /// Events a second through training steps, validation not counted.
    pub events_per_second: f64,
}

/// Fits `model` until its epochs are over or the validation loss has not improved for the recipe's patience.
///
/// # Errors
/// [`TrainError::NonFiniteLoss`] at the step where the loss stops being a number; [`TrainError::Burn`] for a
/// setting that burn refuses.
pub fn fit<M: ScoreModel>(
    model: M,
    recipe: &Recipe,
    preprocessing: &Preprocessing,
    split: &Split,
    random: &mut impl Rng,
    progress: &ProgressBar,
) -> Result<Fitted<M>, TrainError> {
    let steps = split.training.len() / recipe.training.batch;
    progress.set_length((steps * recipe.training.max_epochs) as u64);
    let mut fitted = Fitted::untrained(&model);
    let mut trainer = Trainer::new(model, recipe, preprocessing, steps)?;
    let mut order: Vec<usize> = (0..split.training.len()).collect();
    let mut seconds = 0.0;
    for epoch in 1..=recipe.training.max_epochs {
        order.shuffle(random);
        let start = Instant::now();
        let training_loss = trainer.epoch(&split.training, &order, epoch, progress)?;
        seconds += start.elapsed().as_secs_f64();
        fitted.events_per_second = (epoch * steps * recipe.training.batch) as f64 / seconds;
        let validation_loss = trainer.validate(&split.validation, epoch)?;
        fitted.record(epoch, validation_loss, &trainer.model);
        progress.suspend(|| log_epoch(training_loss, validation_loss, &fitted));
        if fitted.epochs - fitted.best_epoch >= recipe.training.patience {
            break;
        }
    }
    Ok(fitted)
}

fn log_epoch<M>(training_loss: f64, validation_loss: f64, fitted: &Fitted<M>) {
    tracing::info!(
        "epoch {}: training loss {training_loss:.6}, validation loss {validation_loss:.6}, best {:.6}, {:.0} events/s",
        fitted.epochs,
        fitted.validation_loss,
        fitted.events_per_second
    );
}

impl<M: ScoreModel> Fitted<M> {
    fn untrained(model: &M) -> Self {
        Self {
            model: model.valid(),
            epochs: 0,
            best_epoch: 0,
            validation_loss: f64::INFINITY,
            events_per_second: 0.0,
        }
    }

    /// Keeps the model if it is the best so far.
    fn record(&mut self, epoch: usize, validation_loss: f64, model: &M) {
        self.epochs = epoch;
        if validation_loss < self.validation_loss {
            (self.best_epoch, self.validation_loss) = (epoch, validation_loss);
            self.model = model.valid();
        }
    }
}

struct Trainer<'a, M> {
    model: M,
    optimiser: ModuleOptimizer,
    rate: Rate,
    preprocessing: &'a Preprocessing,
    batch: usize,
    device: Device,
}

impl<'a, M: ScoreModel> Trainer<'a, M> {
    fn new(
        model: M,
        recipe: &Recipe,
        preprocessing: &'a Preprocessing,
        steps: usize,
    ) -> Result<Self, TrainError> {
        let Optimiser::Adam { epsilon, .. } = recipe.optimiser;
        Ok(Self {
            model,
            optimiser: AdamConfig::new().with_epsilon(epsilon).init(),
            rate: Rate::new(&recipe.optimiser, steps * recipe.training.max_epochs)?,
            preprocessing,
            batch: recipe.training.batch,
            device: training_device(),
        })
    }

    /// One pass over the training events in `order`; the mean loss.
    fn epoch(
        &mut self,
        events: &EventMatrix,
        order: &[usize],
        epoch: usize,
        progress: &ProgressBar,
    ) -> Result<f64, TrainError> {
        let mut sum = 0.0;
        for (step, chosen) in order.chunks_exact(self.batch).enumerate() {
            let rows = chosen.iter().map(|&event| events.row(event));
            let (inputs, weights) = tensors(rows, events.k(), self.preprocessing, &self.device);
            let learning_rate = self.rate.step();
            let loss = self.step(inputs, weights, learning_rate)?;
            if !loss.is_finite() {
                return Err(TrainError::NonFiniteLoss {
                    split: "training",
                    epoch,
                    step: step + 1,
                    loss,
                    learning_rate,
                });
            }
            sum += loss;
            progress.inc(1);
        }
        Ok(sum / (order.len() / self.batch) as f64)
    }

    fn step(&mut self, inputs: Tensor<2>, weights: Tensor<2>, rate: f64) -> Result<f64, TrainError> {
        let loss = self.model.scores(inputs, weights).mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &self.model);
        self.model = self.optimiser.step(rate, self.model.clone(), gradients);
        Ok(numbers(loss)?.iter().copied().map(f64::from).sum())
    }

    /// Mean score of the validation events.
    fn validate(&self, events: &EventMatrix, epoch: usize) -> Result<f64, TrainError> {
        let scores = score_events(&self.model.valid(), events, self.preprocessing)?;
        let loss = scores.iter().copied().map(f64::from).sum::<f64>() / scores.len() as f64;
        if !loss.is_finite() {
            let learning_rate = self.rate.last;
            return Err(TrainError::NonFiniteLoss {
                split: "validation",
                epoch,
                step: 0,
                loss,
                learning_rate,
            });
        }
        Ok(loss)
    }
}

/// The device that trainings run on: burn's CPU back end with gradients.
#[must_use]
pub fn training_device() -> Device {
    Device::flex().autodiff()
}

/// Scores of events by a model without gradients: the forward pass that exported graphs must reproduce.
///
/// # Errors
/// [`TrainError::Burn`] when the scores cannot be read back from the device.
pub fn score_events<M: ScoreModel>(
    model: &M,
    events: &EventMatrix,
    preprocessing: &Preprocessing,
) -> Result<Vec<f32>, TrainError> {
    let device = Device::flex();
    let mut scores = Vec::with_capacity(events.len());
    for first in (0..events.len()).step_by(VALIDATION_BATCH) {
        let last = events.len().min(first + VALIDATION_BATCH);
        let rows = (first..last).map(|event| events.row(event));
        let (inputs, weights) = tensors(rows, events.k(), preprocessing, &device);
        scores.extend(numbers(model.scores(inputs, weights))?);
    }
    Ok(scores)
}

/// Network inputs and weights of some events, [N, K] each.
fn tensors<'r>(
    rows: impl ExactSizeIterator<Item = &'r [f32]>,
    k: usize,
    preprocessing: &Preprocessing,
    device: &Device,
) -> (Tensor<2>, Tensor<2>) {
    let events = rows.len();
    let mut inputs = Vec::with_capacity(events * k);
    let mut weights = Vec::with_capacity(events * k);
    for row in rows {
        preprocessing.extend_network_inputs(row, &mut inputs);
        preprocessing.extend_weights(row, &mut weights);
    }
    let tensor = |values| Tensor::from_data(TensorData::new(values, [events, k]), device);
    (tensor(inputs), tensor(weights))
}

/// The learning rate, step by step.
struct Rate {
    scheduler: Option<ModuleLrScheduler>,
    last: f64,
}

impl Rate {
    fn new(optimiser: &Optimiser, steps: usize) -> Result<Self, TrainError> {
        let Optimiser::Adam { learning_rate, schedule, .. } = *optimiser;
        let scheduler = match schedule {
            Schedule::Constant => None,
            Schedule::Cosine => Some(
                CosineAnnealingLrSchedulerConfig::new(learning_rate, steps)
                    .init()
                    .map_err(TrainError::Burn)?,
            ),
        };
        Ok(Self { scheduler, last: learning_rate })
    }

    fn step(&mut self) -> f64 {
        if let Some(scheduler) = &mut self.scheduler {
            self.last = scheduler.step().base();
        }
        self.last
    }
}
