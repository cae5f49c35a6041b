//! The flags that choose an engine, shared by every command that scores.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use trigsieve::model::Precision;
use trigsieve::score::{Device, Engine, ScorerSpec};

use super::exit::usage;

/// Which engine scores, as typed.
#[derive(Args, Clone, Debug)]
pub struct EngineArgs {
    /// Engine that computes the scores.
    #[arg(long, value_enum, default_value_t = Engine::Onnx)]
    engine: Engine,
    /// Which graph of the bundle runs [default: float; with --engine fixed, fixed].
    #[arg(long, value_enum)]
    precision: Option<PrecisionArg>,
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
    Fixed,
}

impl From<PrecisionArg> for Precision {
    fn from(typed: PrecisionArg) -> Self {
        match typed {
            PrecisionArg::Float => Self::Float,
            PrecisionArg::Int8 => Self::Int8,
            PrecisionArg::Fixed => Self::Fixed,
        }
    }
}

impl EngineArgs {
    /// The scorers that are asked for.
    pub fn spec(&self) -> anyhow::Result<ScorerSpec> {
        let precisions = self.engine.precisions();
        let precision = self.precision.map_or(precisions[0], Precision::from);
        if !precisions.contains(&precision) {
            return Err(usage(format!(
                "--engine {} does not run --precision {precision}: fixed.json needs --engine fixed",
                self.engine.name()
            )));
        }
        Ok(ScorerSpec {
            engine: self.engine,
            precision,
            device: self.device,
            onnxruntime: self.onnxruntime.clone(),
        })
    }
}
