use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{EvaluateError, Sample};
use crate::model::{self, DataSource, Precision};
use crate::statistics::{
    MIN_BACKGROUND_EVENTS, Scores, SignalEfficiency, SignificanceImprovement, auc,
    max_significance_improvement, signal_efficiency,
};

/// Background efficiencies at which signal efficiencies are quoted, with their keys in `metrics.json`.
pub const WORKING_POINTS: [(&str, f64); 4] = [("1e-2", 1e-2), ("1e-3", 1e-3), ("1e-4", 1e-4), ("1e-5", 1e-5)];

/// Who scored.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Model {
    /// Name of the bundle.
    #[serde(rename = "model")]
    pub name: String,
    /// Name of the feature encoding.
    pub encoding: String,
    /// Engine, version and device.
    pub engine: String,
    /// Precision of the graph.
    pub precision: Precision,
    /// SHA-256 of the graph, lower-case hex.
    pub model_sha256: String,
}

/// The content of `metrics.json`. Efficiencies are fractions of the valid events, `events - invalid`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Metrics {
    /// Who scored.
    #[serde(flatten)]
    pub model: Model,
    /// Version of trigsieve.
    pub version: &'static str,
    /// The background.
    pub background: BackgroundMetrics,
    /// The signals, by file stem.
    pub signals: BTreeMap<String, SignalMetrics>,
}

/// A sample as `metrics.json` names it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SampleInfo {
    /// File name without its folder.
    pub file: String,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
    /// Events in the file.
    pub events: u64,
    /// Events left out because an input or the score is not finite.
    pub invalid: u64,
}

/// The background sample.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BackgroundMetrics {
    /// The file.
    #[serde(flatten)]
    pub sample: SampleInfo,
}

/// Discrimination of one signal.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SignalMetrics {
    /// The file.
    #[serde(flatten)]
    pub sample: SampleInfo,
    /// Area under the ROC curve.
    pub auc: f64,
    /// Its standard error (DeLong); null for a sample of one event.
    pub auc_error: Option<f64>,
    /// Signal efficiency, by background efficiency.
    pub efficiency: BTreeMap<&'static str, EfficiencyMetrics>,
    /// Maximum of eS / sqrt(eB) over the thresholds that at least ten background events pass.
    pub max_significance_improvement: Option<f64>,
    /// Where that maximum is.
    pub max_significance_improvement_at: Option<SignificanceImprovement>,
}

/// Signal efficiency at a background efficiency eB.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EfficiencyMetrics {
    /// eS; null when eB is less than one event of the background sample.
    pub value: Option<f64>,
    /// Lower end of the 68.27 % Clopper-Pearson interval of eS at this threshold.
    pub low: Option<f64>,
    /// Upper end of it.
    pub high: Option<f64>,
    /// The threshold; null when no event passes.
    pub threshold: Option<f32>,
    /// Signal events that pass.
    pub signal_events_passing: Option<u64>,
    /// Background events that pass; ties can make them fewer than eB asks for.
    pub background_events_passing: Option<u64>,
    /// What to beware of: few background events make the threshold itself uncertain, which `low` and `high` leave
    /// out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Evaluates `signals` against `background`; all have the scores of `model`.
///
/// # Errors
/// [`EvaluateError::NoEvents`] for a sample without a valid event, [`EvaluateError::SameName`] for two signals
/// of one name.
pub fn evaluate(model: Model, background: &Sample, signals: &[Sample]) -> Result<Metrics, EvaluateError> {
    let mut names = BTreeSet::new();
    if let Some(twice) = signals.iter().find(|signal| !names.insert(&signal.name)) {
        return Err(EvaluateError::SameName { name: twice.name.clone() });
    }
    refuse_empty(background)?;
    let of_signal = |signal: &Sample| Ok((signal.name.clone(), signal_metrics(background, signal)?));
    Ok(Metrics {
        model,
        version: env!("CARGO_PKG_VERSION"),
        background: BackgroundMetrics { sample: SampleInfo::of(background) },
        signals: signals.iter().map(of_signal).collect::<Result<_, EvaluateError>>()?,
    })
}

impl Metrics {
    /// The short form for a model's card; working points without a value are left out.
    #[must_use]
    pub fn card(&self) -> model::Metrics {
        let signal = |(name, signal): (&String, &SignalMetrics)| (name.clone(), signal.card());
        model::Metrics {
            background: self.background.sample.source(),
            signals: self.signals.iter().map(signal).collect(),
        }
    }
}

impl SampleInfo {
    fn of(sample: &Sample) -> Self {
        let DataSource { file, sha256, events } = sample.source.clone();
        Self { file, sha256, events, invalid: sample.scores.invalid() }
    }

    fn source(&self) -> DataSource {
        DataSource { file: self.file.clone(), sha256: self.sha256.clone(), events: self.events }
    }
}

impl SignalMetrics {
    fn card(&self) -> model::SignalMetrics {
        let value = |(name, point): (&&str, &EfficiencyMetrics)| Some(((*name).to_owned(), point.value?));
        model::SignalMetrics {
            source: self.sample.source(),
            auc: self.auc,
            auc_error: self.auc_error,
            efficiency: self.efficiency.iter().filter_map(value).collect(),
        }
    }
}

fn refuse_empty(sample: &Sample) -> Result<(), EvaluateError> {
    if sample.scores.is_empty() {
        let file = sample.source.file.clone();
        return Err(EvaluateError::NoEvents { file, invalid: sample.scores.invalid() });
    }
    Ok(())
}

fn signal_metrics(background: &Sample, signal: &Sample) -> Result<SignalMetrics, EvaluateError> {
    refuse_empty(signal)?;
    let area = auc(&background.scores, &signal.scores);
    let best = max_significance_improvement(&background.scores, &signal.scores);
    let point =
        |(name, efficiency)| (name, efficiency_metrics(&background.scores, &signal.scores, efficiency));
    Ok(SignalMetrics {
        sample: SampleInfo::of(signal),
        auc: area.map_or(f64::NAN, |area| area.value),
        auc_error: area.and_then(|area| area.error),
        efficiency: WORKING_POINTS.into_iter().map(point).collect(),
        max_significance_improvement: best.map(|best| best.value),
        max_significance_improvement_at: best,
    })
}

fn efficiency_metrics(background: &Scores, signal: &Scores, efficiency: f64) -> EfficiencyMetrics {
    let known = background.allowed(efficiency) > 0;
    let point = signal_efficiency(background, signal, efficiency).filter(|_| known);
    let passing = point.map(|point| point.background_events_passing);
    EfficiencyMetrics {
        value: point.map(|point| point.value),
        low: point.map(|point| point.interval.low),
        high: point.map(|point| point.interval.high),
        threshold: point.and_then(|point| point.threshold),
        signal_events_passing: point.map(|point: SignalEfficiency| point.signal_events_passing),
        background_events_passing: passing,
        note: note(background.len(), passing, efficiency),
    }
}

fn note(events: u64, passing: Option<u64>, efficiency: f64) -> Option<String> {
    match passing {
        Some(passing) if passing >= MIN_BACKGROUND_EVENTS => None,
        Some(passing) => Some(format!(
            "{passing} of {events} background events pass, fewer than {MIN_BACKGROUND_EVENTS}: the threshold is uncertain"
        )),
        None => Some(format!(
            "{events} background events are too few for a background efficiency of {efficiency:e}: less than one \
             event would pass"
        )),
    }
}
