use serde::Serialize;

use crate::serve::{Control, DeadTime, Recent, ScoreReport, Snapshot, State};

/// All that the live page shows, at one moment.
#[derive(Serialize)]
pub(super) struct Status {
    version: &'static str,
    host: String,
    state: State,
    /// Number of the look that `recent` comes from.
    pub(super) look: u64,
    pub(super) resident_bytes: Option<u64>,
    pub(super) dead_time: DeadTime,
    pub(super) recent: Recent,
    pub(super) scores: Vec<ScoreReport>,
    #[serde(flatten)]
    pub(super) counts: Snapshot,
}

impl Status {
    pub(super) fn of(control: &Control) -> Self {
        let (look, recent) = control.watch().recent();
        let counts = control.monitor().snapshot();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            state: control.state(),
            look,
            resident_bytes: resident_bytes(),
            dead_time: DeadTime::of(counts.events_in, &counts.events_dropped),
            recent,
            scores: control.watch().scores(),
            counts,
        }
    }
}

/// Memory of the process that is in RAM; nothing where the system does not tell.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}
