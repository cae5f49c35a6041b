use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{CHECKPOINT, Checkpoint, CheckpointError};
use crate::durable::partials;

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
    /// Unfinished files of it, which the checkpoint of an older run may need.
    unfinished: Vec<PathBuf>,
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
    /// It holds a run that was stopped.
    #[error(
        "output folder {path}: holds an unfinished run of {events} events so far; go on with --resume, or replace it with \
         --force"
    )]
    Unfinished {
        /// The folder.
        path: PathBuf,
        /// Events that it came through.
        events: u64,
    },
    /// It may hold such a run, but what that left cannot be read.
    #[error("output folder {path}: {source}; replace it with --force")]
    Checkpoint {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        source: CheckpointError,
    },
}

impl RunFolder {
    /// Makes the folder if need be, locks it, and looks for an older run, which only `force` accepts:
    /// [`RunFolder::remove_older`] then makes room.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn claim(path: &Path, force: bool) -> Result<Self, FolderError> {
        let folder = Self::lock(path, &RUN_FILES)?;
        if force {
            return Ok(folder);
        }
        let events = match Checkpoint::read(path) {
            Ok(checkpoint) => checkpoint.map_or(0, |checkpoint| checkpoint.seen.events),
            Err(source) => return Err(FolderError::Checkpoint { path: path.to_owned(), source }),
        };
        if events > 0 {
            return Err(FolderError::Unfinished { path: path.to_owned(), events });
        }
        folder.vacant()
    }

    /// [`RunFolder::claim`] for a run that goes on where an older one was stopped: it is up to the caller to see that
    /// it does.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn claim_to_resume(path: &Path) -> Result<Self, FolderError> {
        Self::lock(path, &RUN_FILES)
    }

    /// [`RunFolder::claim`] for a command that leaves `files` instead of those of a replay.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn claim_for(path: &Path, force: bool, files: &[&'static str]) -> Result<Self, FolderError> {
        let folder = Self::lock(path, files)?;
        if force { Ok(folder) } else { folder.vacant() }
    }

    fn lock(path: &Path, files: &[&'static str]) -> Result<Self, FolderError> {
        let io = |source| FolderError::Io { path: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(io)?;
        let lock = lock(path)?;
        let older = files.iter().copied().filter(|file| path.join(file).exists()).collect();
        let unfinished = files
            .iter()
            .chain([&CHECKPOINT])
            .map(|file| partials(&path.join(file)))
            .collect::<Result<Vec<_>, _>>();
        let unfinished = unfinished.map_err(io)?.concat();
        Ok(Self { path: path.to_owned(), older, unfinished, _lock: lock })
    }

    /// The folder if there is no older run in it, without what a killed one left that had hardly begun.
    ///
    /// # Errors
    /// [`FolderError::Occupied`].
    pub fn vacant(mut self) -> Result<Self, FolderError> {
        if let Some(&file) = self.older.first() {
            return Err(FolderError::Occupied { path: self.path.clone(), file });
        }
        self.remove_older()?;
        Ok(self)
    }

    /// Removes the files of the older run. Not before there is something to put in their place: a run that cannot
    /// start must not cost the one before it.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn remove_older(&mut self) -> Result<(), FolderError> {
        let named = std::mem::take(&mut self.older).into_iter().map(|file| self.file(file));
        let mut all: Vec<PathBuf> = named.collect();
        all.append(&mut self.unfinished);
        all.iter().try_for_each(|file| self.remove(file))
    }

    /// Removes the checkpoint, if there is one: the run is over, or leaves none.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn remove_checkpoint(&self) -> Result<(), FolderError> {
        self.remove(&self.file(CHECKPOINT))
    }

    fn remove(&self, file: &Path) -> Result<(), FolderError> {
        match std::fs::remove_file(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            outcome => outcome.map_err(|source| FolderError::Io { path: self.path.clone(), source }),
        }
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
