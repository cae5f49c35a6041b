//! `trigsieve evaluate`: how well a model tells signals from background.

mod table;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use trigsieve::durable::write_atomically;
use trigsieve::evaluate::{Metrics, Sample, WORKING_POINTS, evaluate, write_scores};
use trigsieve::event::EventTable;
use trigsieve::plot;
use trigsieve::sink::RunFolder;

use super::Context;
use super::engine::{EngineArgs, ModelArgs};
use super::exit::usage;
use super::output::print;
use super::sample::LoadedModel;

/// The files of an evaluation; the first is written last, so a folder that has it is complete.
const FILES: [&str; 5] = ["metrics.json", "roc.svg", "scores.svg", "significance.svg", "scores.arrow"];

/// Measure how well a model's score tells signals from background.
///
/// Leaves metrics.json, roc.svg, scores.svg and significance.svg. The signal efficiency at a background efficiency
/// is that of the loosest threshold, among all scores, that at most this fraction of the background passes, without
/// interpolation: the value of scikit-learn's roc_curve(..., drop_intermediate=False). Its interval is
/// Clopper-Pearson's at 68.27 %; the error of the AUC is DeLong's. Events with inputs or scores that are not
/// finite are counted and left out.
#[derive(Args, Debug)]
#[command(after_help = "Example: two signals\n  \
    trigsieve evaluate --background background.arrow --signal a_to_4l.arrow leptoquark.arrow \\\n      \
    --model models/l1_ae -o out")]
pub struct EvaluateArgs {
    /// Event table of background events; a `weight` column must be the same for all of them.
    #[arg(long, value_name = "BACKGROUND")]
    background: PathBuf,
    /// Event tables of signal events, told apart by their file names.
    #[arg(long, required = true, num_args = 1.., value_name = "SIGNAL")]
    signal: Vec<PathBuf>,
    /// Model bundle.
    #[arg(long, value_name = "BUNDLE")]
    model: PathBuf,
    /// Folder for metrics and plots.
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Replace an evaluation that the folder already holds.
    #[arg(long)]
    force: bool,
    /// Also write scores.arrow: sample, event_id, label and score of every event.
    #[arg(long)]
    scores: bool,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    deployment: ModelArgs,
}

/// Runs the command.
pub fn run(args: &EvaluateArgs, context: Context) -> anyhow::Result<()> {
    check_usage(args)?;
    let mut loaded = LoadedModel::open(&args.model, &args.engine, &args.deployment)?;
    let paths: Vec<PathBuf> = std::iter::once(&args.background).chain(&args.signal).cloned().collect();
    let tables = loaded.tables(&paths)?;
    loaded.self_test(&args.deployment, &tables)?;
    let mut folder = RunFolder::claim_for(&args.output, args.force, &FILES)?;
    let samples =
        tables.iter().map(|table| loaded.score(table, context)).collect::<anyhow::Result<Vec<_>>>()?;
    let (background, signals) = (&samples[0], &samples[1..]);
    let metrics = evaluate(loaded.model, background, signals)?;
    folder.remove_older()?;
    plots(&folder, &metrics.model.name, background, signals)?;
    if args.scores {
        let scored: Vec<(&EventTable, &Sample)> = tables.iter().zip(&samples).collect();
        write_scores(&folder.file("scores.arrow"), &scored)?;
    }
    write_metrics(&folder, &metrics)?;
    if !context.quiet {
        print(table::of(&metrics))?;
    }
    Ok(())
}

fn check_usage(args: &EvaluateArgs) -> anyhow::Result<()> {
    for (index, path) in args.signal.iter().enumerate() {
        if args.signal[..index].iter().any(|other| other.file_stem() == path.file_stem()) {
            return Err(usage(format!(
                "--signal {}: another signal has this file name, by which metrics.json tells them apart",
                path.display()
            )));
        }
    }
    Ok(())
}

fn plots(folder: &RunFolder, model: &str, background: &Sample, signals: &[Sample]) -> anyhow::Result<()> {
    let signals: Vec<_> = signals.iter().map(|signal| (signal.name.as_str(), &signal.scores)).collect();
    let efficiencies = WORKING_POINTS.map(|(_, efficiency)| efficiency);
    plot::roc(&background.scores, &signals, &efficiencies, model, &folder.file("roc.svg"))?;
    plot::scores((&background.name, &background.scores), &signals, model, &folder.file("scores.svg"))?;
    plot::significance(&background.scores, &signals, model, &folder.file("significance.svg"))?;
    Ok(())
}

fn write_metrics(folder: &RunFolder, metrics: &Metrics) -> anyhow::Result<()> {
    let path = folder.file("metrics.json");
    let mut text = serde_json::to_string_pretty(metrics)?;
    text.push('\n');
    write_atomically(&path, text.as_bytes()).with_context(|| path.display().to_string())
}
