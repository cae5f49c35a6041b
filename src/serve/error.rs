use std::path::PathBuf;

use crate::event::EventError;
use crate::model::ModelError;
use crate::score::ScoreError;
use crate::trigger::MenuError;

/// Why the service could not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address cannot be listened on.
    #[error("{address}: {source}")]
    Listen {
        /// The address.
        address: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A source failed for good.
    #[error("{address}: {reason}")]
    Source {
        /// The address.
        address: String,
        /// What happened.
        reason: String,
    },
    /// A model bundle is not usable.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// An engine cannot run a model.
    #[error(transparent)]
    Score(#[from] ScoreError),
    /// The menu is not usable.
    #[error(transparent)]
    Menu(#[from] MenuError),
    /// The models do not go together.
    #[error("{0}")]
    Deployment(String),
    /// A worker failed.
    #[error("worker {worker}: {reason}")]
    Worker {
        /// Which worker.
        worker: usize,
        /// What happened.
        reason: String,
    },
    /// Accepted events cannot be kept.
    #[error("{path}: {source}")]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Accepted events cannot be written.
    #[error(transparent)]
    Events(#[from] EventError),
    /// An outlet failed, in its own words.
    #[error("{0}")]
    Outlet(String),
}
