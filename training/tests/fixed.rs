//! The fixed-point program: it computes what was fine-tuned, bit for bit, and what the float model means.

mod common;

use burn::tensor::{Device as BurnDevice, Tensor, TensorData};
use common::{K, Workbench, background, write_table};
use indicatif::ProgressBar;
use trigsieve::model::{ModelBundle, Precision};
use trigsieve_fixed::{Interpreter, Kind};
use trigsieve_train::device::Devices;
use trigsieve_train::family::Task;
use trigsieve_train::fixed::{self, FixedOutcome, FixedScore, Lowering};
use trigsieve_train::parameters::Parameters;
use trigsieve_train::{TrainError, Trained};

const FIXED: &str = "[fixed]\nqat_epochs = 2\nlearning_rate = 1e-3\ncalibration_events = 500\n";

const VAE: &str =
    "[network]\nfamily = \"vae\"\nhidden = [8]\nlatent = 3\nbeta = 0.1\nactivation = \"relu\"\n";
const SVDD: &str = "[network]\nfamily = \"deep_svdd\"\nhidden = [8]\noutput_dimension = 4\ntarget = 2.0\nactivation = \"relu\"\n";

const TERM: &str = "occupancy_exponent = 1.0\nangle_weight = 0.1\n";
const TERMS: &str = "[[score.terms]]\nobjects = [\"egamma\", \"muon\"]\noccupancy_exponent = 1.0\nangle_weight = 0.1\n\
                     [[score.terms]]\nangle_weight = 0.1\n";

/// Families, scores and preprocessings that differ in what is lowered.
fn benches() -> Vec<(&'static str, Workbench)> {
    let latent = |network: &str, score: &str| {
        Workbench::new().family(&format!("{network}[score]\nname = \"{score}\"\n"))
    };
    let with = |bench: Workbench, line: &str| bench.set("pt = \"linear\"", line);
    let cases = vec![
        ("autoencoder", Workbench::new()),
        ("standardised", with(Workbench::new(), "pt = \"linear\"\nscaling = \"standardise\"")),
        ("logarithm", with(Workbench::new(), "pt = { log1p = { scale_gev = 10.0 } }")),
        (
            "saturated, two terms",
            with(Workbench::new(), "pt = \"linear\"\nsaturation = 3.0").set(TERM, TERMS),
        ),
        ("mu2", latent(VAE, "mu2")),
        ("r_z", latent(VAE, "r_z")),
        ("kl", latent(VAE, "kl")),
        ("decoded mean", latent(VAE, "mse")),
        ("svdd", Workbench::new().family(SVDD)),
        (
            "svdd without biases",
            with(Workbench::new().family(&format!("{SVDD}bias = false\n")), "scaling = \"standardise\""),
        ),
        ("divergence", Workbench::new().family(&format!("{SVDD}loss = \"kl\"\n"))),
    ];
    cases.into_iter().map(|(name, bench)| (name, bench.append(FIXED))).collect()
}

fn lowered(bench: &Workbench) -> (FixedOutcome, Trained) {
    let recipe = bench.recipe().unwrap().recipe;
    let settings = recipe.fixed.clone().unwrap();
    let (trained, split) = bench.train_networks();
    let door = fixed::door(&trained.model.preprocessing, &split, &settings).unwrap();
    let events = split.counted(&door);
    let devices = Devices::new(trigsieve::score::Device::Cpu).unwrap();
    let lowering = Lowering::new(&recipe, &trained, door, &events, &devices).unwrap();
    (lowering.run(&settings, &ProgressBar::hidden()).unwrap(), trained)
}

/// What the fine-tuned network writes for rows of counts, as burn computes it.
fn tuned_outputs((task, parameters): &(Task, Parameters), outcome: &FixedOutcome, rows: &[f32]) -> Vec<f32> {
    let mut inputs = Vec::new();
    rows.chunks_exact(K)
        .for_each(|row| outcome.model.door.preprocessing().extend_network_inputs(row, &mut inputs));
    let events = rows.len() / K;
    let inputs = Tensor::<2>::from_data(TensorData::new(inputs, [events, K]), &BurnDevice::flex());
    let formats = task.formats();
    let outputs = parameters.stack(0).forward_fixed(inputs, task.activation(), &formats[0]);
    let outputs = match formats.get(1) {
        Some(decoder) => {
            let mu = outputs.slice([0..events, 0..task.latent().unwrap()]);
            parameters.stack(1).forward_fixed(mu, task.activation(), decoder)
        }
        None => outputs,
    };
    outputs.into_data().as_slice::<f32>().unwrap().to_vec()
}

#[test]
fn the_program_computes_the_fine_tuned_network_bit_for_bit() {
    for (name, bench) in benches() {
        let (outcome, _) = lowered(&bench);
        let physical = background(400, 99);
        let mut counts = physical.clone();
        outcome.model.door.count(&mut counts);
        let expected = tuned_outputs(&outcome.tuned, &outcome, &counts);
        let width = expected.len() / 400;
        let program = &outcome.program;
        let last = if program.tensor("mu").is_some() { "mu" } else { "reconstruction" };
        let (place, tensor) = program.tensor(last).unwrap();
        let mut interpreter = Interpreter::new(program);
        let mut differing = 0;
        for (row, expected) in physical.chunks_exact(K).zip(expected.chunks_exact(width)) {
            interpreter.run_f32(row);
            let found = interpreter.trace()[place].iter().map(|raw| tensor.format.to_f64(*raw));
            // A latent score leaves out the outputs for ln sigma^2.
            assert!(tensor.len() <= width);
            for (found, expected) in found.zip(expected) {
                assert_eq!(found, f64::from(*expected), "{name}");
                differing += usize::from(found != 0.0);
            }
        }
        assert!(differing > 400, "{name}: outputs that are not all 0");
    }
}

#[test]
fn scores_are_those_of_the_float_model_but_for_rounding() {
    for (name, bench) in benches() {
        // Without fine-tuning, which would move the weights.
        let bench = bench.set(
            "qat_epochs = 2",
            "qat_epochs = 0\nweights = 16\nactivations = 16\ninput = \"ap_fixed<16,5>\"\noutput = 17",
        );
        let bench = bench.set("[fixed]", "[fixed]\nterm = \"ap_fixed<20,8>\"\nerror = \"ap_fixed<20,8>\"");
        let (outcome, trained) = lowered(&bench);
        let factor = match (&outcome.model.score, name) {
            (FixedScore::Reconstruction { exponent, .. }, _) => f64::from(*exponent).exp2(),
            (_, "kl" | "divergence") => 2.0,
            _ => 1.0,
        };
        // Rows on the grid of the hardware, so that the door loses nothing.
        let mut rows = background(300, 5);
        let units = outcome.model.door.units();
        for row in rows.chunks_exact_mut(K) {
            for (value, unit) in row.iter_mut().zip(units) {
                *value = ((f64::from(*value) / unit).round() * unit) as f32;
            }
        }
        let mut interpreter = Interpreter::new(&outcome.program);
        let (mut sum, mut difference) = (0.0, 0.0);
        for row in rows.chunks_exact(K) {
            let raw = interpreter.run_f32(row);
            let found = f64::from(interpreter.score_value(raw)) / factor;
            let expected = f64::from(trained.model.score(row));
            sum += expected;
            difference += (found - expected).abs();
        }
        assert!(difference < 0.03 * sum, "{name}: {difference} of {sum}");
    }
}

#[test]
fn an_event_without_objects_has_no_error() {
    let (outcome, _) = lowered(&Workbench::new().append(FIXED));
    let mut interpreter = Interpreter::new(&outcome.program);
    let mut row = [0.0; K];
    assert_eq!(interpreter.run_f32(&row), 0);
    // Angles without a momentum.
    row[28] = 1.0;
    assert_eq!(interpreter.run_f32(&row), 0);
    row[27] = 200.0;
    assert!(interpreter.run_f32(&row) > 0);
}

#[test]
fn eight_bits_fit_single_precision() {
    let (outcome, _) = lowered(&Workbench::new().append(FIXED));
    for operation in &outcome.program.operations {
        if let Kind::Dense { accumulator, weight_format, .. } = &operation.kind {
            assert_eq!(weight_format.width, 8);
            assert!(accumulator.width <= 25, "{}: {accumulator}", operation.layer);
        }
    }
    assert_eq!(outcome.pruning.dead_inputs, ["met_eta"]);
    assert!(outcome.record.is_some_and(|record| record.epochs == 2));
}

#[test]
fn the_bundle_has_the_program_with_its_thresholds_and_metrics() {
    let bench = Workbench::new().append(FIXED);
    let signal: Vec<f32> = background(300, 8).iter().map(|value| 2.0 * value).collect();
    write_table(&bench.folder.path().join("signal.arrow"), signal);
    write_table(&bench.folder.path().join("test.arrow"), background(500, 9));
    let bench = bench.append("[evaluation]\nbackground = \"test.arrow\"\nsignals = [\"signal.arrow\"]\n");
    bench.train().unwrap();
    let first = std::fs::read(bench.bundle().join("fixed.json")).unwrap();
    let bundle = ModelBundle::open(&bench.bundle()).unwrap();
    assert_eq!(bundle.program().unwrap().program().k(), K);
    let card = bundle.card();
    assert!(!card.thresholds[&Precision::Fixed].is_empty());
    let auc = |precision| card.metrics[&precision].signals["signal"].auc;
    let difference = auc(Precision::Fixed) - auc(Precision::Float);
    assert!(difference.abs() < 0.05, "{difference}");
    assert!(
        card.score.formula.contains("fixed.json: 2^") && card.preprocessing.contains("dead inputs: met_eta")
    );
    bench.train().unwrap();
    assert_eq!(
        first,
        std::fs::read(bench.bundle().join("fixed.json")).unwrap(),
        "the same recipe, other bits"
    );
}

#[test]
fn fine_tuning_wins_back_what_few_bits_lose() {
    let few = "qat_epochs = 0\nweights = 3\nactivations = 3";
    let error = |epochs: &str| {
        let bench = Workbench::new().append(&FIXED.replace("qat_epochs = 2", epochs));
        let (outcome, _) = lowered(&bench);
        let mut interpreter = Interpreter::new(&outcome.program);
        let (place, _) = outcome.program.tensor("present_errors").unwrap();
        let mut sum = 0.0;
        for row in background(400, 77).chunks_exact(K) {
            interpreter.run_f32(row);
            // Against the weights of the loss, in which angles count a tenth.
            let weights = outcome.model.door.preprocessing().weight().iter();
            let format = outcome.program.tensor("present_errors").unwrap().1.format;
            let errors = interpreter.trace()[place].iter().map(|raw| format.to_f64(*raw));
            sum += errors.zip(weights).map(|(error, weight)| error * error * f64::from(*weight)).sum::<f64>();
        }
        sum
    };
    let (rounded, tuned) = (error(few), error(&few.replace("= 0", "= 15")));
    assert!(tuned < 0.95 * rounded, "fine-tuned {tuned}, rounded {rounded}");
}

#[test]
fn the_search_takes_the_fewest_bits_that_lose_little() {
    let bench = Workbench::new().append(FIXED).append(
        "[fixed.search]\nweights = [2, 8, 12]\nactivations = [8]\nlargest_loss = 0.3\nbackground_efficiency = 0.1\n\
         signals = [\"signal.arrow\"]\n",
    );
    let signal: Vec<f32> = background(300, 8).iter().map(|value| 2.0 * value).collect();
    write_table(&bench.folder.path().join("signal.arrow"), signal);
    let table = bench.folder.path().join("bits.csv");
    bench.train_with_bits_table(&table).unwrap();
    let text = std::fs::read_to_string(&table).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 5, "a header, the float model, three choices: {text}");
    assert_eq!((rows[0][0], rows[1][0], rows[2][0]), ("weights", "float", "2"));
    let chosen: Vec<&Vec<&str>> = rows.iter().filter(|row| row[6] == "yes").collect();
    assert_eq!(chosen.len(), 1, "{text}");
    assert!(chosen[0][3].parse::<f64>().unwrap() <= 0.3);
    assert!(std::fs::read_to_string(table.with_extension("md")).unwrap().starts_with('|'));
    let bundle = ModelBundle::open(&bench.bundle()).unwrap();
    let widths: Vec<u32> = bundle
        .program()
        .unwrap()
        .program()
        .operations
        .iter()
        .filter_map(|operation| {
            if let Kind::Dense { weight_format, .. } = &operation.kind {
                Some(weight_format.width)
            } else {
                None
            }
        })
        .collect();
    assert!(widths.iter().all(|width| width.to_string() == chosen[0][0]), "{widths:?}");
}

#[track_caller]
fn refused(bench: Workbench, expected: &str) {
    let error = bench.train().unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
    assert!(!bench.bundle().exists());
}

#[test]
fn what_has_no_program_is_refused() {
    let fixed = |lines: &str| Workbench::new().append(&format!("[fixed]\nqat_epochs = 0\n{lines}\n"));
    refused(fixed("weights = [8, 8]"), "a list of 4");
    refused(fixed("activations = \"ap_fixed<8,4,AP_TRN,AP_SAT>\""), "AP_RND_CONV");
    refused(fixed("input = \"ap_float<8>\""), "ap_float<8>");
    refused(fixed("weights = 1"), "2 to 16 bits");
    refused(fixed("units = [1.0, 2.0]"), "2 steps for 57 inputs");
    refused(fixed("units = \"atlas\""), "cms");
    refused(fixed("accumulator = \"ap_fixed<8,4>\""), "widen it");
    refused(fixed("colour = 1"), "unknown field");
    refused(fixed("").set("activation = \"relu\"", "activation = \"tanh\""), "relu");
    let ensemble = "[network]\nfamily = \"deep_svdd_ensemble\"\nhidden = [8]\nactivation = \"relu\"\n";
    refused(Workbench::new().family(ensemble).append(FIXED), "autoencoder, vae, deep_svdd");
    let search = "[fixed.search]\nlargest_loss = 0.1\nbackground_efficiency = 0.001\n";
    refused(fixed(search), "events pass");
}

#[test]
fn a_given_accumulator_that_is_wide_enough_is_taken() {
    let bench = Workbench::new().append("[fixed]\nqat_epochs = 0\naccumulator = \"ap_fixed<40,16>\"\n");
    let (outcome, _) = lowered(&bench);
    let accumulators = outcome.program.operations.iter().filter_map(|operation| {
        if let Kind::Dense { accumulator, .. } = &operation.kind {
            Some(accumulator.to_string())
        } else {
            None
        }
    });
    assert!(accumulators.eq(["ap_fixed<40,16>"; 4]));
    assert!(bench.recipe().is_ok() && !matches!(bench.train(), Err(TrainError::Fixed { .. })));
}
