//! Scorers: a run of events in, one anomaly score an event out.
//!
//! To add an engine, implement [`Scorer`], give it a name in [`Engine`] and a line in [`ScorerSpec::load`];
//! the conformance suite in `tests/conformance.rs` then crosses it with every bundled model.

mod error;
mod onnx;
mod rten;
mod runtime;
mod table;

use std::path::PathBuf;

pub use error::ScoreError;
pub use onnx::OnnxScorer;
pub use rten::RtenScorer;
pub use runtime::{RuntimeLibrary, find_runtime};
pub use table::{score_table, score_table_with};

use crate::event::Rows;
use crate::model::{Graph, ModelBundle, Precision};

/// Scores events. One scorer belongs to one worker.
pub trait Scorer: Send {
    /// Writes the anomaly score of each of `rows` to the same place in `scores`.
    ///
    /// `rows` is [N, K] in the model's encoding, `scores` has N places; N may be 0 and may differ from call to
    /// call. Not finite inputs give a score that need not be finite, never an error.
    ///
    /// # Errors
    /// When the lengths or the element type do not fit, or the runtime fails.
    fn score(&mut self, rows: Rows<'_>, scores: &mut [f32]) -> Result<(), ScoreError>;

    /// Engine, version and device, as the run report names it.
    fn describe(&self) -> String;
}

/// Which implementation computes the score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    /// ONNX Runtime, loaded at run time.
    #[default]
    Onnx,
    /// rten, pure Rust and compiled in.
    Rten,
}

impl Engine {
    /// `onnx` or `rten`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Onnx => "onnx",
            Self::Rten => "rten",
        }
    }
}

/// Where ONNX Runtime computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// The CPU execution provider.
    #[default]
    Cpu,
    /// The CUDA execution provider on the device of this number.
    Cuda(i32),
}

impl std::str::FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None if text == "cpu" => Ok(Self::Cpu),
            None if text == "cuda" => Ok(Self::Cuda(0)),
            Some(("cuda", number)) => number
                .parse()
                .ok()
                .filter(|number| *number >= 0)
                .map(Self::Cuda)
                .ok_or_else(|| format!("`{number}` is not a device number")),
            _ => Err(format!("`{text}` is neither cpu, cuda nor cuda:N")),
        }
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

/// Everything that decides which scorer a worker gets.
#[derive(Clone, Debug, Default)]
pub struct ScorerSpec {
    /// The engine.
    pub engine: Engine,
    /// Which graph of the bundle.
    pub precision: Precision,
    /// Where ONNX Runtime computes.
    pub device: Device,
    /// ONNX Runtime's library, if the user named one.
    pub onnxruntime: Option<PathBuf>,
}

/// A checked graph and how to run it: makes one scorer a worker.
#[derive(Clone, Debug)]
pub struct ScorerFactory {
    graph: Graph,
    spec: ScorerSpec,
}

impl ScorerSpec {
    /// Reads and checks the graph of `bundle` that this spec asks for.
    ///
    /// # Errors
    /// [`ScoreError::Model`] for a bad bundle, [`ScoreError::Device`] for a device that the engine has not.
    pub fn load(&self, bundle: &ModelBundle) -> Result<ScorerFactory, ScoreError> {
        if self.engine == Engine::Rten && self.device != Device::Cpu {
            return Err(ScoreError::Device {
                device: self.device,
                reason: "the rten engine runs on the CPU; use --engine onnx".to_owned(),
            });
        }
        Ok(ScorerFactory { graph: bundle.graph(self.precision)?, spec: self.clone() })
    }

    /// The scorer of `bundle`, for callers that need just one.
    ///
    /// # Errors
    /// As [`ScorerSpec::load`] and [`ScorerFactory::scorer`].
    pub fn scorer(&self, bundle: &ModelBundle) -> Result<Box<dyn Scorer>, ScoreError> {
        self.load(bundle)?.scorer()
    }
}

impl ScorerFactory {
    /// A new scorer with a session of its own.
    ///
    /// # Errors
    /// [`ScoreError`] when the runtime cannot be loaded or refuses the graph or the device.
    pub fn scorer(&self) -> Result<Box<dyn Scorer>, ScoreError> {
        Ok(match self.spec.engine {
            Engine::Onnx => {
                Box::new(OnnxScorer::new(&self.graph, self.spec.device, self.spec.onnxruntime.as_deref())?)
            }
            Engine::Rten => Box::new(RtenScorer::new(&self.graph)?),
        })
    }

    /// SHA-256 of the graph.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.graph.sha256
    }

    /// Inputs per event.
    #[must_use]
    pub fn k(&self) -> usize {
        self.graph.k
    }
}

/// The f32 values of `rows`, after the checks that every float engine makes.
fn float_rows<'a>(
    rows: Rows<'a>,
    k: usize,
    scores: &[f32],
    engine: &'static str,
) -> Result<&'a [f32], ScoreError> {
    if rows.k() != k || rows.len() != scores.len() {
        return Err(ScoreError::Shape {
            expected: format!("{} rows of {k} inputs", scores.len()),
            found: format!("{} rows of {}", rows.len(), rows.k()),
        });
    }
    match rows.values() {
        crate::event::Values::F32(values) => Ok(values),
        crate::event::Values::I16(_) => Err(ScoreError::Element { engine, found: rows.element_type() }),
    }
}
