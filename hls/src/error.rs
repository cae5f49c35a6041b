//! What can't be imported, and where it stands.

use std::path::PathBuf;

/// Why a project can't be imported. Every message is one line.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file or folder can't be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// What could not be read.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The project as a whole: nothing to import in it, several networks, too large.
    #[error("{}: {reason}", path.display())]
    Project {
        /// The project.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A construct in a file.
    #[error("{}:{line}: {reason}: `{text}`", path.display())]
    Construct {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u32,
        /// Why it can't be taken, and what to do.
        reason: String,
        /// The line, shortened.
        text: String,
    },
}

/// A place in the project: which file, which line (from 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At {
    pub file: usize,
    pub line: u32,
}

/// An error on its way to where the files' names are known.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    pub at: Option<At>,
    pub reason: String,
}

pub(crate) type Result<T> = std::result::Result<T, Trouble>;

impl Trouble {
    pub fn at(at: At, reason: impl Into<String>) -> Self {
        Self { at: Some(at), reason: reason.into() }
    }

    pub fn of_project(reason: impl Into<String>) -> Self {
        Self { at: None, reason: reason.into() }
    }
}
