use std::path::PathBuf;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::references::agree;
use super::{
    AddedLatency, BenchError, EntryReport, Measurement, Pace, Peers, RatioReport, Shape, Way, calls, chain,
    median_interval, paced_calls,
};
use crate::latency::{Percentiles, add, histogram};
use crate::model::{ModelBundle, Precision};
use crate::pipeline::WaitStrategy;
use crate::score::{Engine, ScoreError, ScorerFactory, ScorerSpec, Simd};
use crate::source::EventSet;

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
    /// Largest relative difference of scores, see [`super::check_scores`].
    pub tolerance: f64,
    /// Rate of the clock that events come on, Hz; none: one after the other.
    pub rate_hz: Option<f64>,
    /// How the stages of a replay wait; none: as suits the machine.
    pub waits: Vec<Option<WaitStrategy>>,
    /// Whether threads are bound to cores.
    pub pin: bool,
}

/// An entry while it is measured.
struct Entry<'a> {
    subject: &'a Subject,
    threshold: f32,
    way: Way,
    shape: Shape,
    wait: Option<WaitStrategy>,
    hz: Vec<f64>,
    /// Of each round.
    percentiles: Vec<Percentiles>,
    /// Of all rounds.
    latencies: Histogram<u64>,
}

/// Checks the scores of all subjects and of the peers that run them, and then measures them on the events of `set`.
/// `progress` is told of each measurement.
///
/// # Errors
/// [`BenchError::Disagreement`] before anything is timed; when a scorer or a peer fails.
pub fn bench(
    set: &EventSet,
    subjects: &[Subject],
    plan: &BenchPlan,
    peers: &mut Peers,
    progress: &dyn Fn(),
) -> Result<Vec<EntryReport>, BenchError> {
    let thresholds = agree(set, subjects, plan, peers)?;
    let mut entries = entries(subjects, &thresholds, plan, peers);
    for round in 0..plan.rounds {
        let mut order: Vec<usize> = (0..entries.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for index in order {
            let measured = entries[index].measure(set, plan, peers)?;
            entries[index].add(&measured);
            progress();
        }
    }
    let is_paced = plan.rate_hz.is_some();
    Ok(entries.iter().filter_map(|entry| entry.report(&entries, is_paced)).collect())
}

/// How many measurements [`bench()`] makes.
#[must_use]
pub fn measurements(subjects: &[Subject], plan: &BenchPlan, peers: &Peers) -> u64 {
    let thresholds = vec![0.0; subjects.len()];
    (entries(subjects, &thresholds, plan, peers).len() * plan.rounds) as u64
}

fn entries<'a>(
    subjects: &'a [Subject],
    thresholds: &[f32],
    plan: &BenchPlan,
    peers: &Peers,
) -> Vec<Entry<'a>> {
    let mut entries: Vec<Entry<'a>> = Vec::new();
    for (subject, &threshold) in subjects.iter().zip(thresholds) {
        if peers.has_emulator(subject) {
            let one = Shape { batch: 1, workers: 1 };
            entries.push(Entry::new(subject, threshold, Way::Emulator, one));
        }
        for &batch in &plan.batches {
            for &workers in &plan.workers {
                let entry = |way| Entry::new(subject, threshold, way, Shape { batch, workers });
                let peer = entry(Way::Python);
                let is_new = !entries.iter().any(|other| peer.is_same_peer(other));
                if peers.has_python(subject) && workers == 1 && is_new {
                    entries.push(peer);
                }
                entries.push(entry(Way::Call));
                let replay = |wait: &Option<WaitStrategy>| Entry { wait: *wait, ..entry(Way::Replay) };
                entries.extend(plan.waits.iter().map(replay));
            }
        }
    }
    entries
}

impl<'a> Entry<'a> {
    fn new(subject: &'a Subject, threshold: f32, way: Way, shape: Shape) -> Self {
        let (hz, percentiles, latencies) = (Vec::new(), Vec::new(), histogram());
        Self { subject, threshold, way, shape, wait: None, hz, percentiles, latencies }
    }

    fn measure(
        &self,
        set: &EventSet,
        plan: &BenchPlan,
        peers: &mut Peers,
    ) -> Result<Measurement, BenchError> {
        let (factory, time) = (&self.subject.factory, plan.time);
        let pace = Pace { rate_hz: plan.rate_hz, wait: self.wait, pin: plan.pin };
        let measured = match self.way {
            Way::Python => peers.python(self.subject).map(|python| {
                let graph = self.subject.folder.join(self.subject.precision.file());
                python.calls(&graph, self.shape.batch, time)
            }),
            Way::Emulator => peers.emulator(self.subject).map(|emulator| emulator.calls(time)),
            Way::Replay => Some(chain(set, factory, self.shape, (time, pace), self.threshold)),
            Way::Call => None,
        };
        match (measured, plan.rate_hz) {
            (Some(measured), _) => measured,
            (None, Some(rate_hz)) => paced_calls(set, factory, self.shape.batch, (time, rate_hz, plan.pin)),
            (None, None) => calls(set, factory, self.shape, time),
        }
    }

    fn add(&mut self, measured: &Measurement) {
        self.hz.push(measured.throughput_hz);
        self.percentiles.push((&measured.latencies).into());
        add(&mut self.latencies, &measured.latencies);
    }

    /// Whether `other` is the Python loop over the same graph in the same batches.
    fn is_same_peer(&self, other: &Self) -> bool {
        let same_graph =
            self.subject.model == other.subject.model && self.subject.precision == other.subject.precision;
        other.way == Way::Python && same_graph && self.shape == other.shape
    }

    /// Whether `other` is the emulator of the same program, whose one thread this one's worker faces.
    fn is_emulated_by(&self, other: &Self) -> bool {
        let same = std::ptr::eq(self.subject, other.subject);
        other.way == Way::Emulator && same && self.shape.workers == other.shape.workers
    }

    /// Whether `other` is the loop of bare calls that this one's scorer would make.
    fn is_same_call(&self, other: &Self) -> bool {
        other.way == Way::Call && std::ptr::eq(self.subject, other.subject) && self.shape == other.shape
    }

    fn report(&self, all: &[Self], is_paced: bool) -> Option<EntryReport> {
        let is_peer = |other: &&Self| {
            let is_it = self.is_same_call(other) || self.is_same_peer(other) || self.is_emulated_by(other);
            self.way == Way::Replay && is_it
        };
        let ratio = |peer: &Self| {
            let rounds: Vec<f64> = self.hz.iter().zip(&peer.hz).map(|(ours, theirs)| ours / theirs).collect();
            Some(RatioReport { to: peer.way, ratio: median_interval(&rounds)? })
        };
        let call = all.iter().find(|other| is_paced && self.way == Way::Replay && self.is_same_call(other));
        let is_python = self.way == Way::Python;
        Some(EntryReport {
            model: self.subject.model.clone(),
            engine: if is_python { Engine::Onnx.name() } else { self.subject.engine.name() },
            precision: self.subject.precision.name(),
            way: self.way,
            wait: self.wait.map(|wait| format!("{wait:?}").to_lowercase()),
            batch: self.shape.batch,
            workers: self.shape.workers,
            throughput_hz: median_interval(&self.hz)?,
            rounds_hz: self.hz.clone(),
            latency_ns: (&self.latencies).into(),
            latencies: self.latencies.clone(),
            rounds_latency_ns: if is_paced { self.percentiles.clone() } else { Vec::new() },
            ratios: if is_paced {
                Vec::new()
            } else {
                all.iter().filter(is_peer).filter_map(ratio).collect()
            },
            added_ns: call.and_then(|call| AddedLatency::of(&self.percentiles, &call.percentiles)),
        })
    }
}
