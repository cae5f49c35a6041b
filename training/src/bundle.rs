//! Writes the bundle: graphs, thresholds, card.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use trigsieve::durable::write_atomically;
use trigsieve::model::{
    CARD_FILE, Card, ModelBundle, Precision, ScoreCard, Threshold, TrainingCard, sha256_hex,
};
use trigsieve::score::{Engine, ScorerSpec};

use crate::TrainError;
use crate::data::{EventMatrix, Split};
use crate::fit::Fitted;
use crate::graph::{float_graph, int8_graph};
use crate::model::TrainedModel;
use crate::quantise::quantise;
use crate::recipe::{PtTransform, RecipeFile};
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

/// Writes the bundle of a fitted model and gives back its card.
///
/// # Errors
/// When the graphs cannot be written, do not pass the engine's own checks, or do not score.
pub fn write<M>(
    file: &RecipeFile,
    model: &TrainedModel,
    fitted: &Fitted<M>,
    split: &Split,
    output: &Output,
) -> Result<Card, TrainError> {
    let staging = output.staging()?;
    let network = quantise(model, &split.training, &file.recipe.quantisation);
    let graphs = [(Precision::Float, float_graph(model)?), (Precision::Int8, int8_graph(model, &network)?)];
    let mut card = card(file, model, fitted, split);
    for (precision, bytes) in &graphs {
        let path = staging.path().join(precision.file());
        write_atomically(&path, bytes).map_err(io_error(&path))?;
        card.files.insert(precision.file().to_owned(), sha256_hex(bytes));
    }
    write_card(&card, staging.path())?;
    for (precision, _) in &graphs {
        card.thresholds.insert(*precision, measure(staging.path(), *precision, &split.validation)?);
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

/// Thresholds of a graph as the engine computes its scores.
fn measure(
    folder: &Path,
    precision: Precision,
    validation: &EventMatrix,
) -> Result<Vec<Threshold>, TrainError> {
    let bundle = ModelBundle::open(folder)?;
    let spec = ScorerSpec { engine: Engine::Rten, precision, ..ScorerSpec::default() };
    let mut scorer = spec.scorer(&bundle)?;
    let mut scores = vec![0.0; validation.len()];
    for (batch, scores) in scores.chunks_mut(SCORING_BATCH).enumerate() {
        scorer.score(validation.rows().slice(batch * SCORING_BATCH, scores.len()), scores)?;
    }
    Ok(thresholds(scores))
}

fn card<M>(file: &RecipeFile, model: &TrainedModel, fitted: &Fitted<M>, split: &Split) -> Card {
    Card {
        name: model.name.clone(),
        family: "autoencoder".to_owned(),
        description: file.recipe.description.trim().to_owned(),
        encoding: model.encoding.name(),
        inputs: model.encoding.k(),
        files: BTreeMap::new(),
        score: score_card(file, model),
        preprocessing: preprocessing_text(model),
        training: Some(training_card(file, fitted, split)),
        import: None,
        thresholds: BTreeMap::new(),
        metrics: BTreeMap::new(),
    }
}

fn training_card<M>(file: &RecipeFile, fitted: &Fitted<M>, split: &Split) -> TrainingCard {
    TrainingCard {
        recipe: file.file_name(),
        recipe_sha256: file.sha256.clone(),
        trainer: concat!("trigsieve-train ", env!("CARGO_PKG_VERSION")).to_owned(),
        seed: file.recipe.seed,
        data: split.sources.clone(),
        training_events: split.training.len() as u64,
        validation_events: split.validation.len() as u64,
        epochs: fitted.epochs as u64,
        best_epoch: fitted.best_epoch as u64,
        validation_loss: fitted.validation_loss,
    }
}

fn score_card(file: &RecipeFile, model: &TrainedModel) -> ScoreCard {
    let settings = &file.recipe.score;
    let formula = format!(
        "sum_j m_j w_j (zhat_j - z_j)^2; z: network inputs, zhat: their reconstruction; m_j: 1 where the object of \
         input j is present (pT > 0), else 0; w_j = q_j / ({} f_j^{}): f_j the fraction of training events with \
         the object, q_j = 1 for pT and {} for eta and phi; the eta of MET has weight 0. An event with a NaN or \
         infinite input has a NaN or infinite score.",
        model.preprocessing.objects().len(),
        settings.occupancy_exponent,
        settings.angle_weight,
    );
    ScoreCard { name: "masked_weighted_squared_error".to_owned(), formula }
}

fn preprocessing_text(model: &TrainedModel) -> String {
    let pt = match model.preprocessing.pt() {
        PtTransform::Linear => "pT".to_owned(),
        PtTransform::Log1p { scale_gev } => format!("ln(1 + pT / {scale_gev} GeV)"),
    };
    let features = model.encoding.features();
    let divisors: Vec<String> = model
        .preprocessing
        .scale()
        .iter()
        .zip(&features)
        .filter(|(scale, _)| **scale != 0.0)
        .map(|(scale, feature)| format!("{} {}", feature.name, scale.recip()))
        .collect();
    format!(
        "z_j = g_j / r_j without offset, so that an absent object stays zero; g: {pt} for transverse momenta (GeV), \
         eta and phi (rad) themselves; r_j: root mean square of g_j over the training events in which the object is \
         present. The eta of MET is not used. Where g is linear, float.onnx holds 1 / r_j inside the weights of \
         its first and last layer. r: {}.",
        divisors.join(", ")
    )
}
