//! The service: live streams of frames in, decisions out, for weeks.
//!
//! The way of a frame: a receiver (`receive/`) hands it to the [`Intake`], which numbers it and stamps it with the
//! [`Deployment`] in force; a worker scores and decides it; the delivery puts the blocks back in order, applies the
//! prescales and gives them to every [`Outlet`]. What all outlets have made durable is settled: only then is a [`Receipt`]
//! used, for example to acknowledge a message. All queues are bounded. The [`Monitor`] is what everybody counts in, and what
//! operations look at.

mod address;
mod budget;
mod claim;
mod control;
mod delivery;
mod deployment;
mod drift;
mod error;
mod files;
mod history;
mod http;
mod intake;
mod monitor;
mod nats;
mod receive;
mod scores;
mod service;
mod tracker;
mod trouble;
mod watch;
mod window;
mod worker;
mod written;

pub use address::{Address, NoAddress, SocketText};
pub use claim::Claim;
pub use control::{Control, State};
pub use delivery::{Accepted, Decided, Outlet};
pub use deployment::{Admission, Deployment, DeploymentSpec, MenuSource, ModelId, checksum_of};
pub use drift::{DRIFT_ALARM, DRIFT_WINDOW, Drift, ScoreReport};
pub use error::ServeError;
pub use files::{Rolling, RollingFiles, unique_name};
pub use history::{History, PathHistory};
pub use http::{HttpDoor, HttpLimits, HttpServer, Token};
pub use intake::{Arrived, Intake, NotTaken, Receipt};
pub use monitor::{DropCause, Dropped, LatencySnapshot, Monitor, PathSnapshot, Snapshot};
pub use nats::{
    AcceptedColumns, CreateSettings, DecisionRecord, NatsAddress, NatsFiles, NatsModel, NatsOutlet,
    NatsPublisher, NatsReceiver, NatsSinkCounts, NatsSinkReport, NatsSourceCounts, NatsSourceReport,
    PublishCounts, PublishReport, publish_model,
};
pub use receive::{
    ArrowStream, RECEIPT_BYTES, ReceiveLimits, Receiver, StdinReceiver, StopReceiving, StreamListener,
    StreamReceiver, UdpReceiver, receiver_of,
};
pub use service::{Operations, Service, ServiceConfig, ServiceEnd};
pub use tracker::Window;
pub use trigsieve_frame::{Frame, FrameBuffer, HEADER_BYTES, Limits};
pub use trouble::Trouble;
pub use watch::Watch;
pub use window::{DeadTime, PathRate, Recent, WINDOW};
