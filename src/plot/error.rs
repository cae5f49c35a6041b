use std::path::PathBuf;

/// Why there is no plot.
#[derive(Debug, thiserror::Error)]
pub enum PlotError {
    /// The file could not be written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The drawing library refused.
    #[error("{path}: cannot draw: {reason}")]
    Draw {
        /// The file.
        path: PathBuf,
        /// Its reason.
        reason: String,
    },
}
