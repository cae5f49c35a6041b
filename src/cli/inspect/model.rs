//! What is in a model bundle.

use std::collections::BTreeMap;

use anyhow::bail;
use serde::Serialize;
use trigsieve::model::{BundleFile, Card, ImportCard, ModelBundle, Precision, TrainingCard};

use super::Report;
use super::program::ProgramReport;
use crate::cli::text::{facts, number, numbers};

/// The report, in the form of its JSON.
#[derive(Serialize)]
pub struct ModelReport {
    folder: String,
    card: Card,
    files: Vec<FileReport>,
    graphs: Vec<GraphReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    program: Option<ProgramReport>,
}

#[derive(Serialize)]
struct FileReport {
    name: String,
    expected: String,
    found: Option<String>,
    state: String,
}

#[derive(Serialize)]
struct GraphReport {
    precision: Precision,
    inputs: Vec<String>,
    outputs: Vec<String>,
    opset: i64,
    parameters: u64,
    operators: BTreeMap<String, usize>,
    error: Option<String>,
}

impl ModelReport {
    pub fn of(bundle: &ModelBundle) -> Self {
        let graphs = Precision::ONNX
            .into_iter()
            .filter(|precision| bundle.card().files.contains_key(precision.file()))
            .map(|precision| GraphReport::of(bundle, precision))
            .collect();
        let has_program = bundle.card().files.contains_key(Precision::Fixed.file());
        Self {
            folder: bundle.folder().display().to_string(),
            card: bundle.card().clone(),
            files: bundle.files().into_iter().map(FileReport::of).collect(),
            graphs,
            program: has_program.then(|| ProgramReport::of(bundle)),
        }
    }

    /// Fails when the bundle cannot be used as it is.
    pub fn check(&self) -> anyhow::Result<()> {
        if let Some(file) = self.files.iter().find(|file| file.state != "ok") {
            bail!("{}/{}: {}", self.folder, file.name, file.state);
        }
        let mut errors = self.graphs.iter().filter_map(|graph| graph.error.as_ref());
        match errors.next().or(self.program.as_ref().and_then(ProgramReport::error)) {
            Some(error) => bail!("{error}"),
            None => Ok(()),
        }
    }

    fn overview(&self) -> String {
        let card = &self.card;
        let score = format!("{}: {}", card.score.name, card.score.formula);
        let mut rows = vec![
            ("model", format!("{} ({}), in {}", card.name, card.family, self.folder)),
            ("description", card.description.trim().to_owned()),
            ("encoding", format!("{}, K = {}", card.encoding, card.inputs)),
            ("score", score),
            ("preprocessing", card.preprocessing.trim().to_owned()),
        ];
        rows.extend(card.training.iter().map(|card| ("training", training(card))));
        rows.extend(card.import.iter().map(|card| ("imported", import(card))));
        rows.extend(self.graphs.iter().map(|graph| ("graph", graph.line())));
        rows.extend(self.program.iter().map(|program| ("program", program.line())));
        facts(rows)
    }

    fn thresholds(&self) -> Option<String> {
        let rows = self.card.thresholds.iter().flat_map(|(precision, thresholds)| {
            thresholds.iter().map(move |threshold| {
                vec![
                    precision.to_string(),
                    format!("{:e}", threshold.background_efficiency),
                    number(Some(threshold.value.into())),
                    number(Some(threshold.error.into())),
                    threshold.events.to_string(),
                ]
            })
        });
        let header = ["thresholds", "background efficiency", "score", "error", "events"];
        section(&header, 1, rows.collect())
    }

    fn metrics(&self) -> Option<String> {
        let rows = self.card.metrics.iter().flat_map(|(precision, metrics)| {
            metrics.signals.iter().map(move |(signal, found)| {
                let efficiencies =
                    found.efficiency.iter().map(|(at, value)| format!("{at}: {}", number(Some(*value))));
                vec![
                    precision.to_string(),
                    signal.clone(),
                    efficiencies.collect::<Vec<_>>().join("  "),
                    number(Some(found.auc)),
                ]
            })
        });
        let header = ["metrics", "signal", "signal efficiency at background efficiency", "AUC"];
        section(&header, 3, rows.collect())
    }

    fn file_table(&self) -> String {
        let row = |file: &FileReport| vec![file.name.clone(), file.expected.clone(), file.state.clone()];
        numbers(&["file", "sha256", "state"], 3, self.files.iter().map(row))
    }
}

impl Report for ModelReport {
    fn text(&self) -> String {
        let program =
            self.program.as_ref().filter(|program| program.error().is_none()).map(ProgramReport::table);
        let parts =
            [Some(self.overview()), program, self.thresholds(), self.metrics(), Some(self.file_table())];
        parts.into_iter().flatten().collect::<Vec<_>>().join("\n\n")
    }
}

impl FileReport {
    fn of(file: BundleFile) -> Self {
        let state = match &file.found {
            _ if file.is_intact() => "ok".to_owned(),
            Ok(found) => format!("mismatch, its sha256 is {found}, the card says {}", file.expected),
            Err(reason) => format!("cannot be read: {reason}"),
        };
        Self { name: file.name, expected: file.expected, found: file.found.ok(), state }
    }
}

impl GraphReport {
    fn of(bundle: &ModelBundle, precision: Precision) -> Self {
        let (summary, error) = match bundle.graph(precision) {
            Ok(graph) => (Some(graph.summary), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let words = |values: Option<&[trigsieve_onnx::ValueSummary]>| {
            values.unwrap_or_default().iter().map(ToString::to_string).collect()
        };
        Self {
            precision,
            inputs: words(summary.as_ref().map(|summary| summary.inputs.as_slice())),
            outputs: words(summary.as_ref().map(|summary| summary.outputs.as_slice())),
            opset: summary.as_ref().map_or(0, |summary| summary.opset),
            parameters: summary.as_ref().map_or(0, |summary| summary.parameters),
            operators: summary.map(|summary| summary.operators).unwrap_or_default(),
            error,
        }
    }

    fn line(&self) -> String {
        if let Some(error) = &self.error {
            return format!("{}: unusable: {error}", self.precision);
        }
        let operators = self.operators.iter().map(|(name, count)| format!("{count} {name}"));
        format!(
            "{}: ({}) -> ({}), opset {}, {} parameters\n{}",
            self.precision,
            self.inputs.join(", "),
            self.outputs.join(", "),
            self.opset,
            self.parameters,
            operators.collect::<Vec<_>>().join(", ")
        )
    }
}

fn training(card: &TrainingCard) -> String {
    let data = card.data.iter().map(|source| format!("{} ({} events)", source.file, source.events));
    format!(
        "{}, recipe {}, seed {}\n{} training and {} validation events of {}\n\
         {} epochs, best {} with validation loss {}",
        card.trainer,
        card.recipe,
        card.seed,
        card.training_events,
        card.validation_events,
        data.collect::<Vec<_>>().join(", "),
        card.epochs,
        card.best_epoch,
        number(Some(card.validation_loss)),
    )
}

fn import(card: &ImportCard) -> String {
    let ImportCard { importer, project, top, sources } = card;
    format!("{importer} from the project {project}, function {top}, {} files", sources.len())
}

fn section(header: &[&str], left: usize, rows: Vec<Vec<String>>) -> Option<String> {
    (!rows.is_empty()).then(|| numbers(header, left, rows))
}
