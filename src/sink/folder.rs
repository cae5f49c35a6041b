use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Held while a run writes to the folder.
const LOCK: &str = ".trigsieve.lock";
/// Files of a run: their presence says that the folder holds one.
const RUN_FILES: [&str; 8] = [
    "run.json",
    "tagged.arrow",
    "tagged.parquet",
    "latency.hgrm",
    "latency.hlog",
    "latency-stages.hlog",
    "latency.svg",
    "menu.toml",
];

/// A folder that belongs to one run until dropped.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    /// The lock lives as long as the open file.
    _lock: File,
}

/// Why a folder cannot take a run.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It cannot be made, written or cleaned.
    #[error("output folder {path}: {source}")]
    Io {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Another process writes a run to it now.
    #[error("output folder {path}: another run is writing to it")]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// It holds a run already.
    #[error("output folder {path}: holds a run already ({file}); name another one, or replace it with --force")]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// A file of that run.
        file: &'static str,
    },
}

impl RunFolder {
    /// Makes the folder if need be, locks it, and with `force` removes the files of an older run.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn claim(path: &Path, force: bool) -> Result<Self, FolderError> {
        Self::claim_for(path, force, &RUN_FILES)
    }

    /// [`RunFolder::claim`] for a command that leaves `files` instead of those of a replay.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn claim_for(path: &Path, force: bool, files: &[&'static str]) -> Result<Self, FolderError> {
        let io = |source| FolderError::Io { path: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(io)?;
        let lock = File::create(path.join(LOCK)).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FolderError::Busy { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let folder = Self { path: path.to_owned(), _lock: lock };
        for file in files.iter().copied().filter(|file| path.join(file).exists()) {
            if !force {
                return Err(FolderError::Occupied { path: path.to_owned(), file });
            }
            std::fs::remove_file(path.join(file)).map_err(io)?;
        }
        Ok(folder)
    }

    /// Path of a file of this run.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        // Nothing depends on it: a left-over lock file of a killed run is not locked.
        let _ = std::fs::remove_file(self.path.join(LOCK));
    }
}
