use crate::event::EventError;
use crate::score::ScoreError;

/// Why a run stopped.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// A worker's scorer failed.
    #[error("worker {worker}: {source}")]
    Score {
        /// Which worker.
        worker: usize,
        /// The scorer's error.
        source: ScoreError,
    },
    /// A file of events changed under the run.
    #[error("worker {worker}: {source}")]
    Source {
        /// Which worker.
        worker: usize,
        /// The file's error.
        source: EventError,
    },
    /// The sink could not keep accepted events.
    #[error(transparent)]
    Sink(#[from] EventError),
    /// The sink could not keep accepted events, in its own words.
    #[error("{0}")]
    Output(String),
    /// A stage panicked: a defect.
    #[error("{stage} panicked: {message}")]
    Panic {
        /// The stage.
        stage: String,
        /// The panic's message.
        message: String,
    },
    /// A scorer has changed what numbers mean on its thread.
    #[error(
        "worker {worker}: a library has told the processor to take denormal numbers for zero, so that decisions could differ"
    )]
    Denormals {
        /// Which worker.
        worker: usize,
    },
    /// A thread could not be started or pinned.
    #[error("{stage}: {source}")]
    Thread {
        /// The stage.
        stage: String,
        /// The system's reason.
        source: std::io::Error,
    },
}
