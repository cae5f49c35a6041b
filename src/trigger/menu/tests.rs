use std::collections::BTreeMap;

use super::*;
use crate::model::{CARD_FILE, Card, ScoreCard, TrainingCard};

fn point(background_efficiency: f64, value: f32) -> Threshold {
    Threshold { background_efficiency, value, error: 0.1, events: 100 }
}

fn card(name: &str) -> Card {
    let thresholds = vec![point(1e-2, 10.0), point(1e-3, 20.0), point(1e-5, 60.0)];
    Card {
        name: name.to_owned(),
        family: "autoencoder".to_owned(),
        description: String::new(),
        encoding: "l1_57".to_owned(),
        inputs: 57,
        files: BTreeMap::from([("float.onnx".to_owned(), "aa".to_owned())]),
        score: ScoreCard { name: "mse".to_owned(), formula: String::new() },
        preprocessing: String::new(),
        training: Some(TrainingCard {
            recipe: String::new(),
            recipe_sha256: String::new(),
            trainer: String::new(),
            seed: 0,
            data: Vec::new(),
            training_events: 0,
            validation_events: 0,
            epochs: 0,
            best_epoch: 0,
            validation_loss: 0.0,
            members: vec![],
        }),
        import: None,
        thresholds: BTreeMap::from([(Precision::Float, thresholds)]),
        metrics: BTreeMap::new(),
    }
}

fn bundles(names: &[&str]) -> Vec<ModelBundle> {
    let folder = tempfile::tempdir().unwrap();
    let bundle = |name: &&str| {
        let path = folder.path().join(name);
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join(CARD_FILE), toml::to_string(&card(name)).unwrap()).unwrap();
        ModelBundle::open(&path).unwrap()
    };
    names.iter().map(bundle).collect()
}

fn calibration() -> Calibration {
    Calibration {
        target_rate_hz: 1e3,
        input_rate_hz: 4e7,
        rate_hz: 960.0,
        rate_error_hz: 392.0,
        threshold_error: 0.01,
        background_events: 250_000,
        background_invalid: 1,
        events_passing: 6,
        background: "background.arrow".to_owned(),
        background_sha256: "00".to_owned(),
        model_sha256: "aa".to_owned(),
        engine: "onnx".to_owned(),
        precision: Precision::Float,
        scores: Some(ScoreDistribution { edges: vec![0.0, 0.5, 1.5], counts: vec![1, 249_970, 22, 7] }),
    }
}

fn path(name: &str) -> MenuPath {
    Menu::of_threshold(&[name.to_owned()], 1.0).paths.remove(0)
}

fn refusal(paths: Vec<MenuPath>) -> String {
    Menu { paths }.check().expect_err("should be refused").to_string()
}

#[test]
fn a_menu_file_goes_around() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("menu.toml");
    let mut menu = Menu::of_calibration("tight", "l1_ae", 0.1, calibration());
    menu.paths.extend(Menu::of_target_rate(&["other".to_owned()], 1e5, 4e7).paths);
    menu.paths[1].prescale = 100;
    menu.save(&file).unwrap();
    assert_eq!(Menu::load(&file).unwrap(), menu);
}

#[test]
fn a_hand_written_menu_resolves() {
    let text = "[[path]]\nname = 'a'\nmodel = 'other'\nthreshold = 2\nprescale = 7\n\
                [[path]]\nname = 'b'\nmodel = 'l1_ae'\ntarget_rate_hz = 40_000.0\ninput_rate_hz = 40e6";
    let menu: Menu = toml::from_str(text).unwrap();
    let resolved = menu.resolve(&bundles(&["l1_ae", "other"]), Precision::Float).unwrap();
    let path = |name: &str, model_index, threshold, prescale, bit| ResolvedPath {
        name: name.to_owned(),
        model_index,
        threshold,
        prescale,
        bit,
    };
    assert_eq!(resolved, [path("a", 1, 2.0, 7, 0), path("b", 0, 20.0, 1, 1)]);
}

#[test]
fn a_working_point_gives_its_threshold_bit_for_bit() {
    let points = [point(1e-3, 0.3), point(1e-2, 1e8), point(1e-4, 7.1)];
    for point in &points {
        assert_eq!(threshold_at(point.background_efficiency, &points), Ok(point.value));
    }
    // 2.5e-5 does not come out of 1 kHz / 40 MHz in the last bit on every way.
    let points = [point(2.5e-5, 3.0), point(1e-2, 1.0)];
    assert_eq!(threshold_at(0.1e4 / 0.4e8, &points), Ok(3.0));
}

#[test]
fn between_working_points_the_threshold_is_linear_in_the_logarithm() {
    let points = card("any").thresholds[&Precision::Float].clone();
    let found = threshold_at(1e-4, &points).unwrap();
    assert!((found - 40.0).abs() < 1e-5, "{found}");
    for efficiency in [9e-6, 1.1e-2] {
        let refused = threshold_at(efficiency, &points).unwrap_err();
        assert!(refused.contains("1e-5 to 1e-2"), "{refused}");
    }
    assert!(threshold_at(1e-4, &[]).unwrap_err().contains("no thresholds"));
    // A card that was edited by hand.
    for points in [vec![point(1e-4, f32::NAN)], vec![point(0.0, 9.0), point(1e-2, 1.0)]] {
        assert!(threshold_at(1e-4, &points).unwrap_err().contains("which no score passes"));
    }
}

#[test]
fn an_unknown_model_is_named_with_the_known() {
    let menu = Menu::of_threshold(&["l1_aw".to_owned()], 1.0);
    let error = menu.resolve(&bundles(&["l1_ae", "l1_vae"]), Precision::Float).unwrap_err().to_string();
    assert!(error.contains("`l1_aw`") && error.contains("l1_ae, l1_vae"), "{error}");
}

#[test]
fn a_threshold_of_another_graph_is_noticed() {
    let card = card("l1_ae");
    let of = |sha256: &str| {
        let record = Calibration { model_sha256: sha256.to_owned(), ..calibration() };
        Menu::of_calibration("path", "l1_ae", 1.0, record).paths.remove(0)
    };
    assert!(of("aa").is_calibrated_for(&card, Precision::Float));
    assert!(!of("bb").is_calibrated_for(&card, Precision::Float));
    assert!(!of("aa").is_calibrated_for(&card, Precision::Int8), "the bundle has no such graph");
    assert!(path("by_hand").is_calibrated_for(&card, Precision::Float));
}

#[test]
fn wrong_menus_are_refused() {
    assert!(refusal(vec![]).contains("0 paths"));
    assert!(refusal((0..32).map(|i| path(&i.to_string())).collect()).contains("32 paths"));
    assert!(Menu { paths: (0..31).map(|i| path(&i.to_string())).collect() }.check().is_ok());
    assert!(refusal(vec![path("a"), path("a")]).contains("twice"));
    for name in ["", "a/b", "a b", "é"] {
        assert!(refusal(vec![path(name)]).contains("letters"), "{name}");
    }
    let with = |change: fn(&mut MenuPath)| {
        let mut path = path("a");
        change(&mut path);
        refusal(vec![path])
    };
    assert!(with(|path| path.prescale = 0).contains("prescale 0"));
    assert!(with(|path| path.threshold = Some(f32::NAN)).contains("not finite"));
    assert!(with(|path| path.threshold = None).contains("either"));
    assert!(with(|path| path.target_rate_hz = Some(1.0)).contains("either"));
    for (target, input) in [(0.0, 1.0), (2.0, 1.0), (f64::NAN, 1.0), (1.0, f64::INFINITY), (-1.0, 1.0)] {
        let refused = refusal(Menu::of_target_rate(&["a".to_owned()], target, input).paths);
        assert!(refused.contains("no share"), "{target} {input}");
    }
}

#[test]
fn wrong_files_are_refused_with_their_name_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("menu.toml");
    let refused = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let error = Menu::load(&file).expect_err("should be refused").to_string();
        assert!(error.contains("menu.toml"), "{error}");
        error
    };
    let unknown = refused("[[path]]\nname = 'a'\nmodel = 'm'\nthreshold = 1.0\nprescaler = 3\n");
    assert!(unknown.contains("prescaler") && unknown.contains("line 5"), "{unknown}");
    assert!(refused("[[path]]\nname = 'a'\nmodel = 'm'\nthreshold = 1e300\n").contains("not finite"));
    assert!(
        refused("[[path]]\nname = 'a'\nmodel = 'm'\nthreshold = 1.0\nprescale = -1\n").contains("line 5")
    );
    assert!(refused("").contains("0 paths"));
    assert!(Menu::load(&folder.path().join("none.toml")).is_err());
}

#[test]
fn a_menu_from_before_scores_and_budgets_were_in_it_is_read() {
    let old = include_str!("before_scores.toml");
    let menu: Menu = toml::from_str(old).unwrap();
    menu.check().unwrap();
    assert_eq!(menu.paths[0].calibration.as_ref().unwrap().scores, None);
    assert_eq!(menu.paths[0].rate_budget_hz, None);
    let card = card("l1_ae");
    assert_eq!(menu.reference(&card, Precision::Float), None);
}

#[test]
fn the_reference_is_that_of_the_graph_that_runs() {
    let with = |sha256: &str| {
        let record = Calibration { model_sha256: sha256.to_owned(), ..calibration() };
        Menu::of_calibration("p", "m", 1.0, record)
    };
    assert_eq!(with("aa").reference(&card("m"), Precision::Float), calibration().scores.as_ref());
    assert_eq!(with("bb").reference(&card("m"), Precision::Float), None);
    assert_eq!(with("aa").reference(&card("other"), Precision::Float), None);
}

#[test]
fn bad_budgets_and_references_are_refused() {
    for budget in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let reason = refusal(vec![MenuPath { rate_budget_hz: Some(budget), ..path("p") }]);
        assert!(reason.contains("rate budget"), "{reason}");
    }
    let scores = Some(ScoreDistribution { edges: vec![1.0], counts: vec![1] });
    let record = Calibration { scores, ..calibration() };
    let reason = refusal(vec![MenuPath { calibration: Some(record), ..path("p") }]);
    assert!(reason.contains("calibration.scores: 1 counts for 1 edges"), "{reason}");
}
