//! The service: live streams of frames in, decisions out, for weeks.
//!
//! The way of a frame: a receiver (`receive/`) hands it to the [`Intake`], which numbers it and stamps it with the
//! [`Deployment`] in force; a worker scores and decides it; the delivery puts the blocks back in order, applies the
//! prescales and gives them to every [`Outlet`]. What all outlets have made durable is settled: only then is a [`Receipt`]
//! used, for example to acknowledge a message. All queues are bounded. The [`Monitor`] is what everybody counts in, and what
//! operations look at.

mod address;
mod delivery;
mod deployment;
mod error;
mod files;
mod intake;
mod monitor;
mod receive;
mod service;
mod tracker;
mod worker;

pub use address::{Address, NoAddress};
pub use delivery::{Accepted, Decided, Outlet};
pub use deployment::{Deployment, DeploymentSpec, MenuSource, ModelId, checksum_of};
pub use error::ServeError;
pub use files::{Rolling, RollingFiles, unique_name};
pub use intake::{Arrived, Intake, NotTaken, Receipt};
pub use monitor::{DropCause, Dropped, LatencySnapshot, Monitor, PathSnapshot, Snapshot};
pub use receive::{
    RECEIPT_BYTES, ReceiveLimits, Receiver, StdinReceiver, StopReceiving, StreamListener, StreamReceiver,
    UdpReceiver, receiver_of,
};
pub use service::{Service, ServiceConfig, ServiceEnd};
pub use tracker::Window;
pub use trigsieve_frame::{Frame, FrameBuffer, HEADER_BYTES, Limits};
