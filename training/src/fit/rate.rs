use burn::lr_scheduler::LrSchedulerRecord;
use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::lr_scheduler::exponential::ExponentialLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::lr_scheduler::step::StepLrSchedulerConfig;
use burn::tensor::Bytes;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::TrainError;
use crate::recipe::{Optimiser, Schedule, Training};

/// The learning rate, step by step.
pub struct Rate {
    schedule: Schedule,
    /// burn's, for schedules that depend on steps alone.
    scheduler: Option<ModuleLrScheduler>,
    last: f64,
    /// Epochs without a new best validation loss since the rate was last lowered.
    waited: usize,
}

/// What a resumed [`Rate`] needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RateState {
    scheduler: Option<ByteBuf>,
    last: f64,
    waited: usize,
}

impl Rate {
    /// The schedule of epochs of `steps` steps.
    ///
    /// # Errors
    /// [`TrainError::Burn`] for a setting that burn refuses.
    pub fn new(optimiser: &Optimiser, training: &Training, steps: usize) -> Result<Self, TrainError> {
        let Optimiser::Adam { learning_rate, schedule, .. } = *optimiser;
        let scheduler = match schedule {
            Schedule::Constant | Schedule::Plateau { .. } => None,
            Schedule::Cosine => {
                let steps = steps * training.max_epochs;
                Some(CosineAnnealingLrSchedulerConfig::new(learning_rate, steps).init())
            }
            Schedule::Step { epochs, factor } => {
                let config = StepLrSchedulerConfig::new(learning_rate, steps * epochs);
                Some(config.with_gamma(factor).init())
            }
            Schedule::Exponential { factor } => {
                let of_a_step = factor.powf(1.0 / steps as f64);
                Some(ExponentialLrSchedulerConfig::new(learning_rate, of_a_step).init())
            }
        };
        let scheduler = scheduler.transpose().map_err(TrainError::Burn)?;
        Ok(Self { schedule, scheduler, last: learning_rate, waited: 0 })
    }

    /// The rate of the next step.
    pub fn step(&mut self) -> f64 {
        if let Some(scheduler) = &mut self.scheduler {
            self.last = scheduler.step().base();
        }
        self.last
    }

    /// The rate of the last step.
    pub fn last(&self) -> f64 {
        self.last
    }

    /// Tells a schedule that waits for a plateau whether the epoch was the best so far.
    pub fn end_epoch(&mut self, improved: bool) {
        let Schedule::Plateau { patience, factor, minimum } = self.schedule else { return };
        self.waited = if improved { 0 } else { self.waited + 1 };
        if self.waited >= patience {
            self.waited = 0;
            self.last = (self.last * factor).max(minimum.min(self.last));
        }
    }

    /// For a checkpoint.
    ///
    /// # Errors
    /// [`TrainError::Burn`].
    pub fn state(&self) -> Result<RateState, TrainError> {
        let bytes = |scheduler: &ModuleLrScheduler| {
            let bytes = scheduler.to_record().into_bytes();
            bytes
                .map(|bytes| ByteBuf::from(bytes.to_vec()))
                .map_err(|error| TrainError::Burn(error.to_string()))
        };
        let scheduler = self.scheduler.as_ref().map(bytes).transpose()?;
        Ok(RateState { scheduler, last: self.last, waited: self.waited })
    }

    /// Goes on from a checkpoint.
    ///
    /// # Errors
    /// [`TrainError::Burn`] for a state that burn cannot read.
    pub fn restore(&mut self, state: RateState) -> Result<(), TrainError> {
        (self.last, self.waited) = (state.last, state.waited);
        if let (Some(scheduler), Some(bytes)) = (self.scheduler.take(), state.scheduler) {
            let record = LrSchedulerRecord::from_bytes(Bytes::from_bytes_vec(bytes.into_vec()));
            let record = record.map_err(|error| TrainError::Burn(error.to_string()))?;
            self.scheduler = Some(scheduler.load_record(record));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Keep;

    fn rates(schedule: Schedule, improved: &[bool]) -> Vec<f64> {
        let optimiser = match Optimiser::default() {
            Optimiser::Adam { betas, epsilon, .. } => Optimiser::Adam {
                learning_rate: 0.1,
                schedule,
                betas,
                epsilon,
                weight_decay: 0.0,
                gradient_clipping: None,
            },
        };
        let training = Training { batch: 1, max_epochs: improved.len(), patience: 1, keep: Keep::Best };
        let mut rate = Rate::new(&optimiser, &training, 2).unwrap();
        let mut rates = Vec::new();
        for &improved in improved {
            rates.extend([rate.step(), rate.step()]);
            // A resume at any place changes nothing.
            let state = rate.state().unwrap();
            rate = Rate::new(&optimiser, &training, 2).unwrap();
            rate.restore(state).unwrap();
            rate.end_epoch(improved);
        }
        rates
    }

    #[track_caller]
    fn assert_near(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} and {expected}");
        }
    }

    #[test]
    fn every_schedule_goes_its_way() {
        let epochs = [true, true, true];
        assert_near(&rates(Schedule::Constant, &epochs), &[0.1; 6]);
        let step = Schedule::Step { epochs: 2, factor: 0.5 };
        assert_near(&rates(step, &epochs), &[0.1, 0.1, 0.1, 0.1, 0.05, 0.05]);
        let cosine = rates(Schedule::Cosine, &epochs);
        assert_near(&cosine[..1], &[0.1]);
        assert_near(&cosine[3..4], &[0.05]);
        let exponential = rates(Schedule::Exponential { factor: 0.25 }, &epochs);
        assert!((exponential[2] / exponential[0] - 0.25).abs() < 1e-12, "{exponential:?}");
    }

    #[test]
    fn a_plateau_lowers_the_rate_down_to_its_minimum() {
        let plateau = Schedule::Plateau { patience: 2, factor: 0.1, minimum: 0.005 };
        let found = rates(plateau, &[true, false, false, true, false, false, false]);
        let expected = [0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.005];
        assert_near(&found.into_iter().step_by(2).collect::<Vec<_>>(), &expected);
    }
}
