use std::path::PathBuf;

use crate::event::EventError;
use crate::score::ScoreError;

/// Why two parties cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// The events are not what a party takes.
    #[error(transparent)]
    Events(#[from] EventError),
    /// A party cannot score.
    #[error("{party}: {source}")]
    Score {
        /// Which one.
        party: String,
        /// The engine's reason.
        source: Box<ScoreError>,
    },
    /// The golden scores cannot be read.
    #[error("{path}: {reason}")]
    Golden {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// There are not as many golden scores as events.
    #[error("{path}: {scores} scores, but {events_path} has {events} events")]
    Count {
        /// The golden scores.
        path: PathBuf,
        /// How many there are.
        scores: u64,
        /// The events.
        events_path: PathBuf,
        /// How many there are.
        events: u64,
    },
    /// Physical values are counted in different units.
    #[error(
        "{a} counts input {input} in steps of {a_step}, {b} in steps of {b_step}: they are not the same events"
    )]
    Units {
        /// One party.
        a: String,
        /// The other.
        b: String,
        /// Number of the input, from 0.
        input: usize,
        /// Step of the one.
        a_step: String,
        /// Step of the other.
        b_step: String,
    },
}
