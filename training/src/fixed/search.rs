//! The least bits that keep the efficiency at a working point.

use std::path::Path;

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};
use indicatif::ProgressBar;
use trigsieve::durable::write_atomically;
use trigsieve::event::EventTable;
use trigsieve::score::ScoreError;
use trigsieve::statistics::{Scores, auc};
use trigsieve_fixed::{CheckedProgram, Engine};

use super::network::FixedNetwork;
use super::{Lowering, with_bits};
use crate::TrainError;
use crate::data::{self, EventMatrix, Split};
use crate::model::TrainedModel;
use crate::recipe::{Fixed, Search};

/// Background efficiencies at which the table gives signal efficiencies.
pub const BACKGROUND_EFFICIENCIES: [f64; 3] = [1e-3, 1e-4, 1e-5];

/// Fewest background events at a working point.
const MIN_EVENTS: u64 = 10;

/// Scores of one model on the samples of a search.
#[derive(Clone, Debug)]
struct Scored {
    background: Vec<f32>,
    signals: Vec<Scores>,
}

/// The events that a search looks at, in physical units, and the float model's scores of them.
#[derive(Clone, Debug)]
pub struct Samples {
    background: EventMatrix,
    signals: Vec<(String, EventMatrix)>,
    float: Scored,
}

/// How well a choice of bits does.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Bits of weights; 0: the float model.
    pub weights: u32,
    /// Bits of activations; 0: the float model.
    pub activations: u32,
    /// Products of an event, each counted as bits of weight times bits of input.
    pub bit_operations: u64,
    /// Loss at the working point.
    pub loss: f64,
    /// Fraction of the float model's most anomalous background events that are also this one's, at the working point.
    pub agreement: f64,
    /// Signal by signal: area under the ROC curve, and efficiencies at [`BACKGROUND_EFFICIENCIES`], where background
    /// events pass.
    pub signals: Vec<(f64, Vec<Option<f64>>)>,
    /// Whether no other point has both less loss and fewer bit operations.
    pub pareto: bool,
}

/// All points of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct Findings {
    /// Names of the signals.
    pub signals: Vec<String>,
    /// What the float model does.
    pub float: Point,
    /// By bit operations.
    pub points: Vec<Point>,
    /// Index of the choice: the fewest bit operations among those that do not lose too much.
    pub chosen: Option<usize>,
}

impl Samples {
    /// Background, the validation events unless the search names others, and signals, scored by the float model.
    ///
    /// # Errors
    /// A table that cannot be read or is of another encoding; [`TrainError::Fixed`] for a working point at which too
    /// few background events pass.
    pub fn load(
        search: &Search,
        folder: &Path,
        split: &Split,
        model: &TrainedModel,
    ) -> Result<Self, TrainError> {
        let background = match &search.background {
            Some(path) => events(&folder.join(path), split)?,
            None => split.validation.clone(),
        };
        let passing = background.len() as f64 * search.background_efficiency;
        if passing < MIN_EVENTS as f64 {
            let reason = format!(
                "fixed.search: {passing} of {} background events pass at background efficiency {}; name a larger \
                 fixed.search.background or a looser working point",
                background.len(),
                search.background_efficiency
            );
            return Err(TrainError::Fixed { reason });
        }
        let signals = search.signals.iter().map(|path| {
            let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
            Ok((name, events(&folder.join(path), split)?))
        });
        let signals = signals.collect::<Result<Vec<_>, TrainError>>()?;
        let score = |events: &EventMatrix| events.iter().map(|row| model.score(row)).collect::<Vec<f32>>();
        let float = Scored {
            background: score(&background),
            signals: signals.iter().map(|(_, events)| Scores::new(&score(events))).collect(),
        };
        Ok(Self { background, signals, float })
    }

    fn scored(&self, program: &CheckedProgram) -> Result<Scored, TrainError> {
        let signals = self.signals.iter().map(|(_, events)| Ok(Scores::new(&scores(program, events)?)));
        let signals = signals.collect::<Result<Vec<_>, TrainError>>()?;
        Ok(Scored { background: scores(program, &self.background)?, signals })
    }
}

fn events(path: &Path, split: &Split) -> Result<EventMatrix, TrainError> {
    let table = EventTable::open(path)?;
    table.expect("the training", &split.encoding, split.training.k())?;
    data::read(&table, &split.features)
}

/// Scores of physical events.
///
/// # Errors
/// [`TrainError::Score`] when the processor cannot run any kernel.
pub fn scores(program: &CheckedProgram, events: &EventMatrix) -> Result<Vec<f32>, TrainError> {
    let mut engine = Engine::new(program, None).map_err(ScoreError::from)?;
    let mut scores = vec![0.0; events.len()];
    engine.score_f32(events.values(), &mut scores);
    Ok(scores)
}

/// Tries every pair of bits without fine-tuning.
///
/// # Errors
/// As [`Lowering::run`].
pub fn search(
    lowering: &Lowering<'_>,
    settings: &Fixed,
    search: &Search,
    samples: &Samples,
    progress: &ProgressBar,
) -> Result<Findings, TrainError> {
    let float = point((0, 0), u64::MAX, &samples.float, &samples.float, search);
    let mut points = Vec::new();
    for &weights in &search.weights {
        for &activations in &search.activations {
            let settings = Fixed { qat_epochs: 0, ..with_bits(settings, weights, activations) };
            let outcome = lowering.run(&settings, progress)?;
            let scored = samples.scored(&outcome.program)?;
            let cost = bit_operations(&outcome.model.network);
            let point = point((weights, activations), cost, &scored, &samples.float, search);
            progress.suspend(|| {
                tracing::info!(
                    "{weights}-bit weights, {activations}-bit activations: loss {:.4}",
                    point.loss
                );
            });
            points.push(point);
        }
    }
    points.sort_by(|left, right| {
        left.bit_operations.cmp(&right.bit_operations).then(left.loss.total_cmp(&right.loss))
    });
    let mut least = f64::INFINITY;
    for point in &mut points {
        point.pareto = point.loss < least;
        least = least.min(point.loss);
    }
    let chosen = points.iter().position(|point| point.loss <= search.largest_loss);
    let signals = samples.signals.iter().map(|(name, _)| name.clone()).collect();
    Ok(Findings { signals, float, points, chosen })
}

fn bit_operations(network: &FixedNetwork) -> u64 {
    let inputs = std::iter::once(network.input.width)
        .chain(network.layers.iter().map(|layer| layer.formats.output.width));
    let layers = network.layers.iter().zip(inputs);
    layers
        .map(|(layer, input)| layer.weights.len() as u64 * u64::from(layer.formats.weights.width * input))
        .sum()
}

fn point(
    (weights, activations): (u32, u32),
    bit_operations: u64,
    scored: &Scored,
    float: &Scored,
    search: &Search,
) -> Point {
    let agreement = agreement(&scored.background, &float.background, search.background_efficiency);
    let (background, float_background) = (Scores::new(&scored.background), Scores::new(&float.background));
    let at_working_point = |signal: &Scores, background: &Scores| {
        efficiency(signal, background, search.background_efficiency).unwrap_or(0.0)
    };
    let losses = scored.signals.iter().zip(&float.signals).map(|(signal, float)| {
        let reference = at_working_point(float, &float_background);
        if reference > 0.0 { 1.0 - at_working_point(signal, &background) / reference } else { 0.0 }
    });
    let signals = scored.signals.iter().map(|signal| {
        let area = auc(&background, signal).map_or(f64::NAN, |auc| auc.value);
        let at = BACKGROUND_EFFICIENCIES.iter().map(|eff| efficiency(signal, &background, *eff));
        (area, at.collect())
    });
    let loss = losses.reduce(f64::max).unwrap_or(1.0 - agreement);
    Point { weights, activations, bit_operations, loss, agreement, signals: signals.collect(), pareto: false }
}

/// Fraction of the events at or above the threshold of a background efficiency; none where no background event passes.
fn efficiency(signal: &Scores, background: &Scores, background_efficiency: f64) -> Option<f64> {
    let rank = (background.len() as f64 * background_efficiency).round() as u64;
    let threshold = background.highest(rank)?;
    Some(signal.passing(threshold) as f64 / (signal.len().max(1)) as f64)
}

/// Of the events above one score's threshold, those that are above the other's.
fn agreement(scores: &[f32], float: &[f32], background_efficiency: f64) -> f64 {
    let rank = (float.len() as f64 * background_efficiency).round() as u64;
    let threshold = |scores: &[f32]| Scores::new(scores).highest(rank);
    let (Some(own), Some(theirs)) = (threshold(scores), threshold(float)) else { return 0.0 };
    let above = scores.iter().zip(float).filter(|(_, float)| **float >= theirs);
    let (all, shared) =
        above.fold((0_u32, 0_u32), |(all, shared), (score, _)| (all + 1, shared + u32::from(*score >= own)));
    f64::from(shared) / f64::from(all.max(1))
}

impl Findings {
    /// The recipe's settings with the bits that were chosen, or as they are where every choice loses too much.
    #[must_use]
    pub fn settings(&self, settings: &Fixed) -> Fixed {
        match self.chosen.map(|chosen| &self.points[chosen]) {
            Some(point) => with_bits(settings, point.weights, point.activations),
            None => settings.clone(),
        }
    }

    /// Says what was chosen, and writes the table where it is wanted.
    ///
    /// # Errors
    /// As [`Findings::write`].
    pub fn report(&self, search: &Search, table: Option<&Path>) -> Result<(), TrainError> {
        match self.chosen.map(|chosen| &self.points[chosen]) {
            Some(point) => tracing::info!(
                "fixed.search: {}-bit weights and {}-bit activations lose {:.4}",
                point.weights,
                point.activations,
                point.loss
            ),
            None => tracing::warn!(
                "fixed.search: every choice loses more than {}; taking the recipe's own bits",
                search.largest_loss
            ),
        }
        table.map_or(Ok(()), |path| self.write(path))
    }

    /// Writes the table to `path` as CSV, and beside it, with the ending `.md`, as Markdown.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn write(&self, path: &Path) -> Result<(), TrainError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| TrainError::Io { path, source }
        };
        let mut csv = csv::Writer::from_writer(Vec::new());
        let mut rows = std::iter::once(self.header()).chain(self.rows());
        let written = rows.try_for_each(|row| csv.write_record(row));
        written.map_err(|error| io(path)(std::io::Error::other(error)))?;
        let bytes = csv.into_inner().map_err(|error| io(path)(std::io::Error::other(error.to_string())))?;
        write_atomically(path, &bytes).map_err(io(path))?;
        let markdown = path.with_extension("md");
        write_atomically(&markdown, self.markdown().as_bytes()).map_err(io(&markdown))
    }

    fn header(&self) -> Vec<String> {
        let mut header: Vec<String> =
            ["weights", "activations", "bit operations", "loss", "agreement", "pareto", "chosen"]
                .map(str::to_owned)
                .to_vec();
        for signal in &self.signals {
            header.push(format!("{signal} AUC"));
            header.extend(BACKGROUND_EFFICIENCIES.iter().map(|at| format!("{signal} eS at {at:e}")));
        }
        header
    }

    fn rows(&self) -> impl Iterator<Item = Vec<String>> + '_ {
        let points = self.points.iter().enumerate();
        let fixed = points.map(|(index, point)| row(point, self.chosen == Some(index)));
        std::iter::once(row(&self.float, false)).chain(fixed)
    }

    /// The table as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut table = Table::new();
        table.load_style(ASCII_MARKDOWN).set_header(self.header());
        self.rows().for_each(|row| {
            table.add_row(row);
        });
        table.column_iter_mut().for_each(|column| column.set_cell_alignment(CellAlignment::Right));
        format!("{table}\n")
    }
}

fn row(point: &Point, chosen: bool) -> Vec<String> {
    let mark = |yes: bool| if yes { "yes" } else { "" }.to_owned();
    let float = point.weights == 0;
    let bits = |bits: u32| if float { "float".to_owned() } else { bits.to_string() };
    let mut row = vec![
        bits(point.weights),
        bits(point.activations),
        if float { String::new() } else { point.bit_operations.to_string() },
        format!("{:.4}", point.loss),
        format!("{:.4}", point.agreement),
        mark(point.pareto),
        mark(chosen),
    ];
    for (auc, efficiencies) in &point.signals {
        row.push(format!("{auc:.4}"));
        row.extend(efficiencies.iter().map(|at| at.map_or(String::new(), |at| format!("{at:.5}"))));
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_that_both_keep_agree() {
        let float: Vec<f32> = (0..100).map(|event| event as f32).collect();
        assert_eq!(agreement(&float, &float, 0.1), 1.0);
        let mut other = float.clone();
        other[95] = 0.0;
        assert_eq!(agreement(&other, &float, 0.1), 0.9);
        let ties = vec![1.0; 100];
        assert_eq!(agreement(&ties, &float, 0.1), 1.0, "what is not told apart passes together");
    }

    #[test]
    fn efficiencies_are_those_at_the_rank() {
        let background = Scores::new(&(0..1000).map(|event| event as f32).collect::<Vec<_>>());
        let signal = Scores::new(&[0.0, 989.0, 990.0, 2000.0]);
        assert_eq!(efficiency(&signal, &background, 1e-2), Some(0.5));
        assert_eq!(efficiency(&signal, &background, 1e-5), None, "no background event passes");
    }
}
