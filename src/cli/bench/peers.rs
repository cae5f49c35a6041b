//! The peers of `--against`, started.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use trigsieve::bench::{BenchPlan, EmulatorPeer, Peers, PythonPeer, Subject};
use trigsieve::event::Values;
use trigsieve::model::Precision;
use trigsieve::source::EventSet;
use trigsieve_export::Tools;

use super::{BenchArgs, Peer};
use crate::cli::Context;
use crate::cli::exit::usage;
use crate::cli::fpga;

/// Interpreter of `--against python`, if there is one.
const VENV_PYTHON: &str = ".venv/bin/python";

/// Starts what is asked for; the emulators are compiled in `scratch`.
pub fn start(
    args: &BenchArgs,
    (set, subjects, plan): (&EventSet, &[Subject], &BenchPlan),
    scratch: &Path,
    context: Context,
) -> anyhow::Result<Peers> {
    let mut peers = Peers::default();
    if args.against.contains(&Peer::Python) {
        peers.python = Some(python(args, set, subjects, plan)?);
    }
    if args.against.contains(&Peer::Emulator) {
        peers.emulators = emulators(set, subjects, scratch, context)?;
    }
    Ok(peers)
}

fn emulators(
    set: &EventSet,
    subjects: &[Subject],
    scratch: &Path,
    context: Context,
) -> anyhow::Result<Vec<EmulatorPeer>> {
    let tools = Tools { python: fpga::python(), ..Tools::default() };
    let mut note = fpga::note(context);
    let mut emulators = Vec::new();
    for (number, subject) in subjects.iter().enumerate() {
        let folder = scratch.join(format!("emulator{number}"));
        std::fs::create_dir(&folder).with_context(|| folder.display().to_string())?;
        emulators.extend(EmulatorPeer::start(subject, set, (&tools, &folder), &mut note)?);
    }
    if emulators.is_empty() {
        return Err(usage("--against emulator needs the fixed engine, and a bundle with a program"));
    }
    Ok(emulators)
}

fn python(
    args: &BenchArgs,
    set: &EventSet,
    subjects: &[Subject],
    plan: &BenchPlan,
) -> anyhow::Result<PythonPeer> {
    if subjects.iter().all(|subject| subject.precision == Precision::Fixed) || !plan.workers.contains(&1) {
        return Err(usage("--against python needs a graph to run, and --workers 1 among the others"));
    }
    let mut values = Vec::new();
    for batch in set.batches() {
        match batch.rows().values() {
            Values::F32(some) => values.extend_from_slice(some),
            Values::I16(_) => {
                return Err(usage("--against python takes f32 events, these are hardware integers"));
            }
        }
    }
    let interpreter = match &args.python {
        Some(path) => path.clone(),
        None => venv_python()?,
    };
    Ok(PythonPeer::start(&interpreter, &values, set.tables()[0].schema().k)?)
}

fn venv_python() -> anyhow::Result<PathBuf> {
    let path = Path::new(VENV_PYTHON);
    let found = path.exists().then(|| std::path::absolute(path));
    let found =
        found.ok_or_else(|| usage(format!("there is no {VENV_PYTHON} here: name one with --python")))?;
    found.context(VENV_PYTHON)
}
