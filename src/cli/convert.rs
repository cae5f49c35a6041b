//! `trigsieve convert`.

use std::path::PathBuf;

use clap::Args;
use trigsieve::convert::{
    Conversion, Converted, ConvertedInput, EncodingChoice, LineCounts, LineOptions, OnError, Selection,
    SourceLayout, UnitsChoice,
};
use trigsieve::event::{ElementType, Encoding};

use super::exit::usage;
use super::output::print;
use super::{Context, progress};

/// Convert simulated events into an event table (Arrow IPC) that maps.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    trigsieve convert background_a.h5 background_b.h5 --from adc2021 --label 0 -o background.arrow\n  \
    trigsieve convert background.csv --from darkmachines --selection chan2b --encoding dm_static -o background.arrow\n  \
    trigsieve convert signal.csv --from darkmachines --selection chan2b --layout background.arrow -o signal.arrow\n  \
    trigsieve convert features.h5 --from lhco-features --encoding dijet_4 --label 0 -o background.arrow")]
pub struct ConvertArgs {
    /// Source files; events are numbered on from one to the next.
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// Layout of the source files.
    #[arg(long, value_enum)]
    from: SourceLayout,
    /// Event table to write.
    #[arg(short, long, value_name = "EVENTS.arrow")]
    output: PathBuf,
    /// Encoding from physics objects to model inputs; `dm_static` without sizes takes those that the events need
    /// [default: l1_57 for adc2021, simple_ae_34 for darkmachines, particles[objects=700] for lhco, dijet_14 for
    /// lhco-features].
    #[arg(long, value_name = "NAME")]
    encoding: Option<EncodingChoice>,
    /// Write i16 hardware integers, in the units of the CMS global trigger (pT and all in GeV 0.5 GeV; eta 0.087/2, muons
    /// 0.087/8; phi 2 pi/144, muons 2 pi/576; tau2 / tau1, which it does not have, 1/1024) or those of the file.
    #[arg(long, num_args = 0..=1, require_equals = true, value_name = "UNITS.toml")]
    hardware_units: Option<Option<PathBuf>>,
    /// Take the encoding, with its sizes, from an event table or a model.
    #[arg(long, value_name = "FROM.arrow|MODEL")]
    layout: Option<PathBuf>,
    /// Convert only the events of a channel of the challenge (darkmachines) [default: all events].
    #[arg(long, value_enum)]
    selection: Option<Selection>,
    /// What happens at a line that is no event (darkmachines) [default: fail].
    #[arg(long, value_enum)]
    on_error: Option<OnError>,
    /// Add a `label` column: 0 background, 1 signal. Of files with the truth of each event (lhco, lhco-features) only the
    /// events of this label are converted [default: none, or the truth].
    #[arg(long, value_name = "0|1", value_parser = clap::value_parser!(u8).range(0..=1))]
    label: Option<u8>,
    /// Value of the `process` column, for example `ttbar` [default: what the source has].
    #[arg(long, value_name = "NAME")]
    process: Option<String>,
    /// Replace an existing output.
    #[arg(long)]
    force: bool,
}

/// Runs the command.
pub fn run(args: ConvertArgs, context: Context) -> anyhow::Result<()> {
    check_usage(&args)?;
    let encoding = match (&args.layout, args.encoding) {
        (Some(reference), asked) => EncodingChoice::of_reference(reference, asked)?,
        (None, asked) => asked.unwrap_or_else(|| args.from.default_encoding()),
    };
    let conversion = Conversion {
        encoding,
        units: match args.hardware_units {
            None => UnitsChoice::Physical,
            Some(None) => UnitsChoice::Cms,
            Some(Some(path)) => UnitsChoice::File(path),
        },
        inputs: args.inputs,
        layout: args.from,
        lines: LineOptions { selection: args.selection, on_error: args.on_error.unwrap_or_default() },
        output: args.output,
        label: args.label,
        process: args.process,
        force: args.force,
    };
    let output = conversion.output.clone();
    let plan = conversion.plan()?;
    let bar = progress::work_bar(context, plan.work(), "converting");
    let converted = plan.run(|done| bar.set_position(done))?;
    bar.finish_and_clear();
    converted.inputs.iter().for_each(warn);
    warn_of_saturation(&converted.saturated, converted.encoding);
    if !context.quiet {
        let events: u64 = converted.inputs.iter().map(|input| input.events).sum();
        print(format_args!(
            "{}: {events} events, encoding {}, K = {}, {}",
            output.display(),
            converted.encoding,
            converted.encoding.k(),
            if converted.saturated.is_empty() { ElementType::F32 } else { ElementType::I16 }
        ))?;
        print_left_out(&converted)?;
        print_lines(&converted, args.selection)?;
    }
    Ok(())
}

fn check_usage(args: &ConvertArgs) -> anyhow::Result<()> {
    let of_lines = [("--selection", args.selection.is_some()), ("--on-error", args.on_error.is_some())];
    match of_lines.into_iter().find(|(_, given)| *given && args.from != SourceLayout::DarkMachines) {
        Some((option, _)) => {
            Err(usage(format!("{option} is for --from darkmachines, not for {}", args.from)))
        }
        None => Ok(()),
    }
}

/// Events of another label than was asked for.
fn print_left_out(converted: &Converted) -> anyhow::Result<()> {
    for input in converted.inputs.iter().filter(|input| input.other_label > 0) {
        let (events, other) = (input.events, input.other_label);
        let (path, all) = (input.path.display(), events + other);
        print(format_args!("{path}: {all} events = {events} converted + {other} of the other label"))?;
    }
    Ok(())
}

/// Where the lines of the inputs went.
fn print_lines(converted: &Converted, selection: Option<Selection>) -> anyhow::Result<()> {
    for input in &converted.inputs {
        let Some(lines) = &input.lines else { continue };
        let LineCounts { lines: all, not_selected, bad, blank, .. } = lines;
        let selected = selection.map_or_else(String::new, |channel| format!(" in {channel}"));
        print(format_args!(
            "{}: {all} lines = {} events{selected} + {not_selected} not selected + {bad} bad + {blank} blank",
            input.path.display(),
            input.events
        ))?;
    }
    let crowded: u64 = converted.inputs.iter().map(|input| input.crowded_events).sum();
    if crowded > 0 {
        print(format_args!("{crowded} events have more objects than the encoding has places"))?;
    }
    Ok(())
}

fn warn_of_saturation(saturated: &[u64], encoding: Encoding) {
    let features = encoding.features();
    let touched = features.iter().zip(saturated).filter(|(_, count)| **count > 0);
    let list: Vec<String> = touched.map(|(feature, count)| format!("{}: {count}", feature.name)).collect();
    if !list.is_empty() {
        tracing::warn!("values beyond the range of i16 became its nearest end: {}", list.join(", "));
    }
}

fn warn(input: &ConvertedInput) {
    let path = input.path.display();
    if input.events == 0 {
        tracing::warn!("{path}: no events");
    }
    if let Some(first) = input.first_non_finite {
        let count = input.non_finite_events;
        tracing::warn!(
            "{path}: {count} events have a NaN or infinite input, the first is row {first}; \
             they are kept, and a trigger counts them as invalid"
        );
    }
    for bad in input.lines.iter().flat_map(|lines| &lines.first_bad) {
        tracing::warn!("{path}: line {}: {}", bad.line, bad.fault);
    }
    if let Some(lines) = input.lines.as_ref().filter(|lines| lines.bad > 0) {
        tracing::warn!("{path}: {} of {} lines are no events and were skipped", lines.bad, lines.lines);
    }
}
