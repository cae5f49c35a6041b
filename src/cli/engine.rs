//! The flags that choose an engine, shared by every command that scores.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use trigsieve::event::EventTable;
use trigsieve::model::{ModelBundle, Precision, VerifyKey};
use trigsieve::score::{Device, Engine, Scorer, ScorerSpec, Simd, TrialEvents, self_test};
use trigsieve::serve::Admission;

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
    #[command(flatten)]
    simd: SimdArgs,
}

/// What a model has to be before it decides on anything, shared by the commands that deploy one.
#[derive(Args, Clone, Debug)]
pub struct ModelArgs {
    /// Public key of minisign: every bundle's model.toml has to have a signature by it, model.toml.minisig.
    #[arg(long, value_name = "FILE")]
    verify_key: Option<PathBuf>,
    /// Take a model whose scores on the first events (of `serve`: of --layout, else generated ones) are all the same, or not
    /// finite.
    #[arg(long)]
    allow_degenerate: bool,
}

impl ModelArgs {
    /// Opens the bundles in `folders`.
    pub fn open<'a>(
        &self,
        folders: impl IntoIterator<Item = &'a PathBuf>,
    ) -> anyhow::Result<Vec<ModelBundle>> {
        let key = self.key()?;
        let open = |folder: &'a PathBuf| ModelBundle::open_signed(folder, key.as_ref());
        Ok(folders.into_iter().map(open).collect::<Result<Vec<_>, _>>()?)
    }

    /// Has the scorer of `model` show on the first events that it tells events apart.
    pub fn self_test(
        &self,
        scorer: &mut dyn Scorer,
        model: &str,
        tables: &[EventTable],
    ) -> anyhow::Result<()> {
        match tables.iter().find_map(TrialEvents::of_table) {
            Some(events) if !self.allow_degenerate => Ok(self_test(scorer, model, &events)?),
            _ => Ok(()),
        }
    }

    /// What the service asks of a model at every load; tried on the first events of `layout`, if there is one.
    pub fn admission(&self, layout: Option<&EventTable>) -> anyhow::Result<Admission> {
        Ok(Admission {
            key: self.key()?,
            allow_degenerate: self.allow_degenerate,
            events: layout.and_then(TrialEvents::of_table),
        })
    }

    fn key(&self) -> anyhow::Result<Option<VerifyKey>> {
        Ok(self.verify_key.as_deref().map(VerifyKey::load).transpose()?)
    }
}

/// An engine and, after a colon, what of the bundle it runs, as typed: `onnx`, `rten:int8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineName {
    /// The engine.
    pub engine: Engine,
    /// What it runs.
    pub precision: Precision,
}

impl FromStr for EngineName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, precision) = text.split_once(':').map_or((text, None), |(a, b)| (a, Some(b)));
        let engine = Engine::from_str(name, false)
            .map_err(|_| format!("`{name}` is no engine: onnx, rten or fixed"))?;
        let of_name = |name: &str| {
            let found = engine.precisions().iter().copied().find(|precision| precision.name() == name);
            found.ok_or_else(|| format!("the {} engine does not run `{name}`", engine.name()))
        };
        let precision = precision.map_or(Ok(engine.precisions()[0]), of_name)?;
        Ok(Self { engine, precision })
    }
}

/// Which instruction set the fixed engine uses, as typed.
#[derive(Args, Clone, Copy, Debug)]
pub struct SimdArgs {
    /// Instruction set of the fixed engine, whose scores do not depend on it: auto, scalar, avx2, avx512, avx512-vnni or
    /// neon.
    #[arg(long, default_value = "auto", value_parser = parse_simd, value_name = "SET")]
    simd: SimdChoice,
}

#[derive(Clone, Copy, Debug)]
struct SimdChoice(Option<Simd>);

fn parse_simd(text: &str) -> Result<SimdChoice, String> {
    match text {
        "auto" => Ok(SimdChoice(None)),
        name => name.parse().map(|simd| SimdChoice(Some(simd))).map_err(|error| format!("{error}, auto")),
    }
}

impl SimdArgs {
    /// The instruction set; none: the best one.
    pub fn get(self) -> Option<Simd> {
        self.simd.0
    }
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
            simd: self.simd.get(),
        })
    }
}
