//! `trigsieve send`: the mock detector.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use clap::Args;
use trigsieve::durable::write_atomically;
use trigsieve::event::ElementType;
use trigsieve::pipeline::{Span, Stop};
use trigsieve::send::{
    ArrowTarget, Faults, FrameTarget, NatsTarget, SendPlan, SendReport, StreamTarget, UdpTarget, send,
};
use trigsieve::serve::{Address, HEADER_BYTES, Limits, NatsPublisher};
use trigsieve::source::{Clock, EventSet, FillingScheme};
use trigsieve_frame::Element;

use super::Context;
use super::exit::usage;
use super::output::print;
use super::pace::{ClockRate, parse_rate};
use super::progress::events_bar;
use super::replay::{BUNCH_CLOCK_HZ, stop_on_signals};
use super::text::facts;
use super::units::format_rate;

/// Most bytes of a datagram on IPv4.
const DATAGRAM_BYTES: u32 = 65_507;
/// Events of a frame where nothing else limits it.
const FRAME_EVENTS: u32 = 4096;
/// The same on NATS.
const MESSAGE_EVENTS: u32 = 1024;
/// Half of what a message on NATS may have unless the server is told otherwise: what is made of a frame may be longer than it.
const MESSAGE_BYTES: u32 = 512 << 10;

/// Send events to a service as a detector would: in frames, paced by the bunch clock, with faults on request.
#[derive(Args, Debug)]
#[command(
    after_help = "Example: 100,000 events a second for ten seconds, one frame in a thousand lost on the way\n  \
    trigsieve send events.arrow --to udp://127.0.0.1:4000 --rate 100kHz --duration 10s --drop 1e-3"
)]
pub struct SendArgs {
    /// Event tables, in order.
    #[arg(required = true, value_name = "EVENTS")]
    events: Vec<PathBuf>,
    /// The service: udp://HOST:PORT or udp://GROUP:PORT[@INTERFACE], tcp://HOST:PORT, unix:PATH, nats://HOST:PORT/STREAM (tls://
    /// where it must be encrypted), or stdout (an Arrow IPC stream, for `serve --source stdin`).
    #[arg(long, value_name = "ADDRESS")]
    to: Address,
    /// Make the stream of NATS if it is missing.
    #[arg(long)]
    create: bool,
    /// Rate of events: 40MHz, 100kHz, ... or `max`, as fast as it goes.
    #[arg(long, default_value = "max", value_parser = parse_rate, value_name = "RATE")]
    rate: ClockRate,
    /// Bunch slots (BCID 0-3563) that collide, one or a range a line; with --rate 40MHz.
    #[arg(long, value_name = "FILE")]
    filling_scheme: Option<PathBuf>,
    /// Events of a frame [default: 4096, on NATS 1024, on UDP what fits into a datagram].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    frame_events: Option<u32>,
    /// Run number of the frames [default: the time in milliseconds modulo 2^32]. A service takes frames of the same run, sender and number once.
    #[arg(long, value_name = "N")]
    run: Option<u32>,
    /// Number of this sender in the run.
    #[arg(long, default_value_t = 0, value_name = "N")]
    sender: u32,
    /// Go over the events this many times; ids and crossings go on counting.
    #[arg(long, default_value_t = 1, conflicts_with = "duration", value_name = "N")]
    repeat: u64,
    /// Go over the events again and again for this long, such as 10s or 2m.
    #[arg(long, value_parser = humantime::parse_duration, value_name = "TIME")]
    duration: Option<Duration>,
    #[command(flatten)]
    faults: FaultArgs,
    /// Write what was sent to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// What to do wrong.
#[derive(Args, Debug)]
struct FaultArgs {
    /// Share of the frames that are not sent.
    #[arg(long, default_value_t = 0.0, value_parser = probability, value_name = "SHARE")]
    drop: f64,
    /// Share of the frames that are sent twice.
    #[arg(long, default_value_t = 0.0, value_parser = probability, value_name = "SHARE")]
    duplicate: f64,
    /// Share of the frames in which a bit is flipped.
    #[arg(long, default_value_t = 0.0, value_parser = probability, value_name = "SHARE")]
    corrupt: f64,
    /// Share of the frames that are sent after the next one.
    #[arg(long, default_value_t = 0.0, value_parser = probability, value_name = "SHARE")]
    reorder: f64,
    /// Seed of the faults.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
}

fn probability(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| format!("`{text}` is not a share such as 0.01"))?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err(format!("`{text}` is not from 0 to 1")) }
}

/// Runs the command.
pub fn run(args: &SendArgs, context: Context) -> anyhow::Result<()> {
    let set = EventSet::open(&args.events)?;
    if set.is_empty() {
        anyhow::bail!("{}: there are no events", args.events[0].display());
    }
    let plan = plan(args, &set)?;
    let stop = Stop::default();
    stop_on_signals(&stop)?;
    let mut target = target(args, &set, &stop)?;
    let total = match plan.span {
        Span::Events { first, end } => end.saturating_sub(first),
        Span::Passes(passes) => set.len().saturating_mul(passes),
        Span::Time(time) => (time.as_secs_f64() * plan.clock.rate_hz().unwrap_or(0.0)) as u64,
    };
    let bar = events_bar(context, total, "send");
    let report = send(&set, &plan, target.as_mut(), &stop, &|events| bar.set_position(events))?;
    bar.finish_and_clear();
    if let Some(path) = &args.report {
        let json = serde_json::to_string_pretty(&report)? + "\n";
        write_atomically(path, json.as_bytes()).with_context(|| path.display().to_string())?;
    }
    if !context.quiet && args.to != Address::Stdio {
        print(table(&report))?;
    }
    if report.interrupted {
        anyhow::bail!("interrupted after {} events", report.events);
    }
    Ok(())
}

fn plan(args: &SendArgs, set: &EventSet) -> anyhow::Result<SendPlan> {
    if args.repeat == 0 || args.duration.is_some_and(|time| time.is_zero()) {
        return Err(usage("--repeat 0 or --duration 0 asks for nothing"));
    }
    let clock = match (args.rate, &args.filling_scheme) {
        (ClockRate::Max, None) => Clock::Unpaced,
        (ClockRate::Hz(hz), None) => Clock::fixed(hz),
        (ClockRate::Hz(hz), Some(path)) if hz == BUNCH_CLOCK_HZ => Clock::Filled(FillingScheme::read(path)?),
        (_, Some(_)) => {
            return Err(usage(
                "--filling-scheme gives collisions to the bunch clock: use it with --rate 40MHz",
            ));
        }
    };
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let FaultArgs { drop, duplicate, corrupt, reorder, seed } = args.faults;
    Ok(SendPlan {
        clock,
        span: args.duration.map_or(Span::Passes(args.repeat), Span::Time),
        run: args.run.unwrap_or(since_1970.as_millis() as u32),
        source: args.sender,
        frame_events: frame_events(args, set)?,
        faults: Faults { drop, duplicate, corrupt, reorder, seed },
    })
}

/// As many events as asked for, where they fit.
fn frame_events(args: &SendArgs, set: &EventSet) -> anyhow::Result<u32> {
    let is_datagram = matches!(args.to, Address::Udp(_) | Address::Multicast(..));
    let (payload_bytes, usual) = match args.to {
        _ if is_datagram => (DATAGRAM_BYTES - HEADER_BYTES as u32, FRAME_EVENTS),
        Address::Nats(_) => (MESSAGE_BYTES - HEADER_BYTES as u32, MESSAGE_EVENTS),
        _ => (Limits::default().payload_bytes, FRAME_EVENTS),
    };
    let schema = set.tables()[0].schema();
    let element = match schema.element {
        ElementType::F32 => Element::F32,
        ElementType::I16 => Element::I16,
    };
    let k = u32::try_from(schema.k).unwrap_or(u32::MAX);
    let most = Limits { payload_bytes, ..Limits::default() }.events_of(k, element);
    // A datagram cannot be larger, whatever the service takes; of anything else it says itself what it does not take.
    match args.frame_events {
        Some(asked) if is_datagram && asked > most => {
            Err(usage(format!("--frame-events {asked}: {most} events of {k} inputs fit into a datagram")))
        }
        Some(asked) => Ok(asked),
        None if most == 0 && is_datagram => {
            Err(usage(format!("an event of {k} inputs does not fit into a datagram")))
        }
        None => Ok(most.clamp(1, usual)),
    }
}

fn target(args: &SendArgs, set: &EventSet, stop: &Stop) -> anyhow::Result<Box<dyn FrameTarget>> {
    let to = &args.to;
    Ok(match to {
        Address::Stdio if args.faults.corrupt > 0.0 => {
            return Err(usage("--corrupt: an Arrow stream has no checksum that would tell"));
        }
        Address::Stdio => {
            let output = std::io::BufWriter::new(std::io::stdout());
            Box::new(ArrowTarget::new(output, set.tables()[0].schema())?)
        }
        Address::Nats(text) => {
            let address = text.parse().map_err(|error| usage(format!("--to {error}")))?;
            Box::new(NatsTarget(NatsPublisher::open(&address, args.create)?, stop.clone()))
        }
        Address::Udp(address) => Box::new(UdpTarget::new(*address)?),
        Address::Multicast(group, interface) => Box::new(UdpTarget::group(*group, *interface)?),
        Address::Tcp(address) => Box::new(StreamTarget::tcp(*address)?),
        Address::Unix(path) => Box::new(StreamTarget::unix(path)?),
        Address::Folder(_) => {
            return Err(usage(format!("--to {to}: events go to udp://, tcp://, unix:, nats:// or stdout")));
        }
    })
}

fn table(report: &SendReport) -> String {
    let frames = |frames: u64, events: u64| format!("{frames} frames, {events} events");
    let faults = &report.faults;
    let broker = report.published.iter().flat_map(|seen| {
        [
            ("stored by the server", format!("{} messages", seen.stored)),
            ("was there already", format!("{} messages", seen.was_there)),
            ("refused, stream full", format!("{} times", seen.refused_as_full)),
            ("said again", format!("{} times", seen.repeated)),
        ]
    });
    let sent = [
        ("run", report.run.to_string()),
        ("sender", report.source.to_string()),
        ("sent", frames(report.frames, report.events)),
        ("of these dropped", frames(faults.dropped_frames, faults.dropped_events)),
        ("corrupted", frames(faults.corrupted_frames, faults.corrupted_events)),
        ("sent twice", frames(faults.duplicated_frames, faults.duplicated_events)),
        ("sent late", format!("{} frames", faults.reordered_frames)),
        ("wall time", format!("{:.3} s", report.wall_seconds)),
        ("rate", format_rate(report.rate_hz)),
        ("latest after its time", format!("{:.3} ms", report.latest_ns as f64 * 1e-6)),
    ];
    facts(sent.into_iter().chain(broker).collect::<Vec<_>>())
}
