//! `trigsieve serve`: live streams through the trigger.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use clap::Args;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use trigsieve::durable::write_atomically;
use trigsieve::event::EventTable;
use trigsieve::serve::{
    Address, Deployment, DeploymentSpec, HttpDoor, HttpLimits, HttpServer, MenuSource, NatsAddress,
    NatsModel, NatsOutlet, NatsReceiver, Operations, Outlet, ReceiveLimits, Receiver, Rolling, RollingFiles,
    Service, ServiceConfig, ServiceEnd, Snapshot, SocketText, Token, Window, receiver_of, unique_name,
};

use super::Context;
use super::engine::{EngineArgs, ModelArgs};
use super::exit::usage;
use super::output::print;
use super::replay::Selection;
use super::text::{facts, numbers};
use super::units::RateHz;

/// How often the service is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Score live streams of events and keep what the trigger accepts, until SIGTERM or Ctrl-C.
#[derive(Args, Debug)]
#[command(after_help = "Example: frames on UDP and TCP, accepted events in a new file every minute\n  \
    trigsieve serve --source udp://:4000 --source tcp://:4000 --model models/l1_vae --menu menu.toml \\\n    \
    --sink file:out --roll-time 1m\n\n\
    A host that is left out is 127.0.0.1. SIGHUP reads models and menu again; SIGTERM and Ctrl-C stop receiving,\n\
    decide what has come and end.")]
pub struct ServeArgs {
    /// udp://HOST:PORT, udp://GROUP:PORT[@INTERFACE] (multicast), tcp://HOST:PORT, unix:PATH, stdin (an Arrow IPC stream), or
    /// nats://HOST:PORT/STREAM/CONSUMER (tls:// where it must be encrypted); again for more.
    #[arg(long, required = true, value_name = "ADDRESS")]
    source: Vec<Address>,
    /// Model bundles, separated by commas: folders, or nats://HOST:PORT/BUCKET/NAME in an object store, which is watched.
    #[arg(long, required = true, value_delimiter = ',', value_name = "BUNDLE")]
    model: Vec<String>,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    admission: ModelArgs,
    #[command(flatten)]
    selection: Selection,
    /// Rate of the input for --target-rate.
    #[arg(long, requires = "target_rate", value_name = "RATE")]
    input_rate: Option<RateHz>,
    /// file:FOLDER for accepted events, nats://HOST:PORT/STREAM for decisions and accepted events; again for more.
    #[arg(long, required = true, value_name = "ADDRESS")]
    sink: Vec<Address>,
    /// Make streams and consumers of NATS that are missing.
    #[arg(long)]
    create: bool,
    /// Complete a file at this size, MiB.
    #[arg(long, default_value_t = 256, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    roll_size: u64,
    /// Complete a file at this age.
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration, value_name = "TIME")]
    roll_time: Duration,
    /// Table of events like those that will come: its features and units go to the output, frames of hardware integers in other
    /// units are refused, and models are tried on its first events instead of generated ones.
    #[arg(long, value_name = "EVENTS")]
    layout: Option<PathBuf>,
    /// Worker threads, each with scorers of its own.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: u16,
    /// Most events that a scorer gets at once.
    #[arg(long, default_value_t = 1024, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch: u32,
    /// Frames that may wait for a worker: beyond, senders wait on TCP, and datagrams are dropped and counted.
    #[arg(long, default_value_t = 32_768, value_name = "FRAMES", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    queue: u32,
    /// And at most so much memory of frames between receipt and delivery, MiB.
    #[arg(long, default_value_t = 512, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    queue_size: u64,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    operations: OperationArgs,
    /// End when this many senders have said that they are done.
    #[arg(long, value_name = "SENDERS")]
    until_end: Option<u64>,
    /// At the end, give up deciding what has come after this time; half of it is for what the kernel still holds and what is
    /// being sent.
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration, value_name = "TIME")]
    drain_time: Duration,
}

/// What is put up with.
#[derive(Args, Debug)]
struct LimitArgs {
    /// Datagrams of a sender that may wait for those that they overtook.
    #[arg(long, default_value_t = 64, value_name = "FRAMES", value_parser = clap::value_parser!(u32).range(0..=4096))]
    reorder_frames: u32,
    /// How long they may.
    #[arg(long, default_value = "20ms", value_parser = humantime::parse_duration, value_name = "TIME")]
    reorder_time: Duration,
    /// Most events of a frame.
    #[arg(long, default_value_t = 65_536, value_name = "N")]
    max_events: u32,
    /// Most bytes of a frame's events, MiB.
    #[arg(long, default_value_t = 16, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=2048))]
    max_payload: u32,
    /// Most connections at a time.
    #[arg(long, default_value_t = 64, value_name = "N")]
    max_connections: u64,
    /// Close a connection on which nothing comes, or a frame takes, for so long.
    #[arg(long, default_value = "1m", value_parser = humantime::parse_duration, value_name = "TIME")]
    idle_time: Duration,
}

/// What operations see, and may do.
#[derive(Args, Debug)]
struct OperationArgs {
    /// Live page, metrics and health by HTTP at HOST:PORT; without a host at 127.0.0.1.
    #[arg(long, value_name = "HOST:PORT")]
    http: Option<SocketText>,
    /// File with a token: whoever sends it as a bearer token may POST /reload, which reads models and menu again.
    #[arg(long, requires = "http", value_name = "FILE")]
    http_token_file: Option<PathBuf>,
    /// Raise an alarm when the scores of the last minute are surely this far from those of the calibration: Kolmogorov distance,
    /// 0 to 1.
    #[arg(long, default_value_t = trigsieve::serve::DRIFT_ALARM, value_name = "DISTANCE", value_parser = distance)]
    drift_alarm: f64,
    /// Raise the prescale of a path above its `rate_budget_hz` of the menu, and take it back when the rate is.
    #[arg(long)]
    auto_prescale: bool,
}

impl OperationArgs {
    fn operations(&self) -> Operations {
        Operations { drift_alarm: self.drift_alarm, auto_prescale: self.auto_prescale }
    }
}

fn distance(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(distance) if (0.0..=1.0).contains(&distance) => Ok(distance),
        _ => Err("a distance is from 0 to 1".to_owned()),
    }
}

/// Runs the command.
pub fn run(args: &ServeArgs, context: Context) -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("signal handler")?;
    let started = unique_name("serve", SystemTime::now());
    // What may be wrong with them is found before the models are loaded.
    let door = args.operations.http.map(|SocketText(address)| HttpDoor::open(address)).transpose()?;
    let token = args.operations.http_token_file.as_deref().map(Token::load).transpose()?;
    let (folders, stored) = models(args)?;
    let service = start(args, folders)?;
    let (changed, changes) = crossbeam_channel::unbounded();
    stored.into_iter().try_for_each(|model| model.watch(changed.clone()))?;
    let page =
        door.map(|door| HttpServer::start(door, Arc::clone(service.control()), token, HttpLimits::default()));
    let page = page.transpose().context("HTTP server")?;
    wait_for_the_end(args, &service, &mut signals, &changes);
    let end = service.drain(args.drain_time);
    drop(page);
    let report = report_of(&end);
    for folder in args.sink.iter().filter_map(folder_of) {
        let path = folder.join(format!("{started}.json"));
        let json = serde_json::to_string_pretty(&report)? + "\n";
        write_atomically(&path, json.as_bytes()).with_context(|| path.display().to_string())?;
    }
    if !context.quiet {
        print(table(&end.snapshot))?;
    }
    verdict(args, end)
}

fn wait_for_the_end(
    args: &ServeArgs,
    service: &Service,
    signals: &mut Signals,
    changes: &crossbeam_channel::Receiver<String>,
) {
    loop {
        if changes.try_iter().count() > 0 {
            // Either outcome is in the log.
            let _ = service.reload();
        }
        for signal in signals.pending() {
            if signal != SIGHUP {
                tracing::info!("signal {signal}: no more is received");
                return;
            }
            // Either outcome is in the log.
            let _ = service.reload();
        }
        let ended = service.intake().senders_ended();
        if service.is_done() || args.until_end.is_some_and(|senders| ended >= senders) {
            return;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// The folders of the models, and those of them that come from an object store.
fn models(args: &ServeArgs) -> anyhow::Result<(Vec<PathBuf>, Vec<NatsModel>)> {
    let (mut folders, mut stored) = (Vec::new(), Vec::new());
    for model in whole_addresses(&args.model) {
        if model.contains("://") {
            let model = NatsModel::open(&nats_address("--model", &model)?)?;
            folders.push(model.folder());
            stored.push(model);
        } else {
            folders.push(model.into());
        }
    }
    Ok((folders, stored))
}

/// A comma stands between models, and between the nodes of an address too.
fn whole_addresses(pieces: &[String]) -> Vec<String> {
    let mut whole: Vec<String> = Vec::new();
    for piece in pieces {
        let is_open =
            |last: &&mut String| last.split_once("://").is_some_and(|(_, rest)| !rest.contains('/'));
        match whole.last_mut().filter(is_open) {
            Some(last) => *last = format!("{last},{piece}"),
            None => whole.push(piece.clone()),
        }
    }
    whole
}

/// Sockets listen before the models are loaded, so that nothing is lost meanwhile; folders are made afterwards, so that
/// nothing is left of a start that fails for its models.
fn start(args: &ServeArgs, models: Vec<PathBuf>) -> anyhow::Result<Service> {
    args.sink.iter().try_for_each(check_sink)?;
    check_together(args)?;
    let limits = ReceiveLimits {
        frame: trigsieve::serve::Limits {
            events: args.limits.max_events,
            payload_bytes: args.limits.max_payload << 20,
            ..Default::default()
        },
        connections: args.limits.max_connections,
        idle: args.limits.idle_time,
    };
    let deployment = deployment(args, models)?;
    let receivers =
        args.source.iter().map(|source| receiver(args, source, limits)).collect::<anyhow::Result<_>>()?;
    let loaded = Deployment::load(&deployment, 1)?;
    let outlets = args.sink.iter().map(|sink| outlet(args, sink)).collect::<anyhow::Result<Vec<_>>>()?;
    let window = Window { frames: args.limits.reorder_frames as usize, time: args.limits.reorder_time };
    let (queue_frames, batch) = (args.queue as usize, args.batch as usize);
    let (queue_bytes, operations) = (args.queue_size << 20, args.operations.operations());
    let config = ServiceConfig {
        deployment,
        receivers,
        outlets,
        queue_frames,
        queue_bytes,
        batch,
        window,
        operations,
    };
    Ok(Service::start_loaded(config, loaded)?)
}

/// A file is given up when NATS may have given its frames to others: those of other sources would go with it, and do not come again.
fn check_together(args: &ServeArgs) -> anyhow::Result<()> {
    let (nats, others) =
        args.source.iter().partition::<Vec<_>, _>(|source| matches!(source, Address::Nats(_)));
    match (nats.first(), others.first(), args.sink.iter().find_map(folder_of)) {
        (Some(nats), Some(other), Some(_)) => Err(usage(format!(
            "--source {nats} and {other} cannot share the files of a sink: a service of its own for each"
        ))),
        _ => Ok(()),
    }
}

fn deployment(args: &ServeArgs, models: Vec<PathBuf>) -> anyhow::Result<DeploymentSpec> {
    let layout = args.layout.as_ref().map(|path| EventTable::open(path)).transpose()?;
    Ok(DeploymentSpec {
        models,
        menu: menu(args)?,
        scorer: args.engine.spec()?,
        workers: usize::from(args.workers),
        admission: args.admission.admission(layout.as_ref())?,
        layout: layout.map(|table| table.schema().clone()),
    })
}

fn menu(args: &ServeArgs) -> anyhow::Result<MenuSource> {
    let selection = &args.selection;
    match (&selection.menu, selection.threshold, selection.target_rate, args.input_rate) {
        (Some(path), ..) => Ok(MenuSource::File(path.clone())),
        (_, Some(threshold), ..) if !threshold.is_finite() => {
            Err(usage(format!("--threshold {threshold} is not a finite score")))
        }
        (_, Some(threshold), ..) => Ok(MenuSource::Threshold(threshold)),
        (.., Some(RateHz(target_hz)), Some(RateHz(input_hz))) => {
            Ok(MenuSource::TargetRate { target_hz, input_hz })
        }
        (.., Some(_), None) => Err(usage("--target-rate is a share of the input rate: give --input-rate")),
        _ => Err(usage("give one of --menu, --threshold and --target-rate")),
    }
}

fn receiver(args: &ServeArgs, source: &Address, limits: ReceiveLimits) -> anyhow::Result<Box<dyn Receiver>> {
    let Address::Nats(text) = source else { return Ok(receiver_of(source, limits)?) };
    let address = nats_address("--source", text)?;
    Ok(Box::new(NatsReceiver::open(&address, args.create, limits, args.queue as usize)?))
}

fn nats_address(option: &str, text: &str) -> anyhow::Result<NatsAddress> {
    text.parse().map_err(|error| usage(format!("{option} {error}")))
}

/// Whether events can be sent there at all.
fn check_sink(sink: &Address) -> anyhow::Result<()> {
    match sink {
        Address::Nats(text) => nats_address("--sink", text).map(drop),
        Address::Folder(_) => Ok(()),
        _ => Err(no_sink(sink)),
    }
}

fn no_sink(sink: &Address) -> anyhow::Error {
    usage(format!("--sink {sink}: events go to file:FOLDER or nats://HOST:PORT/STREAM"))
}

fn outlet(args: &ServeArgs, sink: &Address) -> anyhow::Result<Box<dyn Outlet>> {
    if let Address::Nats(text) = sink {
        return Ok(Box::new(NatsOutlet::open(&nats_address("--sink", text)?, args.create)?));
    }
    let Some(folder) = folder_of(sink) else { return Err(no_sink(sink)) };
    let rolling = Rolling { bytes: args.roll_size << 20, time: args.roll_time };
    Ok(Box::new(RollingFiles::new(folder, rolling)?))
}

fn folder_of(sink: &Address) -> Option<&Path> {
    match sink {
        Address::Folder(path) => Some(path),
        _ => None,
    }
}

/// What is left in the folder of the files.
#[derive(serde::Serialize)]
struct EndReport<'a> {
    status: &'static str,
    error: Option<String>,
    counters_add_up: bool,
    version: &'static str,
    command_line: Vec<String>,
    #[serde(flatten)]
    snapshot: &'a Snapshot,
}

fn report_of(end: &ServiceEnd) -> EndReport<'_> {
    EndReport {
        status: match (&end.error, end.is_drained) {
            (Some(_), _) => "failed",
            (None, true) => "complete",
            (None, false) => "not drained",
        },
        error: end.error.as_ref().map(ToString::to_string),
        counters_add_up: end.snapshot.is_accounted_for() && (end.error.is_some() || end.snapshot.adds_up()),
        version: env!("CARGO_PKG_VERSION"),
        command_line: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
        snapshot: &end.snapshot,
    }
}

/// Anything but a service that decided and kept all that it took is an error to the caller.
fn verdict(args: &ServeArgs, end: ServiceEnd) -> anyhow::Result<()> {
    if let Some(error) = end.error {
        return Err(error.into());
    }
    let seen = &end.snapshot;
    if !end.is_drained {
        anyhow::bail!(
            "not everything was decided and kept within {}: {} events came, {} are kept",
            humantime::format_duration(args.drain_time),
            seen.events_in,
            seen.events_settled
        );
    }
    if !seen.adds_up() {
        anyhow::bail!(
            "the event counts do not add up: {} in, {} scored, {} dropped, {} delivered",
            seen.events_in,
            seen.events_scored,
            seen.events_dropped.total(),
            seen.events_delivered
        );
    }
    Ok(())
}

fn table(seen: &Snapshot) -> String {
    let dropped = &seen.events_dropped;
    let latency = &seen.latency_ns.decision;
    let us = |ns: u64| format!("{:.1} us", ns as f64 * 1e-3);
    let counts = facts([
        ("events in", seen.events_in.to_string()),
        ("scored", seen.events_scored.to_string()),
        ("dropped: queue full", dropped.queue_full.to_string()),
        ("dropped: duplicate", dropped.duplicate.to_string()),
        ("dropped: refused", dropped.refused.to_string()),
        ("dropped: failed", dropped.failed.to_string()),
        ("invalid", seen.events_invalid.to_string()),
        ("accepted", seen.events_accepted.to_string()),
        ("frames in", seen.frames_in.to_string()),
        ("lost on the way", format!("{} frames", seen.frames_lost)),
        ("malformed", format!("{} frames", seen.frames_malformed)),
        ("latency p50, p99, max", [latency.p50, latency.p99, latency.max].map(us).join(", ")),
    ]);
    let row = |path: &trigsieve::serve::PathSnapshot| {
        vec![
            path.name.clone(),
            path.threshold.to_string(),
            path.prescale.to_string(),
            path.passed.to_string(),
            path.accepted.to_string(),
        ]
    };
    let paths =
        numbers(&["path", "threshold", "prescale", "passed", "accepted"], 1, seen.paths.iter().map(row));
    [counts, paths].join("\n\n")
}
