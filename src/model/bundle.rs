use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use trigsieve_files::checksum::{sha256_hex, sha256_of_file};
use trigsieve_onnx::{MAX_MODEL_BYTES, ModelSummary};

use crate::event::schema::MAX_INPUTS;

use super::{Card, FixedProgram, ModelError, Precision, VerifyKey};

/// File name of the card.
pub const CARD_FILE: &str = "model.toml";

/// A card has some kilobytes; a larger one is refused before it is read.
pub(crate) const MAX_CARD_BYTES: u64 = 1 << 20;

/// An opened bundle: the card, and the folder it describes.
#[derive(Clone, Debug)]
pub struct ModelBundle {
    folder: PathBuf,
    card: Card,
}

/// The bytes of a graph that passed the checks.
#[derive(Clone, Debug)]
pub struct Graph {
    /// Where it came from.
    pub path: PathBuf,
    /// The ONNX protobuf.
    pub bytes: Vec<u8>,
    /// Its SHA-256, lower-case hex.
    pub sha256: String,
    /// Inputs, outputs and operators.
    pub summary: ModelSummary,
    /// Inputs per event, from the card.
    pub k: usize,
}

impl ModelBundle {
    /// Reads the card in `folder`.
    ///
    /// # Errors
    /// [`ModelError::Io`] when there is none, [`ModelError::Card`] when it cannot be read or has unknown keys.
    pub fn open(folder: &Path) -> Result<Self, ModelError> {
        Self::open_signed(folder, None)
    }

    /// [`ModelBundle::open`], where the card has to be signed by `key`, if there is one. The card vouches for every other
    /// file.
    ///
    /// # Errors
    /// As [`ModelBundle::open`], and [`ModelError::Signature`].
    pub fn open_signed(folder: &Path, key: Option<&VerifyKey>) -> Result<Self, ModelError> {
        let path = folder.join(CARD_FILE);
        let bad = |reason: String| ModelError::Card { path: path.clone(), reason };
        let bytes = read_bounded(&path, MAX_CARD_BYTES)?;
        key.map_or(Ok(()), |key| key.check(&path, &bytes))?;
        let text = String::from_utf8(bytes).map_err(|error| bad(error.to_string()))?;
        let card: Card = toml::from_str(&text).map_err(|error| bad(error.to_string()))?;
        check_card(&card, &path)?;
        Ok(Self { folder: folder.to_owned(), card })
    }

    /// The card.
    #[must_use]
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Compares every file with the card's sha256.
    #[must_use]
    pub fn files(&self) -> Vec<BundleFile> {
        let check = |(name, expected): (&String, &String)| BundleFile {
            name: name.clone(),
            expected: expected.clone(),
            found: sha256_of_file(&self.folder.join(name)).map_err(|error| error.to_string()),
        };
        self.card.files.iter().map(check).collect()
    }

    /// Reads a graph, checks it against the card's sha256 and refuses what no runtime should see.
    ///
    /// # Errors
    /// [`ModelError::NoGraph`], [`ModelError::Sha256`], or [`ModelError::Graph`] for external data, custom
    /// operators, inputs and outputs that are not `inputs` (N x K) and `score` (N), or a precision that has no ONNX
    /// graph.
    pub fn graph(&self, precision: Precision) -> Result<Graph, ModelError> {
        let (path, bytes, sha256) = self.checked_file(precision)?;
        let summary = checked_summary(&bytes, &path, self.card.inputs)?;
        Ok(Graph { path, bytes, sha256, summary, k: self.card.inputs })
    }

    /// Reads the fixed-point program, checks it against the card's sha256 and K, and proves it sound.
    ///
    /// # Errors
    /// [`ModelError::NoGraph`], [`ModelError::Sha256`], [`ModelError::Program`] for what is no program or cannot run,
    /// [`ModelError::Graph`] for another K.
    pub fn program(&self) -> Result<FixedProgram, ModelError> {
        let (path, bytes, sha256) = self.checked_file(Precision::Fixed)?;
        FixedProgram::parse(path, &bytes, sha256, self.card.inputs)
    }

    /// The bytes of a graph that are the card's, with their path and sha256.
    fn checked_file(&self, precision: Precision) -> Result<(PathBuf, Vec<u8>, String), ModelError> {
        let file = precision.file();
        let card_path = self.folder.join(CARD_FILE);
        let Some(expected) = self.card.files.get(file) else {
            let files = self.card.files.keys().cloned().collect::<Vec<_>>().join(", ");
            return Err(ModelError::NoGraph { card: card_path, file, files });
        };
        let path = self.folder.join(file);
        let bytes = read_bounded(&path, MAX_MODEL_BYTES as u64)?;
        let sha256 = sha256_hex(&bytes);
        if &sha256 != expected {
            let expected = expected.clone();
            return Err(ModelError::Sha256 { path, card: card_path, found: sha256, expected });
        }
        Ok((path, bytes, sha256))
    }
}

/// A file of a bundle, compared with the card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleFile {
    /// File name in the bundle.
    pub name: String,
    /// SHA-256 on the card, lower-case hex.
    pub expected: String,
    /// SHA-256 of the file, or why it cannot be read.
    pub found: Result<String, String>,
}

impl BundleFile {
    /// Whether the file is the one the card describes.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.found.as_ref() == Ok(&self.expected)
    }
}

fn check_card(card: &Card, path: &Path) -> Result<(), ModelError> {
    let bad = |reason: String| Err(ModelError::Card { path: path.to_owned(), reason });
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if card.name.is_empty() || !card.name.chars().all(plain) {
        return bad(format!("name {:?} may have letters, digits, `_` and `-` only", card.name));
    }
    if card.inputs == 0 {
        return bad("inputs is 0: a model needs at least one input".to_owned());
    }
    if card.inputs > MAX_INPUTS {
        return bad(format!("inputs is {}, {MAX_INPUTS} are the most of an event", card.inputs));
    }
    if card.training.is_none() && card.import.is_none() {
        return bad("neither [training] nor [import] says where the model comes from".to_owned());
    }
    match card.files.keys().find(|file| Path::new(file).components().count() != 1 || file.starts_with('.')) {
        Some(file) => bad(format!("files: {file:?} is not a plain file name")),
        None => Ok(()),
    }
}

/// Reads a file of at most `limit` bytes; a larger one is refused before its bytes are in memory.
pub(super) fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, ModelError> {
    let io = |source| ModelError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    let mut bytes = Vec::new();
    if length <= limit {
        // It may have grown since, or be no plain file.
        file.take(limit + 1).read_to_end(&mut bytes).map_err(io)?;
    }
    if length.max(bytes.len() as u64) > limit {
        let reason = format!("over {limit} bytes, the most that is read");
        return Err(ModelError::Graph { path: path.to_owned(), reason });
    }
    Ok(bytes)
}

fn checked_summary(bytes: &[u8], path: &Path, k: usize) -> Result<ModelSummary, ModelError> {
    let refuse = |reason: String| ModelError::Graph { path: path.to_owned(), reason };
    let summary = ModelSummary::from_bytes(bytes).map_err(|error| refuse(error.to_string()))?;
    if let Some(tensor) = summary.external_data.first() {
        return Err(refuse(format!(
            "tensor `{tensor}` keeps its data in another file; external data is refused, embed it in the graph"
        )));
    }
    if let Some(domain) = summary.other_domains.first() {
        return Err(refuse(format!(
            "operators of the domain `{domain}` are refused: only the standard ones run"
        )));
    }
    check_signature(&summary, k).map_err(refuse)?;
    Ok(summary)
}

fn check_signature(summary: &ModelSummary, k: usize) -> Result<(), String> {
    let describe = |values: &[trigsieve_onnx::ValueSummary]| {
        values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    let k = i64::try_from(k).unwrap_or(i64::MAX);
    let expected_inputs = [("inputs", vec![None, Some(k)])];
    let expected_outputs = [("score", vec![None])];
    let same = |found: &[trigsieve_onnx::ValueSummary], expected: &[(&str, Vec<Option<i64>>)]| {
        found.len() == expected.len()
            && found.iter().zip(expected).all(|(value, (name, shape))| {
                value.name == *name && value.is_float() && value.shape == *shape
            })
    };
    if !same(&summary.inputs, &expected_inputs) {
        return Err(format!("inputs are ({}), expected (inputs: f32 [N, {k}])", describe(&summary.inputs)));
    }
    if !same(&summary.outputs, &expected_outputs) {
        return Err(format!("outputs are ({}), expected (score: f32 [N])", describe(&summary.outputs)));
    }
    Ok(())
}
