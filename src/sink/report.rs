use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Identity, Invariant};
use crate::durable::write_atomically;
use crate::latency::Percentiles;
use crate::pipeline::{Counters, Outcome};
use crate::source::Clock;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// Every event of the span was offered.
    Complete,
    /// The user stopped it; what had been offered was decided and written.
    Interrupted,
    /// A stage failed.
    Failed,
}

/// Dead time: the share of the events that the trigger could not look at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeadTime {
    /// Dropped over all events.
    pub fraction: f64,
    /// By cause, the same; the causes add up to `fraction`.
    pub queue_full: f64,
    /// See [`crate::pipeline::DropCause::SourceLate`].
    pub source_late: f64,
    /// See [`crate::pipeline::DropCause::Failed`].
    pub failed: f64,
}

/// Counts of one trigger path.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PathReport {
    /// Name of the path.
    pub name: String,
    /// Bit of `decision`.
    pub bit: u32,
    /// Bundle whose score it cuts on.
    pub model: String,
    /// Threshold: passes when score >= this.
    pub threshold: f32,
    /// Keep one in this many.
    pub prescale: u32,
    /// Events that passed the threshold.
    pub passed: u64,
    /// Of those, kept by the prescale.
    pub accepted: u64,
    /// Events with its bit in the tagged file, counted in the file; none without a file.
    pub written: Option<u64>,
    /// Accepted events a second: of the clock when paced, else of wall time.
    pub rate_hz: f64,
}

/// Which engine scored.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EngineReport {
    /// `onnx`, `rten` or `fixed`.
    pub name: String,
    /// Version, library and device; of the fixed engine the instruction set and the lanes.
    pub description: String,
    /// `float`, `int8` or `fixed`.
    pub precision: String,
    /// Bundle names with the SHA-256 of the graph that ran.
    pub models: Vec<(String, String)>,
}

/// Latency percentiles in all and by stage, nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LatencyReport {
    /// `scheduled arrival to decision` or, unpaced, `service time`.
    pub kind: &'static str,
    /// From scheduled arrival (unpaced: start of scoring) to decision.
    #[serde(flatten)]
    pub decision: Percentiles,
    /// By stage.
    pub stages: StageReport,
}

/// Latency percentiles of the stages.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StageReport {
    /// From scheduled arrival to the start of scoring; empty when unpaced.
    pub queue: Percentiles,
    /// Scoring and deciding of the batch.
    pub score: Percentiles,
    /// From the decision to the sink: of each event, that of the oldest in its block, which is up to a millisecond of events
    /// where none is accepted.
    pub handover: Percentiles,
}

/// `run.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunReport {
    /// How the run ended.
    pub status: RunStatus,
    /// The first error of a failed run.
    pub error: Option<String>,
    /// Events that arrived.
    pub events_in: u64,
    /// Events that were scored and decided.
    pub events_scored: u64,
    /// Events dropped, by cause.
    pub events_dropped: DroppedReport,
    /// Scored events with a non-finite input or score.
    pub events_invalid: u64,
    /// Of an engine that computes in float: events whose score is within 1e-5, relative, of a threshold. In batches of
    /// another size such an event may be decided otherwise. After a resumption, of the last part.
    pub events_near_threshold: Option<u64>,
    /// Events in the tagged file: accepted by a path, or invalid.
    pub events_tagged: u64,
    /// By path.
    pub events_accepted: Vec<PathReport>,
    /// Whether every one of `invariants` holds.
    pub counters_add_up: bool,
    /// Counts of one stage against those of another, and of the tagged file.
    pub invariants: Vec<Invariant>,
    /// Of a run that was resumed, the events that were decided before. Times, rates and latencies are of the rest.
    pub resumed_after: Option<u64>,
    /// What makes it the same run; only of one that can be resumed.
    pub identity: Option<Identity>,
    /// From the first event's schedule to the end of the last stage.
    pub wall_seconds: f64,
    /// From the start until the source had offered its last event.
    pub source_seconds: f64,
    /// Scored events a second of wall time.
    pub throughput_hz: f64,
    /// Scheduled rate; none at `max`.
    pub scheduled_rate_hz: Option<f64>,
    /// Dead time.
    pub dead_time: DeadTime,
    /// Latencies.
    pub latency_ns: LatencyReport,
    /// The engine.
    pub engine: EngineReport,
    /// Workers, batch and the like.
    pub setup: SetupReport,
    /// Version of this program.
    pub version: &'static str,
    /// As typed.
    pub command_line: Vec<String>,
    /// Where it ran.
    pub host: HostReport,
}

/// Dropped events by cause, and all of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DroppedReport {
    /// All causes.
    pub total: u64,
    /// See [`crate::pipeline::DropCause::QueueFull`].
    pub queue_full: u64,
    /// See [`crate::pipeline::DropCause::SourceLate`].
    pub source_late: u64,
    /// See [`crate::pipeline::DropCause::Failed`].
    pub failed: u64,
}

/// How the pipeline was set up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SetupReport {
    /// Worker threads.
    pub workers: usize,
    /// Most events a scorer gets at once.
    pub batch: usize,
    /// `block` or `drop`.
    pub overload: &'static str,
    /// Whether threads were bound to cores.
    pub pinned: bool,
    /// How the workers waited.
    pub wait: String,
    /// Whether the events were read in place from the mapped files.
    pub zero_copy: bool,
}

/// Where a run ran.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HostReport {
    /// Name of the machine.
    pub name: String,
    /// Kernel and architecture.
    pub system: String,
    /// The processor's own name.
    pub cpu: String,
    /// Cores that the process may use.
    pub cores: usize,
}

impl HostReport {
    /// Describes this machine.
    #[must_use]
    pub fn here() -> Self {
        let system = rustix::system::uname();
        let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
        Self {
            name: text(system.nodename()),
            system: [system.sysname(), system.release(), system.machine()].map(text).join(" "),
            cpu: cpu_name(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

fn cpu_name() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = info.lines().find_map(|line| line.strip_prefix("model name"));
    line.map_or_else(|| "unknown".to_owned(), |name| name.trim_start_matches([' ', '\t', ':']).to_owned())
}

impl DeadTime {
    /// From the counts.
    #[must_use]
    pub fn of(counters: &Counters) -> Self {
        let all = counters.events_in.max(1) as f64;
        let dropped = counters.events_dropped;
        let [queue_full, source_late, failed] =
            [dropped.queue_full, dropped.source_late, dropped.failed].map(|events| events as f64 / all);
        Self { fraction: dropped.total() as f64 / all, queue_full, source_late, failed }
    }
}

impl LatencyReport {
    /// From the merged histograms.
    #[must_use]
    pub fn of(outcome: &Outcome, clock: &Clock) -> Self {
        Self {
            kind: if clock.is_paced() { "scheduled arrival to decision" } else { "service time" },
            decision: (&outcome.latencies.decision).into(),
            stages: StageReport {
                queue: (&outcome.latencies.queue).into(),
                score: (&outcome.latencies.score).into(),
                handover: (&outcome.handover).into(),
            },
        }
    }
}

impl From<&Counters> for DroppedReport {
    fn from(counters: &Counters) -> Self {
        let dropped = counters.events_dropped;
        Self {
            total: dropped.total(),
            queue_full: dropped.queue_full,
            source_late: dropped.source_late,
            failed: dropped.failed,
        }
    }
}

impl RunReport {
    /// Writes `run.json`.
    ///
    /// # Errors
    /// When the file cannot be written; then there is none.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        write_atomically(path, &json)
    }
}
