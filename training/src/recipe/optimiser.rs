use serde::Deserialize;

/// How weights are updated.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, tag = "name", rename_all = "snake_case")]
pub enum Optimiser {
    /// Adam (arXiv:1412.6980).
    Adam {
        /// Learning rate of the first step.
        #[serde(default = "learning_rate")]
        learning_rate: f64,
        /// How it goes on.
        #[serde(default)]
        schedule: Schedule,
        /// Decay of the two moments.
        #[serde(default = "betas")]
        betas: [f32; 2],
        /// Term that keeps the denominator from zero.
        #[serde(default = "epsilon")]
        epsilon: f32,
        /// Added to the gradient: this times the weight.
        #[serde(default)]
        weight_decay: f32,
        /// Limit of the gradient of every tensor.
        #[serde(default)]
        gradient_clipping: Option<GradientClipping>,
    },
}

impl Default for Optimiser {
    fn default() -> Self {
        Self::Adam {
            learning_rate: learning_rate(),
            schedule: Schedule::default(),
            betas: betas(),
            epsilon: epsilon(),
            weight_decay: 0.0,
            gradient_clipping: None,
        }
    }
}

fn learning_rate() -> f64 {
    1e-3
}

fn betas() -> [f32; 2] {
    [0.9, 0.999]
}

fn epsilon() -> f32 {
    1e-8
}

/// Limit of the gradient of every tensor.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum GradientClipping {
    /// On its Euclidean norm.
    Norm(f32),
    /// On every element.
    Value(f32),
}

/// Learning rate over the steps of all epochs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// Always the same.
    #[default]
    Constant,
    /// Half a cosine from the first rate to zero at the end of the last epoch allowed (arXiv:1608.03983, eq. 5).
    Cosine,
    /// Times `factor` after every so many epochs.
    Step {
        /// Epochs between two changes.
        epochs: usize,
        /// What the rate is multiplied with.
        factor: f64,
    },
    /// Times `factor` an epoch, a little at every step.
    Exponential {
        /// What the rate is multiplied with in an epoch.
        factor: f64,
    },
    /// Times `factor` after `patience` epochs without a new best validation loss.
    Plateau {
        /// Epochs to wait.
        patience: usize,
        /// What the rate is multiplied with.
        factor: f64,
        /// The rate does not go below this.
        #[serde(default)]
        minimum: f64,
    },
}
