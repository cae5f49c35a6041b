//! `trigsieve inspect`.

mod events;
mod model;
mod program;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use serde::Serialize;
use trigsieve::event::EventTable;
use trigsieve::model::{CARD_FILE, ModelBundle};

use super::{Context, output};

/// Show what is in an event file or a model bundle.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    trigsieve inspect background.arrow\n  \
    trigsieve inspect models/l1_ae\n  \
    trigsieve inspect background.arrow --json")]
pub struct InspectArgs {
    /// An event file (Arrow IPC) or the folder of a model.
    #[arg(value_name = "FILE_OR_MODEL")]
    target: PathBuf,
    /// Print JSON instead of tables.
    #[arg(long)]
    json: bool,
}

/// A report that people read as text and programs as JSON.
trait Report: Serialize {
    fn text(&self) -> String;
}

/// Runs the command.
pub fn run(args: InspectArgs, _context: Context) -> anyhow::Result<()> {
    match Target::of(&args.target)? {
        Target::Events(table) => {
            let report = events::EventsReport::of(&table);
            table.check_intact()?;
            print(&report, args.json)
        }
        Target::Model(bundle) => {
            let report = model::ModelReport::of(&bundle);
            print(&report, args.json)?;
            report.check()
        }
    }
}

enum Target {
    Events(EventTable),
    Model(Box<ModelBundle>),
}

impl Target {
    fn of(path: &Path) -> anyhow::Result<Self> {
        let metadata = std::fs::metadata(path).with_context(|| path.display().to_string())?;
        if !metadata.is_dir() {
            return Ok(Self::Events(open_events(path)?));
        }
        if !path.join(CARD_FILE).exists() {
            bail!("{}: neither an event file nor a model: the folder has no {CARD_FILE}", path.display());
        }
        Ok(Self::Model(Box::new(ModelBundle::open(path)?)))
    }
}

fn open_events(path: &Path) -> anyhow::Result<EventTable> {
    EventTable::open(path).map_err(|error| match hint(path) {
        Some(hint) => anyhow::anyhow!("{error}; {hint}"),
        None => error.into(),
    })
}

/// What to do with a file that people plausibly give instead of an event table.
fn hint(path: &Path) -> Option<&'static str> {
    match path.extension()?.to_str()? {
        "h5" | "hdf5" => Some("make an event table of it with `trigsieve convert`"),
        "toml" | "onnx" => Some("to see a model, give its folder"),
        "parquet" => Some("Parquet is not read; write Arrow IPC instead"),
        _ => None,
    }
}

fn print(report: &impl Report, json: bool) -> anyhow::Result<()> {
    output::print(if json { serde_json::to_string_pretty(report)? } else { report.text() })
}
