//! What a run leaves behind: the tagged events, the report, the latency files, in a folder of its own.

mod folder;
mod format;
mod report;
mod tagged;

pub use folder::{FolderError, RunFolder};
pub use format::{OutputFormat, TaggedWriter};
pub use report::{
    DeadTime, DroppedReport, EngineReport, HostReport, LatencyReport, PathReport, RunReport, RunStatus,
    SetupReport, StageReport,
};
pub use tagged::{DECISION, LATENCY_NS, TaggedEvents, tagged_schema};
