//! The exported graphs compute what burn computes: on every engine, for every preprocessing.

mod common;

use std::path::Path;

use common::{K, Workbench, background};
use trigsieve::event::Encoding;
use trigsieve::model::{ModelBundle, Precision};
use trigsieve::score::{Engine, ScorerSpec};
use trigsieve_train::data::{self, EventMatrix};
use trigsieve_train::fit::score_events;
use trigsieve_train::fit_autoencoder;
use trigsieve_train::preprocessing::Preprocessing;

/// Relative tolerance between engines: sums of some hundred single-precision terms in another order, after a
/// difference of similar numbers.
const RELATIVE: f32 = 1e-4;

const LOG1P: &str = "pt = { log1p = { scale_gev = 10.0 } }";

/// Every engine; one that is not installed fails the test.
const ENGINES: [Engine; 2] = [Engine::Rten, Engine::Onnx];

fn score(bundle: &Path, engine: Engine, precision: Precision, events: &EventMatrix) -> Vec<f32> {
    let spec = ScorerSpec { engine, precision, ..ScorerSpec::default() };
    let mut scorer = spec.scorer(&ModelBundle::open(bundle).unwrap()).unwrap();
    let mut scores = vec![0.0; events.len()];
    scorer.score(events.rows(), &mut scores).unwrap();
    scores
}

fn burn_scores(bench: &Workbench, events: &EventMatrix) -> Vec<f32> {
    let recipe = bench.recipe().unwrap().recipe;
    let split = data::load(&recipe, Encoding::L1x57, bench.folder.path()).unwrap();
    let preprocessing = Preprocessing::fit(&recipe, Encoding::L1x57, &split.training).unwrap();
    let fitted = fit_autoencoder(&recipe, &preprocessing, &split, &indicatif::ProgressBar::hidden()).unwrap();
    score_events(&fitted.model, events, &preprocessing).unwrap()
}

#[test]
fn float_graphs_agree_with_burn() {
    let events = EventMatrix::new(background(333, 99), K);
    for pt in ["pt = \"linear\"", LOG1P] {
        let bench = Workbench::new().set("pt = \"linear\"", pt);
        bench.train().unwrap();
        let expected = burn_scores(&bench, &events);
        for engine in ENGINES {
            let found = score(&bench.bundle(), engine, Precision::Float, &events);
            for (found, expected) in found.iter().zip(&expected) {
                let difference = (found - expected).abs() / expected;
                assert!(difference <= RELATIVE, "{engine:?}, {pt}: {found} and {expected}");
            }
        }
    }
}

#[test]
fn int8_graphs_stay_near_float() {
    let events = EventMatrix::new(background(500, 99), K);
    for pt in ["pt = \"linear\"", LOG1P] {
        let bench = Workbench::new().set("pt = \"linear\"", pt);
        bench.train().unwrap();
        for engine in ENGINES {
            let float = score(&bench.bundle(), engine, Precision::Float, &events);
            let int8 = score(&bench.bundle(), engine, Precision::Int8, &events);
            let differences: Vec<f32> =
                int8.iter().zip(&float).map(|(int8, float)| (int8 - float).abs() / float).collect();
            let mean = differences.iter().sum::<f32>() / differences.len() as f32;
            assert!(mean < 0.05, "{engine:?}, {pt}: mean relative difference {mean}");
            assert!(mean > 0.0, "{engine:?}, {pt}: the int8 graph is not quantised");
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
fn inputs_that_are_not_finite_never_give_a_finite_score() {
    for pt in ["pt = \"linear\"", LOG1P] {
        let bench = Workbench::new().set("pt = \"linear\"", pt);
        bench.train().unwrap();
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut inputs = background(K, 5);
            (0..K).for_each(|input| inputs[input * K + input] = value);
            let events = EventMatrix::new(inputs, K);
            for engine in ENGINES {
                for precision in [Precision::Float, Precision::Int8] {
                    let scores = score(&bench.bundle(), engine, precision, &events);
                    let finite: Vec<usize> = (0..K).filter(|&input| scores[input].is_finite()).collect();
                    assert!(finite.is_empty(), "{engine:?} {precision} {pt}, {value} in inputs {finite:?}");
                }
            }
        }
    }
}
