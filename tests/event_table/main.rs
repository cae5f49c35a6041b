//! The event table as other programs write it and as storage damages it.

mod damage;
mod layout;
mod write;

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use trigsieve::event::{EventError, EventTable, Values};

/// A file in a folder of its own.
struct Scratch {
    folder: TempDir,
}

impl Scratch {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("events.arrow")
    }

    /// Opens `bytes` as a file.
    fn open(&self, bytes: &[u8]) -> Result<EventTable, EventError> {
        // Rewriting a file in place makes some file systems flush it at once.
        drop(std::fs::remove_file(self.path()));
        std::fs::write(self.path(), bytes).unwrap();
        EventTable::open(&self.path())
    }
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

/// All inputs of a table with float inputs.
fn inputs(table: &EventTable) -> Vec<f32> {
    let mut all = Vec::new();
    for batch in table.batches() {
        match batch.rows().values() {
            Values::F32(values) => all.extend_from_slice(values),
            Values::I16(_) => panic!("the inputs are i16"),
        }
    }
    all
}
