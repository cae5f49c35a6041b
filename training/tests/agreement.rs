//! The exported graphs compute what was trained: on every engine, for every family and every preprocessing.

mod common;

use std::path::Path;

use common::{EXTRAS, FAMILIES, K, Workbench, background};
use trigsieve::model::{ModelBundle, Precision};
use trigsieve::score::{Device, Engine, ScorerSpec};
use trigsieve_train::data::EventMatrix;
use trigsieve_train::device::Devices;
use trigsieve_train::fit::{Setting, losses};
use trigsieve_train::quantise::quantise;

/// Relative tolerance between engines: sums of some hundred single-precision terms in another order, after a
/// difference of similar numbers.
const RELATIVE: f32 = 1e-4;

/// What scores smaller than this share of the mean score may be off, relative to it: near zero a sum of differences has
/// no relative precision.
const FLOOR: f32 = 1e-3;

const LOG1P: &str = "pt = { log1p = { scale_gev = 10.0 } }";

/// Every preprocessing, as the lines of its table.
const PREPROCESSINGS: [&str; 5] = [
    "pt = \"linear\"\nscaling = \"rms\"",
    "pt = \"linear\"\nscaling = \"standardise\"",
    "pt = { log1p = { scale_gev = 10.0 } }\nscaling = \"rms\"",
    "pt = { log1p = { scale_gev = 10.0 } }\nscaling = \"standardise\"",
    "pt = { log1p = { scale_gev = 10.0 } }\nscaling = \"none\"",
];

/// Every engine; one that is not installed fails the test.
const ENGINES: [Engine; 2] = [Engine::Rten, Engine::Onnx];

fn score(bundle: &Path, engine: Engine, precision: Precision, events: &EventMatrix) -> Vec<f32> {
    let spec = ScorerSpec { engine, precision, ..ScorerSpec::default() };
    let mut scorer = spec.scorer(&ModelBundle::open(bundle).unwrap()).unwrap();
    let mut scores = vec![0.0; events.len()];
    scorer.score(events.rows(), &mut scores).unwrap();
    scores
}

#[track_caller]
fn assert_near(found: &[f32], expected: &[f32], what: &str) {
    let mean = expected.iter().sum::<f32>() / expected.len() as f32;
    for (found, expected) in found.iter().zip(expected) {
        let difference = (found - expected).abs() / expected.max(FLOOR * mean);
        assert!(difference <= RELATIVE, "{what}: {found} and {expected}, mean {mean}");
    }
}

fn benches() -> impl Iterator<Item = (String, Workbench)> {
    let families = FAMILIES.iter().map(|(name, family)| (*name, Workbench::new().family(family)));
    let families = families.chain([("autoencoder", Workbench::new())]);
    let extras = EXTRAS.iter().map(|(name, ..)| ((*name).to_owned(), Workbench::new().extra(name)));
    let mut preprocessings = PREPROCESSINGS.iter().cycle();
    let families = families.flat_map(move |(name, bench)| {
        // Two preprocessings a family: all of them meet a reconstruction, a latent score and an ensemble.
        let two = [preprocessings.next(), preprocessings.next()];
        two.into_iter()
            .flatten()
            .map(move |preprocessing| {
                let bench = bench.clone().set("pt = \"linear\"", preprocessing);
                (format!("{name}, {preprocessing}"), bench)
            })
            .collect::<Vec<_>>()
    });
    families.chain(extras)
}

#[test]
fn float_graphs_compute_the_model() {
    let events = EventMatrix::new(background(333, 99), K);
    for (name, bench) in benches() {
        bench.train().unwrap();
        let (trained, _) = bench.train_networks();
        let expected: Vec<f32> = events.iter().map(|row| trained.model.score(row)).collect();
        for engine in ENGINES {
            let found = score(&bench.bundle(), engine, Precision::Float, &events);
            assert_near(&found, &expected, &format!("{name}, {engine:?}"));
        }
    }
}

#[test]
fn the_model_computes_the_trained_loss() {
    // Where the score is the loss: an autoencoder; Deep SVDD but for a factor 1 / d.
    let cases = [
        (Workbench::new(), 1.0),
        (Workbench::new().family(FAMILIES[1].1), 1.0),
        (Workbench::new().family(FAMILIES[9].1), 4.0),
        (Workbench::new().family(FAMILIES[11].1), 1.0),
    ];
    for (bench, factor) in cases {
        let (trained, split) = bench.train_networks();
        let recipe = bench.recipe().unwrap().recipe;
        let setting = Setting {
            recipe: &recipe,
            task: &trained.tasks[0],
            preprocessing: &trained.model.preprocessing,
            split: &split,
            devices: &Devices::new(Device::Cpu).unwrap(),
            member: 0,
            start: None,
            progress: &indicatif::ProgressBar::hidden(),
        };
        let losses = losses(&trained.networks[0].parameters, &split.validation, &setting).unwrap();
        let scores: Vec<f32> = split.validation.iter().map(|row| trained.model.score(row) / factor).collect();
        assert_near(&losses, &scores, recipe.network.family());
    }
}

#[test]
fn int8_graphs_stay_near_float() {
    let events = EventMatrix::new(background(500, 99), K);
    for (name, bench) in benches() {
        bench.train().unwrap();
        for engine in ENGINES {
            let float = score(&bench.bundle(), engine, Precision::Float, &events);
            let int8 = score(&bench.bundle(), engine, Precision::Int8, &events);
            let mean = float.iter().sum::<f32>() / float.len() as f32;
            let differences = int8.iter().zip(&float).map(|(int8, float)| (int8 - float).abs() / mean);
            let difference = differences.sum::<f32>() / float.len() as f32;
            assert!(difference < 0.1, "{name}, {engine:?}: mean difference {difference} of the mean score");
            assert!(difference > 0.0, "{name}, {engine:?}: the int8 graph is not quantised");
        }
    }
}

#[test]
fn balanced_ranges_change_no_score() {
    let events = EventMatrix::new(background(333, 99), K);
    for (name, bench) in benches() {
        let (trained, split) = bench.train_networks();
        let settings = bench.recipe().unwrap().recipe.quantisation;
        let balanced = quantise(&trained.model, &split.training, &settings).model;
        assert_ne!(balanced, trained.model, "{name}: something is balanced");
        let expected: Vec<f32> = events.iter().map(|row| trained.model.score(row)).collect();
        let found: Vec<f32> = events.iter().map(|row| balanced.score(row)).collect();
        assert_near(&found, &expected, &name);
    }
}

#[test]
fn rare_objects_keep_their_scores_in_int8() {
    // The fourth e/gamma in one of two hundred events, and read as if it were in all.
    let rare = |events: usize, seed: u64, every: usize| {
        let mut inputs = background(events, seed);
        for (event, row) in inputs.chunks_exact_mut(K).enumerate() {
            let size = 1.0 + (event / every % 7) as f32;
            let present = if event % every == 0 { size } else { 0.0 };
            row[12..15].copy_from_slice(&[8.0, 0.3, -0.4].map(|value| value * present));
        }
        inputs
    };
    let bench = Workbench::with_inputs(rare(4000, 1, 200))
        .family(
            "[network]\nfamily = \"vae\"\nhidden = [8]\nlatent = 3\nbeta = 0.001\nactivation = \"relu\"\n[score]\nname = \"mu2\"\n",
        )
        .set("calibration_events = 500", "calibration_events = 3000")
        .set(
            "pt = \"linear\"",
            "pt = \"linear\"\nscaling = \"rms\"\ninput_occupancy_exponent = { e_gamma = 0.5 }",
        );
    let anomalies = EventMatrix::new(rare(300, 99, 1), K);
    let difference = |bench: Workbench| {
        bench.train().unwrap();
        let float = score(&bench.bundle(), Engine::Rten, Precision::Float, &anomalies);
        let int8 = score(&bench.bundle(), Engine::Rten, Precision::Int8, &anomalies);
        let differences = int8.iter().zip(&float).map(|(int8, float)| (int8 - float).abs());
        differences.sum::<f32>() / float.iter().sum::<f32>()
    };
    let whole = difference(bench.clone().set("coverage = 0.9999", "coverage = 1.0"));
    let cut = difference(bench.set("coverage = 0.9999", "coverage = 0.999\nbalance = 0.0"));
    assert!(whole < 0.05, "{whole}, {cut}");
    assert!(cut > 5.0 * whole, "a range that leaves them out costs them: {cut} and {whole}");
}

#[test]
fn layers_stay_in_single_precision_where_the_recipe_says_so() {
    let events = EventMatrix::new(background(500, 99), K);
    for (float_layers, quantised) in [("[]", 4), ("[3]", 3), ("[1, 2]", 2), ("[0, 1, 2]", 1)] {
        let lines = format!("coverage = 1.0\nfloat_layers = {float_layers}");
        let bench = Workbench::new().set("coverage = 0.9999", &lines);
        bench.train().unwrap();
        let graph = ModelBundle::open(&bench.bundle()).unwrap().graph(Precision::Int8).unwrap();
        assert_eq!(graph.summary.operators["QuantizeLinear"], quantised, "{float_layers}");
        let float = score(&bench.bundle(), Engine::Rten, Precision::Float, &events);
        for engine in ENGINES {
            let int8 = score(&bench.bundle(), engine, Precision::Int8, &events);
            let sums = int8.iter().zip(&float).map(|(int8, float)| (int8 - float).abs()).sum::<f32>();
            let mean = float.iter().sum::<f32>();
            assert!(sums < 0.05 * mean && sums > 0.0, "{float_layers}, {engine:?}: {}", sums / mean);
        }
    }
}

#[test]
fn an_absent_object_does_not_count() {
    let bench = Workbench::new();
    bench.train().unwrap();
    let mut empty = vec![0.0; 3 * K];
    // A lone jet in the second event; angles without a momentum in the third, which no reconstruction error sees.
    empty[K + 27..K + 30].copy_from_slice(&[30.0, 1.0, 2.0]);
    empty[2 * K + 28..2 * K + 30].copy_from_slice(&[1.0, 2.0]);
    let events = EventMatrix::new(empty, K);
    for engine in ENGINES {
        for precision in [Precision::Float, Precision::Int8] {
            let scores = score(&bench.bundle(), engine, precision, &events);
            assert_eq!((scores[0], scores[2]), (0.0, 0.0), "{engine:?} {precision}: no object, no error");
            assert!(scores[1] > 0.0, "{engine:?} {precision}: a jet has an error");
        }
    }
}

#[test]
fn inputs_that_are_not_finite_never_give_a_finite_reconstruction_error() {
    let unmasked = "[network]\nfamily = \"autoencoder\"\nhidden = [6]\nactivation = \"relu\"\n[score]\nmasking = false\n";
    let benches = [
        Workbench::new(),
        Workbench::new().set("pt = \"linear\"", LOG1P),
        Workbench::new().family(unmasked),
        Workbench::new().family(unmasked).set("pt = \"linear\"", "scaling = \"standardise\""),
    ];
    for (case, bench) in benches.iter().enumerate() {
        bench.train().unwrap();
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut inputs = background(K, 5);
            (0..K).for_each(|input| inputs[input * K + input] = value);
            let events = EventMatrix::new(inputs, K);
            for engine in ENGINES {
                for precision in [Precision::Float, Precision::Int8] {
                    let scores = score(&bench.bundle(), engine, precision, &events);
                    let finite: Vec<usize> = (0..K).filter(|&input| scores[input].is_finite()).collect();
                    assert!(
                        finite.is_empty(),
                        "{engine:?} {precision}, case {case}, {value} in inputs {finite:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_score_of_several_terms_is_the_largest_share() {
    let (trained, split) = Workbench::new().extra("terms").train_networks();
    let model = &trained.model;
    assert_eq!((model.preprocessing.terms().len(), model.divisors.len()), (2, 2));
    let leptons = &model.preprocessing.terms()[0];
    // MET and jets are not in the first term, angles weigh less; both terms are in the loss.
    assert!(leptons[0] == 0.0 && leptons[54] == 0.0 && leptons[3] > 0.0);
    assert!((leptons[4] / leptons[3] - 0.03).abs() < 1e-6);
    let both = model.preprocessing.terms().iter().map(|term| term[3]).sum::<f32>();
    assert!((model.preprocessing.weight()[3] / both - 1.0).abs() < 1e-6);
    // 1500 events at 1e-4: beyond the divisors there is at most the largest event of each term.
    let above = split.training.iter().filter(|row| model.score(row) > 1.0).count();
    assert!((1..=2).contains(&above), "{above}");
}

#[test]
fn what_the_network_reads_is_limited_and_what_it_reconstructs_is_not() {
    let (trained, split) = Workbench::new().extra("saturated").train_networks();
    let row = split.training.iter().find(|row| row[0] > 60.0).unwrap();
    let read = trained.model.network_inputs(row);
    assert!(read.iter().all(|value| value.abs() <= 1.5) && read.contains(&1.5));
    let mut harder = row.to_vec();
    harder[0] *= 2.0;
    let model = &trained.model;
    assert_eq!(model.network_inputs(&harder), read);
    // The reconstruction is the same, and the error of one input larger.
    let found = model.members[0].network.outputs(&read)[0];
    let squared = |row: &[f32]| (found - row[0] * model.preprocessing.scale()[0]).powi(2);
    let expected = model.preprocessing.weight()[0] * (squared(&harder) - squared(row));
    let difference = model.score(&harder) - model.score(row);
    assert!((difference - expected).abs() < 1e-3 * expected.abs(), "{difference} and {expected}");
    assert!(expected > 0.0);
}

#[test]
fn input_weights_are_in_what_the_network_reads() {
    let plain = Workbench::new().train_networks().0.model.preprocessing;
    let weighted = Workbench::new().extra("weighted_inputs").train_networks().0.model.preprocessing;
    let ratio = |input: usize| weighted.scale()[input] / plain.scale()[input];
    // Objects other than MET are present in half of the events.
    assert!((ratio(0) - 1.0).abs() < 1e-6 && (ratio(27) - 1.0).abs() < 1e-6);
    assert!((ratio(3) - 0.5_f32.powf(-0.4)).abs() < 0.05, "{}", ratio(3));
    assert!((ratio(15) - 0.5_f32.powf(-0.3)).abs() < 0.05, "{}", ratio(15));
    assert!((ratio(4) / ratio(3) - 0.2).abs() < 1e-6);
    assert!((ratio(28) - 0.2).abs() < 1e-6);
}
