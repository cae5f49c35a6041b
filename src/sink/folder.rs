use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::durable::remove_partials;

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
    /// Files of an older run, which the new one is to replace.
    older: Vec<&'static str>,
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
    #[error(
        "output folder {path}: holds a run already ({file}); name another one, or replace it with --force"
    )]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// A file of that run.
        file: &'static str,
    },
}

impl RunFolder {
    /// Makes the folder if need be, locks it, and looks for an older run, which only `force` accepts:
    /// [`RunFolder::remove_older`] then makes room.
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
        let lock = lock(path)?;
        let older: Vec<_> = files.iter().copied().filter(|file| path.join(file).exists()).collect();
        let folder = Self { path: path.to_owned(), older, _lock: lock };
        match folder.older.first() {
            Some(file) if !force => return Err(FolderError::Occupied { path: path.to_owned(), file }),
            _ => {}
        }
        files.iter().try_for_each(|file| remove_partials(&folder.file(file))).map_err(io)?;
        Ok(folder)
    }

    /// Removes the files of the older run. Not before there is something to put in their place: a run that cannot
    /// start must not cost the one before it.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn remove_older(&mut self) -> Result<(), FolderError> {
        for file in std::mem::take(&mut self.older) {
            std::fs::remove_file(self.file(file))
                .map_err(|source| FolderError::Io { path: self.path.clone(), source })?;
        }
        Ok(())
    }

    /// Whether `path` is a file of the older run.
    #[must_use]
    pub fn is_older(&self, path: &Path) -> bool {
        let real = |path: &Path| std::fs::canonicalize(path).ok();
        real(path)
            .is_some_and(|path| self.older.iter().any(|file| real(&self.file(file)).as_ref() == Some(&path)))
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

/// The lock file, locked. Its owner removes it before it lets go, so a lock that was got on a file that is not the
/// folder's any more guards nothing and is tried again.
fn lock(folder: &Path) -> Result<File, FolderError> {
    let io = |source| FolderError::Io { path: folder.to_owned(), source };
    let path = folder.join(LOCK);
    loop {
        let file = File::create(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FolderError::Busy { path: folder.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let locked = file.metadata().map_err(io)?;
        match std::fs::metadata(&path) {
            Ok(named) if (named.dev(), named.ino()) == (locked.dev(), locked.ino()) => return Ok(file),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io(error)),
        }
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        // Nothing depends on it: a left-over lock file of a killed run is not locked.
        let _ = std::fs::remove_file(self.path.join(LOCK));
    }
}
