//! `trigsieve bench`: how fast models run, bare, in the chain, and against Python.

mod report;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use trigsieve::bench::{BenchPlan, PythonPeer, Subject, bench};
use trigsieve::event::{ElementType, Values};
use trigsieve::model::{ModelBundle, Precision};
use trigsieve::score::{Device, Engine, ScorerSpec};
use trigsieve::source::EventSet;

use super::Context;
use super::engine::{EngineName, SimdArgs};
use super::exit::usage;
use super::output::print;
use super::progress::steps_bar;
use report::Report;

/// Largest `--batch`.
const MAX_BATCH: usize = 65_536;
/// Most events that are compared and run through: memory for scores, and for a copy in Python.
const MAX_EVENTS: u64 = 4_000_000;
/// Interpreter of `--against python`, if there is one.
const VENV_PYTHON: &str = ".venv/bin/python";

/// Measure throughput and latency of models, engines, batches and workers in interleaved rounds.
///
/// Scores are compared before anything is timed, and nothing is timed if they differ.
#[derive(Args, Debug)]
#[command(after_help = "Example: what the chain costs around ONNX Runtime, and against Python's\n  \
    trigsieve bench --model models/l1_ae --events events.arrow --engine onnx --batch 1,1024 --workers 1,2 \
    --against python -o out")]
pub struct BenchArgs {
    /// Model bundles, separated by commas.
    #[arg(long, required = true, value_delimiter = ',', value_name = "BUNDLE")]
    model: Vec<PathBuf>,
    /// Event table that all models take.
    #[arg(long, required = true, value_name = "EVENTS")]
    events: PathBuf,
    /// Engines, each with a precision after a colon if it is not the first: onnx, rten:int8, fixed [default: all that run
    /// the bundles on these events].
    #[arg(long, value_delimiter = ',', value_name = "ENGINE")]
    engine: Vec<EngineName>,
    /// Events a call.
    #[arg(long, value_delimiter = ',', default_value = "1,1024,4096", value_name = "N")]
    batch: Vec<usize>,
    /// Threads that score.
    #[arg(long, value_delimiter = ',', default_value = "1", value_name = "N")]
    workers: Vec<u16>,
    /// Rounds; the interval of the median needs five.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: u16,
    /// Length of each measurement.
    #[arg(long, default_value = "300ms", value_parser = humantime::parse_duration, value_name = "TIME")]
    time: Duration,
    /// Largest difference of two engines' scores of a graph, relative to the score.
    #[arg(long, default_value_t = 1e-4, value_name = "SHARE", allow_negative_numbers = true)]
    tolerance: f64,
    /// Also measure a loop over the ONNX Runtime of this peer.
    #[arg(long, value_enum, value_name = "PEER")]
    against: Option<Peer>,
    /// Its interpreter [default: the one of `.venv` in the working folder].
    #[arg(long, value_name = "FILE", requires = "against")]
    python: Option<PathBuf>,
    /// ONNX Runtime's library, instead of ORT_DYLIB_PATH or the one in `.venv`.
    #[arg(long, value_name = "FILE")]
    onnxruntime: Option<PathBuf>,
    #[command(flatten)]
    simd: SimdArgs,
    /// Folder for bench.json, bench.txt and bench.svg.
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Replace a benchmark that the folder already holds.
    #[arg(long, requires = "output")]
    force: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Peer {
    Python,
}

/// What is measured, opened and checked.
struct Resolved {
    set: EventSet,
    subjects: Vec<Subject>,
    plan: BenchPlan,
    peer: Option<PythonPeer>,
}

/// Runs the command.
pub fn run(args: &BenchArgs, context: Context) -> anyhow::Result<()> {
    check_usage(args)?;
    let mut resolved = resolve(args)?;
    let bar = steps_bar(context, resolved.measurements(), "bench");
    let versions = resolved.peer.as_ref().map(|peer| peer.versions.clone());
    let Resolved { set, subjects, plan, peer } = &mut resolved;
    let entries = bench(set, subjects, plan, peer.as_mut(), &|| bar.inc(1))?;
    bar.finish_and_clear();
    let report = Report::of(entries, &resolved, versions)?;
    if let Some(folder) = &args.output {
        report.write(folder)?;
    }
    if !context.quiet || args.output.is_none() {
        print(report.table())?;
    }
    Ok(())
}

fn check_usage(args: &BenchArgs) -> anyhow::Result<()> {
    if let Some(batch) = args.batch.iter().find(|batch| !(1..=MAX_BATCH).contains(*batch)) {
        return Err(usage(format!("--batch {batch} is not from 1 to {MAX_BATCH}")));
    }
    if args.workers.contains(&0) {
        return Err(usage("--workers 0 scores nothing"));
    }
    if args.time.is_zero() {
        return Err(usage("--time 0 measures nothing"));
    }
    if !(args.tolerance >= 0.0 && args.tolerance.is_finite()) {
        return Err(usage(format!("--tolerance {} is negative or not finite", args.tolerance)));
    }
    if let Some(folder) =
        args.output.as_ref().filter(|folder| folder.join(report::JSON).exists() && !args.force)
    {
        return Err(usage(format!("{} holds a benchmark: use --force to replace it", folder.display())));
    }
    Ok(())
}

fn resolve(args: &BenchArgs) -> anyhow::Result<Resolved> {
    let set = EventSet::open(std::slice::from_ref(&args.events))?;
    if set.is_empty() || set.len() > MAX_EVENTS {
        let (events, path) = (set.len(), args.events.display());
        return Err(usage(format!("{path} has {events} events, not from 1 to {MAX_EVENTS}")));
    }
    let mut subjects = Vec::new();
    for folder in &args.model {
        let bundle = ModelBundle::open(folder)?;
        for name in engines(args, &bundle, set.tables()[0].schema().element) {
            let subject = Subject::load(&bundle, &spec(args, name))?;
            subject.factory.check_events(&set.tables()[0])?;
            subjects.push(subject);
        }
    }
    check_names(&subjects)?;
    let plan = BenchPlan {
        batches: args.batch.clone(),
        workers: args.workers.iter().map(|workers| usize::from(*workers)).collect(),
        rounds: usize::from(args.rounds),
        time: args.time,
        tolerance: args.tolerance,
    };
    let peer = args.against.map(|Peer::Python| start_python(args, &set, &subjects, &plan)).transpose()?;
    Ok(Resolved { set, subjects, plan, peer })
}

/// The engines asked for, or all that run this bundle on inputs of this type.
fn engines(args: &BenchArgs, bundle: &ModelBundle, element: ElementType) -> Vec<EngineName> {
    if !args.engine.is_empty() {
        return args.engine.clone();
    }
    let all = [Engine::Onnx, Engine::Rten, Engine::Fixed];
    let first = all.map(|engine| EngineName { engine, precision: engine.precisions()[0] });
    let runs = |name: &EngineName| {
        let takes = name.engine == Engine::Fixed || element == ElementType::F32;
        takes && bundle.card().files.contains_key(name.precision.file())
    };
    first.into_iter().filter(runs).collect()
}

fn spec(args: &BenchArgs, name: EngineName) -> ScorerSpec {
    ScorerSpec {
        engine: name.engine,
        precision: name.precision,
        device: Device::Cpu,
        onnxruntime: args.onnxruntime.clone(),
        simd: args.simd.get(),
    }
}

fn check_names(subjects: &[Subject]) -> anyhow::Result<()> {
    if subjects.is_empty() {
        return Err(usage("no engine runs these bundles on these events"));
    }
    let name = |subject: &Subject| (subject.model.clone(), subject.engine.name(), subject.precision.name());
    for (index, subject) in subjects.iter().enumerate() {
        if subjects[..index].iter().any(|other| name(other) == name(subject)) {
            let (model, engine, precision) = name(subject);
            return Err(usage(format!("`{model}` by {engine} ({precision}) is asked for twice")));
        }
    }
    Ok(())
}

fn start_python(
    args: &BenchArgs,
    set: &EventSet,
    subjects: &[Subject],
    plan: &BenchPlan,
) -> anyhow::Result<PythonPeer> {
    if subjects.iter().all(|subject| subject.precision == Precision::Fixed) || !plan.workers.contains(&1) {
        return Err(usage("--against python needs a graph to run, and --workers 1 among the others"));
    }
    let mut values = Vec::new();
    for batch in set.batches() {
        match batch.rows().values() {
            Values::F32(some) => values.extend_from_slice(some),
            Values::I16(_) => {
                return Err(usage("--against python takes f32 events, these are hardware integers"));
            }
        }
    }
    let interpreter = match &args.python {
        Some(path) => path.clone(),
        None => venv_python()?,
    };
    Ok(PythonPeer::start(&interpreter, &values, set.tables()[0].schema().k)?)
}

fn venv_python() -> anyhow::Result<PathBuf> {
    let path = Path::new(VENV_PYTHON);
    let found = path.exists().then(|| std::path::absolute(path));
    let found =
        found.ok_or_else(|| usage(format!("there is no {VENV_PYTHON} here: name one with --python")))?;
    found.context(VENV_PYTHON)
}

impl Resolved {
    /// How often [`bench`] tells of its progress.
    fn measurements(&self) -> u64 {
        trigsieve::bench::measurements(&self.subjects, &self.plan, self.peer.is_some())
    }
}
