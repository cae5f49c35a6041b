//! The recipe: everything that decides what a training gives, apart from the data's own bytes.
//!
//! A recipe as written leaves out what its family has a default for; [`Recipe`] has every value.

mod check;
mod fixed;
mod network;
mod optimiser;
mod written;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use trigsieve::model::sha256_hex;

use crate::TrainError;
use crate::layout::ObjectInputs;

pub use fixed::{Fixed, PerLayer, Search, Units, Width, saturating};
pub use network::{Body, Combination, CombinationRule, Ensemble, EnsembleRule, Network, Svdd, SvddLoss, Vae};
pub use optimiser::{GradientClipping, Optimiser, Schedule};

/// The encoding whose sizes are fitted to training events, as a recipe may name it: without them.
pub const STATIC: &str = "dm_static";

/// Background efficiency at which the terms of a score have equal shares.
pub const WORKING_POINT: f64 = 1e-4;

/// A recipe file, read and checked.
#[derive(Clone, Debug)]
pub struct RecipeFile {
    /// Where it was read.
    pub path: PathBuf,
    /// SHA-256 of its bytes, lower-case hex.
    pub sha256: String,
    /// Its content.
    pub recipe: Recipe,
}

/// A training from data to bundle.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// Name of the bundle: letters, digits, `_` and `-`.
    pub name: String,
    /// One paragraph for people; copied to the card.
    pub description: String,
    /// Seed of the initial weights, of the order of events, and of a VAE's noise.
    pub seed: u64,
    /// Events.
    pub data: Data,
    /// How inputs are scaled.
    pub preprocessing: Preprocessing,
    /// The family and its network.
    pub network: Network,
    /// The anomaly score.
    pub score: Score,
    /// The optimiser.
    pub optimiser: Optimiser,
    /// When to stop.
    pub training: Training,
    /// The int8 graph.
    pub quantisation: Quantisation,
    /// The fixed-point program; `None`: the bundle has none.
    pub fixed: Option<Fixed>,
    /// Files on which the card's metrics are measured.
    pub evaluation: Evaluation,
}

/// Which events to train on.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Event tables of background, in this order; relative paths start at the folder given by the caller.
    pub files: Vec<PathBuf>,
    /// Encoding the tables must have. `dm_static` without sizes is that of the first table, whatever its sizes.
    pub encoding: String,
    /// Fraction of the events, taken from the end, kept for validation: early stopping and thresholds.
    pub validation_fraction: f64,
}

/// How inputs are scaled.
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocessing {
    /// Function applied to each input in GeV before scaling.
    pub pt: PtTransform,
    /// The linear map after it.
    pub scaling: Scaling,
    /// What to do with an input that is the same in all training events.
    pub constant_inputs: ConstantInputs,
    /// The network reads its inputs within this and minus this; what it has to reconstruct keeps its size. A hard
    /// event then lies outside of what the network can follow, instead of on the line that its layers continue.
    pub saturation: Option<f64>,
    /// Network inputs of an object that is present in a fraction f of the training events are multiplied by
    /// f^-exponent.
    pub input_occupancy_exponent: GroupExponents,
    /// Network inputs of eta and phi are multiplied by this.
    pub input_angle_weight: f64,
}

/// An exponent for every group of objects: a group is the objects of one name, without their numbers, as in `jet`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum GroupExponents {
    /// The same for all.
    All(f64),
    /// By group; 0 for others.
    Groups(BTreeMap<String, f64>),
}

/// One weighted sum of squared errors.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// Groups of objects in the sum; all of them where this is empty.
    pub objects: Vec<String>,
    /// An object that is present in a fraction f of the training events weighs f^-`occupancy_exponent`.
    /// 0: every present object weighs the same. 1: every object has the same share in the mean score.
    pub occupancy_exponent: f64,
    /// Weight of the errors of eta and phi relative to that of pT.
    pub angle_weight: f64,
    /// Weight of the errors of numbers of objects relative to that of pT.
    pub count_weight: f64,
}

/// Function of an input in GeV, before scaling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PtTransform {
    /// pT itself.
    #[default]
    Linear,
    /// ln(1 + pT / `scale_gev`).
    Log1p {
        /// The scale in GeV.
        scale_gev: f32,
    },
}

/// Linear map of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scaling {
    /// Division by the root mean square over the training events in which the object is present. No offset, so that
    /// an absent object, all zero, stays zero.
    Rms,
    /// Minus the mean, divided by the standard deviation, both over all training events.
    Standardise,
    /// None.
    None,
}

/// What to do with an input that is the same in all training events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConstantInputs {
    /// An error that names it.
    #[default]
    Refuse,
    /// The network sees 0 in its place, and no error is computed for it.
    Ignore,
}

/// The anomaly score; and the weights of reconstruction errors, in the score and in the loss.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// Which score.
    pub name: ScoreName,
    /// Whether errors of absent objects are left out.
    pub masking: bool,
    /// The sums of squared errors. The loss is their sum. The score is the largest of them, each divided by its own
    /// value that training background exceeds in an equal share of [`WORKING_POINT`], if there are several.
    pub terms: Vec<Term>,
    /// Weight of the cross-entropy of object types, in encodings that have them as one-hot inputs.
    pub category_weight: f64,
}

/// Anomaly scores; larger is more anomalous.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreName {
    /// Reconstruction error: of an autoencoder, or of a VAE that decodes its mean.
    Mse,
    /// Kullback-Leibler divergence of the latent distribution from the prior (VAE) or from N(C, 1) (Deep SVDD).
    Kl,
    /// sqrt(sum mu^2), the radius of arXiv:2105.14027.
    Radius,
    /// sum mu^2 / sigma^2, arXiv:2108.03986.
    RZ,
    /// sum mu^2.
    Mu2,
    /// sum (f - C)^2, squared distance to the fixed target.
    Distance,
}

/// Length of the training.
#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    /// Events a step. What is left of an epoch's last batch waits for another epoch's order.
    pub batch: usize,
    /// Most epochs.
    pub max_epochs: usize,
    /// Stop after so many epochs without a new best validation loss.
    pub patience: usize,
    /// Whose parameters the model gets.
    pub keep: Keep,
}

/// The epoch whose parameters the model gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// The one with the least validation loss.
    #[default]
    Best,
    /// The last one: where the validation loss is the noise of rare objects, the best epoch is any epoch.
    Last,
}

/// Post-training quantisation.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quantisation {
    /// Training events from which activation ranges are taken.
    pub calibration_events: usize,
    /// Fraction of a layer's activations that its range covers; 1 is the full range.
    pub coverage: f64,
    /// Exponent with which ranges are balanced between a layer's inputs and its weights: 0 evens out the weights of all
    /// inputs, 1 the inputs themselves.
    pub balance: f64,
    /// Layers that compute in single precision, from 0.
    pub float_layers: Vec<usize>,
    /// Bits of a weight, 7 or 8. At 7 the products of two neighbouring inputs fit 16 bits, so that CPUs without
    /// VNNI, which add them there with saturation, give the same scores as CPUs with it.
    pub weight_bits: u32,
}

impl Default for Quantisation {
    fn default() -> Self {
        Self {
            calibration_events: 20_000,
            coverage: 1.0,
            balance: 0.5,
            float_layers: Vec::new(),
            weight_bits: 8,
        }
    }
}

impl Quantisation {
    /// Whether a layer computes in integers.
    #[must_use]
    pub fn is_integer(&self, layer: usize) -> bool {
        !self.float_layers.contains(&layer)
    }
}

/// Files on which the card's metrics are measured, after the training and without any influence on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// Event table of background that was not trained on.
    pub background: Option<PathBuf>,
    /// Event tables of signals.
    #[serde(default)]
    pub signals: Vec<PathBuf>,
}

impl RecipeFile {
    /// Reads and checks a recipe.
    ///
    /// # Errors
    /// [`TrainError::Io`], [`TrainError::Recipe`] with line and column, [`TrainError::RecipeValue`].
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| TrainError::Io { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    /// Parses and checks a recipe; `path` is for messages and for the card.
    ///
    /// # Errors
    /// [`TrainError::Recipe`] with line and column, [`TrainError::RecipeValue`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, TrainError> {
        let written: written::Recipe = toml::from_str(text)
            .map_err(|error| TrainError::Recipe { path: path.to_owned(), reason: error.to_string() })?;
        check::unused(&written, path)?;
        let recipe = written.resolve();
        check::recipe(&recipe, path)?;
        Ok(Self { path: path.to_owned(), sha256: sha256_hex(text.as_bytes()), recipe })
    }

    /// File name without the folder.
    #[must_use]
    pub fn file_name(&self) -> String {
        self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned()
    }
}

impl GroupExponents {
    /// The exponent of a group.
    #[must_use]
    pub fn of(&self, object: &ObjectInputs) -> f64 {
        match self {
            Self::All(exponent) => *exponent,
            Self::Groups(groups) => {
                let group = groups.iter().find(|(group, _)| object.is_of(group));
                group.map_or(0.0, |(_, exponent)| *exponent)
            }
        }
    }

    /// The groups that are named.
    pub fn groups(&self) -> impl Iterator<Item = &String> {
        let groups = match self {
            Self::All(_) => None,
            Self::Groups(groups) => Some(groups.keys()),
        };
        groups.into_iter().flatten()
    }

    fn values(&self) -> Vec<f64> {
        match self {
            Self::All(exponent) => vec![*exponent],
            Self::Groups(groups) => groups.values().copied().collect(),
        }
    }
}

impl Term {
    /// Whether the object's errors are in the sum.
    #[must_use]
    pub fn has(&self, object: &ObjectInputs) -> bool {
        self.objects.is_empty() || self.objects.iter().any(|group| object.is_of(group))
    }
}

impl ScoreName {
    /// Whether the score comes from a reconstruction of the inputs.
    #[must_use]
    pub fn is_reconstruction(self) -> bool {
        self == Self::Mse
    }

    /// As written in a recipe.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mse => "mse",
            Self::Kl => "kl",
            Self::Radius => "radius",
            Self::RZ => "r_z",
            Self::Mu2 => "mu2",
            Self::Distance => "distance",
        }
    }
}
