//! Every engine on every graph of every bundle in `models/`, and on graphs that look for trouble, at every batch size.
//! What is not in a list here is found: engines by [`Engine`], bundles and graphs in the folder.
//!
//! Tolerances are relative differences of scores. Engines sum in different orders, and so does one engine for a single
//! event, a matrix times a vector, and for several. A score is a sum of squared differences of nearly equal numbers:
//! of the sample's smallest scores single precision itself knows only 2e-5 (against the same graph in double precision,
//! either engine). Where an input of a quantised layer lies on the boundary of two steps, the last bit of a float
//! decides on which side it falls, so of int8 scores a few in a hundred may differ by a step.

mod common;

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use common::{K, fixed_program, graph, sum_of_squares, write_bundle, write_fixed_bundle};
use trigsieve::event::{ElementType, Encoding, Quantity, Rows, Values};
use trigsieve::model::{ModelBundle, Precision};
use trigsieve::score::{Engine, ScoreError, Scorer, ScorerSpec, Simd};
use trigsieve_fixed::Interpreter;
use trigsieve_onnx::{Attribute, TensorData};

const BATCH_SIZES: [usize; 5] = [1, 2, 7, 64, 1000];
/// Not a multiple of any batch size above 1, so that every one of them ends in a partial batch.
const EVENTS: usize = 2003;

/// Of one engine between batches of two and more; 2.4e-7 was measured with an autoencoder, 2.0e-6 with sum mu^2 / sigma^2,
/// where it is a matter of the exponential's last bits.
const BATCH_TOLERANCE: f32 = 5e-6;
/// Of one engine between a single event and a batch: 1.8e-6 was measured here and 3.1e-5 on the sample, both with
/// rten, which has a kernel of its own for this case.
const SINGLE_TOLERANCE: f32 = 5e-5;
/// Between engines in single precision; 3.5e-7 was measured.
const FLOAT_TOLERANCE: f32 = 1e-5;
/// Between engines in int8, and between batches of one: the last bit of a float decides on which of two quantisation steps it lands. 3 of 250,000
/// background events are on different ones, the worst 0.17 apart. All but one in a hundred agree to the tolerance of
/// floats, none is further off than this.
const INT8_TOLERANCE: f32 = 0.2;
/// Of int8 scores, one in so many may differ by a step; [`CURVED`] activations are computed in single precision between
/// two quantisations, and engines approximate them: of 884 such inputs of layers, 6.8 % of the scores were affected.
const INT8_APART: [usize; 2] = [100, 10];
/// Activations that are no piece of a straight line.
const CURVED: [&str; 4] = ["Elu", "Exp", "Sigmoid", "Tanh"];

/// A graph of a bundle, and what it takes.
struct Subject {
    bundle: ModelBundle,
    precision: Precision,
    inputs: Vec<f32>,
}

impl Subject {
    fn name(&self) -> String {
        format!("{} {}", self.bundle.folder().display(), self.precision)
    }

    fn k(&self) -> usize {
        self.bundle.card().inputs
    }

    fn rows(&self) -> Rows<'_> {
        Rows::new(Values::F32(&self.inputs), self.k())
    }

    /// The engines that run this precision.
    fn engines(&self) -> Vec<Engine> {
        let engines = Engine::value_variants().iter().copied();
        engines.filter(|engine| engine.precisions().contains(&self.precision)).collect()
    }

    fn scorer(&self, engine: Engine) -> Box<dyn Scorer> {
        let spec = ScorerSpec { engine, precision: self.precision, ..ScorerSpec::default() };
        spec.scorer(&self.bundle).unwrap_or_else(|error| panic!("{}, {engine:?}: {error}", self.name()))
    }

    /// How many scores of two engines or batches have to agree to the tolerance.
    fn least_equal(&self) -> usize {
        let curved = self.precision == Precision::Int8 && {
            let operators = self.bundle.graph(self.precision).unwrap().summary.operators;
            CURVED.iter().any(|name| operators.contains_key(*name))
        };
        EVENTS - EVENTS / INT8_APART[usize::from(curved)]
    }

    fn scores(&self, engine: Engine, batch: usize) -> Vec<f32> {
        score(self.scorer(engine).as_mut(), self.rows(), batch)
    }
}

fn score(scorer: &mut dyn Scorer, rows: Rows<'_>, batch: usize) -> Vec<f32> {
    // What a scorer leaves unwritten shows.
    let mut scores = vec![f32::NAN; rows.len()];
    for (index, scores) in scores.chunks_mut(batch).enumerate() {
        scorer.score(rows.slice(index * batch, scores.len()), scores).unwrap();
    }
    scores
}

/// Every graph of every bundle in `models/`.
fn bundled() -> Vec<Subject> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| folder.join("model.toml").exists());
    folders.sort();
    assert!(!folders.is_empty(), "no bundle in {}", folder.display());
    folders.iter().flat_map(|folder| subjects(folder)).collect()
}

fn subjects(folder: &Path) -> Vec<Subject> {
    let bundle = ModelBundle::open(folder).unwrap();
    let inputs = trigger_like(&bundle.card().encoding, bundle.card().inputs);
    let has = |precision: &Precision| bundle.card().files.contains_key(precision.file());
    let precisions = Precision::ALL.into_iter().filter(has);
    precisions
        .map(|precision| Subject { bundle: bundle.clone(), precision, inputs: inputs.clone() })
        .collect()
}

/// Inputs as at a trigger, by what the encoding says they are: a falling spectrum of pT, eta and phi, energies that go with
/// them, and objects that are absent. Where the encoding is a test's own they are pT, eta and phi in turn.
fn trigger_like(encoding: &str, k: usize) -> Vec<f32> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut uniform = move || {
        // xorshift64* (Vigna, ACM TOMS 42 (2016) 30).
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40) as f32 / (1 << 24) as f32
    };
    let meanings: Vec<(String, Quantity)> = match encoding.parse::<Encoding>() {
        Ok(encoding) => encoding.meanings().into_iter().map(|input| (input.object, input.quantity)).collect(),
        Err(_) => {
            let in_turn = [Quantity::Pt, Quantity::Eta, Quantity::Phi].into_iter().cycle();
            in_turn.enumerate().take(k).map(|(input, quantity)| ((input / 3).to_string(), quantity)).collect()
        }
    };
    assert_eq!(meanings.len(), k);
    let mut inputs = Vec::with_capacity(EVENTS * k);
    for _ in 0..EVENTS {
        let (mut object, mut present, mut pt, mut eta) = ("", true, 0.0, 0.0_f32);
        for (of, quantity) in &meanings {
            let draw = uniform();
            if object != of {
                (object, present) = (of, draw < 0.7);
            }
            inputs.push(match quantity {
                _ if !present => 0.0,
                Quantity::Pt => {
                    pt = 5.0 - 25.0 * (1.0 - uniform()).ln();
                    pt
                }
                Quantity::Eta => {
                    eta = (draw - 0.5) * 5.0;
                    eta
                }
                Quantity::Phi => (draw - 0.5) * std::f32::consts::TAU,
                Quantity::Energy => pt * eta.cosh(),
                Quantity::Px | Quantity::Py | Quantity::Pz => (draw - 0.5) * 100.0,
                Quantity::Mass | Quantity::DeltaMass | Quantity::Tau1 | Quantity::Tau2 | Quantity::Tau3 => {
                    draw * 100.0
                }
                Quantity::Tau21 => draw,
                Quantity::Count | Quantity::Presence | Quantity::Is(_) => 1.0,
            });
        }
    }
    inputs
}

/// Graphs whose shapes and operators have surprised an engine before, or well could.
fn fixtures(folder: &Path) -> Vec<Subject> {
    let flat = || vec![Attribute::int("keepdims", 0)];
    let matrix = |rows: usize, columns: usize| {
        let values = (0..rows * columns).map(|i| ((i * 37 % 19) as f32 - 9.0) / 10.0).collect();
        (vec![rows, columns], TensorData::F32(values))
    };
    // An object that is absent is all zero, and its difference to the reconstruction must not count.
    let masked = graph(K, |graph, inputs| {
        let zero = graph.constant("zero", &[], TensorData::F32(vec![0.0])).unwrap();
        let present = graph.node("Greater", &[inputs, &zero], "present", vec![]).unwrap();
        let mask = graph.node("Cast", &[&present], "mask", vec![Attribute::int("to", 1)]).unwrap();
        let offset = graph.constant("offset", &[1, K], TensorData::F32(vec![-3.0; K])).unwrap();
        let shifted = graph.node("Add", &[inputs, &offset], "shifted", vec![]).unwrap();
        let kept = graph.node("Mul", &[&shifted, &mask], "kept", vec![]).unwrap();
        let squares = graph.node("Mul", &[&kept, &kept], "squares", vec![]).unwrap();
        let axes = graph.constant("axes", &[1], TensorData::I64(vec![1])).unwrap();
        let sum = graph.node("ReduceSum", &[&squares, &axes], "sum", flat()).unwrap();
        let one = graph.constant("one", &[], TensorData::F32(vec![1.0])).unwrap();
        graph.node("Add", &[&sum, &one], "score", vec![]).unwrap()
    });
    let dense = graph(K, |graph, inputs| {
        let (shape, values) = matrix(K, 5);
        let weights = graph.constant("weights", &shape, values).unwrap();
        let bias = graph.constant("bias", &[5], TensorData::F32(vec![0.1, -0.2, 0.3, 0.0, 1e-3])).unwrap();
        let layer = graph.node("Gemm", &[inputs, &weights, &bias], "layer", vec![]).unwrap();
        let hidden = graph.node("Relu", &[&layer], "hidden", vec![]).unwrap();
        let axes = graph.constant("axes", &[1], TensorData::I64(vec![1])).unwrap();
        graph.node("ReduceSum", &[&hidden, &axes], "score", flat()).unwrap()
    });
    // One output a row, squeezed: the last axis is gone whatever the batch, also for a batch of one.
    let squeezed = graph(K, |graph, inputs| {
        let (shape, values) = matrix(K, 1);
        let weights = graph.constant("weights", &shape, values).unwrap();
        let column = graph.node("MatMul", &[inputs, &weights], "column", vec![]).unwrap();
        let axes = graph.constant("axes", &[1], TensorData::I64(vec![1])).unwrap();
        graph.node("Squeeze", &[&column, &axes], "score", vec![]).unwrap()
    });
    let graphs =
        [("sum_of_squares", sum_of_squares()), ("masked", masked), ("dense", dense), ("squeezed", squeezed)];
    for (name, bytes) in &graphs {
        write_bundle(&folder.join(name), name, bytes);
    }
    let programs =
        [("fixed_steps", fixed_program(Some(vec![0.5, 0.0435, 0.1]))), ("fixed_plain", fixed_program(None))];
    for (name, program) in &programs {
        write_fixed_bundle(&folder.join(name), name, program);
    }
    let names = graphs.iter().map(|(name, _)| name).chain(programs.iter().map(|(name, _)| name));
    names.flat_map(|name| subjects(&folder.join(name))).collect()
}

fn every_subject(check: impl Fn(&Subject)) {
    let folder = tempfile::tempdir().unwrap();
    bundled().iter().chain(&fixtures(folder.path())).for_each(check);
}

fn relative_difference(left: f32, right: f32) -> f32 {
    (left - right).abs() / left.abs().max(right.abs()).max(f32::MIN_POSITIVE)
}

/// Largest relative difference, or infinity where a score is not finite.
fn largest_difference(left: &[f32], right: &[f32]) -> f32 {
    assert_eq!(left.len(), right.len());
    let differences = left.iter().zip(right).map(|(left, right)| match relative_difference(*left, *right) {
        difference if difference.is_finite() => difference,
        _ => f32::INFINITY,
    });
    differences.fold(0.0, f32::max)
}

#[test]
fn batch_sizes_agree() {
    every_subject(|subject| {
        for engine in subject.engines() {
            let all = subject.scores(engine, EVENTS);
            for batch in BATCH_SIZES {
                let tolerance = if batch == 1 { SINGLE_TOLERANCE } else { BATCH_TOLERANCE };
                let what = format!("{}, {}, batch {batch}", subject.name(), engine.name());
                assert_agree(subject, &subject.scores(engine, batch), &all, tolerance, &what);
            }
        }
    });
}

#[test]
fn engines_agree() {
    every_subject(|subject| {
        let engines = subject.engines();
        let reference = subject.scores(engines[0], 64);
        for &engine in &engines[1..] {
            let scores = subject.scores(engine, 64);
            let what = format!("{}, {}", subject.name(), engine.name());
            assert_agree(subject, &scores, &reference, FLOAT_TOLERANCE, &what);
        }
    });
}

/// In single precision all scores agree to the tolerance; in int8 all but a few in a hundred do, and the others to a
/// quantisation step.
#[track_caller]
fn assert_agree(subject: &Subject, scores: &[f32], reference: &[f32], tolerance: f32, what: &str) {
    let largest = largest_difference(scores, reference);
    let pairs = scores.iter().zip(reference);
    let equal = pairs.filter(|(a, b)| relative_difference(**a, **b) <= tolerance).count();
    println!("{what}: largest {largest:e}, {equal} of {EVENTS} equal");
    match subject.precision {
        Precision::Float => assert!(largest <= tolerance, "{what}: {largest}"),
        Precision::Int8 => {
            assert!(largest <= INT8_TOLERANCE, "{what}: {largest}");
            assert!(equal >= subject.least_equal(), "{what}: {equal} of {EVENTS}");
        }
        Precision::Fixed => assert_eq!(scores, reference, "{what}"),
    }
}

#[test]
fn scoring_again_gives_the_same_bits() {
    every_subject(|subject| {
        for engine in subject.engines() {
            let mut scorer = subject.scorer(engine);
            let first = score(scorer.as_mut(), subject.rows(), 64);
            // Another size in between must leave nothing behind.
            score(scorer.as_mut(), subject.rows().slice(0, 7), 7);
            let second = score(scorer.as_mut(), subject.rows(), 64);
            let bits = |scores: &[f32]| scores.iter().map(|score| score.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&first), bits(&second), "{}, {engine:?}", subject.name());
        }
    });
}

#[test]
fn an_empty_batch_is_no_error() {
    every_subject(|subject| {
        for engine in subject.engines() {
            let mut scorer = subject.scorer(engine);
            scorer.score(subject.rows().slice(0, 0), &mut []).unwrap();
            assert!(score(scorer.as_mut(), subject.rows().slice(0, 1), 1)[0].is_finite());
        }
    });
}

#[test]
fn an_event_that_is_not_finite_leaves_its_neighbours_alone() {
    every_subject(|subject| {
        let k = subject.k();
        let mut inputs = subject.inputs[..9 * k].to_vec();
        inputs[2 * k] = f32::NAN;
        inputs[3 * k..4 * k].fill(f32::INFINITY);
        inputs[8 * k + k - 1] = f32::NEG_INFINITY;
        let broken = Rows::new(Values::F32(&inputs), k);
        for engine in subject.engines() {
            let mut scorer = subject.scorer(engine);
            let clean = score(scorer.as_mut(), subject.rows().slice(0, 9), 9);
            let scores = score(scorer.as_mut(), broken, 9);
            for event in [0, 1, 4, 5, 6, 7] {
                assert_eq!(scores[event], clean[event], "{}, {engine:?}, event {event}", subject.name());
            }
        }
    });
}

#[test]
fn what_does_not_fit_is_refused() {
    every_subject(|subject| {
        let k = subject.k();
        let integers = vec![0_i16; k];
        let wide = vec![0.0; k + 1];
        for engine in subject.engines() {
            let mut scorer = subject.scorer(engine);
            let mut scores = [0.0; 2];
            let wrong_k = scorer.score(Rows::new(Values::F32(&wide), k + 1), &mut scores[..1]);
            assert!(matches!(wrong_k, Err(ScoreError::Shape { .. })), "{engine:?}: {wrong_k:?}");
            let too_few = scorer.score(subject.rows().slice(0, 3), &mut scores);
            assert!(matches!(too_few, Err(ScoreError::Shape { .. })), "{engine:?}: {too_few:?}");
            let element = scorer.score(Rows::new(Values::I16(&integers), k), &mut scores[..1]);
            match subject.precision {
                Precision::Fixed => element.unwrap(),
                Precision::Float | Precision::Int8 => assert!(
                    matches!(element, Err(ScoreError::Element { found: ElementType::I16, .. })),
                    "{engine:?}: {element:?}"
                ),
            }
        }
    });
}

#[test]
fn scorers_of_one_bundle_run_side_by_side() {
    every_subject(|subject| {
        for engine in subject.engines() {
            let expected = subject.scores(engine, 64);
            std::thread::scope(|scope| {
                let threads: Vec<_> = (0..3).map(|_| scope.spawn(|| subject.scores(engine, 64))).collect();
                for thread in threads {
                    assert_eq!(thread.join().unwrap(), expected, "{}, {engine:?}", subject.name());
                }
            });
        }
    });
}

/// Integer arithmetic has no tolerance: the engine's scores are those of the specification, event by event.
#[test]
fn fixed_scores_are_those_of_the_specification() {
    let folder = tempfile::tempdir().unwrap();
    let fixtures = fixtures(folder.path());
    let bundled = bundled();
    for subject in bundled.iter().chain(&fixtures).filter(|subject| subject.precision == Precision::Fixed) {
        let program = subject.bundle.program().unwrap();
        let mut specification = Interpreter::new(program.program());
        let physical =
            subject.inputs.chunks(subject.k()).map(|row| specification.run_f32(row)).collect::<Vec<_>>();
        let integers: Vec<i16> = subject.inputs.iter().map(|value| (value * 37.0) as i16).collect();
        let counted = integers.chunks(subject.k()).map(|row| specification.run_i16(row)).collect::<Vec<_>>();
        let value =
            |raw: Vec<i128>| raw.into_iter().map(|raw| specification.score_value(raw)).collect::<Vec<f32>>();
        let (physical, counted) = (value(physical), value(counted));
        let rows = Rows::new(Values::I16(&integers), subject.k());
        for simd in Simd::available() {
            let spec = ScorerSpec {
                engine: Engine::Fixed,
                precision: Precision::Fixed,
                simd: Some(simd),
                ..ScorerSpec::default()
            };
            let mut scorer = spec.scorer(&subject.bundle).unwrap();
            assert!(scorer.describe().contains(simd.name()), "{}", scorer.describe());
            assert_eq!(score(scorer.as_mut(), subject.rows(), 100), physical, "{}, {simd}", subject.name());
            assert_eq!(score(scorer.as_mut(), rows, 100), counted, "{}, {simd}", subject.name());
        }
    }
}
