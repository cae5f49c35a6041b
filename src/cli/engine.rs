//! The flags that choose an engine, shared by every command that scores.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use trigsieve::model::Precision;
use trigsieve::score::{Device, Engine, ScorerSpec};

/// Which engine scores, as typed.
#[derive(Args, Clone, Debug)]
pub struct EngineArgs {
    /// Engine that computes the scores.
    #[arg(long, value_enum, default_value_t = Engine::Onnx)]
    engine: Engine,
    /// Which graph of the bundle runs.
    #[arg(long, value_enum, default_value_t = PrecisionArg::Float)]
    precision: PrecisionArg,
    /// cpu, cuda or cuda:N; a device that cannot be had is an error.
    #[arg(long, default_value = "cpu")]
    device: Device,
    /// ONNX Runtime's library, instead of ORT_DYLIB_PATH or the one in `.venv`.
    #[arg(long, value_name = "FILE")]
    onnxruntime: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PrecisionArg {
    Float,
    Int8,
}

impl EngineArgs {
    /// The scorers that are asked for.
    pub fn spec(&self) -> ScorerSpec {
        let precision = match self.precision {
            PrecisionArg::Float => Precision::Float,
            PrecisionArg::Int8 => Precision::Int8,
        };
        ScorerSpec {
            engine: self.engine,
            precision,
            device: self.device,
            onnxruntime: self.onnxruntime.clone(),
        }
    }
}
