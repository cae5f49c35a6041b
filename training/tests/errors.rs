//! Bad recipes and bad data: each a clear error before or at the step where it shows.

mod common;

use common::{AUTOENCODER, K, RECIPE, Workbench, background};
use trigsieve::event::{ElementType, EventSchema, EventWriter};
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
    assert!(recipe_error("validation_fraction = 0.25\n", "").contains("validation_fraction"));
    assert!(recipe_error("name = \"adam\"", "name = \"adamax\"").contains("adamax"));
    assert!(recipe_error("activation = \"relu\"", "activation = \"swish\"").contains("swish"));
    assert!(recipe_error("schedule = \"cosine\"", "schedule = \"linear\"").contains("linear"));
    assert!(recipe_error("family = \"autoencoder\"", "family = \"flow\"").contains("flow"));
    // A key of another family.
    assert!(recipe_error("hidden = [8, 3, 8]", "hidden = [8]\nbeta = 0.1").contains("beta"));
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
        ("activation = \"relu\"", "activation = \"linear\"", "network.activation"),
        (
            "activation = \"relu\"",
            "activation = { leaky_relu = { slope = 1.5 } }",
            "network.activation.leaky_relu.slope",
        ),
        ("occupancy_exponent = 1.0", "name = \"radius\"", "score.name"),
        ("occupancy_exponent = 1.0", "category_weight = -1.0", "score.category_weight"),
        ("epsilon = 1e-8", "betas = [0.9, 1.0]", "optimiser.betas"),
        ("epsilon = 1e-8", "weight_decay = -0.1", "optimiser.weight_decay"),
        ("epsilon = 1e-8", "gradient_clipping = { norm = 0.0 }", "optimiser.gradient_clipping"),
        (
            "schedule = \"cosine\"",
            "schedule = { exponential = { factor = 1.5 } }",
            "optimiser.schedule.factor",
        ),
        (
            "schedule = \"cosine\"",
            "schedule = { step = { epochs = 0, factor = 0.5 } }",
            "optimiser.schedule.epochs",
        ),
        ("validation_fraction = 0.25", "validation_fraction = 0.0", "data.validation_fraction"),
        (AUTOENCODER, "[network]\nfamily = \"vae\"\nlatent = 0\n", "network.latent"),
        (AUTOENCODER, "[network]\nfamily = \"vae\"\nbeta = 1.5\n", "network.beta"),
        (
            AUTOENCODER,
            "[network]\nfamily = \"vae\"\nlog_variance_limit = 0.0\n",
            "network.log_variance_limit",
        ),
        (AUTOENCODER, "[network]\nfamily = \"vae\"\ndecoder_hidden = [0]\n", "network.decoder_hidden"),
        (AUTOENCODER, "[network]\nfamily = \"deep_svdd\"\ntarget = nan\n", "network.target"),
        (
            AUTOENCODER,
            "[network]\nfamily = \"deep_svdd\"\noutput_dimension = 0\n",
            "network.output_dimension",
        ),
        (AUTOENCODER, "[network]\nfamily = \"deep_svdd\"\n[score]\nmasking = true\n", "score.masking"),
        (AUTOENCODER, "[network]\nfamily = \"deep_svdd\"\n[score]\nname = \"kl\"\n", "score.name"),
        (AUTOENCODER, "[network]\nfamily = \"deep_svdd_ensemble\"\ntargets = []\n", "network.targets"),
        (
            AUTOENCODER,
            "[network]\nfamily = \"combination\"\nmembers = [\"one\"]\nrule = \"and\"\n",
            "network.members",
        ),
        ("[quantisation]", "[evaluation]\nsignals = [\"a.arrow\"]\n[quantisation]", "evaluation.background"),
        ("pt = \"linear\"", "saturation = 0.0", "preprocessing.saturation"),
        ("pt = \"linear\"", "input_occupancy_exponent = -1.0", "preprocessing.input_occupancy_exponent"),
        ("pt = \"linear\"", "input_angle_weight = 0.0", "preprocessing.input_angle_weight"),
        ("occupancy_exponent = 1.0\nangle_weight = 0.1", "terms = []", "score.terms"),
        ("angle_weight = 0.1", "[[score.terms]]\nangle_weight = 0.1", "score.occupancy_exponent"),
        ("weight_bits = 8", "weight_bits = 4", "quantisation.weight_bits"),
        ("weight_bits = 8", "balance = 1.5", "quantisation.balance"),
        ("weight_bits = 8", "float_layers = [4]", "quantisation.float_layers"),
        ("weight_bits = 8", "float_layers = [0, 1, 2, 3]", "quantisation.float_layers"),
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
fn a_batch_larger_than_the_data_is_refused() {
    let error = Workbench::new().set("batch = 64", "batch = 1501").train().unwrap_err();
    assert!(
        matches!(error, TrainError::TooFewEvents { split: "training", events: 1500, needed: 1501, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("training.batch"), "{error}");
    Workbench::new().set("batch = 64", "batch = 1500").train().unwrap();
}

#[test]
fn a_table_of_another_k_is_refused() {
    let bench = Workbench::new().set("[\"background.arrow\"]", "[\"background.arrow\", \"narrow.arrow\"]");
    let schema = EventSchema {
        encoding: "l1_57".to_owned(),
        k: 54,
        element: ElementType::F32,
        features: vec![],
        sources: vec![],
    };
    let path = bench.folder.path().join("narrow.arrow");
    let mut writer = EventWriter::create(&path, schema.to_arrow([])).unwrap();
    writer.write_events(vec![0], vec![0], vec![1.0; 54], vec![]).unwrap();
    writer.finish().unwrap();
    let error = bench.train().unwrap_err().to_string();
    assert!(error.contains("narrow.arrow") && error.contains("54") && error.contains("57"), "{error}");
    let alone = Workbench {
        folder: bench.folder.clone(),
        ..Workbench::new().set("background.arrow", "narrow.arrow")
    };
    let error = alone.train().unwrap_err().to_string();
    assert!(error.contains("narrow.arrow") && error.contains("54") && error.contains("57"), "{error}");
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
fn constant_inputs_are_ignored_when_asked() {
    let mut inputs = background(1000, 1);
    inputs.chunks_exact_mut(K).for_each(|row| row[12..15].fill(0.0));
    for scaling in ["rms", "standardise"] {
        let lines = format!("pt = \"linear\"\nscaling = \"{scaling}\"\nconstant_inputs = \"ignore\"");
        let bench = Workbench::with_inputs(inputs.clone()).set("pt = \"linear\"", &lines);
        let card = bench.train().unwrap().card;
        assert!(!card.preprocessing.contains("egamma3_pt") && card.preprocessing.contains("egamma2_pt"));
        assert!(card.training.unwrap().validation_loss.is_finite());
    }
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

#[cfg(not(feature = "cuda"))]
#[test]
fn a_device_that_the_build_has_not_is_refused() {
    let error =
        trigsieve_train::device::Devices::new(trigsieve::score::Device::Cuda(1)).unwrap_err().to_string();
    assert!(error.contains("cuda:1") && error.contains("--device cpu"), "{error}");
}

#[test]
fn groups_without_objects_are_named() {
    let lines = "pt = \"linear\"\ninput_occupancy_exponent = { tau = 0.4 }";
    let error = Workbench::new().set("pt = \"linear\"", lines).train().unwrap_err();
    assert!(matches!(&error, TrainError::Group { group, .. } if group == "tau"), "{error}");
    let bench = Workbench::new();
    let score = "[[score.terms]]\nobjects = [\"jets\"]\n";
    let error = bench.set("occupancy_exponent = 1.0\nangle_weight = 0.1\n", score).train().unwrap_err();
    assert!(error.to_string().contains("`jets`") && error.to_string().contains("jet9"), "{error}");
}
