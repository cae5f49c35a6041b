//! The `trigsieve-train` command.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use trigsieve::durable::write_atomically;
use trigsieve::model::ModelBundle;
use trigsieve::score::Device;
use trigsieve_arena::ArenaFile;
use trigsieve_train::arena::RecipeTrainer;
use trigsieve_train::recipe::Evaluation;
use trigsieve_train::{BundleOutput, Interval, Options, Outcome, RecipeFile, train};

/// What the page of `table` begins with.
const TABLE_HEAD: &str = "\
# The bundled models

Made from the cards by `trigsieve-train table`; `cargo xtask models` does so after training. AUC: area under the ROC curve with
DeLong's error. eS at eB: signal efficiency of the loosest threshold that at most a fraction eB of the background passes, with its
68 % Clopper-Pearson interval at that threshold; the threshold's own uncertainty is that of the background events that pass.
Precisions: `float.onnx`, `int8.onnx` and `fixed.json`, the firmware's program.
";

/// Train an anomaly-detection network on background events and write its model bundle.
#[derive(Parser)]
#[command(name = "trigsieve-train", version, max_term_width = 110, arg_required_else_help = true)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_help = "Examples:\n  trigsieve-train models/recipes/l1_ae.toml -o models/l1_ae --data .\n  \
    trigsieve-train arena models/recipes/arena.toml -o out/arena --data .")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    training: Option<TrainingArgs>,
}

#[derive(Subcommand)]
enum Command {
    Arena(ArenaArgs),
    Table(TableArgs),
}

/// Write the metrics on the cards of bundles as a page of Markdown.
#[derive(Args)]
#[command(after_help = "Example:\n  trigsieve-train table models/l1_ae models/l1_vae -o docs/models.md")]
struct TableArgs {
    /// Folders of the bundles.
    #[arg(required = true, value_name = "BUNDLE")]
    bundles: Vec<PathBuf>,
    /// The page to write.
    #[arg(short, long, value_name = "FILE.md")]
    output: PathBuf,
}

/// Train a list of recipes, measure them on a list of channels, and rank them.
///
/// Leaves the results table, rankings, total improvements, box plots and report.md, and the bundles in models/. What is
/// finished is kept: the same command again goes on after an interruption.
#[derive(Args)]
#[command(after_help = "Example:\n  trigsieve-train arena models/recipes/arena.toml -o out/arena --data .")]
struct ArenaArgs {
    /// The configuration: channels and recipes (TOML).
    config: PathBuf,
    /// Folder of results, bundles and report.
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,
    /// Folder at which relative paths start, of the configuration and of the recipes.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    data: PathBuf,
    /// Write a checkpoint of the training that runs after so many steps (500) or seconds (30s).
    #[arg(long, value_name = "STEPS|SECONDSs", default_value = "60s")]
    checkpoint_every: Interval,
    /// Where to train: cpu, cuda or cuda:N.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: Device,
    /// Say nothing but errors, and show no progress bar.
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Args)]
struct TrainingArgs {
    /// The recipe: data, network, score, optimiser (TOML).
    recipe: PathBuf,
    /// Folder of the bundle to write.
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,
    /// Folder at which the recipe's relative data paths start.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    data: PathBuf,
    /// Replace a bundle that is already there.
    #[arg(long)]
    force: bool,
    /// Write a checkpoint beside the output after so many steps (500) or seconds (30s); removed at the end.
    #[arg(long, value_name = "STEPS|SECONDSs")]
    checkpoint_every: Option<Interval>,
    /// Go on from the checkpoint of an interrupted training of this recipe, if there is one.
    #[arg(long)]
    resume: bool,
    /// Event table of background for the metrics on the card, instead of the recipe's.
    #[arg(long, value_name = "FILE", requires = "evaluate_signal")]
    evaluate_background: Option<PathBuf>,
    /// Event tables of signals for the metrics on the card, instead of the recipe's.
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "evaluate_background")]
    evaluate_signal: Vec<PathBuf>,
    /// Write the table of the recipe's search for bits (fixed.search) to this file as CSV, and beside it as Markdown (.md).
    #[arg(long, value_name = "FILE.csv")]
    bits_table: Option<PathBuf>,
    /// Where to train: cpu, cuda or cuda:N. CUDA needs a build with the cargo feature of this name.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: Device,
    /// Say nothing but errors, and show no progress bar.
    #[arg(short, long)]
    quiet: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match (&arguments.command, &arguments.training) {
        (Some(Command::Arena(arena)), _) => run_arena(arena),
        (Some(Command::Table(table)), _) => run_table(table),
        (None, Some(training)) => run(training),
        // clap asks for the one or the other.
        (None, None) => Ok(()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", trigsieve::message::one_line(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn run_arena(arguments: &ArenaArgs) -> anyhow::Result<()> {
    start_logging(arguments.quiet);
    let arena = ArenaFile::read(&arguments.config, &arguments.data)?;
    let progress = progress_bar(arguments.quiet);
    let mut trainer = RecipeTrainer {
        data_folder: &arguments.data,
        checkpoint_every: Some(arguments.checkpoint_every),
        device: arguments.device,
        progress: &progress,
    };
    let outcome = trigsieve_arena::run(&arena, &arguments.output, &mut trainer)?;
    if !arguments.quiet {
        let (trained, kept) = (outcome.trained.len(), outcome.kept.len());
        println!("{}: {trained} trained, {kept} finished before", arguments.output.display());
    }
    if outcome.failures.is_empty() {
        return Ok(());
    }
    let failures = outcome.failures.iter().map(|failure| format!("{}: {}", failure.job, failure.reason));
    anyhow::bail!("not everything was trained: {}", failures.collect::<Vec<_>>().join("; "))
}

fn run_table(arguments: &TableArgs) -> anyhow::Result<()> {
    let card = |bundle: &PathBuf| Ok(ModelBundle::open(bundle)?.card().clone());
    let cards = arguments.bundles.iter().map(card).collect::<anyhow::Result<Vec<_>>>()?;
    let page = format!("{TABLE_HEAD}\n{}", trigsieve_train::table::markdown(&cards));
    let output = &arguments.output;
    write_atomically(output, page.as_bytes()).with_context(|| output.display().to_string())
}

fn run(arguments: &TrainingArgs) -> anyhow::Result<()> {
    start_logging(arguments.quiet);
    let recipe = RecipeFile::read(&arguments.recipe)?;
    if arguments.bits_table.is_some() {
        let searches = recipe.recipe.fixed.as_ref().is_some_and(|fixed| fixed.search.is_some());
        anyhow::ensure!(searches, "--bits-table: the recipe has no [fixed.search]");
    }
    let output = BundleOutput::new(&arguments.output, arguments.force)?;
    let progress = progress_bar(arguments.quiet);
    let evaluation = arguments.evaluate_background.clone().map(|background| Evaluation {
        background: Some(background),
        signals: arguments.evaluate_signal.clone(),
    });
    let options = Options {
        data_folder: &arguments.data,
        output: &output,
        checkpoint_every: arguments.checkpoint_every,
        resume: arguments.resume,
        evaluation,
        bits_table: arguments.bits_table.as_deref(),
        device: arguments.device,
        progress: &progress,
    };
    let outcome =
        train(&recipe, &options).with_context(|| format!("training {}", arguments.recipe.display()))?;
    if !arguments.quiet {
        report(&outcome, &output);
    }
    Ok(())
}

fn report(outcome: &Outcome, output: &BundleOutput) {
    if let Some(training) = &outcome.card.training {
        println!(
            "{}: best of {} epochs is {}, validation loss {:.6}, {:.0} events/s",
            output.folder().display(),
            training.epochs,
            training.best_epoch,
            training.validation_loss,
            outcome.events_per_second
        );
    }
    for (precision, thresholds) in &outcome.card.thresholds {
        for threshold in thresholds {
            println!(
                "{precision}: background efficiency {:.0e} at score >= {} +- {} ({} events)",
                threshold.background_efficiency, threshold.value, threshold.error, threshold.events
            );
        }
    }
}

fn progress_bar(quiet: bool) -> ProgressBar {
    let hidden = quiet || !std::io::stderr().is_terminal();
    let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(Some(0), target);
    match ProgressStyle::with_template(
        "training [{bar:40}] {human_pos}/{human_len} steps, {per_sec}, {eta} left",
    ) {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}

fn start_logging(quiet: bool) {
    let level = if quiet { LevelFilter::ERROR } else { LevelFilter::INFO };
    let filter = EnvFilter::builder().with_default_directive(level.into()).from_env_lossy();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .without_time()
        .init();
}
