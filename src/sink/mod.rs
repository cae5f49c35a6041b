//! What a run leaves behind: the tagged events, the report, the latency files, in a folder of its own.

mod census;
mod checkpoint;
mod folder;
mod format;
mod ledger;
mod report;
mod tagged;

pub use census::Census;
pub use checkpoint::{CHECKPOINT, Checkpoint, CheckpointError, Checkpoints, Identity};
pub use folder::{FolderError, RunFolder};
pub use format::{OutputFormat, TaggedWriter};
pub use ledger::{BrokenInvariant, Invariant, Ledger};
pub use report::{
    DeadTime, DroppedReport, EngineReport, HostReport, LatencyReport, PathReport, RunReport, RunStatus,
    SetupReport, StageReport,
};
pub use tagged::{DECISION, LATENCY_NS, Seen, Tagged, TaggedEvents, tagged_schema};
