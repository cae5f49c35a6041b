//! `trigsieve compare`: programs against each other and against golden scores bit by bit, engines by statistics.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use arrow_array::{Float64Array, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use common::{
    ENCODING, Fixture, K, failure, fixed_program, fixed_score, integers_of, success, sum_of_squares,
    trigsieve, write_bundle, write_events, write_fixed_bundle, write_integers, write_physical,
};
use trigsieve_fixed::{Kind, Program};

const EVENTS: usize = 3000;

/// Hardware integers, and the bundles `model` and `other`, whose program `change` made of the same one.
fn fixture(change: impl FnOnce(&mut Program)) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let (events, model) = (folder.path().join("events.arrow"), folder.path().join("model"));
    write_integers(&events, EVENTS, "0.5 GeV");
    write_fixed_bundle(&model, "toy", &fixed_program(None));
    let mut other = fixed_program(None);
    change(&mut other);
    write_fixed_bundle(&folder.path().join("other"), "other", &other);
    Fixture { folder, events, model }
}

fn compare(fixture: &Fixture, a: &str, b: &str, flags: &[&str]) -> Command {
    let mut command = trigsieve(&["compare"]);
    command.current_dir(fixture.folder.path()).args([a, b]).arg(&fixture.events).args(flags);
    command
}

fn expected() -> Vec<f32> {
    (0..EVENTS as u64).map(|id| fixed_score(integers_of(id))).collect()
}

fn printed(output: std::process::Output) -> String {
    String::from_utf8(output.stdout).unwrap()
}

fn json(command: &mut Command) -> (serde_json::Value, Option<i32>) {
    let output = command.arg("--json").output().unwrap();
    (serde_json::from_slice(&output.stdout).unwrap(), output.status.code())
}

/// Another bias in the first layer, which matters for every event in which the first unit is active.
fn another_bias(program: &mut Program) {
    let Kind::Dense { biases, .. } = &mut program.operations[0].kind else { panic!() };
    biases[0] += 1;
}

#[test]
fn a_program_equals_itself() {
    let fixture = fixture(|_| ());
    for (a, b) in [("model@fixed", "model@fixed"), ("model", "other"), ("model@fixed:fixed", "other")] {
        let shown = printed(success(&mut compare(&fixture, a, b, &[])));
        assert!(shown.contains("mismatches") && shown.contains(&EVENTS.to_string()), "{shown}");
        let (report, code) = json(&mut compare(&fixture, a, b, &[]));
        assert_eq!(
            (code, &report["exact"]["mismatches"], &report["exact"]["events"]),
            (Some(0), &0.into(), &EVENTS.into())
        );
    }
}

#[test]
fn a_difference_is_counted_and_traced_to_its_layer() {
    let fixture = fixture(another_bias);
    let different = (0..EVENTS as u64).filter(|id| {
        let [a, b, c] = integers_of(*id).map(i32::from);
        (0..2048).contains(&(a + 3 * b - c + 6)) && (a + 3 * b - c + 5).clamp(0, 2047) != (a + 3 * b - c + 6)
    });
    let rows: Vec<u64> = different.collect();
    assert!(rows.len() > 100);
    let (report, code) = json(&mut compare(&fixture, "model", "other", &[]));
    assert_eq!((code, &report["exact"]["mismatches"]), (Some(1), &rows.len().into()));
    let traces = report["traces"].as_array().unwrap();
    assert_eq!(traces.len(), 10);
    for (trace, row) in traces.iter().zip(&rows) {
        assert_eq!((&trace["row"], &trace["event_id"]), (&(*row).into(), &(*row).into()));
        let layers = trace["layers"].as_array().unwrap();
        let names: Vec<_> = layers.iter().map(|layer| layer["layer"].as_str().unwrap()).collect();
        assert_eq!(names, ["input", "fc1", "relu1", "square", "sum"]);
        let differing: Vec<_> = layers.iter().map(|layer| layer["differing"].as_u64().unwrap()).collect();
        assert_eq!(differing, [0, 1, 1, 1, 1]);
        let inputs: Vec<_> =
            layers[0]["numbers"].as_array().unwrap().iter().map(|x| x["a"].as_f64().unwrap()).collect();
        assert_eq!(inputs, integers_of(*row).map(f64::from));
        let fc1 = &layers[1]["numbers"][0];
        assert_eq!(fc1["a"].as_f64().unwrap() + 1.0, fc1["b"].as_f64().unwrap());
    }
    let mut command = compare(&fixture, "model", "other", &[]);
    let shown = printed(command.output().unwrap());
    assert!(shown.contains("differs first in layer fc1") && shown.contains("1 of 2 differ"), "{shown}");
    failure(&mut command).expect(1, &[&format!("{} of {EVENTS}", rows.len()), "model@fixed", "other@fixed"]);
}

#[test]
fn another_format_with_the_same_numbers_is_equal() {
    let fixture = fixture(|program| {
        let score = &mut program.operations.last_mut().unwrap().output;
        score.format = "ap_fixed<64,32>".parse().unwrap();
    });
    success(&mut compare(&fixture, "model", "other", &[]));
    success(&mut compare(&fixture, "other", "model", &[]));
}

/// The program with 32 more bits after the binary point, and a first bias larger by `extra` of their last.
fn finer(program: &mut Program, extra: i64) {
    let format = |text: &str| text.parse().unwrap();
    let Kind::Dense { biases, bias_format, accumulator, .. } = &mut program.operations[0].kind else {
        panic!()
    };
    (*biases, *bias_format) = (vec![(5 << 32) + extra, -4 << 32], format("ap_fixed<40,8>"));
    *accumulator = format("ap_fixed<56,24>");
    let outputs =
        ["ap_fixed<56,24>", "ap_ufixed<43,11,AP_RND,AP_SAT>", "ap_ufixed<62,22>", "ap_fixed<64,24>"];
    for (operation, text) in program.operations.iter_mut().zip(outputs) {
        operation.output.format = format(text);
    }
    let Kind::Sum { accumulator, .. } = &mut program.operations[3].kind else { panic!() };
    *accumulator = format("ap_fixed<64,24>");
}

#[test]
fn a_last_bit_far_below_single_precision_is_a_mismatch() {
    let fixture = fixture(|program| finer(program, 1));
    let mut same = fixed_program(None);
    finer(&mut same, 0);
    write_fixed_bundle(&fixture.path("same"), "same", &same);
    success(&mut compare(&fixture, "model", "same", &[]));
    let active = |id: &u64| {
        let [a, b, c] = integers_of(*id).map(i32::from);
        (1..2048).contains(&(a + 3 * b - c + 5))
    };
    let expected = (0..EVENTS as u64).filter(active).count();
    let (report, code) = json(&mut compare(&fixture, "model", "other", &[]));
    assert_eq!((code, &report["exact"]["mismatches"]), (Some(1), &expected.into()));
    success(&mut compare(&fixture, "model", "other", &["--tolerance", "1e-3"]));
}

#[test]
fn a_tolerance_makes_it_a_comparison_by_statistics() {
    let fixture = fixture(another_bias);
    success(&mut compare(&fixture, "model", "other", &["--tolerance", "1e9"]));
    failure(&mut compare(&fixture, "model", "other", &["--tolerance", "0.5"])).expect(1, &["more than 0.5"]);
    let (report, code) =
        json(&mut compare(&fixture, "model", "other", &["--tolerance", "1e9", "--threshold", "100"]));
    assert_eq!((code, report.get("exact")), (Some(0), None));
    assert_eq!(report["difference"]["one_sided"], 0);
    assert!(report["difference"]["rank_correlation"].as_f64().unwrap() > 0.99);
    let decisions = &report["decisions"][0];
    let accepted = expected().iter().filter(|score| **score >= 100.0).count() as u64;
    let counted = |name: &str| decisions[name].as_u64().unwrap();
    assert_eq!(counted("both") + counted("a_only"), accepted);
    let usage = compare(&fixture, "model", "other", &["--tolerance=-1"]).output().unwrap();
    assert_eq!(usage.status.code(), Some(2));
}

#[test]
fn float_against_fixed_is_a_matter_of_statistics() {
    let fixture = fixture(|_| ());
    write_bundle(&fixture.path("float"), "float", &sum_of_squares());
    write_physical(&fixture.events, EVENTS, 1.0);
    let (report, code) = json(&mut compare(&fixture, "float@rten", "model@fixed", &[]));
    assert_eq!((code, report.get("exact")), (Some(0), None));
    assert_eq!(report["difference"]["events"], EVENTS);
    let largest = (0..EVENTS as u64)
        .map(|id| {
            let squares: f64 = integers_of(id).iter().map(|x| f64::from(*x).powi(2)).sum();
            (f64::from(fixed_score(integers_of(id))) - squares).abs()
        })
        .fold(0.0, f64::max);
    assert_eq!(report["difference"]["max"].as_f64().unwrap(), largest);
    failure(&mut compare(&fixture, "float@rten", "model", &["--tolerance", "1"]))
        .expect(1, &["float@rten:float"]);
}

fn golden(fixture: &Fixture, file: &Path, flags: &[&str]) -> Command {
    let mut command = trigsieve(&["compare"]);
    command.arg(&fixture.model).arg(&fixture.events).arg("--golden").arg(file).args(flags);
    command
}

#[test]
fn golden_scores_are_compared_bit_by_bit() {
    let fixture = fixture(|_| ());
    let file = fixture.path("golden.csv");
    let mut scores = expected();
    let text = |scores: &[f32]| scores.iter().map(|score| format!("{score}\n")).collect::<String>();
    std::fs::write(&file, text(&scores)).unwrap();
    success(&mut golden(&fixture, &file, &[]));
    success(&mut golden(&fixture, &file, &["--raw"]));
    scores[17] += 1.0;
    std::fs::write(&file, text(&scores)).unwrap();
    let (report, code) = json(&mut golden(&fixture, &file, &["--raw"]));
    assert_eq!(
        (code, &report["exact"]["mismatches"], &report["exact"]["first"][0]["row"]),
        (Some(1), &1.into(), &17.into())
    );
    assert_eq!(report["traces"][0]["layers"][1]["is_shared"], false);
    std::fs::write(&file, text(&scores[1..])).unwrap();
    let parts = ["golden.csv", "2999 scores", "events.arrow", "3000 events"];
    failure(&mut golden(&fixture, &file, &[])).expect(1, &parts);
    failure(&mut golden(&fixture, &fixture.path("absent.csv"), &[]))
        .expect(1, &["absent.csv", "No such file"]);
    let mut both = compare(&fixture, "model", "other", &["--golden"]);
    failure(both.arg(&file)).expect(2, &["--golden"]);
}

#[test]
fn golden_scores_come_from_arrow_and_parquet() {
    let fixture = fixture(|_| ());
    let values = || expected().into_iter().map(f64::from);
    let schema = Arc::new(Schema::new(vec![
        Field::new("csim", DataType::Float64, false),
        Field::new("raw", DataType::Int64, false),
    ]));
    let columns: Vec<arrow_array::ArrayRef> = vec![
        Arc::new(Float64Array::from_iter_values(values())),
        Arc::new(Int64Array::from_iter_values(values().map(|value| value as i64))),
    ];
    let batch = RecordBatch::try_new(schema.clone(), columns).unwrap();
    let arrow = fixture.path("golden.arrow");
    let mut writer =
        arrow_ipc::writer::FileWriter::try_new(std::fs::File::create(&arrow).unwrap(), &schema).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    let parquet = fixture.path("golden.parquet");
    let file = std::fs::File::create(&parquet).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, schema, None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    for file in [&arrow, &parquet] {
        success(&mut golden(&fixture, file, &["--column", "csim"]));
        success(&mut golden(&fixture, file, &["--column", "raw", "--raw"]));
        failure(&mut golden(&fixture, file, &[])).expect(1, &["which column", "csim, raw"]);
        failure(&mut golden(&fixture, file, &["--column", "csim", "--raw"]))
            .expect(1, &["raw scores are integers"]);
    }
    std::fs::write(&parquet, "not Parquet").unwrap();
    failure(&mut golden(&fixture, &parquet, &[])).expect(1, &["golden.parquet"]);
}

#[test]
fn what_is_not_the_same_events_is_refused() {
    let fixture = fixture(|program| program.input.units = Some(vec![0.25; K]));
    // On hardware integers a program without units takes what there is, one with other units refuses.
    failure(&mut compare(&fixture, "model", "other", &[]))
        .expect(1, &["events.arrow", "`0.5 GeV`", "steps of 0.25"]);
    write_physical(&fixture.events, 10, 0.5);
    failure(&mut compare(&fixture, "model", "other", &[]))
        .expect(1, &["none at all", "steps of 0.25", "input 0"]);
    write_events(&fixture.events, 10, K, "other_3");
    failure(&mut compare(&fixture, "model", "model", &[]))
        .expect(1, &["`other_3`", &format!("`{ENCODING}`")]);
    failure(&mut compare(&fixture, "model@tpu", "other", &[])).expect(2, &["`tpu`", "fixed"]);
    let missing: PathBuf = fixture.path("nothing");
    failure(&mut compare(&fixture, &missing.to_string_lossy(), "other", &[]))
        .expect(1, &["nothing", "model.toml"]);
}
