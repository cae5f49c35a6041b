use std::path::{Path, PathBuf};

/// Why there is no table, no report or no arena. Every variant says where.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArenaError {
    /// A file or folder could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A results table is not CSV, or has a line with too few or too many values.
    #[error("{path}: line {line}: {reason}")]
    Csv {
        /// The table.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The first line of a results table does not name the columns.
    #[error("{path}: line 1 is `{found}`, but the header of a results table is `{expected}`")]
    Header {
        /// The table.
        path: PathBuf,
        /// Its first line.
        found: String,
        /// What it has to be.
        expected: String,
    },
    /// A value of a results table is not what its column holds.
    #[error("{path}: line {line}: {column} is `{found}`, but it must be {expected}")]
    Value {
        /// The table.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// Name of the column.
        column: &'static str,
        /// The value.
        found: String,
        /// What would be accepted.
        expected: &'static str,
    },
    /// Two lines say how one model does on one signal in one channel.
    #[error(
        "{path}: line {line}: a second result of {what}; the first is in line {first_line} of {first_path}"
    )]
    Duplicate {
        /// The table with the second line.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// Model, signal and channel.
        what: String,
        /// The table with the first line.
        first_path: PathBuf,
        /// Its line, from 1.
        first_line: u64,
    },
    /// A results table without a result.
    #[error("no results to rank: {0}")]
    NoResults(String),
    /// A configuration or a recipe is not TOML, has an unknown or missing key, or asks for what cannot be.
    #[error("{path}: {reason}")]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line where that is known.
        reason: String,
    },
    /// Another arena is at work in the folder.
    #[error("{folder}: another arena is writing to this folder; wait for it, or choose another folder")]
    Busy {
        /// The output folder.
        folder: PathBuf,
    },
    /// A trainer gave results that do not belong to what it was asked.
    #[error("entry `{entry}`: {reason}")]
    Measurement {
        /// Name of the entry.
        entry: String,
        /// What is wrong.
        reason: String,
    },
    /// The drawing library refused.
    #[error("{path}: cannot draw: {reason}")]
    Draw {
        /// The plot.
        path: PathBuf,
        /// Its reason.
        reason: String,
    },
}

impl ArenaError {
    /// An error of the system at `path`.
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    /// A configuration that cannot be.
    pub(crate) fn config(path: &Path, reason: impl Into<String>) -> Self {
        Self::Config { path: path.to_owned(), reason: reason.into() }
    }
}
