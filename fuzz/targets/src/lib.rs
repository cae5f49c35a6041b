//! The fuzz targets: a function each, of arbitrary bytes, for everything that reads what comes from outside.
//!
//! `fuzz/` hands them to libFuzzer. As a crate of the workspace they are compiled and run on their seeds with every test,
//! so that a target that has fallen behind what it fuzzes does not go unnoticed until somebody fuzzes again.

#![forbid(unsafe_code)]

pub mod adc2021;
pub mod arrow_stream;
pub mod checkpoint;
pub mod conversion;
pub mod darkmachines;
pub mod decision_record;
pub mod event_table;
pub mod fixed_json;
pub mod frame;
pub mod golden;
pub mod hls_project;
pub mod lhco;
pub mod onnx_graph;
#[cfg(feature = "training")]
pub mod recipe;
pub mod settings;
pub mod signature;
#[cfg(feature = "training")]
pub mod training_checkpoint;

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A target: whether it took the bytes for what they should be.
pub type Target = fn(&[u8]) -> bool;

/// All targets by name: that of their file in `fuzz/fuzz_targets/`, and of the folder of their seeds.
pub const TARGETS: &[(&str, Target)] = &[
    ("adc2021", adc2021::run),
    ("arrow_stream", arrow_stream::run),
    ("checkpoint", checkpoint::run),
    ("darkmachines", darkmachines::run),
    ("decision_record", decision_record::run),
    ("event_table", event_table::run),
    ("fixed_json", fixed_json::run),
    ("frame", frame::run),
    ("golden", golden::run),
    ("hls_project", hls_project::run),
    ("lhco", lhco::run),
    ("onnx_graph", onnx_graph::run),
    #[cfg(feature = "training")]
    ("recipe", recipe::run),
    ("settings", settings::run),
    ("signature", signature::run),
    #[cfg(feature = "training")]
    ("training_checkpoint", training_checkpoint::run),
];

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

/// What is said of a file that was not taken is one line that names it; false, for the target to say so.
///
/// # Panics
/// When it is not.
pub fn is_told(error: &(dyn std::error::Error + 'static), path: &Path) -> bool {
    let text = trigsieve::message::one_line(error);
    assert!(!text.contains('\n') && text.contains(&path.display().to_string()), "{text}");
    false
}
