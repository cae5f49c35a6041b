//! The recipe as written: what has a default may be left out.

use std::path::PathBuf;

use serde::Deserialize;

use super::{
    Body, Combination, CombinationRule, ConstantInputs, Data, Ensemble, EnsembleRule, Evaluation,
    GroupExponents, Keep, Optimiser, PtTransform, Quantisation, Scaling, ScoreName, Svdd, SvddLoss, Vae,
};
use crate::network::Activation;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    pub name: String,
    pub description: String,
    pub seed: u64,
    pub data: Data,
    #[serde(default)]
    pub preprocessing: Preprocessing,
    pub network: Network,
    #[serde(default)]
    pub score: Score,
    #[serde(default)]
    pub optimiser: Optimiser,
    #[serde(default)]
    pub training: Training,
    #[serde(default)]
    pub quantisation: Quantisation,
    #[serde(default)]
    pub evaluation: Evaluation,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    #[serde(default)]
    pub pt: PtTransform,
    pub scaling: Option<Scaling>,
    #[serde(default)]
    pub constant_inputs: ConstantInputs,
    pub saturation: Option<f64>,
    pub input_occupancy_exponent: Option<GroupExponents>,
    pub input_angle_weight: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Term {
    #[serde(default)]
    pub objects: Vec<String>,
    #[serde(default)]
    pub occupancy_exponent: f64,
    #[serde(default = "one")]
    pub angle_weight: f64,
    #[serde(default = "one")]
    pub count_weight: f64,
}

fn one() -> f64 {
    1.0
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    pub name: Option<ScoreName>,
    pub masking: Option<bool>,
    pub occupancy_exponent: Option<f64>,
    pub angle_weight: Option<f64>,
    pub count_weight: Option<f64>,
    pub category_weight: Option<f64>,
    pub terms: Option<Vec<Term>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    pub batch: Option<usize>,
    pub max_epochs: Option<usize>,
    pub patience: Option<usize>,
    #[serde(default)]
    pub keep: Keep,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, tag = "family", rename_all = "snake_case")]
pub enum Network {
    Autoencoder {
        hidden: Option<Vec<usize>>,
        activation: Option<Activation>,
    },
    Vae {
        hidden: Option<Vec<usize>>,
        decoder_hidden: Option<Vec<usize>>,
        activation: Option<Activation>,
        latent: Option<usize>,
        beta: Option<f64>,
        log_variance_limit: Option<f64>,
    },
    DeepSvdd {
        hidden: Option<Vec<usize>>,
        activation: Option<Activation>,
        output_dimension: Option<usize>,
        target: Option<f32>,
        bias: Option<bool>,
        #[serde(default)]
        loss: SvddLoss,
        log_variance_limit: Option<f64>,
    },
    DeepSvddEnsemble {
        hidden: Option<Vec<usize>>,
        activation: Option<Activation>,
        output_dimensions: Option<Vec<usize>>,
        targets: Option<Vec<f32>>,
        bias: Option<bool>,
        #[serde(default)]
        loss: SvddLoss,
        log_variance_limit: Option<f64>,
        #[serde(default)]
        rule: EnsembleRule,
    },
    Combination {
        members: Vec<PathBuf>,
        rule: CombinationRule,
    },
}

/// What a family's recipe has where it says nothing: the settings of arXiv:2105.14027.
struct Defaults {
    hidden: &'static [usize],
    activation: Activation,
    batch: usize,
    max_epochs: usize,
    patience: usize,
    scaling: Scaling,
    masking: bool,
}

/// Section 4.1.
const AUTOENCODER: Defaults = Defaults {
    hidden: &[200, 200, 20, 10, 20, 200, 200],
    activation: Activation::Tanh,
    batch: 125,
    max_epochs: 500,
    patience: 20,
    scaling: Scaling::Rms,
    masking: true,
};

/// Section 4.2.
const VAE: Defaults = Defaults {
    hidden: &[512, 256, 128],
    activation: Activation::Elu,
    batch: 1000,
    max_epochs: 500,
    patience: 20,
    scaling: Scaling::Standardise,
    masking: false,
};

/// Section 4.9.
const DEEP_SVDD: Defaults = Defaults { batch: 10_000, ..VAE };

/// sigma^2 from 5e-5 to 2e4: far wider than any latent variable that is of use.
const LOG_VARIANCE_LIMIT: f64 = 10.0;

/// Targets C of the paper's scan, all of them in its reduced ensemble.
const TARGETS: [f32; 7] = [0.0, 1.0, 2.0, 3.0, 4.0, 10.0, 25.0];

impl Recipe {
    /// Fills in what the family decides.
    pub fn resolve(self) -> super::Recipe {
        let defaults = self.network.defaults();
        let network = self.network.resolve();
        let category_weight = self.score.category_weight.unwrap_or(1.0);
        let masking = self.score.masking.unwrap_or(defaults.masking);
        let name = self.score.name.or(network.scores().first().copied()).unwrap_or(ScoreName::Mse);
        super::Recipe {
            name: self.name,
            description: self.description,
            seed: self.seed,
            data: self.data,
            preprocessing: super::Preprocessing {
                pt: self.preprocessing.pt,
                scaling: self.preprocessing.scaling.unwrap_or(defaults.scaling),
                constant_inputs: self.preprocessing.constant_inputs,
                saturation: self.preprocessing.saturation,
                input_occupancy_exponent: self
                    .preprocessing
                    .input_occupancy_exponent
                    .unwrap_or(GroupExponents::All(0.0)),
                input_angle_weight: self.preprocessing.input_angle_weight.unwrap_or(1.0),
            },
            network,
            score: super::Score { name, masking, terms: self.score.terms(), category_weight },
            optimiser: self.optimiser,
            training: super::Training {
                batch: self.training.batch.unwrap_or(defaults.batch),
                max_epochs: self.training.max_epochs.unwrap_or(defaults.max_epochs),
                patience: self.training.patience.unwrap_or(defaults.patience),
                keep: self.training.keep,
            },
            quantisation: self.quantisation,
            evaluation: self.evaluation,
        }
    }
}

impl Score {
    /// The terms; one where only its weights are written.
    fn terms(self) -> Vec<super::Term> {
        let plain = Term {
            objects: vec![],
            occupancy_exponent: self.occupancy_exponent.unwrap_or(0.0),
            angle_weight: self.angle_weight.unwrap_or(1.0),
            count_weight: self.count_weight.unwrap_or(1.0),
        };
        let terms = self.terms.unwrap_or_else(|| vec![plain]);
        terms.into_iter().map(Term::resolve).collect()
    }
}

impl Term {
    fn resolve(self) -> super::Term {
        super::Term {
            objects: self.objects,
            occupancy_exponent: self.occupancy_exponent,
            angle_weight: self.angle_weight,
            count_weight: self.count_weight,
        }
    }
}

impl Network {
    fn defaults(&self) -> &'static Defaults {
        match self {
            Self::Autoencoder { .. } => &AUTOENCODER,
            Self::Vae { .. } => &VAE,
            Self::DeepSvdd { .. } | Self::DeepSvddEnsemble { .. } | Self::Combination { .. } => &DEEP_SVDD,
        }
    }

    fn resolve(self) -> super::Network {
        let defaults = self.defaults();
        let body = |hidden: Option<Vec<usize>>, activation: Option<Activation>| Body {
            hidden: hidden.unwrap_or_else(|| defaults.hidden.to_vec()),
            activation: activation.unwrap_or(defaults.activation),
        };
        match self {
            Self::Autoencoder { hidden, activation } => super::Network::Autoencoder(body(hidden, activation)),
            Self::Vae { hidden, decoder_hidden, activation, latent, beta, log_variance_limit } => {
                let body = body(hidden, activation);
                let mirrored = || body.hidden.iter().rev().copied().collect();
                let decoder_hidden = decoder_hidden.unwrap_or_else(mirrored);
                super::Network::Vae(Vae {
                    body,
                    decoder_hidden,
                    latent: latent.unwrap_or(13),
                    beta: beta.unwrap_or(1e-3),
                    log_variance_limit: log_variance_limit.unwrap_or(LOG_VARIANCE_LIMIT),
                })
            }
            Self::DeepSvdd {
                hidden,
                activation,
                output_dimension,
                target,
                bias,
                loss,
                log_variance_limit,
            } => super::Network::DeepSvdd(Svdd {
                body: body(hidden, activation),
                output_dimension: output_dimension.unwrap_or(21),
                target: target.unwrap_or(1.0),
                bias: bias.unwrap_or(true),
                loss,
                log_variance_limit: log_variance_limit.unwrap_or(LOG_VARIANCE_LIMIT),
            }),
            Self::DeepSvddEnsemble {
                hidden,
                activation,
                output_dimensions,
                targets,
                bias,
                loss,
                log_variance_limit,
                rule,
            } => {
                let body = body(hidden, activation);
                let targets = targets.unwrap_or_else(|| TARGETS.to_vec());
                let member = |output_dimension, target| Svdd {
                    body: body.clone(),
                    output_dimension,
                    target,
                    bias: bias.unwrap_or(true),
                    loss,
                    log_variance_limit: log_variance_limit.unwrap_or(LOG_VARIANCE_LIMIT),
                };
                let dimensions = output_dimensions.unwrap_or_else(|| vec![21]);
                let pairs = dimensions.iter().flat_map(|&d| targets.iter().map(move |&target| (d, target)));
                let members = pairs.map(|(d, target)| member(d, target)).collect();
                super::Network::DeepSvddEnsemble(Ensemble { members, rule })
            }
            Self::Combination { members, rule } => super::Network::Combination(Combination { members, rule }),
        }
    }
}
