//! The run report: all counts of the run, and the times of the part that ran now.

use trigsieve::event::EventTable;
use trigsieve::model::Precision;
use trigsieve::pipeline::{Counters, Outcome, Overload};
use trigsieve::sink::{
    Census, Checkpoint, DeadTime, EngineReport, HostReport, Identity, LatencyReport, Ledger, PathReport,
    RunReport, RunStatus, SetupReport, Tagged,
};
use trigsieve::trigger::{PathCounter, ResolvedPath};

use super::{ReplayArgs, Resolved, model_names};

/// What ran now, and what it went on from.
pub(super) struct Part<'a> {
    /// What the pipeline left.
    pub(super) outcome: &'a Outcome,
    /// What the sink counted, earlier parts included.
    pub(super) tagged: &'a Tagged,
    /// What is in the file.
    pub(super) file: Option<&'a Census>,
    /// Where an earlier part ended.
    pub(super) before: Option<&'a Checkpoint>,
}

impl Part<'_> {
    /// The counts of all parts. What was decided before is known from what reached the sink then: nothing is dropped in
    /// a run that can be resumed.
    fn counters(&self) -> Counters {
        let seen = self.before.map(|before| before.seen).unwrap_or_default();
        let mut counters = Counters {
            events_in: seen.events,
            events_scored: seen.events,
            events_delivered: seen.events,
            events_invalid: seen.invalid,
            events_kept: seen.kept,
            ..Counters::default()
        };
        counters.merge(&self.outcome.counters);
        counters
    }

    fn ledger<'a>(&'a self, counters: &'a Counters, resolved: &'a Resolved) -> Ledger<'a> {
        let complete = self.outcome.error.is_none();
        Ledger { counters, tagged: self.tagged, file: self.file, paths: &resolved.paths, complete }
    }

    /// Checks the invariants.
    pub(super) fn check(&self, resolved: &Resolved) -> anyhow::Result<()> {
        Ok(self.ledger(&self.counters(), resolved).check()?)
    }
}

/// Which engine scored.
pub(super) fn engine(resolved: &Resolved, description: String) -> EngineReport {
    let spec = &resolved.spec;
    let models = model_names(&resolved.bundles)
        .into_iter()
        .zip(resolved.factories.iter().map(|factory| factory.sha256().to_owned()))
        .collect();
    EngineReport {
        name: spec.engine.name().to_owned(),
        description,
        precision: spec.precision.name().to_owned(),
        models,
    }
}

/// The report of a run whose last part was `part`.
pub(super) fn of(
    args: &ReplayArgs,
    resolved: &Resolved,
    part: &Part,
    (engine, identity): (EngineReport, Option<Identity>),
) -> RunReport {
    let (outcome, counters) = (part.outcome, &part.counters());
    let invariants = part.ledger(counters, resolved).invariants();

    let wall_seconds = outcome.wall.as_secs_f64();
    let per_second = |events: u64| if wall_seconds > 0.0 { events as f64 / wall_seconds } else { 0.0 };
    let clock = &resolved.plan.clock;
    // On a clock the rate of a path is its share of the scheduled rate: the wall time also has the drain.
    let rate_hz = |accepted: u64, before: u64| match clock.rate_hz() {
        Some(rate_hz) => rate_hz * accepted as f64 / counters.events_in.max(1) as f64,
        None => per_second(accepted - before),
    };
    let before = |bit: u32| {
        let paths = part.before.map_or(&[][..], |before| &before.paths);
        paths.get(bit as usize).map_or(0, |path| path.accepted)
    };
    let path_report = |(path, counter): (&ResolvedPath, &PathCounter)| PathReport {
        name: path.name.clone(),
        bit: path.bit,
        model: resolved.bundles[path.model_index].card().name.clone(),
        threshold: path.threshold,
        prescale: counter.prescale,
        passed: counter.passed,
        accepted: counter.accepted,
        written: part.file.map(|file| file.by_bit[path.bit as usize]),
        rate_hz: rate_hz(counter.accepted, before(path.bit)),
    };
    let broken = part.ledger(counters, resolved).check().err();
    let error = outcome.error.as_ref().map(ToString::to_string).or(broken.map(|broken| broken.to_string()));
    RunReport {
        status: status(outcome, error.is_some()),
        error,
        events_in: counters.events_in,
        events_scored: counters.events_scored,
        events_dropped: counters.into(),
        events_invalid: counters.events_invalid,
        events_near_threshold: (resolved.spec.precision != Precision::Fixed)
            .then_some(outcome.counters.events_near_threshold),
        events_tagged: part.tagged.handed.rows,
        events_accepted: resolved.paths.iter().zip(&part.tagged.paths).map(path_report).collect(),
        counters_add_up: invariants.iter().all(|invariant| invariant.holds),
        invariants,
        resumed_after: part.before.map(|before| before.seen.events),
        identity,
        wall_seconds,
        source_seconds: outcome.source_time.as_secs_f64(),
        throughput_hz: per_second(outcome.counters.events_scored),
        scheduled_rate_hz: clock.rate_hz(),
        dead_time: DeadTime::of(counters),
        latency_ns: LatencyReport::of(outcome, clock),
        engine,
        setup: setup_report(args, resolved, outcome),
        version: env!("CARGO_PKG_VERSION"),
        command_line: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
        host: HostReport::here(),
    }
}

fn setup_report(args: &ReplayArgs, resolved: &Resolved, outcome: &Outcome) -> SetupReport {
    SetupReport {
        workers: resolved.workers,
        batch: resolved.plan.batch,
        overload: match resolved.plan.overload {
            Overload::Block => "block",
            Overload::Drop => "drop",
        },
        pinned: args.pin,
        wait: format!("{:?}", outcome.wait).to_lowercase(),
        zero_copy: resolved.set.tables().iter().all(EventTable::is_zero_copy),
    }
}

fn status(outcome: &Outcome, failed: bool) -> RunStatus {
    match (failed, outcome.interrupted) {
        (true, _) => RunStatus::Failed,
        (false, true) => RunStatus::Interrupted,
        (false, false) => RunStatus::Complete,
    }
}
