use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::durable::write_atomically;
use crate::model::{Card, ModelBundle, Precision, Threshold};
use crate::statistics::ScoreDistribution;

/// Most paths of a menu: one bit each, and bit 31 marks invalid events.
pub const MAX_PATHS: usize = 31;

/// A trigger menu: paths in the order of their bits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Menu {
    /// The paths; path i sets bit i of `decision`.
    #[serde(default, rename = "path")]
    pub paths: Vec<MenuPath>,
}

/// One path: a model's score against a threshold, or against a target rate, and a prescale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MenuPath {
    /// Name of the path.
    pub name: String,
    /// Name of the bundle whose score is cut on.
    pub model: String,
    /// Passes when score >= this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f32>,
    /// Instead of a threshold: accepted background rate, Hz; the threshold comes from the model's card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_rate_hz: Option<f64>,
    /// Rate of background events that `target_rate_hz` is a share of, Hz.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_rate_hz: Option<f64>,
    /// Keep one event in this many, the first of each group.
    #[serde(default = "unprescaled")]
    pub prescale: u32,
    /// Accepted events a second that the path may have: a service that is told to raises the prescale above that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_budget_hz: Option<f64>,
    /// How the threshold was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
}

/// Where a threshold comes from; for people and for later checks, no decision depends on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Rate that was asked for, Hz.
    pub target_rate_hz: f64,
    /// Rate of the background that the target is a share of, Hz.
    pub input_rate_hz: f64,
    /// Rate that the threshold gives on the calibration sample, before the prescale, Hz: ties make it less than
    /// the target.
    pub rate_hz: f64,
    /// One standard deviation of `rate_hz`, binomial.
    pub rate_error_hz: f64,
    /// One standard deviation of the threshold.
    pub threshold_error: f32,
    /// Background events with finite inputs and a finite score.
    pub background_events: u64,
    /// Background events left out because an input or the score is not finite.
    pub background_invalid: u64,
    /// Of the `background_events`, how many pass.
    pub events_passing: u64,
    /// Name of the background file.
    pub background: String,
    /// SHA-256 of the background file, lower-case hex.
    pub background_sha256: String,
    /// SHA-256 of the graph that scored.
    pub model_sha256: String,
    /// `onnx`, `rten` or `fixed`.
    pub engine: String,
    /// `float`, `int8` or `fixed`.
    pub precision: Precision,
    /// How the background's scores were distributed: what a service holds the scores of its stream to. Menus from before there
    /// was this have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scores: Option<ScoreDistribution>,
}

/// A path with everything looked up.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedPath {
    /// Name of the path.
    pub name: String,
    /// Which of the models is cut on.
    pub model_index: usize,
    /// Passes when score >= this.
    pub threshold: f32,
    /// Keep one in this many.
    pub prescale: u32,
    /// Bit of `decision`.
    pub bit: u32,
}

/// What is wrong with a menu.
#[derive(Debug, thiserror::Error)]
pub enum MenuError {
    /// The file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file is not a menu.
    #[error("{path}: {reason}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line where TOML knows it.
        reason: String,
    },
    /// The menu as a whole makes no sense.
    #[error("menu: {0}")]
    Menu(String),
    /// A path makes no sense, or does not fit the models.
    #[error("menu: path `{path}`: {reason}")]
    Path {
        /// The path.
        path: String,
        /// What is wrong.
        reason: String,
    },
}

fn unprescaled() -> u32 {
    1
}

impl Menu {
    /// Reads and checks a menu.
    ///
    /// # Errors
    /// [`MenuError`] with the file and the line or the path.
    pub fn load(path: &Path) -> Result<Self, MenuError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| MenuError::Io { path: path.to_owned(), source })?;
        let format = |reason: String| MenuError::Format { path: path.to_owned(), reason };
        let menu: Self = toml::from_str(&text).map_err(|error| format(error.to_string()))?;
        menu.check().map_err(|error| format(error.to_string()))?;
        Ok(menu)
    }

    /// Writes the menu, complete or not at all.
    ///
    /// # Errors
    /// [`MenuError::Io`].
    pub fn save(&self, path: &Path) -> Result<(), MenuError> {
        // Not the pretty form, in which the bins of the scores would take hundreds of lines.
        let text = toml::to_string(self)
            .map_err(|error| MenuError::Format { path: path.to_owned(), reason: error.to_string() })?;
        write_atomically(path, text.as_bytes())
            .map_err(|source| MenuError::Io { path: path.to_owned(), source })
    }

    /// A path for each of `models`, named as it, all with one threshold.
    #[must_use]
    pub fn of_threshold(models: &[String], threshold: f32) -> Self {
        Self::of(models, |path| path.threshold = Some(threshold))
    }

    /// A path for each of `models`, named as it, each at a target rate.
    #[must_use]
    pub fn of_target_rate(models: &[String], target_rate_hz: f64, input_rate_hz: f64) -> Self {
        Self::of(models, |path| {
            path.target_rate_hz = Some(target_rate_hz);
            path.input_rate_hz = Some(input_rate_hz);
        })
    }

    fn of(models: &[String], fill: impl Fn(&mut MenuPath)) -> Self {
        let path = |model: &String| {
            let mut path = MenuPath {
                name: model.clone(),
                model: model.clone(),
                threshold: None,
                target_rate_hz: None,
                input_rate_hz: None,
                prescale: 1,
                rate_budget_hz: None,
                calibration: None,
            };
            fill(&mut path);
            path
        };
        Self { paths: models.iter().map(path).collect() }
    }

    /// A menu of one path, whose threshold was calibrated.
    #[must_use]
    pub fn of_calibration(name: &str, model: &str, threshold: f32, calibration: Calibration) -> Self {
        Self::of(&[model.to_owned()], |path| {
            path.name = name.to_owned();
            path.threshold = Some(threshold);
            path.calibration = Some(calibration.clone());
        })
    }

    /// Looks up models and thresholds: target rates in the cards' thresholds of `precision`. A threshold that
    /// was calibrated with another graph than the one that runs gives a warning.
    ///
    /// # Errors
    /// [`MenuError`], for example for a model that is not loaded, with the names of those that are.
    pub fn resolve(
        &self,
        bundles: &[ModelBundle],
        precision: Precision,
    ) -> Result<Vec<ResolvedPath>, MenuError> {
        self.check()?;
        self.paths
            .iter()
            .zip(0..)
            .map(|(path, bit)| {
                let model_index = model_index(path, bundles)?;
                path.warn_of_another_graph(bundles[model_index].card(), precision);
                let thresholds = bundles[model_index].card().thresholds.get(&precision);
                let threshold = path.resolve_threshold(thresholds.map_or(&[], Vec::as_slice))?;
                let (name, prescale) = (path.name.clone(), path.prescale);
                Ok(ResolvedPath { name, model_index, threshold, prescale, bit })
            })
            .collect()
    }

    /// What the scores of the background were like when a path of `card`'s model was calibrated with the graph of `precision`.
    #[must_use]
    pub fn reference(&self, card: &Card, precision: Precision) -> Option<&ScoreDistribution> {
        let of_model = self.paths.iter().filter(|path| path.model == card.name);
        let same_graph = of_model.filter(|path| path.is_calibrated_for(card, precision));
        same_graph.filter_map(|path| path.calibration.as_ref()?.scores.as_ref()).next()
    }

    fn check(&self) -> Result<(), MenuError> {
        if self.paths.is_empty() || self.paths.len() > MAX_PATHS {
            return Err(MenuError::Menu(format!("{} paths, expected 1 to {MAX_PATHS}", self.paths.len())));
        }
        let mut names = BTreeSet::new();
        for path in &self.paths {
            path.check()?;
            if !names.insert(&path.name) {
                return Err(path.error("the name is there twice"));
            }
        }
        Ok(())
    }
}

impl MenuPath {
    fn error(&self, reason: impl Into<String>) -> MenuError {
        MenuError::Path { path: self.name.clone(), reason: reason.into() }
    }

    fn check(&self) -> Result<(), MenuError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if self.name.is_empty() || !self.name.chars().all(plain) {
            return Err(self.error("a name may have letters, digits, `_` and `-` only, and needs one"));
        }
        if self.prescale == 0 {
            return Err(self.error("prescale 0: a path is switched off by leaving it out"));
        }
        if let Some(budget) = self.rate_budget_hz.filter(|budget| !(*budget > 0.0 && budget.is_finite())) {
            return Err(self.error(format!("a rate budget of {budget} Hz: it must be positive and finite")));
        }
        if let Some(scores) = self.calibration.as_ref().and_then(|calibration| calibration.scores.as_ref()) {
            scores.check().map_err(|reason| self.error(format!("calibration.scores: {reason}")))?;
        }
        match (self.threshold, self.target_rate_hz, self.input_rate_hz) {
            (Some(threshold), None, None) if threshold.is_finite() => Ok(()),
            (Some(threshold), None, None) => Err(self.error(format!("threshold {threshold} is not finite"))),
            (None, Some(target), Some(input)) if target > 0.0 && target <= input && input.is_finite() => {
                Ok(())
            }
            (None, Some(target), Some(input)) => {
                Err(self.error(format!("a target rate of {target} Hz of {input} Hz is no share of it")))
            }
            _ => Err(self.error("give either `threshold`, or `target_rate_hz` and `input_rate_hz`")),
        }
    }

    /// Whether the threshold was calibrated with the graph of `precision` of `card`, or nobody knows.
    fn is_calibrated_for(&self, card: &Card, precision: Precision) -> bool {
        let graph = card.files.get(precision.file());
        self.calibration.as_ref().is_none_or(|calibration| graph == Some(&calibration.model_sha256))
    }

    fn warn_of_another_graph(&self, card: &Card, precision: Precision) {
        if !self.is_calibrated_for(card, precision) {
            tracing::warn!(
                "menu: path `{}`: the threshold was calibrated with another graph than {} of model `{}`, so its \
                 rate may be another; run `trigsieve calibrate` again",
                self.name,
                precision.file(),
                card.name
            );
        }
    }

    fn resolve_threshold(&self, thresholds: &[Threshold]) -> Result<f32, MenuError> {
        let (None, Some(target), Some(input)) = (self.threshold, self.target_rate_hz, self.input_rate_hz)
        else {
            return Ok(self.threshold.unwrap_or(f32::MAX));
        };
        threshold_at(target / input, thresholds).map_err(|reason| self.error(reason))
    }
}

fn model_index(path: &MenuPath, bundles: &[ModelBundle]) -> Result<usize, MenuError> {
    bundles.iter().position(|bundle| bundle.card().name == path.model).ok_or_else(|| {
        let names: Vec<_> = bundles.iter().map(|bundle| bundle.card().name.as_str()).collect();
        path.error(format!("no model `{}` is loaded, there is {}", path.model, names.join(", ")))
    })
}

/// Relative difference of two background efficiencies that counts as none: rates are typed in decimal.
const SAME_EFFICIENCY: f64 = 1e-9;

/// The threshold of a background efficiency: that of the card if it has the working point, else interpolated
/// linearly in (ln efficiency, score) between its neighbours. Outside of the card's range there is none: the tail of
/// a score cannot be guessed.
fn threshold_at(efficiency: f64, thresholds: &[Threshold]) -> Result<f32, String> {
    match between(efficiency, thresholds)? {
        threshold if threshold.is_finite() => Ok(threshold),
        other => Err(format!("the thresholds of the card give {other}, which no score passes")),
    }
}

fn between(efficiency: f64, thresholds: &[Threshold]) -> Result<f32, String> {
    let same =
        |point: &&Threshold| (point.background_efficiency - efficiency).abs() <= SAME_EFFICIENCY * efficiency;
    if let Some(exact) = thresholds.iter().find(same) {
        return Ok(exact.value);
    }
    // A card can be edited by hand, so its order is not relied on.
    let mut points = thresholds.to_vec();
    points.sort_by(|a, b| a.background_efficiency.total_cmp(&b.background_efficiency));
    let split = points.partition_point(|point| point.background_efficiency < efficiency);
    match (points[..split].last(), points.get(split)) {
        (Some(tighter), Some(looser)) => Ok(interpolate(efficiency, tighter, looser)),
        _ => Err(outside(efficiency, &points)),
    }
}

/// Linear in (ln efficiency, score).
fn interpolate(efficiency: f64, tighter: &Threshold, looser: &Threshold) -> f32 {
    let from = tighter.background_efficiency.ln();
    let fraction = (efficiency.ln() - from) / (looser.background_efficiency.ln() - from);
    let (tight, loose) = (f64::from(tighter.value), f64::from(looser.value));
    (tight + fraction * (loose - tight)) as f32
}

fn outside(efficiency: f64, sorted: &[Threshold]) -> String {
    let (Some(lowest), Some(highest)) = (sorted.first(), sorted.last()) else {
        return "the model's card has no thresholds for this precision; run `trigsieve calibrate`".to_owned();
    };
    format!(
        "background efficiency {efficiency:e} is outside of the card's thresholds, {:e} to {:e}; \
         run `trigsieve calibrate` on a larger background",
        lowest.background_efficiency, highest.background_efficiency
    )
}

#[cfg(test)]
mod tests;
