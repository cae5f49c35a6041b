//! The files of an export.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use trigsieve_files::checksum::sha256_hex;
use trigsieve_files::durable::AtomicFolder;
use trigsieve_fixed::{CheckedProgram, Format};

use crate::{Events, ExportError, Network, Settings, Way, hls4ml, rtl, standalone};

/// What every way reads: name, part, clock.
const INFO: &str = "export.json";
/// The fixed-point program.
const PROGRAM: &str = "program.json";
/// Pinned Python packages.
pub const REQUIREMENTS: &str = include_str!("../templates/requirements.txt");

/// Version of the folder's layout.
const VERSION: u32 = 1;

/// `export.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectInfo {
    /// Version of the layout.
    pub version: u32,
    /// Name of the top function and module.
    pub name: String,
    /// What wrote it.
    pub exporter: String,
    /// Part number.
    pub part: String,
    /// Clock, MHz.
    pub clock_mhz: f64,
    /// Levels of logic between two registers of the Verilog.
    pub levels_a_stage: u32,
    /// Raw threshold of the test bench.
    pub threshold: i64,
    /// SHA-256 of the program.
    pub program_sha256: String,
    /// The ways that were written.
    pub ways: Vec<Way>,
    /// Layers that hls4ml makes; the others are C++ around them. None without hls4ml.
    pub hls4ml_layers: Vec<String>,
}

/// An export: in memory before it is written, or a folder.
#[derive(Clone, Debug)]
pub struct Project {
    /// What is in `export.json`.
    pub info: ProjectInfo,
    files: BTreeMap<String, Vec<u8>>,
}

/// That the score can have this raw value; those of an unsigned format of 64 bits are in two's complement.
fn check_threshold(threshold: i64, format: Format) -> Result<(), ExportError> {
    let raw = if format.signed { i128::from(threshold) } else { i128::from(threshold.cast_unsigned()) };
    if (format.min_raw()..=format.max_raw()).contains(&raw) {
        return Ok(());
    }
    Err(ExportError::Threshold { threshold, format: format.to_string() })
}

impl Project {
    /// Everything but the report; `golden` are the events of the test bench.
    ///
    /// # Errors
    /// What no firmware can be made of, with the layer.
    pub fn new(program: &CheckedProgram, settings: &Settings, golden: &Events) -> Result<Self, ExportError> {
        settings.check()?;
        check_threshold(settings.threshold, program.format(program.score_tensor()))?;
        let text = program.to_json();
        let has = |way| settings.ways.contains(&way);
        let network = if has(Way::Hls4ml) { Some(Network::of(program)?) } else { None };
        let layer = |at: &usize| program.operations[*at].layer.clone();
        let layers = network.as_ref().map(|network| network.operations.iter().map(layer).collect());
        let info = ProjectInfo {
            version: VERSION,
            name: settings.name.clone(),
            exporter: concat!("trigsieve ", env!("CARGO_PKG_VERSION")).to_owned(),
            part: settings.part.clone(),
            clock_mhz: settings.clock_mhz,
            levels_a_stage: settings.levels()?,
            threshold: settings.threshold,
            program_sha256: sha256_hex(text.as_bytes()),
            ways: settings.ways.clone(),
            hls4ml_layers: layers.unwrap_or_default(),
        };
        let mut project = Self { info, files: BTreeMap::new() };
        project.put(INFO, &json(&project.info.clone()));
        project.put(PROGRAM, &text);
        project.put("requirements.txt", REQUIREMENTS);
        project.put("golden.txt", &golden.text(program, settings.threshold));
        if has(Way::Standalone) {
            standalone::write(program, settings, &mut project)?;
        }
        if let Some(network) = &network {
            hls4ml::write(program, network, settings, &mut project)?;
        }
        if has(Way::Rtl) {
            rtl::write(program, settings, &mut project)?;
        }
        Ok(project)
    }

    /// Adds or replaces a file.
    pub fn put(&mut self, path: &str, text: &str) {
        self.put_bytes(path, text.as_bytes().to_vec());
    }

    pub(crate) fn put_bytes(&mut self, path: &str, bytes: Vec<u8>) {
        self.files.insert(path.to_owned(), bytes);
    }

    /// The files by their paths.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }

    /// Writes the files into an existing folder.
    ///
    /// # Errors
    /// [`ExportError::Io`].
    pub fn write_into(&self, folder: &Path) -> Result<(), ExportError> {
        for (path, bytes) in self.files() {
            let path = folder.join(path);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).map_err(ExportError::io(parent))?;
            }
            std::fs::write(&path, bytes).map_err(ExportError::io(&path))?;
        }
        Ok(())
    }

    /// Writes the folder, complete or not at all; an older export there is replaced.
    ///
    /// # Errors
    /// [`ExportError::Io`].
    pub fn write(&self, folder: &Path) -> Result<(), ExportError> {
        let draft = AtomicFolder::create(folder).map_err(ExportError::io(folder))?;
        self.write_into(draft.staging())?;
        draft.commit().map_err(ExportError::io(folder))
    }

    /// Checks that `folder` may become an export: nothing is there, or one that may be replaced.
    ///
    /// # Errors
    /// [`ExportError::Project`].
    pub fn check_output(folder: &Path, replace: bool) -> Result<(), ExportError> {
        let refuse =
            |reason: &str| Err(ExportError::Project { path: folder.to_owned(), reason: reason.to_owned() });
        if folder.symlink_metadata().is_err() {
            return Ok(());
        }
        if !folder.join(INFO).is_file() {
            return refuse("exists and is no export; choose another output");
        }
        if replace { Ok(()) } else { refuse("holds an export; pass --force to replace it") }
    }

    /// Reads the description and the program of a folder.
    ///
    /// # Errors
    /// [`ExportError::Project`] when it is no export, of another version, or its program was changed.
    pub fn open(folder: &Path) -> Result<(ProjectInfo, CheckedProgram), ExportError> {
        let wrong = |path: PathBuf, reason: String| ExportError::Project { path, reason };
        let path = folder.join(INFO);
        let text = std::fs::read(&path)
            .map_err(|error| wrong(path.clone(), format!("{error}; is {} an export?", folder.display())))?;
        let info: ProjectInfo =
            serde_json::from_slice(&text).map_err(|error| wrong(path.clone(), error.to_string()))?;
        if info.version != VERSION {
            let reason = format!("version {}, this program reads {VERSION}: export it again", info.version);
            return Err(wrong(path, reason));
        }
        let path = folder.join(PROGRAM);
        let bytes = std::fs::read(&path).map_err(ExportError::io(&path))?;
        if sha256_hex(&bytes) != info.program_sha256 {
            return Err(wrong(path, "is not the program that was exported: export it again".to_owned()));
        }
        let program =
            CheckedProgram::from_json(&bytes, &path).map_err(|error| wrong(path, error.to_string()))?;
        Ok((info, program))
    }
}

fn json(value: &impl Serialize) -> String {
    // Neither a Vec nor the derived serialisation of these types can fail.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}
