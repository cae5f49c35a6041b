use std::path::PathBuf;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::{
    BenchError, Measurement, MedianInterval, PythonPeer, Shape, calls, chain, check_scores, median_interval,
};
use crate::latency::{Percentiles, add, histogram};
use crate::model::{ModelBundle, Precision};
use crate::score::{Engine, ScoreError, ScorerFactory, ScorerSpec, Simd};
use crate::source::{Cursor, EventSet};

/// One event in so many is accepted by the chain.
const ACCEPTED_ONE_IN: usize = 10_000;

/// A model and the engine that runs it.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Name of the model.
    pub model: String,
    /// Its folder.
    pub folder: PathBuf,
    /// The engine.
    pub engine: Engine,
    /// What of the bundle runs.
    pub precision: Precision,
    /// Makes its scorers.
    pub factory: ScorerFactory,
    /// Makes scorers that must agree with it to the last bit: the plainest instruction set's.
    pub plain: Option<ScorerFactory>,
}

impl Subject {
    /// The model of `bundle`, run as `spec` says.
    ///
    /// # Errors
    /// As [`ScorerSpec::load`].
    pub fn load(bundle: &ModelBundle, spec: &ScorerSpec) -> Result<Self, ScoreError> {
        let scalar = ScorerSpec { simd: Some(Simd::Scalar), ..spec.clone() };
        Ok(Self {
            model: bundle.card().name.clone(),
            folder: bundle.folder().to_owned(),
            engine: spec.engine,
            precision: spec.precision,
            factory: spec.load(bundle)?,
            plain: (spec.precision == Precision::Fixed).then(|| scalar.load(bundle)).transpose()?,
        })
    }
}

/// What is measured, and for how long.
#[derive(Clone, Debug)]
pub struct BenchPlan {
    /// Events a call.
    pub batches: Vec<usize>,
    /// Numbers of threads.
    pub workers: Vec<usize>,
    /// Rounds.
    pub rounds: usize,
    /// Length of each measurement.
    pub time: Duration,
    /// Largest relative difference of scores, see [`check_scores`].
    pub tolerance: f64,
}

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// A loop of bare calls of the scorer.
    Call,
    /// The whole chain of a replay.
    Replay,
    /// A loop of calls in Python.
    Python,
}

impl Way {
    /// `call`, `replay` or `python`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Replay => "replay",
            Self::Python => "python",
        }
    }
}

/// What was found for an entry.
#[derive(Clone, Debug, Serialize)]
pub struct EntryReport {
    /// Name of the model.
    pub model: String,
    /// Name of the engine.
    pub engine: &'static str,
    /// What of the bundle ran.
    pub precision: &'static str,
    /// What was timed.
    pub way: Way,
    /// Events a call.
    pub batch: usize,
    /// Threads that score.
    pub workers: usize,
    /// Events a second.
    pub throughput_hz: MedianInterval,
    /// Events a second of each round.
    pub rounds_hz: Vec<f64>,
    /// Nanoseconds that an event's batch took, over all rounds.
    pub latency_ns: Percentiles,
    /// Of a replay: its throughput over that of others of the same round.
    pub ratios: Vec<RatioReport>,
}

/// A ratio of throughputs.
#[derive(Clone, Debug, Serialize)]
pub struct RatioReport {
    /// Over what.
    pub to: Way,
    /// The ratio, taken round by round.
    pub ratio: MedianInterval,
}

/// An entry while it is measured.
struct Entry<'a> {
    subject: &'a Subject,
    threshold: f32,
    way: Way,
    shape: Shape,
    hz: Vec<f64>,
    latencies: Histogram<u64>,
}

/// Checks the scores of all subjects, and then measures them on the events of `set`, and `python` where it runs the same
/// graph. `progress` is told of each measurement.
///
/// # Errors
/// [`BenchError::Disagreement`] before anything is timed; when a scorer or the peer fails.
pub fn bench(
    set: &EventSet,
    subjects: &[Subject],
    plan: &BenchPlan,
    mut python: Option<&mut PythonPeer>,
    progress: &dyn Fn(),
) -> Result<Vec<EntryReport>, BenchError> {
    let thresholds = agree(set, subjects, plan, python.as_deref_mut())?;
    let mut entries = entries(subjects, &thresholds, plan, python.is_some());
    for round in 0..plan.rounds {
        let mut order: Vec<usize> = (0..entries.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for index in order {
            let measured = entries[index].measure(set, plan.time, python.as_deref_mut())?;
            entries[index].hz.push(measured.throughput_hz);
            add(&mut entries[index].latencies, &measured.latencies);
            progress();
        }
    }
    Ok(entries.iter().filter_map(|entry| entry.report(&entries)).collect())
}

/// How many measurements [`bench()`] makes.
#[must_use]
pub fn measurements(subjects: &[Subject], plan: &BenchPlan, has_python: bool) -> u64 {
    let thresholds = vec![0.0; subjects.len()];
    (entries(subjects, &thresholds, plan, has_python).len() * plan.rounds) as u64
}

fn entries<'a>(
    subjects: &'a [Subject],
    thresholds: &[f32],
    plan: &BenchPlan,
    has_python: bool,
) -> Vec<Entry<'a>> {
    let mut entries: Vec<Entry<'a>> = Vec::new();
    for (subject, &threshold) in subjects.iter().zip(thresholds) {
        for &batch in &plan.batches {
            for &workers in &plan.workers {
                let entry = |way| Entry::new(subject, threshold, way, Shape { batch, workers });
                let peer = entry(Way::Python);
                let is_new = !entries.iter().any(|other| peer.is_same_peer(other));
                if has_python && workers == 1 && subject.precision != Precision::Fixed && is_new {
                    entries.push(peer);
                }
                entries.extend([entry(Way::Call), entry(Way::Replay)]);
            }
        }
    }
    entries
}

impl<'a> Entry<'a> {
    fn new(subject: &'a Subject, threshold: f32, way: Way, shape: Shape) -> Self {
        Self { subject, threshold, way, shape, hz: Vec::new(), latencies: histogram() }
    }

    fn measure(
        &self,
        set: &EventSet,
        time: Duration,
        python: Option<&mut PythonPeer>,
    ) -> Result<Measurement, BenchError> {
        let factory = &self.subject.factory;
        match (self.way, python) {
            (Way::Python, Some(python)) => {
                let graph = self.subject.folder.join(self.subject.precision.file());
                python.calls(&graph, self.shape.batch, time)
            }
            (Way::Replay, _) => chain(set, factory, self.shape, time, self.threshold),
            (Way::Call | Way::Python, _) => calls(set, factory, self.shape, time),
        }
    }

    /// Whether `other` is the Python loop over the same graph in the same batches.
    fn is_same_peer(&self, other: &Self) -> bool {
        let same_graph =
            self.subject.model == other.subject.model && self.subject.precision == other.subject.precision;
        other.way == Way::Python && same_graph && self.shape == other.shape
    }

    /// Whether `other` is the loop of bare calls that this one's scorer would make.
    fn is_same_call(&self, other: &Self) -> bool {
        other.way == Way::Call && std::ptr::eq(self.subject, other.subject) && self.shape == other.shape
    }

    fn report(&self, all: &[Self]) -> Option<EntryReport> {
        let peers = all.iter().filter(|other| {
            self.way == Way::Replay && (self.is_same_call(other) || self.is_same_peer(other))
        });
        let ratio = |peer: &Self| {
            let rounds: Vec<f64> = self.hz.iter().zip(&peer.hz).map(|(ours, theirs)| ours / theirs).collect();
            Some(RatioReport { to: peer.way, ratio: median_interval(&rounds)? })
        };
        let is_python = self.way == Way::Python;
        Some(EntryReport {
            model: self.subject.model.clone(),
            engine: if is_python { Engine::Onnx.name() } else { self.subject.engine.name() },
            precision: self.subject.precision.name(),
            way: self.way,
            batch: self.shape.batch,
            workers: self.shape.workers,
            throughput_hz: median_interval(&self.hz)?,
            rounds_hz: self.hz.clone(),
            latency_ns: (&self.latencies).into(),
            ratios: peers.filter_map(ratio).collect(),
        })
    }
}

/// Checks every subject at every batch against the first one of its model and precision, and a program also against the
/// plainest instruction set. The thresholds of the chain, a subject each.
fn agree(
    set: &EventSet,
    subjects: &[Subject],
    plan: &BenchPlan,
    mut python: Option<&mut PythonPeer>,
) -> Result<Vec<f32>, BenchError> {
    let mut references: Vec<(&Subject, Vec<f32>)> = Vec::new();
    let mut thresholds = Vec::new();
    for subject in subjects {
        let is_of = |(other, _): &&(&Subject, Vec<f32>)| {
            other.model == subject.model && other.precision == subject.precision
        };
        if !references.iter().any(|reference| is_of(&reference)) {
            let factory = subject.plain.as_ref().unwrap_or(&subject.factory);
            references.push((subject, scores(set, factory, plan.batches[0])?));
        }
        let Some((reference, expected)) = references.iter().find(is_of) else { continue };
        let name = |subject: &Subject, batch: usize| {
            format!("{} by {} ({}) at batch {batch}", subject.model, subject.engine.name(), subject.precision)
        };
        let reference_name = name(reference, plan.batches[0]);
        let is_int8 = subject.precision == Precision::Int8;
        let tolerance = if subject.precision == Precision::Fixed { 0.0 } else { plan.tolerance };
        for &batch in &plan.batches {
            let found = scores(set, &subject.factory, batch)?;
            check_scores((&name(subject, batch), &found), (&reference_name, expected), tolerance, is_int8)?;
            let Some(python) = python.as_deref_mut().filter(|_| subject.precision != Precision::Fixed) else {
                continue;
            };
            let found = python.scores(&subject.folder.join(subject.precision.file()), batch)?;
            let peer = format!("{} in Python ({}) at batch {batch}", subject.model, subject.precision);
            check_scores((&peer, &found), (&reference_name, expected), tolerance, is_int8)?;
        }
        thresholds.push(threshold(expected));
    }
    Ok(thresholds)
}

/// The scores of all events, `batch` a call.
fn scores(set: &EventSet, factory: &ScorerFactory, batch: usize) -> Result<Vec<f32>, ScoreError> {
    let mut scorer = factory.scorer()?;
    let mut scores = vec![0.0; set.len() as usize];
    let (mut cursor, mut rest) = (Cursor::default(), scores.as_mut_slice());
    while !rest.is_empty() {
        let run = set.run_at(cursor, batch as u64);
        let (these, others) = rest.split_at_mut(run.len as usize);
        scorer.score(set.rows(run), these)?;
        set.advance(&mut cursor, run);
        rest = others;
    }
    Ok(scores)
}

/// The score that one event in [`ACCEPTED_ONE_IN`] is above.
fn threshold(scores: &[f32]) -> f32 {
    let mut finite: Vec<f32> = scores.iter().copied().filter(|score| score.is_finite()).collect();
    finite.sort_unstable_by(f32::total_cmp);
    let above = finite.len() / ACCEPTED_ONE_IN;
    finite.len().checked_sub(1 + above).map_or(f32::MAX, |place| finite[place])
}
