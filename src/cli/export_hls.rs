//! `trigsieve export-hls`: a bundle becomes FPGA projects with a report of what they take.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use trigsieve::model::{ModelBundle, Precision};
use trigsieve_export::{
    Budget, Events, Project, Report, Settings, Strategy, Tools, Vendor, Way, measure, stress_rows,
};
use trigsieve_fixed::CheckedProgram;

use super::Context;
use super::exit::usage;
use super::fpga::{ToolArgs, named};
use super::output::print;

/// Background efficiency of the working point whose threshold the test bench takes.
const WORKING_POINT: f64 = 1e-3;
/// Events of the test bench, and one in how many of the generated ones is taken: all kinds are to be there.
const GOLDEN: usize = 96;
const GOLDEN_STRIDE: usize = 37;
const SEED: u64 = 1;

/// Turn a bundle's fixed-point program into FPGA projects, and report what they take.
///
/// Writes hls4ml/ (a QONNX model of the network, its settings, a script, and C++ around it for scaling and score), standalone/
/// (HLS C++ of everything, with test bench and build script), rtl/ (scripts that make Verilog through da4ml), and report.md and
/// report.json: latency, initiation interval, and resources by Yosys before place and route. The report needs Python with the
/// packages of the export's requirements.txt, and Yosys; --no-report does without.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    trigsieve export-hls models/l1_vae -o fpga/l1_vae --budget latency=50ns,lut=3%\n  \
    trigsieve export-hls models/l1_ae -o fpga/l1_ae --part xcvu13p-flga2577-2-e --clock 240 --no-report")]
pub struct ExportHlsArgs {
    /// The bundle.
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    /// Folder of the export.
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,
    /// Name of the top function and module [default: the bundle's].
    #[arg(long)]
    name: Option<String>,
    /// Part number.
    #[arg(long, default_value = "xcvu9p-flga2104-2-e")]
    part: String,
    /// Clock, MHz.
    #[arg(long, value_name = "MHZ", default_value_t = 360.0)]
    clock: f64,
    /// Tool of the standalone project: vitis or vivado.
    #[arg(long, default_value = "vitis", value_parser = vendor)]
    vendor: Vendor,
    /// How hls4ml makes dense layers: latency or resource.
    #[arg(long, default_value = "latency", value_parser = strategy)]
    strategy: Strategy,
    /// How often hls4ml uses a multiplier for an event.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    reuse_factor: u32,
    /// Which ways: standalone, hls4ml, rtl. The report is about rtl.
    #[arg(long, value_delimiter = ',', value_parser = way, default_value = "standalone,hls4ml,rtl")]
    ways: Vec<Way>,
    /// Score from which the test bench accepts an event [default: the card's at background efficiency 1e-3, or 0].
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true)]
    threshold: Option<f32>,
    /// Limits, of latency (ns, cycles), ii (cycles), lut, ff, dsp, bram (% of the part, or a number); exceeding one is an error.
    #[arg(long, value_name = "LIMITS")]
    budget: Option<Budget>,
    /// Write the projects alone.
    #[arg(long, conflicts_with = "budget")]
    no_report: bool,
    #[command(flatten)]
    tools: ToolArgs,
    /// Replace an export that is there.
    #[arg(long)]
    force: bool,
}

fn vendor(name: &str) -> Result<Vendor, String> {
    named(&Vendor::ALL, name)
}

fn way(name: &str) -> Result<Way, String> {
    named(&Way::ALL, name)
}

fn strategy(name: &str) -> Result<Strategy, String> {
    named(&Strategy::ALL, name)
}

/// Runs the command.
pub fn run(args: &ExportHlsArgs, context: Context) -> anyhow::Result<()> {
    if !args.no_report && !args.ways.contains(&Way::Rtl) {
        return Err(usage("the report is about the Verilog: add rtl to --ways, or give --no-report"));
    }
    Project::check_output(&args.output, args.force)?;
    let bundle = ModelBundle::open(&args.bundle)?;
    let fixed = bundle.program()?;
    let program = fixed.program();
    let settings = settings(args, &bundle, program)?;
    settings.check().map_err(|error| usage(error.to_string()))?;
    let mut project = Project::new(program, &settings, &golden(program))?;
    let report = if args.no_report {
        None
    } else {
        let report = report(&mut project, program, &args.tools.tools(), context)?;
        Some(report)
    };
    // What is over budget is not left as if it were not.
    if let (Some(budget), Some(report)) = (&args.budget, &report) {
        budget.check(report)?;
    }
    project.write(&args.output)?;
    if context.quiet {
        return Ok(());
    }
    if let Some(report) = report {
        print(report.markdown().lines().take(12).collect::<Vec<_>>().join("\n"))?;
    }
    print(format!("\nexport   {}", args.output.display()))
}

fn settings(
    args: &ExportHlsArgs,
    bundle: &ModelBundle,
    program: &CheckedProgram,
) -> anyhow::Result<Settings> {
    let card = bundle.card();
    let of_card = || {
        let points = card.thresholds.get(&Precision::Fixed).map_or(&[][..], Vec::as_slice);
        points.iter().find(|point| point.background_efficiency == WORKING_POINT).map(|point| point.value)
    };
    let threshold = args.threshold.or_else(of_card).unwrap_or(0.0);
    if !threshold.is_finite() {
        return Err(usage("--threshold: a finite number is needed"));
    }
    Ok(Settings {
        name: args.name.clone().unwrap_or_else(|| card.name.replace('-', "_")),
        part: args.part.clone(),
        clock_mhz: args.clock,
        vendor: args.vendor,
        strategy: args.strategy,
        reuse_factor: args.reuse_factor,
        ways: args.ways.clone(),
        threshold: raw_threshold(program, threshold),
    })
}

/// The least raw score whose number in single precision reaches the threshold, or the greatest there is.
fn raw_threshold(program: &CheckedProgram, threshold: f32) -> i64 {
    let format = program.format(program.score_tensor());
    let (mut low, mut high) = (format.min_raw(), format.max_raw());
    while low < high {
        let middle = low + (high - low) / 2;
        if program.score_value(middle) >= threshold {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low as i64
}

fn golden(program: &CheckedProgram) -> Events {
    let k = program.k();
    let rows = stress_rows(k, GOLDEN * GOLDEN_STRIDE, SEED);
    let rows: Vec<i16> = rows.chunks_exact(k).step_by(GOLDEN_STRIDE).flatten().copied().collect();
    Events::interpreted(program, &rows)
}

/// Measures the export before it has its place: the Verilog is made in a folder that nobody keeps.
fn report(
    project: &mut Project,
    program: &CheckedProgram,
    tools: &Tools,
    context: Context,
) -> anyhow::Result<Report> {
    let folder = tempfile::tempdir().context("a temporary folder")?;
    project.write_into(folder.path())?;
    let build = folder.path().join("build");
    let mut note = super::fpga::note(context);
    let report = measure(folder.path(), (&project.info, program), (tools, &build), &mut note)?;
    project.put("report.md", &report.markdown());
    let text = serde_json::to_string_pretty(&report)?;
    project.put("report.json", &(text + "\n"));
    Ok(report)
}
