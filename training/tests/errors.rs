//! Bad recipes and bad data: each a clear error before or at the step where it shows.

mod common;

use common::{K, RECIPE, Workbench, background};
use trigsieve_train::TrainError;

fn recipe_error(from: &str, to: &str) -> String {
    Workbench::with_inputs(background(1, 1)).set(from, to).recipe().unwrap_err().to_string()
}

fn training_error(inputs: Vec<f32>) -> TrainError {
    Workbench::with_inputs(inputs).train().unwrap_err()
}

#[test]
fn unknown_and_missing_keys_are_named() {
    for table in
        ["[data]", "[network]", "[score]", "[optimiser]", "[training]", "[quantisation]", "[preprocessing]"]
    {
        let message = recipe_error(table, &format!("{table}\nlerning_rate = 1"));
        assert!(message.contains("lerning_rate"), "{table}: {message}");
    }
    assert!(recipe_error("seed = 7", "sed = 7").contains("sed"));
    assert!(recipe_error("batch = 64\n", "").contains("batch"));
    assert!(recipe_error("name = \"adam\"", "name = \"adamax\"").contains("adamax"));
    assert!(recipe_error("activation = \"relu\"", "activation = \"tanh\"").contains("tanh"));
    assert!(recipe_error("pt = \"linear\"", "pt = \"cubic\"").contains("cubic"));
    assert!(recipe_error("seed = 7", "seed = ").contains("tiny.toml"));
}

#[test]
fn values_out_of_range_name_their_key() {
    let cases = [
        ("name = \"tiny\"", "name = \"../tiny\"", "name"),
        ("[\"background.arrow\"]", "[]", "data.files"),
        ("\"l1_57\"", "\"l1_58\"", "data.encoding"),
        ("validation_fraction = 0.25", "validation_fraction = 1.0", "data.validation_fraction"),
        ("validation_fraction = 0.25", "validation_fraction = nan", "data.validation_fraction"),
        ("hidden = [8, 3, 8]", "hidden = []", "network.hidden"),
        ("hidden = [8, 3, 8]", "hidden = [8, 0]", "network.hidden"),
        ("occupancy_exponent = 1.0", "occupancy_exponent = -1.0", "score.occupancy_exponent"),
        ("angle_weight = 0.1", "angle_weight = 2.0", "score.angle_weight"),
        ("learning_rate = 0.005", "learning_rate = 0.0", "optimiser.learning_rate"),
        ("epsilon = 1e-8", "epsilon = nan", "optimiser.epsilon"),
        ("batch = 64", "batch = 0", "training.batch"),
        ("max_epochs = 3", "max_epochs = 0", "training.max_epochs"),
        ("patience = 3", "patience = 0", "training.patience"),
        ("calibration_events = 500", "calibration_events = 0", "quantisation.calibration_events"),
        ("coverage = 0.9999", "coverage = 0.5", "quantisation.coverage"),
        ("weight_bits = 8", "weight_bits = 4", "quantisation.weight_bits"),
        ("pt = \"linear\"", "pt = { log1p = { scale_gev = 0.0 } }", "preprocessing.pt.log1p.scale_gev"),
    ];
    for (from, to, key) in cases {
        let message = recipe_error(from, to);
        assert!(message.contains(&format!("`{key}`")) && message.contains("tiny.toml"), "{to}: {message}");
    }
    assert!(RECIPE.contains("seed"));
}

#[test]
fn empty_and_tiny_data_are_refused() {
    let empty = training_error(vec![]);
    assert!(
        matches!(empty, TrainError::TooFewEvents { split: "training", events: 0, needed: 64, .. }),
        "{empty}"
    );
    let one = training_error(background(1, 1));
    assert!(matches!(one, TrainError::TooFewEvents { split: "training", .. }), "{one}");
    let few = training_error(background(120, 1));
    assert!(matches!(few, TrainError::TooFewEvents { split: "validation", events: 30, .. }), "{few}");
}

#[test]
fn a_missing_table_is_named() {
    let error = Workbench::new().set("background.arrow", "absent.arrow").train().unwrap_err().to_string();
    assert!(error.contains("absent.arrow"), "{error}");
}

#[test]
fn inputs_that_are_not_finite_are_placed() {
    for value in [f32::NAN, f32::INFINITY] {
        let mut inputs = background(1000, 1);
        inputs[123 * K + 3] = value;
        let error = training_error(inputs).to_string();
        assert!(error.contains("row 123") && error.contains("egamma0_pt"), "{error}");
    }
}

#[test]
fn constant_inputs_are_named() {
    let mut inputs = background(1000, 1);
    for row in inputs.chunks_exact_mut(K) {
        row[12..15].fill(0.0);
        row[2] = 1.5;
    }
    let error = training_error(inputs).to_string();
    assert!(error.contains("met_phi, egamma3_pt, egamma3_eta, egamma3_phi;"), "{error}");
}

#[test]
fn a_loss_that_explodes_stops_the_training() {
    // Below the domain of the logarithm.
    let mut inputs = background(1000, 1);
    inputs[3 * K] = -50.0;
    let logarithm = "pt = { log1p = { scale_gev = 10.0 } }";
    let training = Workbench::with_inputs(inputs).set("pt = \"linear\"", logarithm).train().unwrap_err();
    assert!(matches!(training, TrainError::NonFiniteLoss { split: "training", epoch: 1, .. }), "{training}");
    assert!(training.to_string().contains("learning_rate"));
    // Finite in the table, infinite once squared.
    let mut late = background(1000, 1);
    late[900 * K] = 3e38;
    let validation = training_error(late);
    assert!(matches!(validation, TrainError::NonFiniteLoss { split: "validation", .. }), "{validation}");
}
