//! The command line: one module a command, each with its arguments as typed and a `run`.

mod bench;
mod calibrate;
mod compare;
mod convert;
mod engine;
mod evaluate;
mod exit;
mod export_hls;
mod fpga;
mod import_hls;
mod inspect;
mod last_words;
mod nats_setup;
mod output;
mod pace;
mod progress;
mod publish_model;
mod replay;
mod sample;
mod send;
mod serve;
mod text;
mod units;
mod verify_hls;

use std::io::IsTerminal;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Score collision events with anomaly-detection networks and keep the unusual ones.
#[derive(Parser)]
#[command(name = "trigsieve", version, max_term_width = 110, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    verbosity: Verbosity,
    /// How the log on standard error is written: for people, or a JSON object a line.
    #[arg(long, value_enum, default_value_t, global = true, value_name = "FORMAT")]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum LogFormat {
    #[default]
    Text,
    Json,
}

#[derive(Args)]
struct Verbosity {
    /// Say more; twice for debugging. RUST_LOG, if set, decides instead.
    #[arg(short, long, action = ArgAction::Count, global = true)]
    verbose: u8,
    /// Say nothing but errors, and show no progress bar.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
}

#[derive(Subcommand)]
enum Command {
    Convert(convert::ConvertArgs),
    Inspect(inspect::InspectArgs),
    Replay(replay::ReplayArgs),
    Calibrate(calibrate::CalibrateArgs),
    Evaluate(evaluate::EvaluateArgs),
    #[command(name = "import-hls")]
    ImportHls(import_hls::ImportHlsArgs),
    Compare(compare::CompareArgs),
    #[command(name = "export-hls")]
    ExportHls(export_hls::ExportHlsArgs),
    #[command(name = "verify-hls")]
    VerifyHls(verify_hls::VerifyHlsArgs),
    Bench(bench::BenchArgs),
    Serve(serve::ServeArgs),
    Send(send::SendArgs),
    PublishModel(publish_model::PublishModelArgs),
    NatsSetup(nats_setup::NatsSetupArgs),
}

/// What every command gets besides its own arguments.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// No progress bars and no tables wanted.
    pub quiet: bool,
}

/// Parses the command line, runs the command and turns its outcome into an exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    start_logging(&cli.verbosity, &cli.command, cli.log_format);
    last_words::arrange();
    let context = Context { quiet: cli.verbosity.quiet };
    match catch_unwind(AssertUnwindSafe(|| run(cli.command, context))) {
        Ok(outcome) => exit::code_of(outcome),
        Err(panic) => last_words::of_panic(panic.as_ref()),
    }
}

fn run(command: Command, context: Context) -> anyhow::Result<()> {
    match command {
        Command::Convert(args) => convert::run(args, context),
        Command::Inspect(args) => inspect::run(args, context),
        Command::Replay(args) => replay::run(&args, context),
        Command::Calibrate(args) => calibrate::run(&args, context),
        Command::Evaluate(args) => evaluate::run(&args, context),
        Command::ImportHls(args) => import_hls::run(&args, context),
        Command::Compare(args) => compare::run(&args, context),
        Command::ExportHls(args) => export_hls::run(&args, context),
        Command::VerifyHls(args) => verify_hls::run(&args, context),
        Command::Bench(args) => bench::run(&args, context),
        Command::Serve(args) => serve::run(&args, context),
        Command::Send(args) => send::run(&args, context),
        Command::NatsSetup(args) => nats_setup::run(&args, context),
        Command::PublishModel(args) => publish_model::run(&args, context),
    }
}

/// A service says what happens to it; other commands speak when something is wrong.
fn usual_level(command: &Command) -> LevelFilter {
    match command {
        Command::Serve(_) => LevelFilter::INFO,
        _ => LevelFilter::WARN,
    }
}

fn start_logging(verbosity: &Verbosity, command: &Command, format: LogFormat) {
    let level = match (verbosity.quiet, verbosity.verbose) {
        (true, _) => LevelFilter::ERROR,
        (false, 0) => usual_level(command),
        (false, 1) => LevelFilter::INFO,
        (false, _) => LevelFilter::DEBUG,
    };
    let filter = EnvFilter::builder().with_default_directive(level.into()).from_env_lossy();
    // Colours are for terminals; a log file is read by other programs, too.
    let is_terminal = std::io::stderr().is_terminal();
    let log =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(is_terminal).with_writer(std::io::stderr);
    match (format, command) {
        (LogFormat::Json, _) => log.json().flatten_event(true).init(),
        // It runs for weeks: when something happened is what one asks first.
        (LogFormat::Text, Command::Serve(_)) => log.init(),
        (LogFormat::Text, _) => log.without_time().init(),
    }
}
