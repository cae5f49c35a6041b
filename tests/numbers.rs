//! Numbers that an adversary, or a broken channel, would choose: the engines agree on what is invalid, and no event is lost.

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, UInt32Type, UInt64Type};
use common::{K, card, fixed_program, graph, report, success, trigsieve, write_fixed_bundle};
use trigsieve::event::{ElementType, EventSchema, EventTable, EventWriter};
use trigsieve::model::sha256_hex;
use trigsieve::score::Simd;
use trigsieve::trigger::INVALID_BIT;
use trigsieve_onnx::{Attribute, TensorData};

/// Inputs of the encoding `l1_57`: MET, then 18 objects, each (pT, eta, phi).
const INPUTS: usize = 57;
const ENGINES: [[&str; 4]; 5] = [
    ["--engine", "onnx", "--precision", "float"],
    ["--engine", "onnx", "--precision", "int8"],
    ["--engine", "rten", "--precision", "float"],
    ["--engine", "rten", "--precision", "int8"],
    ["--engine", "fixed", "--precision", "fixed"],
];

/// NaNs of both signs, quiet and signalling, with payloads; infinities.
const NOT_FINITE: [u32; 8] =
    [0x7fc0_0000, 0xffc0_0000, 0x7f80_0001, 0xff80_0001, 0x7fff_ffff, 0xffbf_ffff, 0x7f80_0000, 0xff80_0000];

/// Numbers at the edges of single precision that are none of a detector, but finite.
const TINY: [f32; 6] = [-0.0, 1e-45, -1e-45, 1e-40, f32::MIN_POSITIVE, -f32::MIN_POSITIVE];

fn event() -> Vec<f32> {
    let object = |pt: f32, eta: f32, phi: f32| [pt, eta, phi];
    let mut event = [object(42.0, 0.0, 1.5), object(31.0, -0.7, 2.9), object(0.0, 0.0, 0.0)].concat();
    event.extend(
        (3..INPUTS / 3).flat_map(|place| object(90.0 / place as f32, 0.2 * place as f32 - 2.0, -3.0)),
    );
    event
}

/// Events with finite inputs that a detector can send: every engine has to decide on them.
fn valid() -> Vec<Vec<f32>> {
    let zero = vec![0.0; INPUTS];
    let no_momentum = |mut event: Vec<f32>| {
        event.iter_mut().step_by(3).for_each(|pt| *pt = 0.0);
        event
    };
    // The largest counts of the global trigger: pT of 11 bits at 0.5 GeV, MET of 16 bits, eta and phi of 9.
    let largest = |sign: f32| (0..INPUTS / 3).flat_map(|_| [1023.5, sign * 5.0, sign * 3.1]).collect();
    let mut events = vec![event(), zero.clone(), no_momentum(event()), largest(1.0), largest(-1.0)];
    for value in TINY {
        events.push(vec![value; INPUTS]);
        for place in [0, 3, 4, 5, INPUTS - 1] {
            let mut one = event();
            one[place] = value;
            events.push(one);
        }
    }
    events
}

fn not_finite() -> Vec<Vec<f32>> {
    let of = |bits: u32| {
        (0..INPUTS).map(move |place| {
            let mut one = event();
            one[place] = f32::from_bits(bits);
            one
        })
    };
    NOT_FINITE.into_iter().flat_map(of).chain([vec![f32::NAN; INPUTS], vec![f32::INFINITY; INPUTS]]).collect()
}

/// Finite, and beyond any unit that a detector has.
fn absurd() -> Vec<Vec<f32>> {
    let of = |value: f32| {
        [0, 3, 4, 5].into_iter().map(move |place| {
            let mut one = event();
            one[place] = value;
            one
        })
    };
    [-50.0, 1e7, 1e20, f32::MAX, f32::MIN].into_iter().flat_map(of).collect()
}

fn write(path: &Path, events: &[Vec<f32>]) {
    let schema = EventSchema {
        encoding: "l1_57".into(),
        k: INPUTS,
        element: ElementType::F32,
        features: Vec::new(),
        sources: Vec::new(),
    };
    let mut writer = EventWriter::create(path, schema.to_arrow([])).unwrap();
    let ids: Vec<u64> = (0..events.len() as u64).collect();
    writer.write_events(ids.clone(), ids, events.concat(), Vec::new()).unwrap();
    writer.finish().unwrap();
}

/// Score and decision of each event, by its id.
fn tagged(out: &Path, model: &str) -> BTreeMap<u64, (f32, u32)> {
    let table = EventTable::open(&out.join("tagged.arrow")).unwrap();
    let mut found = BTreeMap::new();
    for batch in table.batches() {
        let batch = batch.record_batch();
        let ids = batch["event_id"].as_primitive::<UInt64Type>().values().iter();
        let scores = batch[&*format!("score_{model}")].as_primitive::<Float32Type>().values().iter();
        let decisions = batch["decision"].as_primitive::<UInt32Type>().values().iter();
        found
            .extend(ids.zip(scores).zip(decisions).map(|((id, score), decision)| (*id, (*score, *decision))));
    }
    found
}

fn replay(events: &Path, model: &str, out: &Path) -> Command {
    let mut command =
        trigsieve(&["replay", "--threshold=-1e30", "--allow-degenerate", "-q", "--model", model, "-o"]);
    command.arg(out).arg(events);
    command
}

#[test]
fn engines_agree_on_what_is_invalid() {
    let folder = tempfile::tempdir().unwrap();
    let events = folder.path().join("events.arrow");
    let (valid, not_finite, absurd) = (valid(), not_finite(), absurd());
    let all = [valid.clone(), not_finite.clone(), absurd.clone()].concat();
    write(&events, &all);
    for model in ["l1_ae", "l1_vae", "l1_svdd"] {
        for engine in ENGINES {
            for batch in ["1", "64"] {
                let out = folder.path().join(format!("{model}-{}-{}-{batch}", engine[1], engine[3]));
                success(
                    replay(&events, &format!("models/{model}"), &out).args(engine).args(["--batch", batch]),
                );
                let found = tagged(&out, model);
                assert_eq!(
                    found.len(),
                    all.len(),
                    "every event is accepted or invalid, so every one is written"
                );
                for (id, (score, decision)) in found {
                    let what =
                        || format!("{model} {engine:?} batch {batch}, event {id}: {:?}", all[id as usize]);
                    let expected = match id as usize {
                        id if id < valid.len() => Some(1),
                        id if id < valid.len() + not_finite.len() => Some(INVALID_BIT),
                        // The engines differ in where they overflow: what does is invalid, what does not is decided.
                        _ if score.is_finite() => Some(1),
                        _ => Some(INVALID_BIT),
                    };
                    assert_eq!(Some(decision), expected, "{}", what());
                }
                let invalid = report(&out, "/events_invalid").as_u64().unwrap();
                assert!(invalid >= not_finite.len() as u64);
                assert_eq!(report(&out, "/counters_add_up"), true);
            }
        }
    }
}

/// Negative zero is zero. Of the other tiny numbers an engine may make zero or not, where it asks whether an object is
/// there, but the same of each of a sign: were denormals flushed, those would go another way than the smallest normal number.
#[test]
fn denormals_score_like_the_smallest_normal_number() {
    let folder = tempfile::tempdir().unwrap();
    let events = folder.path().join("events.arrow");
    let values =
        [0.0, -0.0, f32::MIN_POSITIVE, 1e-45, 1e-40, 9e-39, -f32::MIN_POSITIVE, -1e-45, -1e-40, -9e-39];
    write(&events, &values.map(|value| vec![value; INPUTS]));
    for model in ["l1_ae", "l1_vae", "l1_svdd"] {
        for engine in ENGINES {
            let out = folder.path().join(format!("{model}-{}-{}", engine[1], engine[3]));
            success(replay(&events, &format!("models/{model}"), &out).args(engine));
            let scores: Vec<f32> = tagged(&out, model).into_values().map(|(score, _)| score).collect();
            for (alike, like) in [(1..2, 0), (3..6, 2), (7..10, 6)] {
                for event in alike {
                    let (score, other) = (scores[event], scores[like]);
                    let what = || {
                        format!(
                            "{model} {engine:?}: {score} at {}, {other} at {}",
                            values[event], values[like]
                        )
                    };
                    assert!((score - other).abs() <= 1e-6 * other.abs().max(1.0), "{}", what());
                }
            }
        }
    }
}

#[test]
fn the_ends_of_the_hardware_integers_are_numbers_like_others() {
    let folder = tempfile::tempdir().unwrap();
    let (events, model) = (folder.path().join("events.arrow"), folder.path().join("model"));
    write_fixed_bundle(&model, "toy", &fixed_program(None));
    let schema = EventSchema {
        encoding: common::ENCODING.into(),
        k: K,
        element: ElementType::I16,
        features: Vec::new(),
        sources: Vec::new(),
    };
    let ends = [i16::MIN, i16::MIN + 1, -1, 0, 1, i16::MAX - 1, i16::MAX];
    let mut inputs = Vec::new();
    for a in ends {
        for b in ends {
            ends.iter().for_each(|c| inputs.extend([a, b, *c]));
        }
    }
    let ids: Vec<u64> = (0..(inputs.len() / K) as u64).collect();
    let mut writer = EventWriter::create(&events, schema.to_arrow([])).unwrap();
    writer.write_integers(ids.clone(), ids.clone(), inputs, Vec::new()).unwrap();
    writer.finish().unwrap();
    let mut expected = None;
    for simd in Simd::available() {
        let out = folder.path().join(simd.name());
        success(replay(&events, model.to_str().unwrap(), &out).args([
            "--engine",
            "fixed",
            "--simd",
            simd.name(),
        ]));
        let found = tagged(&out, "toy");
        assert_eq!(found.len(), ids.len());
        assert!(found.values().all(|(score, decision)| score.is_finite() && *decision == 1));
        assert_eq!(*expected.get_or_insert_with(|| found.clone()), found, "{simd}");
    }
}

/// As many objects as nobody has seen, and none: what the encoding has room for is taken, and the rest is not lost on the way.
#[test]
fn no_objects_and_65_535_objects() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let object = |number: usize| format!("j,{}.5e3,{}e3,0.5,1.0", number + 1, number + 1);
    let many: Vec<String> = (0..65_535).map(object).collect();
    let lines =
        ["1;background;1;50000;1.5".to_owned(), format!("2;background;1;50000;1.5;{}", many.join(";"))];
    std::fs::write(path("events.csv"), lines.join("\n") + "\n").unwrap();
    let mut convert = trigsieve(&["convert", "--from", "darkmachines", "--encoding", "simple_ae_34", "-q"]);
    success(convert.arg(path("events.csv")).arg("-o").arg(path("events.arrow")));

    let table = EventTable::open(&path("events.arrow")).unwrap();
    assert_eq!(table.len(), 2);
    let objects = table.batches()[0].record_batch()["objects"].as_list::<i32>();
    assert_eq!((objects.value_length(0), objects.value_length(1)), (0, 65_535));

    let sum = graph(34, |graph, inputs| {
        let axes = graph.constant("axes", &[1], TensorData::I64(vec![1])).unwrap();
        graph.node("ReduceSum", &[inputs, &axes], "score", vec![Attribute::int("keepdims", 0)]).unwrap()
    });
    let model = path("model");
    std::fs::create_dir(&model).unwrap();
    std::fs::write(model.join("float.onnx"), &sum).unwrap();
    std::fs::write(model.join("model.toml"), card("sum", "simple_ae_34", 34, &sha256_hex(&sum))).unwrap();
    let out = path("out");
    success(replay(&path("events.arrow"), model.to_str().unwrap(), &out).args(["--engine", "rten"]));
    let found = tagged(&out, "sum");
    assert_eq!(found.len(), 2);
    assert!(found.values().all(|(score, decision)| score.is_finite() && *decision == 1));
    // The eight leading jets, in GeV: 65,535 and the seven below it.
    let leading: f32 = (0..8).map(|rank| 65_535.0 - rank as f32).sum();
    let scores: Vec<f32> = found.values().map(|(score, _)| *score).collect();
    assert!(scores[1] - scores[0] > 2.0 * leading * 0.999, "{scores:?}");
}
