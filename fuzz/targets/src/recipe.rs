//! Arbitrary text as a training recipe.

use std::path::Path;

use trigsieve_train::RecipeFile;
use trigsieve_train::recipe::Optimiser;

use crate::is_told;

/// Runs the target on `bytes`; whether they were a recipe.
///
/// # Panics
/// When a recipe that was taken makes no sense, or an error names no file.
pub fn run(bytes: &[u8]) -> bool {
    let path = Path::new("recipe.toml");
    match RecipeFile::parse(&String::from_utf8_lossy(bytes), path) {
        Ok(RecipeFile { recipe, .. }) => {
            let Optimiser::Adam { learning_rate: rate, .. } = recipe.optimiser;
            assert!(rate.is_finite() && rate > 0.0, "{rate}");
            assert!((0.0..1.0).contains(&recipe.data.validation_fraction));
            assert!(recipe.training.batch > 0 && recipe.training.max_epochs > 0);
            true
        }
        Err(error) => is_told(&error, path),
    }
}
