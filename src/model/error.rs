use std::path::PathBuf;

/// What can be wrong with a model bundle. Every variant names the file.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The place of a new bundle is taken.
    #[error("{path}: {reason}")]
    OutputExists {
        /// The output.
        path: PathBuf,
        /// By what, and what to do.
        reason: &'static str,
    },
    /// The card is not what it should be.
    #[error("{path}: {reason}")]
    Card {
        /// The card.
        path: PathBuf,
        /// What is wrong, with the line where TOML knows it.
        reason: String,
    },
    /// A file's content is not the one the card describes.
    #[error(
        "{path}: sha256 is {found}, but the card {card} says {expected}; \
         the file is damaged or belongs to another bundle"
    )]
    Sha256 {
        /// The file.
        path: PathBuf,
        /// The card.
        card: PathBuf,
        /// Of the file.
        found: String,
        /// Of the card.
        expected: String,
    },
    /// The bundle has no graph of this precision.
    #[error("{card}: the bundle has no `{file}`; its files are {files}")]
    NoGraph {
        /// The card.
        card: PathBuf,
        /// The file asked for.
        file: &'static str,
        /// The files there are.
        files: String,
    },
    /// The fixed-point program is none, or cannot run.
    #[error(transparent)]
    Program(#[from] trigsieve_fixed::FileError),
    /// The bundle is not signed as the operator asks.
    #[error("{path}: {reason}")]
    Signature {
        /// The signature, or the key.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The graph is refused before any runtime sees it.
    #[error("{path}: {reason}")]
    Graph {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}
