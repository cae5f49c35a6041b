use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Which graph of a bundle is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// `float.onnx`, IEEE 754 single precision.
    #[default]
    Float,
    /// `int8.onnx`, statically quantised (QDQ).
    Int8,
    /// `fixed.json`, the firmware's fixed-point program.
    Fixed,
}

impl Precision {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Float, Self::Int8, Self::Fixed];
    /// Those whose graph is ONNX.
    pub const ONNX: [Self; 2] = [Self::Float, Self::Int8];

    /// File name of the graph in the bundle.
    #[must_use]
    pub fn file(self) -> &'static str {
        match self {
            Self::Float => "float.onnx",
            Self::Int8 => "int8.onnx",
            Self::Fixed => "fixed.json",
        }
    }

    /// `float`, `int8` or `fixed`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Float => "float",
            Self::Int8 => "int8",
            Self::Fixed => "fixed",
        }
    }
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// `model.toml`: what a bundle is, where it came from, and what was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Name of the bundle; scores are written to the column `score_<name>`.
    pub name: String,
    /// Family: `autoencoder`, `vae`, `deep_svdd`, ...
    pub family: String,
    /// One paragraph for people.
    pub description: String,
    /// Name of the encoding the model was trained on.
    pub encoding: String,
    /// K, the inputs per event.
    pub inputs: usize,
    /// SHA-256 of every other file of the bundle, by file name, lower-case hex.
    pub files: BTreeMap<String, String>,
    /// The anomaly score.
    pub score: ScoreCard,
    /// How the inputs are scaled inside the graph, in words and formulae.
    pub preprocessing: String,
    /// Data, seeds and result of the training; absent for firmware that was imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<TrainingCard>,
    /// Where imported firmware came from; absent for a model that was trained here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<ImportCard>,
    /// Thresholds measured on background, by precision, in order of falling background efficiency.
    #[serde(default)]
    pub thresholds: BTreeMap<Precision, Vec<Threshold>>,
    /// Metrics measured after training, by precision.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<Precision, Metrics>,
}

/// Name and formula of the anomaly score: larger is more anomalous.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreCard {
    /// For example `masked_mse`.
    pub name: String,
    /// The formula, with what every symbol means.
    pub formula: String,
}

/// Provenance of the weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingCard {
    /// File name of the recipe.
    pub recipe: String,
    /// SHA-256 of the recipe.
    pub recipe_sha256: String,
    /// Name and version of the program that trained.
    pub trainer: String,
    /// Seed of weights, split and shuffle.
    pub seed: u64,
    /// Files trained on.
    pub data: Vec<DataSource>,
    /// Events the weights were fitted to.
    pub training_events: u64,
    /// Events of the validation split (early stopping, thresholds).
    pub validation_events: u64,
    /// Epochs run; of all members together where there are several networks.
    pub epochs: u64,
    /// Epoch whose weights were kept, from 1; the latest of the members'.
    pub best_epoch: u64,
    /// Validation loss of that epoch; the mean of the members'.
    pub validation_loss: f64,
    /// The networks of an ensemble, the bundles of a combination; none for a single network.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<MemberCard>,
}

/// A member of an ensemble or of a combination.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberCard {
    /// What tells it apart: hyperparameters, or the name of its bundle.
    pub name: String,
    /// SHA-256 of the graphs taken from its bundle, by file name; none in an ensemble.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
    /// Epochs run.
    pub epochs: u64,
    /// Epoch whose weights were kept, from 1.
    pub best_epoch: u64,
    /// Validation loss of that epoch.
    pub validation_loss: f64,
}

/// Provenance of imported firmware.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportCard {
    /// Name and version of the program that imported it.
    pub importer: String,
    /// Name of the project's folder.
    pub project: String,
    /// Name of its top function.
    pub top: String,
    /// The files that were read.
    pub sources: Vec<ImportedFile>,
}

/// A file of an imported project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportedFile {
    /// Path inside of the project, with `/`.
    pub file: String,
    /// SHA-256, lower-case hex.
    pub sha256: String,
}

/// A data file that a bundle depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSource {
    /// File name without its folder.
    pub file: String,
    /// SHA-256, lower-case hex.
    pub sha256: String,
    /// Events in the file.
    pub events: u64,
}

/// A threshold measured on background events.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// Fraction of background events with score >= `value`.
    pub background_efficiency: f64,
    /// The threshold.
    pub value: f32,
    /// Statistical error (one standard deviation) of `value`.
    pub error: f32,
    /// Background events that pass.
    pub events: u64,
}

/// What `evaluate` found, in short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Background file.
    pub background: DataSource,
    /// By signal file stem.
    pub signals: BTreeMap<String, SignalMetrics>,
}

/// Discrimination of one signal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignalMetrics {
    /// The signal file.
    pub source: DataSource,
    /// Area under the ROC curve.
    pub auc: f64,
    /// Its standard error; absent for a sample of one event, and in cards that are older than this key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auc_error: Option<f64>,
    /// Signal efficiency by background efficiency (`1e-2` ...).
    pub efficiency: BTreeMap<String, f64>,
}
