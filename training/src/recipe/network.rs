use std::path::PathBuf;

use serde::Deserialize;

use super::ScoreName;
use crate::network::Activation;

/// A family of models and its network.
#[derive(Clone, Debug, PartialEq)]
pub enum Network {
    /// Dense autoencoder from K inputs to K outputs, with a linear last layer.
    Autoencoder(Body),
    /// Variational autoencoder (arXiv:1312.6114), arXiv:2105.14027 section 4.2.
    Vae(Vae),
    /// Deep SVDD with a fixed target (arXiv:2106.10164), arXiv:2105.14027 section 4.9.
    DeepSvdd(Svdd),
    /// Several Deep SVDD networks whose scores are combined.
    DeepSvddEnsemble(Ensemble),
    /// Several trained bundles, arXiv:2105.14027 section 4.13.
    Combination(Combination),
}

/// Hidden layers.
#[derive(Clone, Debug, PartialEq)]
pub struct Body {
    /// Widths.
    pub hidden: Vec<usize>,
    /// Activation after every hidden layer.
    pub activation: Activation,
}

/// Hyperparameters of a variational autoencoder.
#[derive(Clone, Debug, PartialEq)]
pub struct Vae {
    /// Hidden layers of the encoder.
    pub body: Body,
    /// Widths of the decoder's hidden layers; the encoder's, reversed, by default.
    pub decoder_hidden: Vec<usize>,
    /// Latent variables.
    pub latent: usize,
    /// Weight of the divergence in the loss (1 - beta) MSE + beta KL.
    pub beta: f64,
    /// ln sigma^2 is kept between this and minus this, in the loss and in scores: an event far from all others
    /// would otherwise overflow its exponential, and be all that the loss sees.
    pub log_variance_limit: f64,
}

/// Hyperparameters of a Deep SVDD network.
#[derive(Clone, Debug, PartialEq)]
pub struct Svdd {
    /// Hidden layers.
    pub body: Body,
    /// d, the output dimension.
    pub output_dimension: usize,
    /// C, what every output is trained towards.
    pub target: f32,
    /// Whether layers have biases. With them and without a guard the network may learn the constant C; that an
    /// event unlike the training's still misses it is what the fixed target rests on.
    pub bias: bool,
    /// The loss.
    pub loss: SvddLoss,
    /// As that of [`Vae`], for the loss [`SvddLoss::Kl`].
    pub log_variance_limit: f64,
}

/// Loss of a Deep SVDD network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SvddLoss {
    /// Mean squared distance of the outputs to C.
    #[default]
    Mse,
    /// The network has 2 d outputs, mu and ln sigma: divergence of N(mu, sigma^2) from N(C, 1).
    Kl,
}

/// A Deep SVDD ensemble: one network for every pair of output dimension and target.
#[derive(Clone, Debug, PartialEq)]
pub struct Ensemble {
    /// The members, targets running fastest.
    pub members: Vec<Svdd>,
    /// How their scores become one.
    pub rule: EnsembleRule,
}

/// How the scores of an ensemble become one, each divided by its mean over background first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnsembleRule {
    /// Their mean.
    #[default]
    Mean,
    /// The largest.
    Max,
}

/// A combination of trained bundles.
#[derive(Clone, Debug, PartialEq)]
pub struct Combination {
    /// Folders of the bundles; relative paths start where the data's do.
    pub members: Vec<PathBuf>,
    /// How their background efficiencies become one score.
    pub rule: CombinationRule,
}

/// How background efficiencies e of several scores become one score. e is the fraction of background events that are
/// at least as anomalous: small for an anomaly. Anomalous events have a large score, -log10 of what is given here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CombinationRule {
    /// max e: anomalous for every member.
    And,
    /// min e: anomalous for one member.
    Or,
    /// The product of the e.
    Product,
    /// The mean of the e.
    Average,
}

impl Network {
    /// The family's name in recipes and on cards.
    #[must_use]
    pub fn family(&self) -> &'static str {
        match self {
            Self::Autoencoder(_) => "autoencoder",
            Self::Vae(_) => "vae",
            Self::DeepSvdd(_) => "deep_svdd",
            Self::DeepSvddEnsemble(_) => "deep_svdd_ensemble",
            Self::Combination(_) => "combination",
        }
    }

    /// Scores that the family has; the first is its default.
    #[must_use]
    pub fn scores(&self) -> &'static [ScoreName] {
        match self {
            Self::Autoencoder(_) => &[ScoreName::Mse],
            Self::Vae(_) => {
                &[ScoreName::Mse, ScoreName::Radius, ScoreName::RZ, ScoreName::Mu2, ScoreName::Kl]
            }
            Self::DeepSvdd(svdd) => svdd.scores(),
            Self::DeepSvddEnsemble(ensemble) => ensemble.members.first().map_or(&[], Svdd::scores),
            Self::Combination(_) => &[],
        }
    }
}

impl Svdd {
    fn scores(&self) -> &'static [ScoreName] {
        match self.loss {
            SvddLoss::Mse => &[ScoreName::Distance],
            SvddLoss::Kl => &[ScoreName::Kl, ScoreName::Distance],
        }
    }
}

impl CombinationRule {
    /// As written in a recipe.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::And => "and",
            Self::Or => "or",
            Self::Product => "product",
            Self::Average => "average",
        }
    }
}
