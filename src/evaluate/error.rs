use std::path::PathBuf;

use crate::event::EventError;
use crate::score::ScoreError;

/// Why a sample cannot be evaluated. Every variant names the file.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Scoring failed.
    #[error("{path}: {source}")]
    Score {
        /// The event file.
        path: PathBuf,
        /// The engine's reason.
        source: Box<ScoreError>,
    },
    /// Events that do not count alike.
    #[error(
        "{path}: events have different weights ({first} in row 0, {other} in row {row}); rates, ranks and binomial \
         errors here count events: keep each event with the probability weight / largest weight, and leave out \
         the column"
    )]
    Weights {
        /// The event file.
        path: PathBuf,
        /// Weight of the first event.
        first: f32,
        /// Another weight.
        other: f32,
        /// Its row, from 0.
        row: usize,
    },
    /// No event is left.
    #[error("{file}: no valid event ({invalid} events, none with finite inputs and a finite score)")]
    NoEvents {
        /// The event file.
        file: String,
        /// Events that are not valid.
        invalid: u64,
    },
    /// Two signals would have one entry.
    #[error("two signal files have the name `{name}`, by which metrics.json tells them apart: rename one")]
    SameName {
        /// File stem of both.
        name: String,
    },
    /// The table of scores could not be written.
    #[error(transparent)]
    Scores(#[from] EventError),
}
