//! The fixed engine through the program: hardware integers from the file to the tagged events, physical values at the
//! door, and what is refused.

mod common;

use std::path::Path;
use std::process::Command;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, UInt32Type};
use common::{
    ENCODING, Fixture, K, card, failure, fixed_program, fixed_score, integers_of, names_in, report, success,
    trigsieve, write_fixed_bundle, write_integers, write_physical,
};
use trigsieve::event::{ElementType, EventTable, Values};
use trigsieve::model::sha256_hex;
use trigsieve::score::Simd;
use trigsieve::trigger::INVALID_BIT;

const EVENTS: usize = 5000;
const UNIT: f64 = 0.5;

/// A folder with hardware integers and a bundle that has only a fixed-point program.
fn fixture(events: usize) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let (table, model) = (folder.path().join("events.arrow"), folder.path().join("model"));
    write_integers(&table, events, "0.5 GeV");
    write_fixed_bundle(&model, "toy", &fixed_program(Some(vec![UNIT; K])));
    Fixture { folder, events: table, model }
}

fn replay(fixture: &Fixture, events: &Path, output: &Path, flags: &[&str]) -> Command {
    let mut command = trigsieve(&["replay", "--engine", "fixed"]);
    command.arg(events).arg("--model").arg(&fixture.model).arg("-o").arg(output).args(flags);
    command
}

/// Scores and decisions of the tagged events.
fn tagged(output: &Path) -> (Vec<f32>, Vec<u32>) {
    let table = EventTable::open(&output.join("tagged.arrow")).unwrap();
    let mut found = (Vec::new(), Vec::new());
    for batch in table.batches() {
        found.0.extend_from_slice(batch.record_batch()["score_toy"].as_primitive::<Float32Type>().values());
        found.1.extend_from_slice(batch.record_batch()["decision"].as_primitive::<UInt32Type>().values());
    }
    found
}

fn expected() -> Vec<f32> {
    (0..EVENTS as u64).map(|id| fixed_score(integers_of(id))).collect()
}

#[test]
fn hardware_integers_go_through_unchanged() {
    let fixture = fixture(EVENTS);
    assert!(expected().iter().filter(|score| **score > 0.0).count() > EVENTS / 3, "the events say something");
    for flags in
        [&["--workers", "1"][..], &["--workers", "3", "--batch", "7"], &["--rate", "10MHz", "--batch", "100"]]
    {
        let out = fixture.path("out");
        success(&mut replay(
            &fixture,
            &fixture.events,
            &out,
            &[flags, &["--threshold", "-1", "--force"]].concat(),
        ));
        assert_eq!(tagged(&out).0, expected());
        let table = EventTable::open(&out.join("tagged.arrow")).unwrap();
        assert_eq!((table.schema().element, table.schema().encoding.as_str()), (ElementType::I16, ENCODING));
        assert_eq!(table.schema().features[0].unit, "0.5 GeV");
        let rows = table.batches().iter().map(|batch| batch.rows());
        let values = rows.flat_map(|rows| match rows.values() {
            Values::I16(values) => values.to_vec(),
            Values::F32(_) => panic!("the inputs became f32"),
        });
        assert!(values.eq((0..EVENTS as u64).flat_map(integers_of)));
        assert_eq!(report(&out, "/engine/name"), "fixed");
        assert_eq!(report(&out, "/engine/precision"), "fixed");
        assert_eq!(report(&out, "/counters_add_up"), true);
        assert_eq!(report(&out, "/events_invalid"), 0);
    }
}

#[test]
fn every_instruction_set_gives_the_same_scores() {
    let fixture = fixture(EVENTS);
    let sets: Vec<Simd> = Simd::available().collect();
    for simd in &sets {
        let out = fixture.path(simd.name());
        success(&mut replay(&fixture, &fixture.events, &out, &["--threshold", "-1", "--simd", simd.name()]));
        assert_eq!(tagged(&out).0, expected(), "{simd}");
        let description = report(&out, "/engine/description").as_str().unwrap().to_owned();
        assert!(
            description.starts_with(&format!("fixed ({simd}, ")) && description.contains("fc1: "),
            "{description}"
        );
    }
    let out = fixture.path("auto");
    success(&mut replay(&fixture, &fixture.events, &out, &["--threshold", "-1"]));
    let best = format!("fixed ({}, ", Simd::best());
    assert!(report(&out, "/engine/description").as_str().unwrap().starts_with(&best));
    let absent = Simd::ALL.into_iter().find(|simd| !sets.contains(simd)).unwrap();
    let out = fixture.path("absent");
    let mut command =
        replay(&fixture, &fixture.events, &out, &["--threshold", "-1", "--simd", absent.name()]);
    failure(&mut command).expect(1, &[absent.name(), "scalar"]);
    assert!(names_in(&out).is_empty());
    let unknown =
        replay(&fixture, &fixture.events, &out, &["--threshold", "-1", "--simd", "mmx"]).output().unwrap();
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("avx2"));
}

#[test]
fn the_threshold_cuts_on_the_programs_score() {
    let fixture = fixture(EVENTS);
    let out = fixture.path("out");
    let mut sorted = expected();
    sorted.sort_by(f32::total_cmp);
    let threshold = sorted[EVENTS - 50];
    success(&mut replay(&fixture, &fixture.events, &out, &["--threshold", &threshold.to_string()]));
    let above: Vec<f32> = expected().into_iter().filter(|score| *score >= threshold).collect();
    assert_eq!(tagged(&out).0, above);
    assert_eq!(report(&out, "/events_accepted/0/passed"), above.len());
}

#[test]
fn physical_values_give_the_same_scores() {
    let fixture = fixture(1);
    let events = fixture.path("physical.arrow");
    write_physical(&events, EVENTS, UNIT as f32);
    let out = fixture.path("out");
    success(&mut replay(&fixture, &events, &out, &["--threshold", "-1", "--batch", "64"]));
    assert_eq!(tagged(&out).0, expected());
}

#[test]
fn an_event_that_is_not_finite_is_invalid() {
    let fixture = fixture(1);
    let events = fixture.path("physical.arrow");
    let schema = trigsieve::event::EventSchema {
        encoding: ENCODING.to_owned(),
        k: K,
        element: ElementType::F32,
        features: Vec::new(),
        sources: Vec::new(),
    };
    let mut writer = trigsieve::event::EventWriter::create(&events, schema.to_arrow([])).unwrap();
    let inputs = vec![1.0, 2.0, 3.0, 1.0, f32::NAN, 3.0, f32::INFINITY, 0.0, 0.0, 1.0, 2.0, 3.0];
    writer.write_events(vec![0, 1, 2, 3], vec![0, 1, 2, 3], inputs, Vec::new()).unwrap();
    writer.finish().unwrap();
    let out = fixture.path("out");
    success(&mut replay(&fixture, &events, &out, &["--threshold", "-1"]));
    assert_eq!(tagged(&out).1, [1, INVALID_BIT, INVALID_BIT, 1]);
    assert_eq!(report(&out, "/events_invalid"), 2);
    assert_eq!(report(&out, "/events_scored"), 4);
}

#[test]
fn other_units_are_refused_with_both() {
    let fixture = fixture(10);
    let out = fixture.path("out");
    write_integers(&fixture.events, 10, "0.25 GeV");
    let parts = ["events.arrow", "hardware unit", "`0.25 GeV` for `x0`", "steps of 0.5", "the model"];
    failure(&mut replay(&fixture, &fixture.events, &out, &["--threshold", "0"])).expect(1, &parts);
    write_integers(&fixture.events, 10, "0.5 GeV modulo 16");
    let parts = ["`0.5 GeV modulo 16`", "steps of 0.5"];
    failure(&mut replay(&fixture, &fixture.events, &out, &["--threshold", "0"])).expect(1, &parts);
    assert!(names_in(&out).is_empty());
    // A table that does not say its units, and a program that has none, cannot be compared.
    write_integers(&fixture.events, 10, "GeV");
    success(&mut replay(&fixture, &fixture.events, &out, &["--threshold", "0"]));
    write_integers(&fixture.events, 10, "0.25 GeV");
    write_fixed_bundle(&fixture.model, "toy", &fixed_program(None));
    success(&mut replay(&fixture, &fixture.events, &out, &["--threshold", "0", "--force"]));
}

#[test]
fn files_of_different_units_do_not_go_together() {
    let fixture = fixture(10);
    let (out, other) = (fixture.path("out"), fixture.path("other.arrow"));
    write_integers(&other, 10, "0.25 GeV");
    let mut command = replay(&fixture, &fixture.events, &out, &["--threshold", "0"]);
    failure(command.arg(&other))
        .expect(1, &["other.arrow", "`0.25 GeV` for `x0`", "events.arrow", "`0.5 GeV`"]);
    write_integers(&other, 20, "0.5 GeV");
    let mut command = replay(&fixture, &fixture.events, &out, &["--threshold", "-1"]);
    success(command.arg(&other));
    assert_eq!(report(&out, "/events_scored"), 30);
    write_physical(&other, 10, 0.5);
    let mut command = replay(&fixture, &fixture.events, &out, &["--threshold", "-1", "--force"]);
    failure(command.arg(&other)).expect(1, &["other.arrow", "Int16", "Float32"]);
}

#[test]
fn engines_and_precisions_go_together() {
    let fixture = fixture(10);
    let out = fixture.path("out");
    for (engine, precision) in [("fixed", "float"), ("fixed", "int8"), ("onnx", "fixed"), ("rten", "fixed")] {
        let mut command =
            trigsieve(&["replay", "--engine", engine, "--precision", precision, "--threshold", "0"]);
        command.arg(&fixture.events).arg("--model").arg(&fixture.model).arg("-o").arg(&out);
        failure(&mut command).expect(2, &[engine, precision, "fixed.json"]);
    }
    success(&mut replay(&fixture, &fixture.events, &out, &["--threshold", "0", "--precision", "fixed"]));
    let mut command = trigsieve(&["replay", "--engine", "rten", "--threshold", "0"]);
    command.arg(&fixture.events).arg("--model").arg(&fixture.model).arg("-o").arg(fixture.path("other"));
    failure(&mut command).expect(1, &["model.toml", "`float.onnx`", "fixed.json"]);
    let cuda =
        replay(&fixture, &fixture.events, &fixture.path("cuda"), &["--threshold", "0", "--device", "cuda"]);
    failure(&mut { cuda }).expect(1, &["device cuda:0", "fixed"]);
}

#[test]
fn a_program_that_cannot_run_is_refused() {
    let fixture = fixture(10);
    let out = fixture.path("out");
    let good = std::fs::read_to_string(fixture.model.join("fixed.json")).unwrap();
    let dangling = good.replacen("[\"fc1_out\"]", "[\"fc9_out\"]", 1);
    let wide = good.replacen("ap_fixed<16,16>", "ap_fixed<65,16>", 1);
    let short = good.replacen("[1,-2,3,1,-1,2]", "[1,-2,3,1,-1]", 1);
    let unknown = good.replacen("\"relu\"", "\"softmax\"", 1);
    for (json, part) in [
        (dangling.as_str(), "fc9_out"),
        (&wide, "ap_fixed<65,16>"),
        (&short, "fc1"),
        (&unknown, "softmax"),
        ("{}", "version"),
        ("not JSON", "line 1"),
    ] {
        assert_ne!(json, good);
        std::fs::write(fixture.model.join("fixed.json"), json).unwrap();
        let text = card("toy", ENCODING, K, &sha256_hex(json.as_bytes())).replace("float.onnx", "fixed.json");
        std::fs::write(fixture.model.join("model.toml"), text).unwrap();
        let mut command = replay(&fixture, &fixture.events, &out, &["--threshold", "0"]);
        failure(&mut command).expect(1, &["fixed.json", part]);
        assert!(names_in(&out).is_empty());
    }
    let text = card("toy", ENCODING, K + 1, &sha256_hex(good.as_bytes())).replace("float.onnx", "fixed.json");
    std::fs::write(fixture.model.join("fixed.json"), good).unwrap();
    std::fs::write(fixture.model.join("model.toml"), text).unwrap();
    let parts = ["fixed.json", "takes 3 inputs", "says 4"];
    failure(&mut replay(&fixture, &fixture.events, &out, &["--threshold", "0"])).expect(1, &parts);
    std::fs::write(fixture.model.join("fixed.json"), "another").unwrap();
    let parts = ["fixed.json", "sha256", "model.toml"];
    failure(&mut replay(&fixture, &fixture.events, &out, &["--threshold", "0"])).expect(1, &parts);
}

#[test]
fn a_menu_is_calibrated_and_used() {
    let fixture = fixture(EVENTS);
    let (out, menu) = (fixture.path("out"), fixture.path("menu.toml"));
    let mut calibrate =
        trigsieve(&["calibrate", "--engine", "fixed", "--target-rate", "1kHz", "--input-rate", "100kHz"]);
    success(calibrate.arg(&fixture.events).arg("--model").arg(&fixture.model).arg("-o").arg(&menu));
    let text = std::fs::read_to_string(&menu).unwrap();
    assert!(text.contains("engine = \"fixed\"") && text.contains("precision = \"fixed\""), "{text}");
    success(&mut replay(&fixture, &fixture.events, &out, &["--menu", &menu.to_string_lossy()]));
    let accepted = report(&out, "/events_accepted/0/passed").as_u64().unwrap();
    assert!((10..=EVENTS as u64 / 100).contains(&accepted), "{accepted}");
}

#[test]
fn hardware_integers_are_evaluated() {
    let fixture = fixture(EVENTS);
    let signal = fixture.path("signal.arrow");
    write_integers(&signal, EVENTS / 2, "0.5 GeV");
    let out = fixture.path("out");
    let mut evaluate = trigsieve(&["evaluate", "--engine", "fixed", "--scores"]);
    evaluate.arg("--background").arg(&fixture.events).arg("--signal").arg(&signal);
    success(evaluate.arg("--model").arg(&fixture.model).arg("-o").arg(&out));
    let metrics: serde_json::Value =
        serde_json::from_slice(&std::fs::read(out.join("metrics.json")).unwrap()).unwrap();
    assert_eq!((&metrics["precision"], &metrics["background"]["events"]), (&"fixed".into(), &EVENTS.into()));
    assert!((metrics["signals"]["signal"]["auc"].as_f64().unwrap() - 0.5).abs() < 0.02);
}

#[test]
fn a_file_of_hardware_integers_is_described() {
    let fixture = fixture(200);
    let shown = success(trigsieve(&["inspect"]).arg(&fixture.events));
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("K = 3, i16") && shown.contains("0.5 GeV"), "{shown}");
    let row = shown.lines().find(|line| line.contains("x0")).unwrap();
    assert!(row.contains("-100.0000") && row.contains("99.0000"), "{row}");
}

#[test]
fn a_program_is_described() {
    let fixture = fixture(1);
    let shown = success(trigsieve(&["inspect"]).arg(&fixture.model));
    let shown = String::from_utf8(shown.stdout).unwrap();
    for words in ["fc1", "ap_fixed<24,24>", "ap_ufixed<11,11,AP_RND,AP_SAT>", "fixed.json", "ok"] {
        assert!(shown.contains(words), "{words:?} is not in {shown}");
    }
    let shown = success(trigsieve(&["inspect", "--json"]).arg(&fixture.model));
    let json: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(json["program"]["layers"][0]["multiplications"], 6);
    assert_eq!(json["program"]["layers"][0]["nonzero_weights"], 6);
    assert_eq!(json["program"]["layers"][0]["accumulates_exactly"], true);
    assert_eq!(json["program"]["layers"][1]["range"], serde_json::json!([0.0, 2047.0]));
    let overflows = json["program"]["overflows"].as_array().unwrap();
    assert_eq!(overflows.len(), 1, "{overflows:?}");
    assert!(overflows[0].as_str().unwrap().contains("relu1"), "{overflows:?}");
    std::fs::write(fixture.model.join("fixed.json"), "{}").unwrap();
    failure(trigsieve(&["inspect"]).arg(&fixture.model)).expect(1, &["fixed.json", "mismatch"]);
}

#[test]
fn tagged_integers_are_parquet_too() {
    let fixture = fixture(EVENTS);
    let out = fixture.path("out");
    success(&mut replay(&fixture, &fixture.events, &out, &["--threshold", "-1", "--format", "parquet"]));
    let file = std::fs::File::open(out.join("tagged.parquet")).unwrap();
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let mut rows = 0;
    for batch in reader.build().unwrap() {
        let batch = batch.unwrap();
        let inputs = batch["inputs"].as_fixed_size_list();
        let values = inputs.values().as_primitive::<arrow_array::types::Int16Type>();
        let first = rows as u64;
        assert!(
            values
                .values()
                .iter()
                .copied()
                .eq((first..first + batch.num_rows() as u64).flat_map(integers_of))
        );
        rows += batch.num_rows();
    }
    assert_eq!(rows, EVENTS);
}

#[test]
fn a_target_rate_takes_the_cards_fixed_thresholds() {
    let fixture = fixture(EVENTS);
    let out = fixture.path("out");
    let card = fixture.model.join("model.toml");
    let text = std::fs::read_to_string(&card).unwrap();
    let points = |precision: &str, value: f32| {
        format!(
            "[[thresholds.{precision}]]\nbackground_efficiency = 0.01\nvalue = {value:?}\nerror = 1.0\nevents = 50\n"
        )
    };
    let flags = ["--target-rate", "1kHz", "--input-rate", "100kHz"];
    std::fs::write(&card, format!("{text}\n{}", points("float", 1.0))).unwrap();
    failure(&mut replay(&fixture, &fixture.events, &out, &flags))
        .expect(1, &["no thresholds for this precision"]);
    std::fs::write(&card, format!("{text}\n{}{}", points("float", 1.0), points("fixed", 500.0))).unwrap();
    success(&mut replay(&fixture, &fixture.events, &out, &flags));
    assert_eq!(report(&out, "/events_accepted/0/threshold"), 500.0);
    assert_eq!(tagged(&out).0, expected().into_iter().filter(|score| *score >= 500.0).collect::<Vec<_>>());
}

#[test]
fn a_card_says_where_its_model_comes_from() {
    let fixture = fixture(10);
    let card = fixture.model.join("model.toml");
    let text = std::fs::read_to_string(&card).unwrap();
    let (rest, _) = text.split_once("[training]").unwrap();
    std::fs::write(&card, rest).unwrap();
    failure(trigsieve(&["inspect"]).arg(&fixture.model)).expect(1, &["model.toml", "[training]", "[import]"]);
    let import = "[import]\nimporter = \"import-hls 1\"\nproject = \"axo\"\ntop = \"run\"\n\
                  sources = [{ file = \"firmware/axo.cpp\", sha256 = \"00\" }]\n";
    std::fs::write(&card, format!("{rest}{import}")).unwrap();
    let shown = success(trigsieve(&["inspect"]).arg(&fixture.model));
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("import-hls 1 from the project axo, function run, 1 files"), "{shown}");
    success(&mut replay(&fixture, &fixture.events, &fixture.path("out"), &["--threshold", "0"]));
}
