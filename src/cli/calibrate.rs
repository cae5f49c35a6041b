//! `trigsieve calibrate`: the threshold for a target rate.

use std::path::PathBuf;

use clap::Args;
use trigsieve::evaluate::{Model, Sample};
use trigsieve::score::Engine;
use trigsieve::statistics::ScoreDistribution;
use trigsieve::trigger::{Calibration, Menu, MenuPath, RateCut, calibrate};

use super::Context;
use super::engine::{EngineArgs, ModelArgs};
use super::exit::usage;
use super::output::print;
use super::sample::{LoadedModel, check_writable};
use super::text::numbers;
use super::units::{RateHz, format_rate};

/// Find the threshold that accepts a target rate of background, and write it as a trigger menu.
///
/// The threshold is the smallest score of a background event such that the events with score >= threshold are at
/// most the fraction target rate / input rate of the background. Equal scores pass together, so ties can make the rate
/// lower than the target, never higher. At least ten background events have to pass. Events with inputs or
/// scores that are not finite are counted and left out.
#[derive(Args, Debug)]
#[command(after_help = "Example: the threshold that leaves 100 kHz of the LHC's 40 MHz\n  \
    trigsieve calibrate background.arrow --model models/l1_ae --target-rate 100kHz --input-rate 40MHz -o menu.toml")]
pub struct CalibrateArgs {
    /// Event table of background events; a `weight` column must be the same for all of them.
    #[arg(value_name = "BACKGROUND")]
    background: PathBuf,
    /// Model bundle.
    #[arg(long, value_name = "BUNDLE")]
    model: PathBuf,
    /// Rate of background events that pass the threshold, before any prescale: 1kHz, 100Hz, ...
    #[arg(long, value_name = "RATE")]
    target_rate: RateHz,
    /// Rate of the events that are scored: 40MHz, ...
    #[arg(long, value_name = "RATE")]
    input_rate: RateHz,
    /// Menu file to write.
    #[arg(short, long, value_name = "MENU")]
    output: PathBuf,
    /// Replace the menu file if there is one.
    #[arg(long)]
    force: bool,
    /// Name of the trigger path; by default the model's.
    #[arg(long, value_name = "NAME")]
    path_name: Option<String>,
    /// Accept one in N of the events that pass.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    prescale: u32,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    deployment: ModelArgs,
}

/// Runs the command.
pub fn run(args: &CalibrateArgs, context: Context) -> anyhow::Result<()> {
    check_usage(args)?;
    check_writable(&args.output)?;
    let mut loaded = LoadedModel::open(&args.model, &args.engine, &args.deployment)?;
    let tables = loaded.tables(std::slice::from_ref(&args.background))?;
    loaded.self_test(&args.deployment, &tables)?;
    let sample = loaded.score(&tables[0], context)?;
    let found = calibrate(&sample.scores, args.target_rate.0, args.input_rate.0)
        .map_err(|error| anyhow::anyhow!("{}: {error}", args.background.display()))?;
    let menu = menu(args, args.engine.spec()?.engine, (&loaded.model, &sample), &found);
    menu.save(&args.output)?;
    if !context.quiet {
        print(table(&menu))?;
    }
    Ok(())
}

fn check_usage(args: &CalibrateArgs) -> anyhow::Result<()> {
    let (target, input) = (args.target_rate.0, args.input_rate.0);
    if target > input {
        return Err(usage(format!("--target-rate {target} Hz is more than --input-rate {input} Hz")));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if args.path_name.as_ref().is_some_and(|name| name.is_empty() || !name.chars().all(plain)) {
        return Err(usage("--path-name may have letters, digits, `_` and `-` only"));
    }
    if args.output.exists() && !args.force {
        anyhow::bail!("{}: exists; name another file, or replace it with --force", args.output.display());
    }
    Ok(())
}

fn menu(args: &CalibrateArgs, engine: Engine, (model, sample): (&Model, &Sample), found: &RateCut) -> Menu {
    let calibration = Calibration {
        target_rate_hz: args.target_rate.0,
        input_rate_hz: args.input_rate.0,
        rate_hz: found.achieved_rate_hz,
        rate_error_hz: found.achieved_rate_error_hz,
        threshold_error: found.cut.error(),
        background_events: sample.scores.len(),
        background_invalid: sample.scores.invalid(),
        events_passing: found.cut.passing,
        background: sample.source.file.clone(),
        background_sha256: sample.source.sha256.clone(),
        model_sha256: model.model_sha256.clone(),
        engine: engine.name().to_owned(),
        precision: model.precision,
        scores: ScoreDistribution::of(&sample.scores),
    };
    let name = args.path_name.as_deref().unwrap_or(&model.name);
    let mut menu = Menu::of_calibration(name, &model.name, found.cut.threshold, calibration);
    menu.paths.iter_mut().for_each(|path| path.prescale = args.prescale);
    menu
}

fn table(menu: &Menu) -> String {
    let calibrated = menu.paths.iter().filter_map(|path| Some((path, path.calibration.as_ref()?)));
    numbers(
        &["calibration", "", "statistical error"],
        1,
        calibrated.flat_map(|(path, found)| rows(path, found)),
    )
}

fn rows(path: &MenuPath, found: &Calibration) -> Vec<Vec<String>> {
    let row = |name: &str, value: String, error: String| vec![name.to_owned(), value, error];
    let plain = |name: &str, value: String| row(name, value, String::new());
    let prescale = f64::from(path.prescale);
    let [accepted, accepted_error] =
        [found.rate_hz, found.rate_error_hz].map(|rate| format_rate(rate / prescale));
    vec![
        plain("path", path.name.clone()),
        plain("model", format!("{}, {}", path.model, found.precision)),
        plain("background events", found.background_events.to_string()),
        plain("  invalid, left out", found.background_invalid.to_string()),
        plain("  passing", found.events_passing.to_string()),
        row("threshold", path.threshold.unwrap_or(f32::NAN).to_string(), three_digits(found.threshold_error)),
        plain("target rate", format_rate(found.target_rate_hz)),
        row("rate", format_rate(found.rate_hz), format_rate(found.rate_error_hz)),
        row(&format!("  after prescale {}", path.prescale), accepted, accepted_error),
    ]
}

/// Three significant digits, plain where that is readable.
fn three_digits(value: f32) -> String {
    let exponent = value.abs().log10().floor();
    if (-4.0..5.0).contains(&exponent) {
        let places = (2.0 - exponent).max(0.0) as usize;
        format!("{value:.places$}")
    } else {
        format!("{value:.2e}")
    }
}
