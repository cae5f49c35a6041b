//! `trigsieve verify-hls`: every way to firmware against the fixed-point engine, event by event.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use serde::Serialize;
use trigsieve::event::{EventTable, Rows, Values};
use trigsieve_export::{Events, Project, Verification, Way, stress_rows, verify};
use trigsieve_fixed::{CheckedProgram, Engine};

use super::Context;
use super::exit::usage;
use super::fpga::{ToolArgs, named, note};
use super::output::print;
use super::text::numbers;

/// Seed of the generated events.
const SEED: u64 = 2;

/// Compare the firmware of an export with the fixed-point engine, event by event.
///
/// Builds and runs the standalone C++ (with the ap_fixed headers inside of the hls4ml package), hls4ml's C simulation and the
/// Verilog (with Verilator), each on the same events: those of the tables, and generated ones that saturate, are empty, or have
/// a single object in each of the slots. A mismatch is any bit of the score that differs, or the decision at the export's
/// threshold. Exit code 1 on any.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    trigsieve verify-hls fpga/l1_vae --events background.arrow --events a_to_4l.arrow --limit 100000\n  \
    trigsieve verify-hls fpga/l1_vae --ways standalone,rtl --generated 10000")]
pub struct VerifyHlsArgs {
    /// The export.
    #[arg(value_name = "EXPORT")]
    export: PathBuf,
    /// Event table; may be given several times.
    #[arg(long, value_name = "EVENTS.arrow")]
    events: Vec<PathBuf>,
    /// Events of each table, at most.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Generated events.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    generated: usize,
    /// Which ways: standalone, hls4ml, rtl [default: all that were exported].
    #[arg(long, value_delimiter = ',', value_parser = way)]
    ways: Vec<Way>,
    /// Folder for what is built [default: build/ in the export].
    #[arg(long, value_name = "FOLDER")]
    build: Option<PathBuf>,
    /// Write the table of mismatches to this file as JSON, too.
    #[arg(long, value_name = "FILE.json")]
    json: Option<PathBuf>,
    #[command(flatten)]
    tools: ToolArgs,
}

fn way(name: &str) -> Result<Way, String> {
    named(&Way::ALL, name)
}

/// What `--json` writes.
#[derive(Serialize)]
struct Record {
    program_sha256: String,
    sources: Vec<Source>,
    events: usize,
    saturated_inputs: usize,
    pairs: Vec<Pair>,
}

#[derive(Serialize)]
struct Source {
    events: String,
    count: usize,
}

#[derive(Serialize)]
struct Pair {
    a: &'static str,
    b: &'static str,
    mismatches: usize,
}

/// Runs the command.
pub fn run(args: &VerifyHlsArgs, context: Context) -> anyhow::Result<()> {
    let (info, program) = Project::open(&args.export)?;
    let (events, sources) = events(args, &program)?;
    if events.is_empty() {
        return Err(usage("there is no event: give --events or --generated"));
    }
    let build = args.build.clone().unwrap_or_else(|| args.export.join("build"));
    let tools = args.tools.tools();
    let ways = if args.ways.is_empty() { &info.ways } else { &args.ways };
    if let Some(missing) = ways.iter().find(|way| !info.ways.contains(way)) {
        return Err(usage(format!(
            "{} has no {}: export it with --ways",
            args.export.display(),
            missing.name()
        )));
    }
    let mut note = note(context);
    let found = verify(&args.export, (&info, &program), &events, ways, (&tools, &build), &mut note)?;
    let record = record(info.program_sha256, sources, &events, &found);
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&record)? + "\n";
        std::fs::write(path, text).with_context(|| path.display().to_string())?;
    }
    if !context.quiet {
        print(table(&record))?;
    }
    conclude(&found, &sources_line(&record))
}

fn conclude(found: &Verification, events: &str) -> anyhow::Result<()> {
    let mut mismatches = found.pairs().filter_map(|(a, b, count, first)| Some((a, b, count, first?)));
    match mismatches.next() {
        None => Ok(()),
        Some((a, b, count, first)) => bail!(
            "{a} and {b} differ on {count} events ({events}); the first is number {}, with raw scores {} and {}",
            first.event,
            first.scores.0,
            first.scores.1
        ),
    }
}

fn events(args: &VerifyHlsArgs, program: &CheckedProgram) -> anyhow::Result<(Events, Vec<Source>)> {
    let mut engine = Engine::new(program, None)?;
    let mut events = Events::none(program.k());
    let mut sources = Vec::new();
    for path in &args.events {
        let table = EventTable::open(path)?;
        check(&table, program, path)?;
        let before = events.len();
        let mut left = args.limit.unwrap_or(usize::MAX);
        for batch in table.batches() {
            let count = batch.len().min(left);
            add(&mut events, program, &mut engine, batch.rows().slice(0, count));
            left -= count;
        }
        table.check_intact()?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        sources.push(Source { events: name.unwrap_or_default(), count: events.len() - before });
    }
    if args.generated > 0 {
        let rows = stress_rows(program.k(), args.generated, SEED);
        add(&mut events, program, &mut engine, Rows::new(Values::I16(&rows), program.k()));
        sources.push(Source { events: format!("generated, seed {SEED}"), count: args.generated });
    }
    Ok((events, sources))
}

fn check(table: &EventTable, program: &CheckedProgram, path: &Path) -> anyhow::Result<()> {
    let (found, expected) = (table.schema().k, program.k());
    if found != expected {
        bail!("{}: has {found} inputs an event, the firmware takes {expected}", path.display());
    }
    let units = program.input.units.as_deref().unwrap_or_default();
    Ok(table.expect_steps("the export", units)?)
}

fn add(events: &mut Events, program: &CheckedProgram, engine: &mut Engine, rows: Rows<'_>) {
    let mut scores = vec![0; rows.len()];
    match rows.values() {
        Values::I16(rows) => {
            engine.score_raw_i16(rows, &mut scores);
            events.add_i16(program, rows, &scores);
        }
        Values::F32(rows) => {
            engine.score_raw_f32(rows, &mut scores);
            events.add_f32(program, rows, &scores);
        }
    }
}

fn record(program_sha256: String, sources: Vec<Source>, events: &Events, found: &Verification) -> Record {
    let ends = [i64::from(i16::MIN), i64::from(i16::MAX)];
    let pairs = found.pairs().map(|(a, b, mismatches, _)| Pair { a, b, mismatches });
    Record {
        program_sha256,
        events: events.len(),
        saturated_inputs: events.inputs.iter().filter(|value| ends.contains(value)).count(),
        pairs: pairs.collect(),
        sources,
    }
}

fn sources_line(record: &Record) -> String {
    let sources = record.sources.iter().map(|source| format!("{} of {}", source.count, source.events));
    sources.collect::<Vec<_>>().join(", ")
}

fn table(record: &Record) -> String {
    let rows = record.pairs.iter();
    let rows = rows.map(|pair| {
        vec![pair.a.into(), pair.b.into(), record.events.to_string(), pair.mismatches.to_string()]
    });
    let table = numbers(&["a", "b", "events", "mismatches"], 2, rows);
    format!("{table}\n\nevents   {}", sources_line(record))
}
