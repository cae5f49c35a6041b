//! The recipes in `models/recipes` are valid, and the bundles in `models` come from them as they are.

use std::path::{Path, PathBuf};

use trigsieve::model::{CARD_FILE, ModelBundle, Precision};
use trigsieve_train::RecipeFile;
use trigsieve_train::table::markdown;

/// The one file among the recipes that is none.
const ARENA: &str = "arena.toml";

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models")
}

fn recipes() -> Vec<RecipeFile> {
    let files = std::fs::read_dir(models().join("recipes")).unwrap();
    let recipes = files.map(|file| file.unwrap().path()).filter(|path| !path.ends_with(ARENA));
    recipes.map(|path| RecipeFile::read(&path).unwrap()).collect()
}

#[test]
fn every_bundle_comes_from_its_recipe() {
    let recipes = recipes();
    let mut checked = 0;
    for folder in std::fs::read_dir(models()).unwrap().map(|entry| entry.unwrap().path()) {
        if !folder.join(CARD_FILE).exists() {
            continue;
        }
        let bundle = ModelBundle::open(&folder).unwrap();
        let (name, training) = (&bundle.card().name, bundle.card().training.as_ref().unwrap());
        let recipe = recipes.iter().find(|recipe| recipe.recipe.name == *name).unwrap();
        assert_eq!(training.recipe, recipe.file_name());
        assert_eq!(training.recipe_sha256, recipe.sha256, "{name}: retrain after a change");
        for precision in [Precision::Float, Precision::Int8] {
            bundle.graph(precision).unwrap();
            assert!(!bundle.card().thresholds[&precision].is_empty());
        }
        checked += 1;
    }
    assert!(checked > 0, "no bundle in models/");
}

#[test]
fn recipes_are_named_after_their_bundles() {
    for recipe in recipes() {
        assert_eq!(recipe.file_name(), format!("{}.toml", recipe.recipe.name));
    }
}

#[test]
fn recipes_name_data_by_relative_paths() {
    for recipe in recipes() {
        assert!(recipe.recipe.data.files.iter().all(|file| file.is_relative()));
    }
}

#[test]
fn the_arena_names_recipes_that_are_there() {
    let text = std::fs::read_to_string(models().join("recipes").join(ARENA)).unwrap();
    let config: toml::Table = toml::from_str(&text).unwrap();
    let recipes = config["recipe"].as_array().unwrap();
    assert!(recipes.len() > 2);
    for recipe in recipes {
        let path = models().join("..").join(recipe["path"].as_str().unwrap());
        assert!(path.is_file(), "{}", path.display());
    }
}

#[test]
fn the_page_of_models_is_what_the_cards_say() {
    let names = ["l1_ae", "l1_vae", "l1_svdd", "dm_2b_ae", "dm_2b_svdd"];
    let card = |name: &str| ModelBundle::open(&models().join(name)).unwrap().card().clone();
    let cards: Vec<_> = names.into_iter().map(card).collect();
    let page = std::fs::read_to_string(models().join("../docs/models.md")).unwrap();
    assert!(page.ends_with(&markdown(&cards)), "run `cargo xtask models`, or `trigsieve-train table`");
    for card in cards {
        for (precision, metrics) in &card.metrics {
            for (signal, found) in &metrics.signals {
                let loss = card.metrics[&Precision::Float].signals[signal].auc - found.auc;
                let allowed = if *precision == Precision::Fixed { 0.01 } else { 0.005 };
                assert!(loss <= allowed, "{}, {signal}: {precision} loses {loss}", card.name);
            }
        }
    }
}
