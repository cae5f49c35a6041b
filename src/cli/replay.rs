//! `trigsieve replay`: events through a mock trigger.

mod report;
mod resume;
mod table;

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use trigsieve::latency::{write_hgrm, write_hlog};
use trigsieve::model::{ModelBundle, Precision};
use trigsieve::pipeline::{BUFFERED_EVENTS, Outcome, Overload, ReplayPlan, Span, Stop, replay};
use trigsieve::score::{Scorer, ScorerFactory, ScorerSpec};
use trigsieve::sink::{
    Census, Checkpoint, Checkpoints, Identity, OutputFormat, RunFolder, RunReport, TaggedEvents,
    TaggedWriter, tagged_schema,
};
use trigsieve::source::{Clock, EventSet, FillingScheme};
use trigsieve::trigger::{Decider, FLOAT_BAND, Menu, Prescaler, ResolvedPath};

use super::Context;
use super::engine::{EngineArgs, ModelArgs};
use super::exit::usage;
use super::output::print;
use super::pace::{ClockRate, WaitArg, parse_rate};
use super::progress::events_bar;
use super::units::{RateHz, format_rate};
use resume::Begin;

/// Rate of the LHC's bunch clock: one crossing in 25 ns.
pub const BUNCH_CLOCK_HZ: f64 = 40e6;
/// Fastest clock: schedules are kept in whole nanoseconds.
const MAX_RATE_HZ: f64 = 1e9;
/// Two signals within this time are one wish: `timeout` and some shells signal a process and then its group.
const ONE_WISH: Duration = Duration::from_secs(1);
/// Default of `--batch`: where ONNX Runtime's throughput levels off on trigger-size networks.
const BATCH: usize = 1024;
/// Default of `--checkpoint-every`.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(10);
/// Largest `--batch`: more adds latency and memory, no throughput.
const MAX_BATCH: usize = 65_536;

/// Replay events through a mock trigger: score, decide, write what is accepted, measure every decision.
#[derive(Args, Debug)]
#[command(
    after_help = "Example: at the LHC's rate, keep what passes the menu, drop what cannot be looked at in time\n  \
    trigsieve replay events.arrow --model models/l1_ae --menu menu.toml --rate 40MHz --overload drop -o out"
)]
pub struct ReplayArgs {
    /// Event tables, in order.
    #[arg(required = true, value_name = "EVENTS")]
    events: Vec<PathBuf>,
    /// Model bundles, separated by commas.
    #[arg(long, required = true, value_delimiter = ',', value_name = "BUNDLE")]
    model: Vec<PathBuf>,
    /// Folder for the tagged events, the run report and the latency files.
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Replace a run that the folder already holds.
    #[arg(long)]
    force: bool,
    /// Go on where a run into this folder was stopped or killed, with the events, models, paths and batch of that run: the
    /// outcome is that of a run that was not. Begins where there is nothing to go on from.
    #[arg(long, conflicts_with = "force")]
    resume: bool,
    /// Time between two checkpoints, which --resume goes on from; 0s writes none. Runs that --resume can't go on with have
    /// none: --overload drop, --format parquet, --duration at --rate max.
    #[arg(long, value_parser = humantime::parse_duration, value_name = "TIME")]
    checkpoint_every: Option<Duration>,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    deployment: ModelArgs,
    #[command(flatten)]
    selection: Selection,
    /// Rate of the input for --target-rate; by default the rate of the clock.
    #[arg(long, requires = "target_rate", value_name = "RATE")]
    input_rate: Option<RateHz>,
    /// Arrival of events: 40MHz, 100kHz, ... or `max`, as fast as it goes.
    #[arg(long, default_value = "max", value_parser = parse_rate, value_name = "RATE")]
    rate: ClockRate,
    /// Bunch slots (BCID 0-3563) that collide, one or a range a line; with --rate 40MHz.
    #[arg(long, value_name = "FILE")]
    filling_scheme: Option<PathBuf>,
    /// What happens to events that find every worker busy: `block` lets them wait, `drop` counts dead time.
    #[arg(long, value_enum, default_value_t = OverloadArg::Block)]
    overload: OverloadArg,
    /// Size of the derandomising buffer of --overload drop: events that may wait when every worker is busy. A longer stall of
    /// the machine is bridged, and under lasting overload decisions are that much later.
    #[arg(long, default_value_t = BUFFERED_EVENTS, value_name = "EVENTS")]
    buffer: u64,
    /// Worker threads, each with a scorer of its own.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: u16,
    /// Most events that a scorer gets at once; on a clock fewer, if fewer have arrived.
    #[arg(long, default_value_t = BATCH, value_name = "N")]
    batch: usize,
    /// Bind the sink to the first core and the workers to the next ones, counted around.
    #[arg(long)]
    pin: bool,
    /// How workers wait for events on a clock: busy (`spin`), giving their time slice away (`yield`) or asleep (`park`);
    /// `auto` spins where every worker has a core.
    #[arg(long, value_enum, default_value_t = WaitArg::Auto)]
    wait: WaitArg,
    /// Go over the events this many times.
    #[arg(long, default_value_t = 1, conflicts_with = "duration", value_name = "N")]
    repeat: u64,
    /// Go over the events again and again for this long, such as 10s or 2m.
    #[arg(long, value_parser = humantime::parse_duration, value_name = "TIME")]
    duration: Option<Duration>,
    /// File format of the tagged events.
    #[arg(long, value_enum, default_value_t = OutputFormat::Arrow)]
    format: OutputFormat,
}

/// Where the thresholds come from: exactly one of them.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub struct Selection {
    /// Trigger menu with paths, thresholds and prescales.
    #[arg(long, value_name = "FILE")]
    pub menu: Option<PathBuf>,
    /// Accept an event when a model's score is at least this.
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true)]
    pub threshold: Option<f32>,
    /// Take the thresholds of the models' cards for this rate of accepted background events.
    #[arg(long, value_name = "RATE")]
    pub target_rate: Option<RateHz>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OverloadArg {
    Block,
    Drop,
}

/// Everything a run needs, opened and checked: nothing is written before this exists.
struct Resolved {
    set: EventSet,
    bundles: Vec<ModelBundle>,
    spec: ScorerSpec,
    factories: Vec<ScorerFactory>,
    paths: Vec<ResolvedPath>,
    menu: Menu,
    plan: ReplayPlan,
    workers: usize,
}

/// Runs the command.
pub fn run(args: &ReplayArgs, context: Context) -> anyhow::Result<()> {
    let mut resolved = resolve(args)?;
    let mut scorers = make_scorers(&resolved)?;
    for (scorer, bundle) in scorers.iter_mut().take(1).flatten().zip(&resolved.bundles) {
        args.deployment.self_test(scorer.as_mut(), &bundle.card().name, resolved.set.tables())?;
    }
    let stop = Stop::default();
    // Before the first file: a signal must not leave half a run behind.
    stop_on_signals(&stop)?;
    let Begin { mut folder, identity, from } = match resume::begin(args, &resolved)? {
        resume::Found::Begin(begin) => *begin,
        resume::Found::Complete => return resume::say_complete(args, context),
    };
    let base = from.as_ref().map_or(0, |from| from.seen.events);
    if let (Some(_), Some(end)) = (&from, resume::span_of(&resolved)) {
        resolved.plan.span = Span::Events { first: base, end };
    }
    let description = scorers.first().and_then(|of| of.first()).map(|scorer| scorer.describe());
    let mut sink = sink(args, &resolved, &folder, (identity.as_ref(), from.as_ref()))?;

    let started = SystemTime::now();
    let bar = events_bar(context, expected_events(&resolved), "replay");
    let band = if resolved.spec.precision == Precision::Fixed { 0.0 } else { FLOAT_BAND };
    let decider = Decider::new(&resolved.paths, resolved.bundles.len()).with_band(band);
    let mut outcome =
        replay(&resolved.set, &resolved.plan, &decider, scorers, &mut sink, &stop, &|events| {
            bar.set_position(base + events)
        })?;
    bar.finish_and_clear();

    // What an earlier part of the run left is needed until a checkpoint of this one is on disk.
    if outcome.error.is_none() && (outcome.interrupted || from.is_some()) {
        outcome.error = sink.pause().err();
    }
    if outcome.error.is_some() {
        // One that is being written decides which files are needed; what stops it comes after what failed the run.
        let _ = sink.end_checkpoint();
    }
    if let Some(error) = &outcome.error
        && from.as_ref().is_some_and(|from| !resume::is_superseded(&folder, from))
    {
        anyhow::bail!("the run failed: {error}{}", resume::hint(&folder)?);
    }
    folder.remove_older()?;
    if identity.is_none() {
        folder.remove_checkpoint()?;
    }
    let (tagged, finished) = sink.finish();
    if let Err(error) = finished {
        outcome.error.get_or_insert(error);
    }
    let file = read_back(args, &folder, &mut outcome);
    let part =
        report::Part { outcome: &outcome, tagged: &tagged, file: file.as_ref(), before: from.as_ref() };
    let engine = report::engine(&resolved, description.unwrap_or_default());
    let report = report::of(args, &resolved, &part, (engine, identity));
    let left = leave_behind(&folder, &resolved, &outcome, &report, started);
    // What failed the run first is what the user needs to know, also when the report cannot be left for the same reason.
    if let Some(error) = &outcome.error {
        let hint = resume::hint(&folder)?;
        anyhow::bail!("the run failed: {error}{hint}");
    }
    left?;
    if !outcome.interrupted {
        folder.remove_checkpoint()?;
    }
    if !context.quiet {
        print(table::of(&report))?;
    }
    part.check(&resolved)?;
    if outcome.interrupted {
        anyhow::bail!(
            "interrupted: what had been offered was decided and written, run.json says how far it came{}",
            resume::hint(&folder)?
        );
    }
    Ok(())
}

/// The sink of the run, with the events of an earlier part of it.
fn sink<'a>(
    args: &ReplayArgs,
    resolved: &'a Resolved,
    folder: &RunFolder,
    (identity, from): (Option<&Identity>, Option<&Checkpoint>),
) -> anyhow::Result<TaggedEvents<'a>> {
    let names = model_names(&resolved.bundles);
    let schema = tagged_schema(&resolved.set.arrow_schema(), &names);
    let writer = TaggedWriter::create(args.format, &folder.file(args.format.file()), schema.clone())?;
    let prescaler = Prescaler::new(&resolved.paths);
    let mut sink = TaggedEvents::new(&resolved.set, prescaler, writer, schema, names.len())?;
    if let Some(from) = from {
        sink = sink.resumed(from, &from.file_in(folder.path()))?;
    }
    match identity {
        Some(identity) => {
            let every = args.checkpoint_every.unwrap_or(CHECKPOINT_EVERY);
            Ok(sink.with_checkpoints(Checkpoints::new(folder.path(), identity.clone(), every)))
        }
        None => Ok(sink),
    }
}

/// Counts the file of tagged events, read anew; none where there is none, because the run failed.
fn read_back(args: &ReplayArgs, folder: &RunFolder, outcome: &mut Outcome) -> Option<Census> {
    let path = folder.file(args.format.file());
    if !path.exists() {
        return None;
    }
    let census = Census::of_file(&path, args.format);
    census.map_err(|error| outcome.error.get_or_insert(error)).ok()
}

fn resolve(args: &ReplayArgs) -> anyhow::Result<Resolved> {
    let clock = clock(args)?;
    check_usage(args, &clock)?;
    let set = EventSet::open(&args.events)?;
    let bundles = args.deployment.open(&args.model)?;
    check_names(&bundles)?;
    let spec = args.engine.spec()?;
    let factories = bundles.iter().map(|bundle| spec.load(bundle)).collect::<Result<Vec<_>, _>>()?;
    for table in set.tables() {
        factories.iter().try_for_each(|factory| factory.check_events(table))?;
    }
    let menu = menu(args, &bundles, &clock)?;
    let paths = menu.resolve(&bundles, spec.precision)?;
    let plan = ReplayPlan {
        clock,
        overload: overload(args.overload),
        span: args.duration.map_or(Span::Passes(args.repeat), Span::Time),
        batch: args.batch,
        pin: args.pin,
        buffer: args.buffer,
        wait: args.wait.strategy(),
    };
    let workers = usize::from(args.workers);
    Ok(Resolved { set, bundles, spec, factories, paths, menu, plan, workers })
}

fn overload(typed: OverloadArg) -> Overload {
    match typed {
        OverloadArg::Block => Overload::Block,
        OverloadArg::Drop => Overload::Drop,
    }
}

fn clock(args: &ReplayArgs) -> anyhow::Result<Clock> {
    match (args.rate, &args.filling_scheme) {
        (ClockRate::Max, None) => Ok(Clock::Unpaced),
        (ClockRate::Hz(hz), None) => Ok(Clock::fixed(hz)),
        (ClockRate::Hz(hz), Some(path)) if hz == BUNCH_CLOCK_HZ => {
            Ok(Clock::Filled(FillingScheme::read(path)?))
        }
        (_, Some(_)) => {
            Err(usage("--filling-scheme gives collisions to the bunch clock: use it with --rate 40MHz"))
        }
    }
}

fn check_usage(args: &ReplayArgs, clock: &Clock) -> anyhow::Result<()> {
    if args.batch == 0 || args.batch > MAX_BATCH {
        return Err(usage(format!("--batch {} is not from 1 to {MAX_BATCH}", args.batch)));
    }
    if args.repeat == 0 {
        return Err(usage("--repeat 0 asks for nothing"));
    }
    if args.resume || args.checkpoint_every.is_some_and(|every| !every.is_zero()) {
        resume::check_usage(args)?;
    }
    if args.overload == OverloadArg::Drop && args.buffer == 0 {
        return Err(usage("--buffer 0 holds no event: all would be dropped"));
    }
    if args.duration.is_some_and(|time| time.is_zero()) {
        return Err(usage("--duration 0 asks for nothing"));
    }
    if args.overload == OverloadArg::Drop && !clock.is_paced() {
        return Err(usage("--overload drop needs a clock: at --rate max every event would be late"));
    }
    if let Some(threshold) = args.selection.threshold.filter(|threshold| !threshold.is_finite()) {
        return Err(usage(format!("--threshold {threshold} is not a finite score")));
    }
    if clock.rate_hz().is_some_and(|rate_hz| rate_hz > MAX_RATE_HZ) {
        return Err(usage("--rate: more than 1 GHz, the resolution of the clock; use max"));
    }
    Ok(())
}

/// With --force a run replaces the files of an older one, which must not be the events it reads.
fn check_inputs_stay(args: &ReplayArgs, folder: &RunFolder) -> anyhow::Result<()> {
    match args.events.iter().find(|path| folder.is_older(path)) {
        Some(path) => Err(usage(format!(
            "{} is an input and would be replaced: name another output folder",
            path.display()
        ))),
        None => Ok(()),
    }
}

fn check_names(bundles: &[ModelBundle]) -> anyhow::Result<()> {
    for (index, bundle) in bundles.iter().enumerate() {
        let card = bundle.card();
        if bundles[..index].iter().any(|other| other.card().name == card.name) {
            return Err(usage(format!(
                "two bundles are named `{}`: their scores would share a column",
                card.name
            )));
        }
    }
    Ok(())
}

fn menu(args: &ReplayArgs, bundles: &[ModelBundle], clock: &Clock) -> anyhow::Result<Menu> {
    let names = model_names(bundles);
    match (&args.selection.menu, args.selection.threshold, args.selection.target_rate) {
        (Some(path), ..) => Ok(Menu::load(path)?),
        (_, Some(threshold), _) => Ok(Menu::of_threshold(&names, threshold)),
        (.., Some(RateHz(target_hz))) => {
            let input_hz = args.input_rate.map(|RateHz(hz)| hz).or(clock.rate_hz()).ok_or_else(|| {
                usage("--target-rate is a share of the input rate: give --rate or --input-rate")
            })?;
            Ok(Menu::of_target_rate(&names, target_hz, input_hz))
        }
        _ => Err(usage("give one of --menu, --threshold and --target-rate")),
    }
}

fn make_scorers(resolved: &Resolved) -> anyhow::Result<Vec<Vec<Box<dyn Scorer>>>> {
    let of_a_worker = || resolved.factories.iter().map(ScorerFactory::scorer).collect::<Result<Vec<_>, _>>();
    Ok((0..resolved.workers).map(|_| of_a_worker()).collect::<Result<Vec<_>, _>>()?)
}

fn model_names(bundles: &[ModelBundle]) -> Vec<String> {
    bundles.iter().map(|bundle| bundle.card().name.clone()).collect()
}

/// The first signal stops the run in order, the second ends the process.
pub fn stop_on_signals(stop: &Stop) -> anyhow::Result<()> {
    let stop = stop.clone();
    let mut first: Option<Instant> = None;
    ctrlc::set_handler(move || {
        let since_first = first.get_or_insert_with(Instant::now).elapsed();
        if since_first > ONE_WISH {
            std::process::exit(1);
        }
        stop.interrupt();
    })
    .context("signal handler")
}

fn expected_events(resolved: &Resolved) -> u64 {
    match resolved.plan.span {
        Span::Passes(passes) => resolved.set.len().saturating_mul(passes),
        Span::Events { end, .. } => end,
        Span::Time(time) => {
            let rate_hz = resolved.plan.clock.rate_hz().unwrap_or(0.0);
            (time.as_secs_f64() * rate_hz) as u64
        }
    }
}

/// Writes everything but the tagged events. The report comes last: a folder with `run.json` is a finished one.
fn leave_behind(
    folder: &RunFolder,
    resolved: &Resolved,
    outcome: &Outcome,
    report: &RunReport,
    started: SystemTime,
) -> anyhow::Result<()> {
    let latencies = &outcome.latencies;
    write_hgrm(&latencies.decision, &folder.file("latency.hgrm"))?;
    write_hlog(&[("", &latencies.decision)], started, outcome.wall, &folder.file("latency.hlog"))?;
    let stages = [("queue", &latencies.queue), ("score", &latencies.score), ("handover", &outcome.handover)];
    write_hlog(&stages, started, outcome.wall, &folder.file("latency-stages.hlog"))?;
    plot(folder, outcome, report)?;
    resolved.menu.save(&folder.file("menu.toml"))?;
    let path = folder.file("run.json");
    report.write(&path).with_context(|| path.display().to_string())
}

fn plot(folder: &RunFolder, outcome: &Outcome, report: &RunReport) -> anyhow::Result<()> {
    let latencies = &outcome.latencies;
    let curves = [
        (report.latency_ns.kind, &latencies.decision),
        ("queue", &latencies.queue),
        ("score", &latencies.score),
        ("hand-over", &outcome.handover),
    ];
    let engine = &report.engine;
    let models = engine.models.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    let rate = report.scheduled_rate_hz.map_or_else(
        || "as fast as it goes".to_owned(),
        |hz| format!("at {}", format_rate(hz).replace(".000 ", " ")),
    );
    let title = format!("Latency of {models} ({}, {}), {rate}", engine.name, engine.precision);
    Ok(trigsieve::plot::latency(&curves, &title, &folder.file("latency.svg"))?)
}
