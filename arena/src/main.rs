//! The `trigsieve-arena` command.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table as Grid};
use trigsieve_arena::{ArenaError, REPORT, Table, TotalImprovements, write_report};
use trigsieve_files::message::one_line;

/// Compare anomaly-detection models on many signals.
#[derive(Parser)]
#[command(name = "trigsieve-arena", version, max_term_width = 110, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Rank(RankArgs),
}

/// Rank the models of results tables: rankings, total improvements and box plots in a folder.
///
/// A results table is a CSV file with the columns Signal,Model,Chan,AUC,1e-2,1e-3,1e-4: area under the ROC curve,
/// and signal efficiency at three background efficiencies, empty where not measurable. Several files are ranked as
/// one.
#[derive(Args)]
#[command(after_help = "Example:\n  trigsieve-arena rank ours.csv published.csv -o out/ranking")]
struct RankArgs {
    /// Results tables.
    #[arg(required = true, value_name = "RESULTS.csv")]
    results: Vec<PathBuf>,
    /// Folder of the report.
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,
    /// Replace a report that is already there.
    #[arg(long)]
    force: bool,
    /// Say nothing but errors.
    #[arg(short, long)]
    quiet: bool,
}

/// Models of the table on the terminal.
const SHOWN: usize = 20;

/// Why the command failed, and with which exit code.
enum Failure {
    Usage(String),
    Work(ArenaError),
    Terminal(std::io::Error),
}

fn main() -> ExitCode {
    let Command::Rank(arguments) = Cli::parse().command;
    let (message, code) = match rank(&arguments) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => (message, ExitCode::from(2)),
        Err(Failure::Work(error)) => (one_line(&error), ExitCode::FAILURE),
        Err(Failure::Terminal(error)) => (format!("standard output: {error}"), ExitCode::FAILURE),
    };
    eprintln!("error: {message}");
    code
}

fn rank(arguments: &RankArgs) -> Result<(), Failure> {
    let report = arguments.output.join(REPORT);
    if report.exists() && !arguments.force {
        let report = report.display();
        return Err(Failure::Usage(format!(
            "{report} exists already: choose another folder, or add --force"
        )));
    }
    let table = Table::read(&arguments.results).map_err(Failure::Work)?;
    write_report(&table, &arguments.output).map_err(Failure::Work)?;
    if arguments.quiet {
        return Ok(());
    }
    print(&summary(&TotalImprovements::of(&table), &report.display().to_string())).map_err(Failure::Terminal)
}

/// A reader that has seen enough, as `head` has, is no error.
fn print(text: &str) -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    match writeln!(output, "{text}").and_then(|()| output.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

fn summary(improvements: &TotalImprovements, report: &str) -> String {
    let mut grid = Grid::new();
    grid.load_style(NOTHING).set_header(["", "total improvement", "min", "median", "max"]);
    for model in improvements.models.iter().take(SHOWN) {
        let values = [model.summary.minimum, model.summary.median, model.summary.maximum];
        let [minimum, median, maximum] = values.map(|value| format!("{value:.2}"));
        grid.add_row([model.place.to_string(), model.model.clone(), minimum, median, maximum]);
    }
    for (index, column) in grid.column_iter_mut().enumerate() {
        let alignment = if index == 1 { CellAlignment::Left } else { CellAlignment::Right };
        column.set_cell_alignment(alignment);
    }
    let lines: Vec<String> = grid.lines().map(|line| line.trim_end().to_owned()).collect();
    let ranked = improvements.models.len();
    let left_out = improvements.left_out.len();
    format!(
        "{}\n\n{ranked} models ranked, {left_out} left out for missing results; {report} has the rest",
        lines.join("\n")
    )
}
