use std::path::PathBuf;

use crate::event::EventError;

/// Why a source file could not be converted. Every variant names the file.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// The file could not be opened or read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The HDF5 reader refused the file.
    #[error("{path}: {what}: {reason}")]
    Hdf5 {
        /// The file.
        path: PathBuf,
        /// What was being read.
        what: String,
        /// The reader's reason.
        reason: String,
    },
    /// The file is readable, but its content is not the layout that was named.
    #[error("{path}: {what}: expected {expected}, found {found}")]
    Layout {
        /// The file.
        path: PathBuf,
        /// Which part of the file.
        what: String,
        /// What the layout says.
        expected: String,
        /// What the file has.
        found: String,
    },
    /// An input that no integer can stand for.
    #[error(
        "{path}: row {row} has a NaN or infinite input, which hardware integers cannot say; convert without \
         --hardware-units, or take the event out"
    )]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The first such row, from 0.
        row: u64,
    },
    /// The output is there already.
    #[error("{path}: exists already; give --force to replace it, or another name")]
    OutputExists {
        /// The output.
        path: PathBuf,
    },
    /// Replacing the output would destroy an input.
    #[error("{path}: is an input, and cannot be the output too")]
    OutputIsInput {
        /// The file.
        path: PathBuf,
    },
    /// The event table could not be written.
    #[error(transparent)]
    Event(#[from] EventError),
}
