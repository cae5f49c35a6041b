//! The files of a project, read once.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::{At, ImportError, Trouble};

/// Deepest folder that is looked into.
const MAX_DEPTH: usize = 12;
/// Most files that are read, and most bytes.
const MAX_FILES: usize = 20_000;
const MAX_BYTES: u64 = 512 << 20;

/// Longest piece of a line that an error shows.
const SHOWN: usize = 120;

/// The sources and weights of a project: its path, and its files by their path inside it.
#[derive(Debug)]
pub struct Project {
    root: PathBuf,
    paths: Vec<String>,
    texts: Vec<String>,
    by_path: BTreeMap<String, usize>,
}

impl Project {
    /// Reads headers, sources and weight files under a folder. The libraries that hls4ml copies beside the network
    /// (`nnet_utils`, `ap_types`) are left out, but for the one that it generates.
    ///
    /// # Errors
    /// What can't be read, or is larger than any network.
    pub fn read(root: &Path) -> Result<Self, ImportError> {
        let mut files = Vec::new();
        let mut bytes = 0;
        for entry in walkdir::WalkDir::new(root).max_depth(MAX_DEPTH).sort_by_file_name() {
            let entry = entry.map_err(|error| walk_error(root, error))?;
            if !entry.file_type().is_file() || !is_wanted(entry.path()) {
                continue;
            }
            let text = read_text(entry.path(), MAX_BYTES - bytes)?;
            bytes += text.len() as u64;
            let inside = entry.path().strip_prefix(root).unwrap_or(entry.path());
            files.push((inside.to_string_lossy().replace('\\', "/"), text));
            if files.len() > MAX_FILES || bytes >= MAX_BYTES {
                let reason = format!(
                    "more than {MAX_FILES} files or {} MiB of sources: give the folder of one network",
                    MAX_BYTES >> 20
                );
                return Err(ImportError::Project { path: root.to_owned(), reason });
            }
        }
        Ok(Self::of_files(root, files))
    }

    /// A project of files in memory, by their path inside it.
    #[must_use]
    pub fn of_files(root: &Path, files: Vec<(String, String)>) -> Self {
        let mut project =
            Self { root: root.to_owned(), paths: Vec::new(), texts: Vec::new(), by_path: BTreeMap::new() };
        for (path, text) in files {
            let path = normal(&path);
            project.by_path.insert(path.clone(), project.paths.len());
            project.paths.push(path);
            project.texts.push(text);
        }
        project
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = (usize, &str)> {
        self.by_path.iter().map(|(path, file)| (*file, path.as_str()))
    }

    pub(crate) fn text(&self, file: usize) -> &str {
        &self.texts[file]
    }

    pub(crate) fn path(&self, file: usize) -> &str {
        &self.paths[file]
    }

    pub(crate) fn find(&self, path: &str) -> Option<usize> {
        self.by_path.get(&normal(path)).copied()
    }

    /// The file that `#include "name"` means in another file: beside it, or in a folder above it.
    pub(crate) fn included(&self, from: usize, name: &str) -> Option<usize> {
        let mut folder = parent(&self.paths[from]);
        loop {
            if let Some(file) = self.find(&format!("{folder}/{name}")) {
                return Some(file);
            }
            if folder.is_empty() {
                return None;
            }
            folder = parent(folder);
        }
    }

    /// `FILE:LINE`, for the report.
    pub(crate) fn place(&self, at: At) -> String {
        format!("{}:{}", self.paths[at.file], at.line)
    }

    pub(crate) fn error(&self, trouble: Trouble) -> ImportError {
        let Trouble { at, reason } = trouble;
        let Some(at) = at else { return ImportError::Project { path: self.root.clone(), reason } };
        let line =
            self.texts[at.file].lines().nth(at.line.saturating_sub(1) as usize).unwrap_or_default().trim();
        let mut text: String = line.chars().take(SHOWN).collect();
        if text.len() < line.len() {
            text.push_str(" ...");
        }
        ImportError::Construct { path: self.root.join(&self.paths[at.file]), line: at.line, reason, text }
    }
}

fn walk_error(root: &Path, error: walkdir::Error) -> ImportError {
    let path = error.path().unwrap_or(root).to_owned();
    let source = error.into_io_error().unwrap_or_else(|| std::io::Error::other("folders in a circle"));
    ImportError::Io { path, source }
}

fn is_wanted(path: &Path) -> bool {
    let wanted = ["h", "hh", "hpp", "hxx", "cpp", "cc", "cxx", "txt"];
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    wanted.contains(&extension) && !is_library(&path.to_string_lossy())
}

/// Whether a file is one of the libraries, whose meaning is known here.
pub(crate) fn is_library(path: &str) -> bool {
    let inside = |folder: &str| path.split(['/', '\\']).any(|part| part == folder);
    inside("ap_types") || inside("ac_types") || (inside("nnet_utils") && !path.ends_with("nnet_code_gen.h"))
}

fn read_text(path: &Path, most: u64) -> Result<String, ImportError> {
    let io = |source| ImportError::Io { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    std::fs::File::open(path).map_err(io)?.take(most).read_to_end(&mut bytes).map_err(io)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Without `.` and `..`; what climbs out of the project stays inside it.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            other => parts.push(other),
        }
    }
    parts.join("/")
}
