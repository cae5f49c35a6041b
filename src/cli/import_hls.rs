//! `trigsieve import-hls`: trigger firmware as an hls4ml project becomes a bundle.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use trigsieve::event::{Encoding, HardwareUnits};
use trigsieve::model::{BundleOutput, Card, ImportCard, ImportedFile, Precision, ScoreCard, sha256_of_file};
use trigsieve_fixed::{CheckedProgram, Format};
use trigsieve_hls::{Imported, Options, Report, Score, import};

use super::Context;
use super::exit::usage;

/// Make a bundle of an hls4ml project: the firmware's arithmetic, bit by bit.
///
/// Reads the C++ of an io_parallel project: typedefs, configurations, weights (headers or text), the layers that the top
/// function calls, and the class around it that scales inputs and makes the score (as the emulators of CMS's triggers
/// have it). What is not understood is refused with file, line and text, and nothing is written.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples: a published trigger, and a variational encoder whose project has no score\n  \
    trigsieve import-hls AXOL1TL/AXOL1TL_v4 -o models/axol1tl_v4 --hardware-units\n  \
    trigsieve import-hls my_hls4ml_prj -o models/encoder --score sum-of-squares --score-format 'ap_ufixed<18,14>'"
)]
pub struct ImportHlsArgs {
    /// Folder of the project.
    #[arg(value_name = "PROJECT")]
    project: PathBuf,
    /// Folder of the bundle.
    #[arg(short, long, value_name = "BUNDLE")]
    output: PathBuf,
    /// Name of the bundle [default: that of its folder].
    #[arg(long)]
    name: Option<String>,
    /// Encoding of the events that the network takes.
    #[arg(long, default_value = "l1_57")]
    encoding: String,
    /// The score: that of the project, the network's only output, or one made here of its outputs.
    #[arg(long, default_value = "project", value_parser = score)]
    score: Score,
    /// Output array that the score is made of, where the network has several.
    #[arg(long, value_name = "ARRAY")]
    score_of: Option<String>,
    /// Format of the terms and the sum of a score made here [default: wide enough to be exact].
    #[arg(long, value_name = "FORMAT")]
    score_format: Option<Format>,
    /// Binary places of the hardware integers (i16 rows); 0: they are whole numbers.
    #[arg(long, value_name = "PLACES", default_value_t = 0, allow_negative_numbers = true)]
    hardware_fraction: i32,
    /// Take physical values (f32 rows) too, by the units of the CMS global trigger or those of a file (as `convert` has
    /// them); without, a physical value is assigned to the first format as it is.
    #[arg(long, num_args = 0..=1, require_equals = true, value_name = "UNITS.toml")]
    hardware_units: Option<Option<PathBuf>>,
    /// Take the network alone, without the class around it.
    #[arg(long)]
    network_only: bool,
    /// Replace a bundle that is there.
    #[arg(long)]
    force: bool,
}

fn score(name: &str) -> Result<Score, String> {
    let known = || Score::ALL.map(|(_, name)| name).join(", ");
    Score::named(name).ok_or_else(|| format!("choose one of {}", known()))
}

/// Runs the command.
pub fn run(args: &ImportHlsArgs, context: Context) -> anyhow::Result<()> {
    let name = bundle_name(args)?;
    let output = BundleOutput::new(&args.output, args.force)?;
    let mut imported = import(&args.project, &options(args))?;
    imported.program.input.units = units(args, imported.program.k())?;
    let program = imported.program.clone().check().context("the imported program")?;
    write(&output, card(args, &name, &imported)?, &program)?;
    if !context.quiet {
        println!("{}", imported.report);
        println!("bundle   {}", args.output.display());
    }
    Ok(())
}

fn bundle_name(args: &ImportHlsArgs) -> anyhow::Result<String> {
    let folder = || args.output.file_name().map(|name| name.to_string_lossy().into_owned());
    args.name
        .clone()
        .or_else(folder)
        .ok_or_else(|| usage("--output: a folder with a name is needed, or --name"))
}

fn options(args: &ImportHlsArgs) -> Options {
    Options {
        score: args.score,
        output: args.score_of.clone(),
        score_format: args.score_format,
        hardware_fraction: args.hardware_fraction,
        network_only: args.network_only,
    }
}

/// The size of a step of each input. A known encoding has to have as many inputs as the network.
fn units(args: &ImportHlsArgs, k: usize) -> anyhow::Result<Option<Vec<f64>>> {
    let encoding: Result<Encoding, _> = args.encoding.parse();
    if let Ok(encoding) = &encoding
        && encoding.k() != k
    {
        let found = encoding.k();
        bail!(
            "the network takes {k} inputs and the encoding {} has {found}: name its encoding with --encoding",
            args.encoding
        );
    }
    let Some(choice) = &args.hardware_units else { return Ok(None) };
    let encoding = encoding.context("--hardware-units needs an encoding whose inputs are known here")?;
    let units = match choice {
        None => HardwareUnits::cms(encoding),
        Some(path) => HardwareUnits::load(path, &encoding.features())?,
    };
    if let Some(unit) = units.units().iter().find(|unit| unit.period.is_some()) {
        bail!(
            "--hardware-units: a unit with a period ({unit}) is one of integers only; convert the events with it instead"
        );
    }
    Ok(Some(units.steps()))
}

fn card(args: &ImportHlsArgs, name: &str, imported: &Imported) -> anyhow::Result<Card> {
    let Imported { program, report } = imported;
    let project = args.project.canonicalize()?.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(Card {
        name: name.to_owned(),
        family: "firmware".to_owned(),
        description: format!("Imported from the hls4ml project of `{}`.", report.name),
        encoding: args.encoding.clone(),
        inputs: program.k(),
        files: BTreeMap::new(),
        score: ScoreCard { name: program.score.clone(), formula: report.score.clone() },
        preprocessing: format!("in fixed.json; around the network: {}", report.around),
        training: None,
        import: Some(ImportCard {
            importer: concat!("trigsieve ", env!("CARGO_PKG_VERSION")).to_owned(),
            project: project.unwrap_or_default(),
            top: report.name.clone(),
            sources: sources(&args.project, report)?,
        }),
        thresholds: BTreeMap::new(),
        metrics: BTreeMap::new(),
    })
}

fn sources(project: &Path, report: &Report) -> anyhow::Result<Vec<ImportedFile>> {
    let one = |file: &String| {
        let path = project.join(file);
        let sha256 = sha256_of_file(&path).with_context(|| path.display().to_string())?;
        Ok(ImportedFile { file: file.clone(), sha256 })
    };
    report.files.iter().map(one).collect()
}

/// Fills a folder beside the output, opens it as any reader would, and gives it its name.
fn write(output: &BundleOutput, mut card: Card, program: &CheckedProgram) -> anyhow::Result<()> {
    let draft = output.draft()?;
    draft.put(&mut card, Precision::Fixed, program.to_json().as_bytes())?;
    draft.put_card(&card)?;
    draft.open()?.program()?;
    Ok(draft.commit()?)
}
