use std::path::PathBuf;

/// What can be wrong with an event table. Every variant names the file.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// The file could not be opened, read, written or renamed.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The bytes are not a complete Arrow IPC file.
    #[error("{path}: not a complete Arrow IPC file: {reason} (at byte {offset})")]
    Format {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
        /// Where in the file.
        offset: u64,
    },
    /// The file made the Arrow reader panic.
    #[error("{path}: not a complete Arrow IPC file: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The reader's last words.
        reason: String,
    },
    /// The file was cut while it was mapped.
    #[error(
        "{path}: became shorter than the {bytes} bytes it had when it was opened; events read since are not to be \
         trusted; replace event files by renaming a complete one, never in place"
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Its size when it was opened.
        bytes: u64,
    },
    /// Arrow refused a record batch or a dictionary.
    #[error("{path}: record batch {batch}: {source}")]
    Batch {
        /// The file.
        path: PathBuf,
        /// Index of the record batch, from 0.
        batch: usize,
        /// Arrow's reason.
        source: arrow_schema::ArrowError,
    },
    /// Arrow refused to write.
    #[error("{path}: cannot write: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Arrow's reason.
        source: arrow_schema::ArrowError,
    },
    /// A required column is missing or has another type.
    #[error("{path}: column `{column}`: expected {expected}, found {found}")]
    Column {
        /// The file.
        path: PathBuf,
        /// The column's name.
        column: &'static str,
        /// What the contract says.
        expected: String,
        /// What the file has.
        found: String,
    },
    /// A metadata key is missing or has a value this build does not read.
    #[error("{path}: schema metadata `{key}`: expected {expected}, found {found}")]
    Metadata {
        /// The file.
        path: PathBuf,
        /// The metadata key.
        key: &'static str,
        /// What the contract says.
        expected: String,
        /// What the file has.
        found: String,
    },
    /// A required column has a null.
    #[error("{path}: column `{column}` has a null in row {row}")]
    Null {
        /// The file.
        path: PathBuf,
        /// The column's name.
        column: &'static str,
        /// The row, counted from 0 over the whole file.
        row: u64,
    },
    /// Two tables or a table and a model do not fit together.
    #[error("{path}: {what} is {found}, but {other} has {expected}")]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// The property that differs.
        what: &'static str,
        /// The file's value.
        found: String,
        /// The other party, by name.
        other: String,
        /// The other party's value.
        expected: String,
    },
}
