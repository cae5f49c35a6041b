//! Writes the bundle: graphs, thresholds, metrics, card.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use trigsieve::durable::write_atomically;
use trigsieve::model::{CARD_FILE, Card, ModelBundle, Precision, sha256_hex};

use crate::TrainError;
use crate::data::EventMatrix;
use crate::evaluation::{EvaluationFiles, scorer};
use crate::threshold::thresholds;

/// Events a call of the scorer when thresholds are measured.
const SCORING_BATCH: usize = 1024;

/// Where a bundle goes, and whether it may replace one.
#[derive(Clone, Debug)]
pub struct Output {
    folder: PathBuf,
    replace: bool,
}

impl Output {
    /// Checks, before any training, that a bundle can be put at `folder`.
    ///
    /// # Errors
    /// [`TrainError::OutputExists`] for a folder that is no bundle, or is one and `replace` is not set;
    /// [`TrainError::Io`] when the folder around it cannot be made.
    pub fn new(folder: &Path, replace: bool) -> Result<Self, TrainError> {
        let refuse = |reason| Err(TrainError::OutputExists { path: folder.to_owned(), reason });
        if folder.symlink_metadata().is_ok() {
            if !folder.join(CARD_FILE).is_file() {
                return refuse("exists and is no model bundle; choose another output");
            }
            if !replace {
                return refuse("holds a model bundle; pass --force to replace it");
            }
        }
        let parent = parent_of(folder);
        fs::create_dir_all(parent).map_err(io_error(parent))?;
        Ok(Self { folder: folder.to_owned(), replace })
    }

    /// The bundle's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether what is there may be replaced.
    #[must_use]
    pub fn replaces(&self) -> bool {
        self.replace
    }

    /// A folder beside the output, to be filled and renamed.
    fn staging(&self) -> Result<TempDir, TrainError> {
        let parent = parent_of(&self.folder);
        tempfile::Builder::new()
            .prefix(".trigsieve-")
            .suffix(".partial")
            .permissions(Permissions::from_mode(0o755))
            .tempdir_in(parent)
            .map_err(io_error(parent))
    }

    /// Gives the filled folder its name. An old bundle is moved aside first and removed last, so that at no
    /// moment a half-written bundle has the name.
    fn publish(&self, staging: TempDir) -> Result<(), TrainError> {
        let aside = if self.replace && self.folder.exists() { Some(self.staging()?) } else { None };
        if let Some(aside) = &aside {
            let old = aside.path().join("replaced");
            fs::rename(&self.folder, &old).map_err(io_error(&self.folder))?;
        }
        fs::rename(staging.path(), &self.folder).map_err(io_error(&self.folder))?;
        // Renamed away: nothing is left for the temporary folder to remove.
        let _ = staging.keep();
        let parent = parent_of(&self.folder);
        fs::File::open(parent).and_then(|folder| folder.sync_all()).map_err(io_error(parent))
    }
}

fn parent_of(folder: &Path) -> &Path {
    match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> TrainError + use<> {
    let path = path.to_owned();
    move |source| TrainError::Io { path, source }
}

/// What goes into a bundle, before thresholds and metrics are measured.
#[derive(Clone, Debug)]
pub struct Contents {
    /// The graphs, and the program.
    pub graphs: Vec<(Precision, Vec<u8>)>,
    /// The card, without files, thresholds and metrics.
    pub card: Card,
}

/// Writes a bundle and gives back its card; thresholds are those of `validation`.
///
/// # Errors
/// When the graphs cannot be written, do not pass the engine's own checks, or do not score.
pub fn write(
    contents: Contents,
    validation: &EventMatrix,
    evaluation: Option<&EvaluationFiles>,
    output: &Output,
) -> Result<Card, TrainError> {
    let staging = output.staging()?;
    let Contents { graphs, mut card } = contents;
    for (precision, bytes) in &graphs {
        let path = staging.path().join(precision.file());
        write_atomically(&path, bytes).map_err(io_error(&path))?;
        card.files.insert(precision.file().to_owned(), sha256_hex(bytes));
    }
    write_card(&card, staging.path())?;
    let bundle = ModelBundle::open(staging.path())?;
    for (precision, _) in &graphs {
        card.thresholds.insert(*precision, thresholds(scores(&bundle, *precision, validation)?));
        if let Some(files) = evaluation {
            card.metrics.insert(*precision, files.measure(&bundle, *precision)?);
        }
    }
    write_card(&card, staging.path())?;
    output.publish(staging)?;
    Ok(card)
}

fn write_card(card: &Card, folder: &Path) -> Result<(), TrainError> {
    let path = folder.join(CARD_FILE);
    let text = toml::to_string(card).map_err(|error| io_error(&path)(io::Error::other(error)))?;
    write_atomically(&path, text.as_bytes()).map_err(io_error(&path))
}

/// Scores of a bundle's graph as the engine computes them.
///
/// # Errors
/// When the graph does not pass the engine's checks or does not score.
pub fn scores(
    bundle: &ModelBundle,
    precision: Precision,
    events: &EventMatrix,
) -> Result<Vec<f32>, TrainError> {
    let (mut scorer, _) = scorer(bundle, precision)?;
    let mut scores = vec![0.0; events.len()];
    for (batch, scores) in scores.chunks_mut(SCORING_BATCH).enumerate() {
        scorer.score(events.rows().slice(batch * SCORING_BATCH, scores.len()), scores)?;
    }
    Ok(scores)
}
