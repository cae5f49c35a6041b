//! `trigsieve bench`: how fast models run, bare, in the chain, and against Python.

mod peers;
mod report;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use tempfile::TempDir;
use trigsieve::bench::{BenchPlan, Peers, Subject, bench, generate_events};
use trigsieve::event::{ElementType, Encoding, HardwareUnits};
use trigsieve::model::ModelBundle;
use trigsieve::score::{Device, Engine, ScorerSpec};
use trigsieve::source::EventSet;

use super::Context;
use super::engine::{EngineName, SimdArgs};
use super::exit::usage;
use super::output::print;
use super::pace::{ClockRate, WaitArg, parse_rate};
use super::progress::steps_bar;
use report::Report;

/// Largest `--batch`.
const MAX_BATCH: usize = 65_536;
/// Most events that are compared and run through: memory for scores, and for a copy in Python.
const MAX_EVENTS: u64 = 4_000_000;
/// Events where no table is given: more of them than a cache holds.
const GENERATED_EVENTS: u64 = 250_000;
/// And their seed.
const SEED: u64 = 1;

/// Measure throughput and latency of models, engines, batches and workers in interleaved rounds.
///
/// Scores are compared before anything is timed, and nothing is timed if they differ. On a clock (--rate) a loop of bare calls
/// spins for the events as a replay does, and what the replay adds to the quantiles of latency is given.
#[derive(Args, Debug)]
#[command(after_help = "Example: what the chain costs around ONNX Runtime, and against Python's\n  \
    trigsieve bench --model models/l1_ae --events events.arrow --engine onnx --batch 1,1024 --workers 1,2 \
    --against python -o out\n  \
    trigsieve bench --model models/l1_vae --engine fixed --batch 4096 --against emulator\n  \
    trigsieve bench --model models/l1_ae --rate 100kHz --batch 1 --pin --wait spin,yield,park --time 1s")]
pub struct BenchArgs {
    /// Model bundles, separated by commas.
    #[arg(long, required = true, value_delimiter = ',', value_name = "BUNDLE")]
    model: Vec<PathBuf>,
    /// Event table that all models take [default: 250,000 generated events of random inputs, no physics; hardware integers in
    /// the units of the CMS global trigger where nothing but programs runs].
    #[arg(long, value_name = "EVENTS")]
    events: Option<PathBuf>,
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
    /// Clock that events come on, with --workers 1: 100kHz, 1MHz; max for none.
    #[arg(long, default_value = "max", value_parser = parse_rate, value_name = "RATE")]
    rate: ClockRate,
    /// How the workers of a replay wait; several are compared.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "auto")]
    wait: Vec<WaitArg>,
    /// Bind threads to cores: a replay's sink to the first, its workers and a loop of bare calls on a clock from the second on.
    #[arg(long)]
    pin: bool,
    /// Also measure these: a loop over the ONNX Runtime of a Python, and the g++ -O3 emulator of a program's firmware (hls4ml's
    /// C++; its Python is that of TRIGSIEVE_HLS_PYTHON, .venv-hls4ml or the system).
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PEER")]
    against: Vec<Peer>,
    /// Interpreter of --against python [default: the one of `.venv` in the working folder].
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
    Emulator,
}

/// What is measured, opened and checked.
struct Resolved {
    set: EventSet,
    subjects: Vec<Subject>,
    plan: BenchPlan,
    peers: Peers,
    /// Where generated events and the emulators are.
    _scratch: TempDir,
}

/// Runs the command.
pub fn run(args: &BenchArgs, context: Context) -> anyhow::Result<()> {
    check_usage(args)?;
    let mut resolved = resolve(args, context)?;
    let bar = steps_bar(context, resolved.measurements(), "bench");
    let Resolved { set, subjects, plan, peers, .. } = &mut resolved;
    let entries = bench(set, subjects, plan, peers, &|| bar.inc(1))?;
    bar.finish_and_clear();
    let report = Report::of(entries, &resolved)?;
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
    if args.rate != ClockRate::Max && (args.workers != [1] || !args.against.is_empty()) {
        return Err(usage("--rate is about latency: it goes with --workers 1 and without --against"));
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

fn resolve(args: &BenchArgs, context: Context) -> anyhow::Result<Resolved> {
    let scratch = tempfile::tempdir().context("a temporary folder")?;
    let bundles = args.model.iter().map(|folder| ModelBundle::open(folder)).collect::<Result<Vec<_>, _>>()?;
    let path = match &args.events {
        Some(path) => path.clone(),
        None => generated(args, &bundles, &scratch)?,
    };
    let set = EventSet::open(std::slice::from_ref(&path))?;
    if set.is_empty() || set.len() > MAX_EVENTS {
        let (events, path) = (set.len(), path.display());
        return Err(usage(format!("{path} has {events} events, not from 1 to {MAX_EVENTS}")));
    }
    let mut subjects = Vec::new();
    for bundle in &bundles {
        for name in engines(args, bundle, set.tables()[0].schema().element) {
            let subject = Subject::load(bundle, &spec(args, name))?;
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
        rate_hz: match args.rate {
            ClockRate::Max => None,
            ClockRate::Hz(hz) => Some(hz),
        },
        waits: args.wait.iter().map(|wait| wait.strategy()).collect(),
        pin: args.pin,
    };
    let peers = peers::start(args, (&set, &subjects, &plan), scratch.path(), context)?;
    Ok(Resolved { set, subjects, plan, peers, _scratch: scratch })
}

/// Events for the first bundle; the others have to take them.
fn generated(args: &BenchArgs, bundles: &[ModelBundle], scratch: &TempDir) -> anyhow::Result<PathBuf> {
    let path = scratch.path().join("generated.arrow");
    let name = bundles.first().map_or("", |bundle| &bundle.card().encoding);
    let encoding: Encoding = name.parse()?;
    let is_program = |name: &EngineName| name.engine == Engine::Fixed;
    let only_programs =
        bundles.iter().all(|bundle| engines(args, bundle, ElementType::F32).iter().all(is_program));
    let units = only_programs.then(|| HardwareUnits::cms(encoding));
    generate_events(&path, encoding, units.as_ref(), GENERATED_EVENTS, SEED)?;
    Ok(path)
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

impl Resolved {
    /// How often [`bench`] tells of its progress.
    fn measurements(&self) -> u64 {
        trigsieve::bench::measurements(&self.subjects, &self.plan, &self.peers)
    }
}
