//! `trigsieve convert`.

use std::path::PathBuf;

use clap::Args;
use trigsieve::convert::{Conversion, ConvertedInput, SourceLayout};
use trigsieve::event::{Encoding, Feature, HardwareUnits};

use super::output::print;
use super::{Context, progress};

/// Convert simulated events into an event table (Arrow IPC) that maps.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  \
    trigsieve convert background_a.h5 background_b.h5 --from adc2021 --label 0 -o background.arrow")]
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
    /// Encoding from physics objects to model inputs [default: the one that keeps every object].
    #[arg(long, value_name = "NAME")]
    encoding: Option<Encoding>,
    /// Write i16 hardware integers, in the units of the CMS global trigger (pT 0.5 GeV; eta 0.087/2, muons 0.087/8; phi
    /// 2 pi/144, muons 2 pi/576) or those of the file.
    #[arg(long, num_args = 0..=1, require_equals = true, value_name = "UNITS.toml")]
    hardware_units: Option<Option<PathBuf>>,
    /// Add a `label` column: 0 background, 1 signal.
    #[arg(long, value_name = "0|1", value_parser = clap::value_parser!(u8).range(0..=1))]
    label: Option<u8>,
    /// Add a `process` column with this name, for example `ttbar`.
    #[arg(long, value_name = "NAME")]
    process: Option<String>,
    /// Replace an existing output.
    #[arg(long)]
    force: bool,
}

/// Runs the command.
pub fn run(args: ConvertArgs, context: Context) -> anyhow::Result<()> {
    let encoding = args.encoding.unwrap_or_else(|| args.from.default_encoding());
    let units = hardware_units(args.hardware_units.as_ref(), &encoding.features())?;
    let conversion = Conversion {
        encoding,
        units,
        inputs: args.inputs,
        layout: args.from,
        output: args.output,
        label: args.label,
        process: args.process,
        force: args.force,
    };
    let output = conversion.output.clone();
    let plan = conversion.plan()?;
    let bar = progress::events_bar(context, plan.events(), "converting");
    let converted = plan.run(|done| bar.set_position(done))?;
    bar.finish_and_clear();
    converted.inputs.iter().for_each(warn);
    warn_of_saturation(&converted.saturated, &encoding.features());
    if !context.quiet {
        let events: u64 = converted.inputs.iter().map(|input| input.events).sum();
        print(format_args!(
            "{}: {events} events, encoding {encoding}, K = {}, {}",
            output.display(),
            encoding.k(),
            if converted.saturated.is_empty() { "f32" } else { "i16" }
        ))?;
    }
    Ok(())
}

fn hardware_units(
    asked_for: Option<&Option<PathBuf>>,
    features: &[Feature],
) -> anyhow::Result<Option<HardwareUnits>> {
    Ok(match asked_for {
        None => None,
        Some(None) => Some(HardwareUnits::cms(features)?),
        Some(Some(path)) => Some(HardwareUnits::load(path, features)?),
    })
}

fn warn_of_saturation(saturated: &[u64], features: &[Feature]) {
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
}
