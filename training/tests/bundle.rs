//! A training from table to bundle: completeness, determinism, what it leaves behind.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use common::{FAMILIES, Workbench, background};
use trigsieve::evaluate::{Model, Sample, evaluate};
use trigsieve::event::EventTable;
use trigsieve::model::{ModelBundle, ModelError, Precision, sha256_hex};
use trigsieve::score::{Engine, ScorerSpec};
use trigsieve_train::BundleOutput;
use trigsieve_train::recipe::Evaluation;

fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    files.map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap())).collect()
}

#[test]
fn the_bundle_is_complete_and_passes_the_engines_checks() {
    let bench = Workbench::new();
    let outcome = bench.train().unwrap();
    assert!(outcome.events_per_second > 0.0);
    let bundle = ModelBundle::open(&bench.bundle()).unwrap();
    let card = bundle.card();
    assert_eq!(*card, outcome.card);
    assert_eq!((card.name.as_str(), card.encoding.as_str(), card.inputs), ("tiny", "l1_57", 57));
    assert_eq!(
        contents(&bench.bundle()).into_keys().collect::<Vec<_>>(),
        ["float.onnx", "int8.onnx", "model.toml"]
    );
    for precision in [Precision::Float, Precision::Int8] {
        let graph = bundle.graph(precision).unwrap();
        graph.summary.check_deployable().unwrap();
        assert!(!graph.summary.operators.contains_key("Identity"));
        let thresholds = &card.thresholds[&precision];
        let efficiencies: Vec<f64> =
            thresholds.iter().map(|threshold| threshold.background_efficiency).collect();
        assert_eq!(efficiencies, [1e-1], "500 validation events: 1e-2 would pass 5");
        assert!(thresholds[0].events == 50 && thresholds[0].value > 0.0 && thresholds[0].error > 0.0);
    }
    let training = card.training.as_ref().unwrap();
    assert_eq!((training.training_events, training.validation_events, training.seed), (1500, 500, 7));
    assert!(training.best_epoch >= 1 && training.best_epoch <= training.epochs && training.epochs <= 3);
    assert!(training.validation_loss.is_finite());
    assert_eq!(training.recipe, "tiny.toml");
    let table = fs::read(bench.folder.path().join("background.arrow")).unwrap();
    assert_eq!((training.data[0].file.as_str(), training.data[0].events), ("background.arrow", 2000));
    assert_eq!(training.data[0].sha256, sha256_hex(&table));
}

#[test]
fn the_same_recipe_gives_the_same_bits() {
    let bench = Workbench::new();
    bench.train().unwrap();
    let first = contents(&bench.bundle());
    bench.train().unwrap();
    assert_eq!(first, contents(&bench.bundle()));
}

#[test]
fn another_seed_gives_another_model() {
    let first = Workbench::new();
    let second = Workbench::new().set("seed = 7", "seed = 8");
    first.train().unwrap();
    second.train().unwrap();
    assert_ne!(contents(&first.bundle())["float.onnx"], contents(&second.bundle())["float.onnx"]);
}

#[test]
fn training_improves_on_the_first_epoch() {
    let one = Workbench::new().set("max_epochs = 3", "max_epochs = 1").train().unwrap();
    let many = Workbench::new().set("max_epochs = 3", "max_epochs = 20").train().unwrap();
    let loss = |outcome: trigsieve_train::Outcome| outcome.card.training.unwrap().validation_loss;
    assert!(loss(many) < 0.9 * loss(one));
}

#[test]
fn patience_ends_a_training_that_does_not_improve() {
    // A rate this small changes no weight in single precision.
    let bench = Workbench::new()
        .set("learning_rate = 0.005", "learning_rate = 1e-30")
        .set("max_epochs = 3", "max_epochs = 50")
        .set("patience = 3", "patience = 2");
    let training = bench.train().unwrap().card.training.unwrap();
    assert_eq!((training.best_epoch, training.epochs), (1, 3));
}

#[test]
fn an_existing_bundle_is_replaced_only_when_asked() {
    let bench = Workbench::new();
    bench.train().unwrap();
    let refused = BundleOutput::new(&bench.bundle(), false).unwrap_err();
    assert!(refused.to_string().contains("--force"), "{refused}");
    BundleOutput::new(&bench.bundle(), true).unwrap();
    let foreign = BundleOutput::new(bench.folder.path(), true).unwrap_err();
    assert!(matches!(foreign, ModelError::OutputExists { .. }));
}

#[test]
fn a_failed_training_leaves_nothing_behind() {
    let bench = Workbench::with_inputs(background(10, 1));
    bench.train().unwrap_err();
    assert!(!bench.bundle().parent().unwrap().exists());
}

#[test]
fn a_finished_training_leaves_no_temporary_folders() {
    let bench = Workbench::new();
    bench.train().unwrap();
    bench.train().unwrap();
    let left =
        fs::read_dir(bench.folder.path().join("models")).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(left.collect::<Vec<_>>(), ["tiny"]);
}

#[test]
fn the_card_has_the_metrics_that_evaluate_finds() {
    let bench = Workbench::new();
    let path = |name: &str| bench.folder.path().join(name);
    common::write_table(&path("test.arrow"), background(3000, 5));
    let mut signal = background(800, 6);
    signal.iter_mut().step_by(3).for_each(|pt| *pt *= 3.0);
    common::write_table(&path("hard.arrow"), signal);
    let evaluation = Evaluation { background: Some(path("test.arrow")), signals: vec![path("hard.arrow")] };
    let card = bench.train_and_evaluate(evaluation.clone()).unwrap().card;
    let bundle = ModelBundle::open(&bench.bundle()).unwrap();
    assert_eq!(*bundle.card(), card);
    for precision in [Precision::Float, Precision::Int8] {
        let spec = ScorerSpec { engine: Engine::Rten, precision, ..ScorerSpec::default() };
        let factory = spec.load(&bundle).unwrap();
        let mut scorer = factory.scorer().unwrap();
        let model = Model {
            name: "tiny".to_owned(),
            encoding: "l1_57".to_owned(),
            engine: scorer.describe(),
            precision,
            model_sha256: factory.sha256().to_owned(),
        };
        let mut sample = |name: &str| {
            let table = EventTable::open(&path(name)).unwrap();
            Sample::score(&table, scorer.as_mut(), &mut |_| {}).unwrap()
        };
        let expected = evaluate(model, &sample("test.arrow"), &[sample("hard.arrow")]).unwrap().card();
        assert_eq!(card.metrics[&precision], expected);
        let found = &expected.signals["hard"];
        assert!(found.auc > 0.6 && found.source.events == 800, "{found:?}");
        assert_eq!(found.efficiency.keys().collect::<Vec<_>>(), ["1e-2", "1e-3"]);
    }
    // The same, asked for by the recipe.
    let lines = "[evaluation]\nbackground = \"test.arrow\"\nsignals = [\"hard.arrow\"]\n[quantisation]";
    assert_eq!(bench.clone().set("[quantisation]", lines).train().unwrap().card.metrics, card.metrics);
    let missing = Evaluation { signals: vec![path("absent.arrow")], ..evaluation };
    let error = bench.train_and_evaluate(missing).unwrap_err().to_string();
    assert!(error.contains("absent.arrow"), "{error}");
}

#[test]
fn the_last_epoch_is_kept_when_asked() {
    // The rate is far too high: the best epoch is not the last.
    let bench = Workbench::new()
        .set("learning_rate = 0.005", "learning_rate = 0.5")
        .set("schedule = \"cosine\"", "schedule = \"constant\"")
        .set("max_epochs = 3", "max_epochs = 12")
        .set("patience = 3", "patience = 12");
    let best = bench.train().unwrap().card.training.unwrap();
    let graph = contents(&bench.bundle())["float.onnx"].clone();
    let last = bench.clone().set("patience = 12", "patience = 12\nkeep = \"last\"").train().unwrap().card;
    let last = last.training.unwrap();
    assert!(best.best_epoch < 12, "the best epoch is the last: the test says nothing");
    assert_eq!((last.best_epoch, last.epochs), (12, 12));
    assert!(last.validation_loss > best.validation_loss);
    assert_ne!(contents(&bench.bundle())["float.onnx"], graph);
}

#[test]
fn every_family_makes_a_complete_bundle() {
    for (name, family) in FAMILIES {
        let bench = Workbench::new().family(family);
        let card = bench.train().unwrap_or_else(|error| panic!("{name}: {error}")).card;
        assert_eq!(card.family, bench.recipe().unwrap().recipe.network.family());
        assert!(card.score.formula.len() > 20 && !card.score.name.is_empty(), "{name}");
        let limited = ["vae_r_z", "vae_kl", "svdd_kl", "ensemble_max"].contains(&name);
        assert_eq!(card.score.formula.contains("within +-10"), limited, "{name}");
        let training = card.training.as_ref().unwrap();
        let members = if card.family == "deep_svdd_ensemble" { training.epochs / 3 } else { 0 };
        assert_eq!(training.members.len() as u64, members, "{name}");
        let bundle = ModelBundle::open(&bench.bundle()).unwrap();
        for precision in [Precision::Float, Precision::Int8] {
            bundle.graph(precision).unwrap().summary.check_deployable().unwrap();
            assert!(card.thresholds[&precision][0].value.is_finite(), "{name}");
        }
    }
}

#[test]
fn a_latent_score_needs_the_encoder_alone() {
    let parameters = |name: &str| {
        let family = FAMILIES.iter().find(|(other, _)| *other == name).unwrap().1;
        let bench = Workbench::new().family(family);
        bench.train().unwrap();
        ModelBundle::open(&bench.bundle()).unwrap().graph(Precision::Float).unwrap().summary.parameters
    };
    // 57-8-3, its biases, and the axis of the sum; for r_z the limits of ln sigma^2 too.
    assert_eq!(parameters("vae_mu2"), 57 * 8 + 8 + 8 * 3 + 3 + 1);
    assert_eq!(parameters("vae_r_z"), 57 * 8 + 8 + 2 * (8 * 3 + 3) + 1 + 2);
    assert_eq!(parameters("svdd"), 57 * 8 + 8 + 8 * 4 + 4 + 1);
    assert!(parameters("vae") > 2 * (57 * 8));
}
