//! Where a run begins: at the first event, or where an earlier part of it was stopped.

use anyhow::Context as _;
use serde::Deserialize;
use trigsieve::model::sha256_hex;
use trigsieve::pipeline::{Overload, Span};
use trigsieve::score::ScorerFactory;
use trigsieve::sink::{CHECKPOINT, Checkpoint, Identity, OutputFormat, RunFolder, RunStatus};
use trigsieve::trigger::ResolvedPath;

use super::{CHECKPOINT_EVERY, ClockRate, OverloadArg, ReplayArgs, Resolved, check_inputs_stay, model_names};
use crate::cli::Context;
use crate::cli::exit::usage;
use crate::cli::output::print;

/// A run that can begin.
pub(super) struct Begin {
    pub(super) folder: RunFolder,
    /// What makes it the same run; none if it has no checkpoints.
    pub(super) identity: Option<Identity>,
    /// Where an earlier part ended.
    pub(super) from: Option<Checkpoint>,
}

/// What there is to do.
pub(super) enum Found {
    /// A run.
    Begin(Box<Begin>),
    /// Nothing: the run that was asked for is complete.
    Complete,
}

/// Refuses what has no checkpoints.
pub(super) fn check_usage(args: &ReplayArgs) -> anyhow::Result<()> {
    if args.resume && args.checkpoint_every.is_some_and(|every| every.is_zero()) {
        return Err(usage("--resume needs checkpoints: leave out --checkpoint-every 0s"));
    }
    match obstacle(args) {
        Some(obstacle) => Err(usage(format!("--resume and --checkpoint-every do not go with {obstacle}"))),
        None => Ok(()),
    }
}

/// Why a run cannot be gone on with, and what to do: its outcome depends on when it ran, or its file is of no use before
/// its end.
fn obstacle(args: &ReplayArgs) -> Option<&'static str> {
    match args {
        _ if args.overload == OverloadArg::Drop => Some(
            "--overload drop: what it drops depends on when the run runs, so another part of it would be another run; use --overload block",
        ),
        _ if args.format == OutputFormat::Parquet => {
            Some("--format parquet: such a file cannot be read before its end; use --format arrow")
        }
        _ if args.duration.is_some() && args.rate == ClockRate::Max => Some(
            "--duration at --rate max: how many events that makes depends on the machine; give --rate, or --repeat instead of --duration",
        ),
        _ => None,
    }
}

/// Claims the folder, and finds out where to begin.
pub(super) fn begin(args: &ReplayArgs, resolved: &Resolved) -> anyhow::Result<Found> {
    let folder = match args.resume {
        true => RunFolder::claim_to_resume(&args.output)?,
        false => RunFolder::claim(&args.output, args.force)?,
    };
    check_inputs_stay(args, &folder)?;
    let has_checkpoints =
        obstacle(args).is_none() && !args.checkpoint_every.unwrap_or(CHECKPOINT_EVERY).is_zero();
    let identity = match span_of(resolved) {
        Some(span) if has_checkpoints => Some(identity(resolved, span)?),
        _ => None,
    };
    match identity {
        Some(identity) if args.resume => go_on(folder, identity),
        identity => Ok(Found::Begin(Box::new(Begin { folder, identity, from: None }))),
    }
}

fn go_on(folder: RunFolder, identity: Identity) -> anyhow::Result<Found> {
    match Checkpoint::read(folder.path())? {
        // A checkpoint from before the first event may be all that says whose files these are, if the run was stopped
        // at its very end; and nothing depends on one that is of another run.
        Some(from) if from.seen.events > 0 || from.identity == identity => {
            is_same(&from.identity, &identity, &folder, CHECKPOINT)?;
            let from = (from.seen.events > 0).then_some(from);
            return Ok(Found::Begin(Box::new(Begin { folder, identity: Some(identity), from })));
        }
        _ => {}
    }
    let folder = match older_run(&folder)? {
        None => folder.vacant()?,
        Some(OlderRun { identity: None, .. }) => folder.vacant()?,
        Some(OlderRun { status, identity: Some(then) }) => {
            is_same(&then, &identity, &folder, RUN_REPORT)?;
            if status == RunStatus::Complete {
                return Ok(Found::Complete);
            }
            folder
        }
    };
    Ok(Found::Begin(Box::new(Begin { folder, identity: Some(identity), from: None })))
}

/// Says that there is nothing to do.
pub(super) fn say_complete(args: &ReplayArgs, context: Context) -> anyhow::Result<()> {
    if context.quiet {
        return Ok(());
    }
    print(format!("the run in {} is complete: nothing to resume", args.output.display()))
}

/// Number of events in all, where that does not depend on how fast it goes.
pub(super) fn span_of(resolved: &Resolved) -> Option<u64> {
    let plan = &resolved.plan;
    match plan.span {
        _ if plan.overload == Overload::Drop => None,
        Span::Passes(passes) => Some(resolved.set.len().saturating_mul(passes)),
        Span::Time(time) if plan.clock.is_paced() => {
            Some(plan.clock.due(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)))
        }
        Span::Time(_) => None,
        Span::Events { end, .. } => Some(end),
    }
}

/// Whether the checkpoint in the folder is one of the run that began with `from`, so that nobody needs the older files.
pub(super) fn is_superseded(folder: &RunFolder, from: &Checkpoint) -> bool {
    matches!(Checkpoint::read(folder.path()), Ok(Some(checkpoint)) if checkpoint.file != from.file)
}

/// What to say after a run that stopped early: where --resume goes on. A checkpoint from which nothing would be gained
/// is removed.
pub(super) fn hint(folder: &RunFolder) -> anyhow::Result<String> {
    match Checkpoint::read(folder.path())? {
        Some(checkpoint) if checkpoint.seen.events > 0 => {
            Ok(format!("; --resume goes on after {} events", checkpoint.seen.events))
        }
        _ => {
            folder.remove_checkpoint()?;
            Ok(String::new())
        }
    }
}

fn identity(resolved: &Resolved, span: u64) -> anyhow::Result<Identity> {
    let tables = resolved.set.tables();
    let events = tables.iter().map(|table| sha256_hex(table.mapped_bytes())).collect();
    resolved.set.check_all_intact()?;
    let models = model_names(&resolved.bundles).into_iter().zip(&resolved.factories);
    let model = |(name, factory): (String, &ScorerFactory)| format!("{name} {}", factory.sha256());
    let path = |path: &ResolvedPath| {
        let ResolvedPath { name, model_index, threshold, prescale, bit } = path;
        // Every bit of the threshold counts.
        format!("{bit}: {name}: model {model_index} >= {threshold:e}, 1 in {prescale}")
    };
    Ok(Identity {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        events,
        models: models.map(model).collect(),
        engine: resolved.spec.arithmetic()?,
        paths: resolved.paths.iter().map(path).collect(),
        batch: resolved.plan.batch,
        span,
    })
}

fn is_same(then: &Identity, now: &Identity, folder: &RunFolder, file: &str) -> anyhow::Result<()> {
    match then.difference(now) {
        None => Ok(()),
        Some((what, then, now)) => anyhow::bail!(
            "{}: of another run, so --resume cannot go on: {what}: {then} then, {now} now; name another folder",
            folder.file(file).display()
        ),
    }
}

/// Name of the run report.
const RUN_REPORT: &str = "run.json";

/// What a report says of its run.
#[derive(Deserialize)]
struct OlderRun {
    status: RunStatus,
    #[serde(default)]
    identity: Option<Identity>,
}

fn older_run(folder: &RunFolder) -> anyhow::Result<Option<OlderRun>> {
    let path = folder.file(RUN_REPORT);
    match std::fs::read(&path) {
        Ok(json) => Ok(Some(serde_json::from_slice(&json).with_context(|| path.display().to_string())?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}
