use std::path::PathBuf;

use trigsieve_fixed::SimdError;

use super::Device;
use crate::event::{ElementType, EventError};
use crate::model::{ModelError, Precision};

/// Why a scorer could not be made or could not score.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    /// The bundle is bad.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The events changed while they were scored.
    #[error(transparent)]
    Events(#[from] EventError),
    /// ONNX Runtime's library could not be found or loaded.
    #[error("ONNX Runtime: {reason}")]
    Runtime {
        /// What was tried, and what to do.
        reason: String,
    },
    /// The device cannot be had; there is no quiet fall-back to another.
    #[error("device {device}: {reason}")]
    Device {
        /// The device asked for.
        device: Device,
        /// The provider's own reason.
        reason: String,
    },
    /// The engine has no such precision.
    #[error(
        "the {engine} engine does not run the precision {precision}: fixed.json needs --engine fixed, and nothing else does"
    )]
    Precision {
        /// The engine.
        engine: &'static str,
        /// What was asked for.
        precision: Precision,
    },
    /// The processor has not the instruction set that was asked for.
    #[error(transparent)]
    Simd(#[from] SimdError),
    /// The engine refused the graph.
    #[error("{path}: {engine} cannot run it: {reason}")]
    Graph {
        /// The graph.
        path: PathBuf,
        /// The engine.
        engine: &'static str,
        /// Its reason.
        reason: String,
    },
    /// The model does not tell the events apart that it is to decide on.
    #[error("the model {model} is degenerate: {reason}; deploy it all the same with --allow-degenerate")]
    Degenerate {
        /// Its name.
        model: String,
        /// What its scores are.
        reason: String,
    },
    /// The lengths do not fit.
    #[error("expected {expected}, found {found}")]
    Shape {
        /// What the model and the score buffer ask for.
        expected: String,
        /// What was given.
        found: String,
    },
    /// The engine computes in float and was given integers.
    #[error("the {engine} engine takes f32 inputs, the events are {found}")]
    Element {
        /// The engine.
        engine: &'static str,
        /// Element type of the events.
        found: ElementType,
    },
    /// The runtime failed while scoring.
    #[error("{engine}: {reason}")]
    Run {
        /// The engine.
        engine: &'static str,
        /// Its reason.
        reason: String,
    },
}
