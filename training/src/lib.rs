//! Offline training of trigsieve's models: a [`RecipeFile`] and event tables of background in, a model bundle out.
//!
//! The way of a training: [`data`] reads and splits the events, [`preprocessing`] fits scales and weights, [`fit`](mod@fit)
//! trains a burn module (the [`autoencoder`]), [`graph`] writes it as ONNX in single precision and, after
//! [`quantise`](mod@quantise), in int8, and [`bundle`] puts both in a folder with thresholds and a card.
//! Same recipe, same data, same machine: bit-identical bundle.

#![forbid(unsafe_code)]

pub mod autoencoder;
pub mod bundle;
pub mod data;
mod error;
pub mod fit;
pub mod graph;
pub mod layout;
pub mod model;
pub mod network;
pub mod preprocessing;
pub mod quantise;
pub mod recipe;
pub mod threshold;

use std::path::Path;

use indicatif::ProgressBar;
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;
use trigsieve::event::Encoding;
use trigsieve::model::Card;

pub use bundle::Output;
pub use error::TrainError;
pub use recipe::RecipeFile;

use autoencoder::Autoencoder;
use fit::{Fitted, fit, training_device};
use model::TrainedModel;
use preprocessing::Preprocessing;
use recipe::{Network, Recipe};

/// A trained bundle and what training it was like.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The bundle's card.
    pub card: Card,
    /// Events a second through training steps. Not in the card, which is the same at every run.
    pub events_per_second: f64,
}

/// Trains the model of a recipe on the event tables below `data_folder` and writes its bundle.
///
/// # Errors
/// [`TrainError`], before or at the step where the trouble shows; then nothing has appeared at the output.
pub fn train(
    file: &RecipeFile,
    data_folder: &Path,
    output: &Output,
    progress: &ProgressBar,
) -> Result<Outcome, TrainError> {
    let recipe = &file.recipe;
    let encoding = encoding_of(file)?;
    let split = data::load(recipe, encoding, data_folder)?;
    tracing::info!("{} training and {} validation events", split.training.len(), split.validation.len());
    let preprocessing = Preprocessing::fit(recipe, encoding, &split.training)?;
    let fitted = fit_autoencoder(recipe, &preprocessing, &split, progress)?;
    progress.finish_and_clear();
    let network = fitted.model.to_network()?;
    let model = TrainedModel { name: recipe.name.clone(), encoding, preprocessing, network };
    let card = bundle::write(file, &model, &fitted, &split, output)?;
    Ok(Outcome { card, events_per_second: fitted.events_per_second })
}

/// Fits the recipe's network; the seed decides its weights first and the order of events then.
///
/// # Errors
/// As [`fit()`].
pub fn fit_autoencoder(
    recipe: &Recipe,
    preprocessing: &Preprocessing,
    split: &data::Split,
    progress: &ProgressBar,
) -> Result<Fitted<Autoencoder>, TrainError> {
    let Network::Autoencoder { hidden, activation: recipe::Activation::Relu } = &recipe.network;
    let k = split.training.k();
    let widths: Vec<usize> = [&[k], hidden.as_slice(), &[k]].concat();
    let mut random = ChaCha12Rng::seed_from_u64(recipe.seed);
    let model = Autoencoder::new(&widths, &mut random, &training_device());
    fit(model, recipe, preprocessing, split, &mut random, progress)
}

fn encoding_of(file: &RecipeFile) -> Result<Encoding, TrainError> {
    let refuse = |reason: String| TrainError::Recipe { path: file.path.clone(), reason };
    let name = &file.recipe.data.encoding;
    let encoding =
        name.parse().map_err(|error: trigsieve::event::UnknownEncoding| refuse(error.to_string()))?;
    match encoding {
        Encoding::L1x57 => Ok(encoding),
        // Energies, presence flags and categories would get no weight in the masked score.
        Encoding::Objects(_) => {
            Err(refuse(format!("an autoencoder with masked score needs l1_57, not {name}")))
        }
    }
}
