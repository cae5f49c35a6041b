//! NATS JetStream: frames from a stream that many workers share, results to another, each exactly once. `docs/nats.md` has the
//! settings, and how the guarantees come about.

mod address;
mod counts;
mod custody;
mod link;
mod models;
mod publish;
mod record;
mod send;
mod setup;
mod sink;
mod source;

pub use address::{CreateSettings, NatsAddress, NatsFiles};
pub use counts::{NatsSinkCounts, NatsSinkReport, NatsSourceCounts, NatsSourceReport};
pub use models::{NatsModel, publish_model};
pub use publish::{PublishCounts, PublishReport};
pub use record::{AcceptedColumns, DecisionRecord};
pub use send::NatsPublisher;
pub use sink::NatsOutlet;
pub use source::NatsReceiver;

/// Subjects of the frames for stream `STREAM`: `STREAM.RUN.SOURCE`.
fn frames_subjects(stream: &str) -> Vec<String> {
    vec![format!("{stream}.>")]
}

/// A frame's name: run, source and first event id. What has the same name is the same frame.
fn frame_name(run: u32, source: u32, first_event_id: u64, separator: char) -> String {
    format!("{run}{separator}{source}{separator}{first_event_id}")
}
