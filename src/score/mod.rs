//! Scorers: a run of events in, one anomaly score an event out.
//!
//! To add an engine, implement [`Scorer`], give it a name in [`Engine`] and a line in [`ScorerSpec::load`];
//! the conformance suite in `tests/conformance.rs` then crosses it with every bundled model.

mod error;
mod fixed;
mod onnx;
mod rten;
mod runtime;
mod self_test;
mod table;

use std::path::PathBuf;

pub use error::ScoreError;
pub use fixed::FixedScorer;
pub use onnx::OnnxScorer;
pub(crate) use onnx::fast_int8_saturates;
pub use rten::{Home, RtenScorer};
pub use runtime::{RuntimeLibrary, find_runtime};
pub use self_test::{SELF_TEST_EVENTS, TrialEvents, self_test};
pub use table::{score_table, score_table_with};
pub use trigsieve_fixed::Simd;

use crate::event::{EventError, EventTable, Rows};
use crate::model::{FixedProgram, Graph, ModelBundle, Precision};

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

    /// Whether its calls cost less on a thread of its own choice: see [`Home::of`].
    fn wants_home(&self) -> bool {
        false
    }

    /// Makes its calls on the thread of `home` from now on, if it [wants](Scorer::wants_home) one.
    fn settle(&mut self, _home: &Home) {}
}

/// Which implementation computes the score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    /// ONNX Runtime, loaded at run time.
    #[default]
    Onnx,
    /// rten, pure Rust and compiled in.
    Rten,
    /// The firmware's fixed-point arithmetic, bit by bit.
    Fixed,
}

impl Engine {
    /// `onnx`, `rten` or `fixed`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Onnx => "onnx",
            Self::Rten => "rten",
            Self::Fixed => "fixed",
        }
    }

    /// What this engine runs, the first by default.
    #[must_use]
    pub fn precisions(self) -> &'static [Precision] {
        match self {
            Self::Onnx | Self::Rten => &Precision::ONNX,
            Self::Fixed => &[Precision::Fixed],
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
    /// Instruction set of the fixed engine; none: the best one that the processor has.
    pub simd: Option<Simd>,
}

/// A checked graph or program and how to run it: makes one scorer a worker.
#[derive(Clone, Debug)]
pub struct ScorerFactory {
    loaded: Loaded,
    encoding: String,
    /// For messages: which bundle it is.
    name: String,
    spec: ScorerSpec,
}

#[derive(Clone, Debug)]
enum Loaded {
    Graph(Box<Graph>),
    Program(FixedProgram),
}

impl ScorerSpec {
    /// Reads and checks the graph of `bundle` that this spec asks for.
    ///
    /// # Errors
    /// [`ScoreError::Model`] for a bad bundle, [`ScoreError::Device`] for a device that the engine has not,
    /// [`ScoreError::Precision`] for a precision that it does not run.
    pub fn load(&self, bundle: &ModelBundle) -> Result<ScorerFactory, ScoreError> {
        let (engine, precision) = (self.engine, self.precision);
        if !engine.precisions().contains(&precision) {
            return Err(ScoreError::Precision { engine: engine.name(), precision });
        }
        if engine != Engine::Onnx && self.device != Device::Cpu {
            return Err(ScoreError::Device {
                device: self.device,
                reason: format!("the {} engine runs on the CPU; use --engine onnx", engine.name()),
            });
        }
        let loaded = match precision {
            Precision::Fixed => Loaded::Program(bundle.program()?),
            Precision::Float | Precision::Int8 => Loaded::Graph(Box::new(bundle.graph(precision)?)),
        };
        Ok(ScorerFactory {
            loaded,
            encoding: bundle.card().encoding.clone(),
            name: format!("the model {}", bundle.folder().display()),
            spec: self.clone(),
        })
    }

    /// Engine, precision, device and build of the library: what the last bits of a score depend on, beside the graph, the batch
    /// and the version of this program.
    ///
    /// # Errors
    /// [`ScoreError::Runtime`] when ONNX Runtime is asked for and cannot be loaded.
    pub fn arithmetic(&self) -> Result<String, ScoreError> {
        let (engine, precision) = (self.engine.name(), self.precision.name());
        let device = match self.device {
            Device::Cpu => String::new(),
            device => format!(" {device}"),
        };
        let build = match self.engine {
            Engine::Onnx => format!(" {}", runtime::environment(self.onnxruntime.as_deref())?.build),
            Engine::Rten | Engine::Fixed => String::new(),
        };
        Ok(format!("{engine} {precision}{device}{build}"))
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
    /// [`ScoreError`] when the runtime cannot be loaded or refuses the graph or the device, or the processor has not the
    /// instruction set.
    pub fn scorer(&self) -> Result<Box<dyn Scorer>, ScoreError> {
        let spec = &self.spec;
        Ok(match &self.loaded {
            Loaded::Graph(graph) if spec.engine == Engine::Rten => Box::new(RtenScorer::new(graph)?),
            Loaded::Graph(graph) => {
                Box::new(OnnxScorer::new(graph, spec.device, spec.onnxruntime.as_deref())?)
            }
            Loaded::Program(program) => Box::new(FixedScorer::new(program, spec.simd)?),
        })
    }

    /// SHA-256 of the graph or program.
    #[must_use]
    pub fn sha256(&self) -> &str {
        match &self.loaded {
            Loaded::Graph(graph) => &graph.sha256,
            Loaded::Program(program) => program.sha256(),
        }
    }

    /// Inputs per event.
    #[must_use]
    pub fn k(&self) -> usize {
        match &self.loaded {
            Loaded::Graph(graph) => graph.k,
            Loaded::Program(program) => program.program().k(),
        }
    }

    /// The fixed-point program, if that is what runs.
    #[must_use]
    pub fn program(&self) -> Option<&FixedProgram> {
        match &self.loaded {
            Loaded::Graph(_) => None,
            Loaded::Program(program) => Some(program),
        }
    }

    /// Checks that the events of `table` are what the model takes: encoding, K, and the units of hardware integers.
    ///
    /// # Errors
    /// [`EventError::Mismatch`], with both sides.
    pub fn check_events(&self, table: &EventTable) -> Result<(), EventError> {
        table.expect(&self.name, &self.encoding, self.k())?;
        let steps = self.program().and_then(|program| program.program().input.units.as_deref());
        steps.map_or(Ok(()), |steps| table.expect_steps(&self.name, steps))
    }
}

/// The f32 values of `rows`, after the checks that every float engine makes.
fn float_rows<'a>(
    rows: Rows<'a>,
    k: usize,
    scores: &[f32],
    engine: &'static str,
) -> Result<&'a [f32], ScoreError> {
    check_shape(rows, k, scores)?;
    match rows.values() {
        crate::event::Values::F32(values) => Ok(values),
        crate::event::Values::I16(_) => Err(ScoreError::Element { engine, found: rows.element_type() }),
    }
}

fn check_shape(rows: Rows<'_>, k: usize, scores: &[f32]) -> Result<(), ScoreError> {
    if rows.k() != k || rows.len() != scores.len() {
        return Err(ScoreError::Shape {
            expected: format!("{} rows of {k} inputs", scores.len()),
            found: format!("{} rows of {}", rows.len(), rows.k()),
        });
    }
    Ok(())
}
