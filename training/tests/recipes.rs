//! The recipes in `models/recipes` are valid, and the bundles in `models` come from them as they are.

use std::path::{Path, PathBuf};

use trigsieve::model::{ModelBundle, Precision};
use trigsieve_train::RecipeFile;

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models")
}

fn recipes() -> Vec<RecipeFile> {
    let files = std::fs::read_dir(models().join("recipes")).unwrap();
    files.map(|file| RecipeFile::read(&file.unwrap().path()).unwrap()).collect()
}

#[test]
fn every_recipe_has_its_bundle() {
    assert!(!recipes().is_empty());
    for recipe in recipes() {
        let bundle = ModelBundle::open(&models().join(&recipe.recipe.name)).unwrap();
        let training = bundle.card().training.as_ref().unwrap();
        assert_eq!(training.recipe, recipe.file_name());
        assert_eq!(training.recipe_sha256, recipe.sha256, "{}: retrain after a change", recipe.recipe.name);
        for precision in [Precision::Float, Precision::Int8] {
            bundle.graph(precision).unwrap();
            assert!(!bundle.card().thresholds[&precision].is_empty());
        }
    }
}

#[test]
fn recipes_name_data_by_relative_paths() {
    for recipe in recipes() {
        assert!(recipe.recipe.data.files.iter().all(|file| file.is_relative()));
    }
}
