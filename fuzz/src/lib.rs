//! What the fuzz targets share: bytes as a file, for readers that take a path.

#![forbid(unsafe_code)]

pub mod conversion;

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A folder in memory, made once a process, and the names in it.
pub struct Scratch {
    folder: TempDir,
}

impl Scratch {
    /// A folder where files cost no disk.
    ///
    /// # Panics
    /// When there is no shared memory: nothing can be fuzzed then.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").expect("shared memory is there");
        Self { folder }
    }

    /// The path of this name.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts `bytes` into the file of this name.
    ///
    /// # Panics
    /// When they do not fit into memory.
    pub fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).expect("shared memory has room");
        path
    }

    /// Names of what is in the folder.
    ///
    /// # Panics
    /// When somebody has removed it.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).expect("the folder is there");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

/// What is said of a file is one line that names it.
///
/// # Panics
/// When it is not.
pub fn is_told(error: &(dyn std::error::Error + 'static), path: &Path) {
    let text = trigsieve::message::one_line(error);
    assert!(!text.contains('\n') && text.contains(&path.display().to_string()), "{text}");
}
