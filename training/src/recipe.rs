//! The recipe: everything that decides what a training gives, apart from the data's own bytes.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use trigsieve::event::Encoding;
use trigsieve::model::sha256_hex;

use crate::TrainError;

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
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Name of the bundle: letters, digits, `_` and `-`.
    pub name: String,
    /// One paragraph for people; copied to the card.
    pub description: String,
    /// Seed of the initial weights and of the order of events.
    pub seed: u64,
    /// Events.
    pub data: Data,
    /// How inputs are scaled.
    pub preprocessing: Preprocessing,
    /// The network.
    pub network: Network,
    /// The anomaly score, whose mean over background events is also the training loss.
    pub score: Score,
    /// The optimiser.
    pub optimiser: Optimiser,
    /// When to stop.
    pub training: Training,
    /// The int8 graph.
    pub quantisation: Quantisation,
}

/// Which events to train on.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Event tables of background, in this order; relative paths start at the folder given by the caller.
    pub files: Vec<PathBuf>,
    /// Encoding the tables must have.
    pub encoding: String,
    /// Fraction of the events, taken from the end, kept for validation: early stopping and thresholds.
    pub validation_fraction: f64,
}

/// How inputs are scaled. An absent object is all zero before and after.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// Function applied to each transverse momentum. Every input is then divided by its root mean square over
    /// the training events in which its object is present.
    pub pt: PtTransform,
}

/// Function of a transverse momentum in GeV, before scaling.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PtTransform {
    /// pT itself.
    Linear,
    /// ln(1 + pT / `scale_gev`).
    Log1p {
        /// The scale in GeV.
        scale_gev: f32,
    },
}

/// Architecture of the network.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, tag = "family", rename_all = "snake_case")]
pub enum Network {
    /// Dense autoencoder from K inputs to K outputs, with a linear last layer.
    Autoencoder {
        /// Widths of the layers between input and output.
        hidden: Vec<usize>,
        /// Activation after every hidden layer.
        activation: Activation,
    },
}

/// Activation function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// max(x, 0).
    Relu,
}

/// Weights of the squared errors.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// An object that is present in a fraction f of the training events weighs f^-`occupancy_exponent`.
    /// 0: every present object weighs the same. 1: every object has the same share in the mean score.
    pub occupancy_exponent: f64,
    /// Weight of the errors of eta and phi relative to that of pT.
    pub angle_weight: f64,
}

/// How weights are updated.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, tag = "name", rename_all = "snake_case")]
pub enum Optimiser {
    /// Adam (arXiv:1412.6980).
    Adam {
        /// Learning rate of the first step.
        learning_rate: f64,
        /// How it goes on.
        schedule: Schedule,
        /// Term that keeps the denominator from zero.
        epsilon: f32,
    },
}

/// Learning rate over the steps of all epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Always the same.
    Constant,
    /// Half a cosine from the first rate to zero at the end of the last epoch allowed (arXiv:1608.03983, eq. 5).
    Cosine,
}

/// Length of the training.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Events a step. What is left of an epoch's last batch waits for another epoch's order.
    pub batch: usize,
    /// Most epochs.
    pub max_epochs: usize,
    /// Stop after so many epochs without a new best validation loss.
    pub patience: usize,
}

/// Post-training quantisation.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantisation {
    /// Training events from which activation ranges are taken.
    pub calibration_events: usize,
    /// Fraction of a layer's activations that its range covers; 1 is the full range.
    pub coverage: f64,
    /// Bits of a weight, 7 or 8. At 7 the products of two neighbouring inputs fit 16 bits, so that CPUs without
    /// VNNI, which add them there with saturation, give the same scores as CPUs with it.
    pub weight_bits: u32,
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
        let recipe: Recipe = toml::from_str(text)
            .map_err(|error| TrainError::Recipe { path: path.to_owned(), reason: error.to_string() })?;
        Checker { path }.recipe(&recipe)?;
        Ok(Self { path: path.to_owned(), sha256: sha256_hex(text.as_bytes()), recipe })
    }

    /// File name without the folder.
    #[must_use]
    pub fn file_name(&self) -> String {
        self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned()
    }
}

struct Checker<'a> {
    path: &'a Path,
}

impl Checker<'_> {
    fn recipe(&self, recipe: &Recipe) -> Result<(), TrainError> {
        self.name(&recipe.name)?;
        self.data(&recipe.data)?;
        self.network(&recipe.network)?;
        self.optimiser(&recipe.optimiser)?;
        self.training(&recipe.training)?;
        self.quantisation(&recipe.quantisation)?;
        let exponent = recipe.score.occupancy_exponent;
        self.require("score.occupancy_exponent", exponent, "0 to 2", (0.0..=2.0).contains(&exponent))?;
        let weight = recipe.score.angle_weight;
        self.require("score.angle_weight", weight, "0 to 1", (0.0..=1.0).contains(&weight))?;
        match recipe.preprocessing.pt {
            PtTransform::Linear => Ok(()),
            PtTransform::Log1p { scale_gev } => {
                let valid = scale_gev.is_finite() && scale_gev > 0.0;
                self.require("preprocessing.pt.log1p.scale_gev", scale_gev, "a positive number", valid)
            }
        }
    }

    fn name(&self, name: &str) -> Result<(), TrainError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let valid = !name.is_empty() && name.chars().all(plain);
        self.require("name", format!("{name:?}"), "letters, digits, `_` and `-`", valid)
    }

    fn data(&self, data: &Data) -> Result<(), TrainError> {
        self.require("data.files", "empty", "a list of event tables", !data.files.is_empty())?;
        let known = Encoding::known();
        let valid = data.encoding.parse::<Encoding>().is_ok();
        self.require("data.encoding", format!("{:?}", data.encoding), &format!("one of: {known}"), valid)?;
        let fraction = data.validation_fraction;
        let valid = fraction > 0.0 && fraction < 1.0;
        self.require("data.validation_fraction", fraction, "between 0 and 1, both excluded", valid)
    }

    fn network(&self, network: &Network) -> Result<(), TrainError> {
        let Network::Autoencoder { hidden, .. } = network;
        let valid = !hidden.is_empty() && hidden.iter().all(|width| (1..=4096).contains(width));
        self.require("network.hidden", format!("{hidden:?}"), "a list of widths from 1 to 4096", valid)
    }

    fn optimiser(&self, optimiser: &Optimiser) -> Result<(), TrainError> {
        let Optimiser::Adam { learning_rate, epsilon, .. } = *optimiser;
        let valid = learning_rate > 0.0 && learning_rate <= 1.0;
        self.require("optimiser.learning_rate", learning_rate, "above 0 and at most 1", valid)?;
        let valid = epsilon.is_finite() && epsilon > 0.0;
        self.require("optimiser.epsilon", epsilon, "a positive number", valid)
    }

    fn training(&self, training: &Training) -> Result<(), TrainError> {
        self.require("training.batch", training.batch, "at least 1", training.batch > 0)?;
        self.require("training.max_epochs", training.max_epochs, "at least 1", training.max_epochs > 0)?;
        self.require("training.patience", training.patience, "at least 1", training.patience > 0)
    }

    fn quantisation(&self, quantisation: &Quantisation) -> Result<(), TrainError> {
        let events = quantisation.calibration_events;
        self.require("quantisation.calibration_events", events, "at least 1", events > 0)?;
        let coverage = quantisation.coverage;
        let valid = coverage > 0.5 && coverage <= 1.0;
        self.require("quantisation.coverage", coverage, "above 0.5 and at most 1", valid)?;
        let bits = quantisation.weight_bits;
        self.require("quantisation.weight_bits", bits, "7 or 8", matches!(bits, 7 | 8))
    }

    fn require(
        &self,
        key: &'static str,
        found: impl ToString,
        expected: &str,
        valid: bool,
    ) -> Result<(), TrainError> {
        if valid {
            return Ok(());
        }
        let (path, found, expected) = (self.path.to_owned(), found.to_string(), expected.to_owned());
        Err(TrainError::RecipeValue { path, key, found, expected })
    }
}
