//! `trigsieve bench`: what it leaves, what it refuses, and that it times nothing before the scores agree.

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use common::{
    Fixture, failure, fixed_program, names_in, success, trigsieve, write_fixed_bundle, write_integers,
};
use serde_json::Value;

const EVENTS: usize = 5000;

fn bench(fixture: &Fixture, flags: &[&str]) -> Command {
    let mut command = trigsieve(&["bench"]);
    for (flag, value) in [("--time", "10ms"), ("--rounds", "3")] {
        if !flags.contains(&flag) {
            command.args([flag, value]);
        }
    }
    command.current_dir(fixture.folder.path()).arg("--events").arg(&fixture.events);
    command.arg("--model").arg(&fixture.model).args(flags);
    command
}

/// A program that poses as an interpreter: runs these `answers` in the shell.
fn impostor(fixture: &Fixture, answers: &str) -> PathBuf {
    let path = fixture.path("python");
    std::fs::write(&path, format!("#!/bin/sh\n{answers}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn found(fixture: &Fixture) -> Value {
    serde_json::from_slice(&std::fs::read(fixture.path("out/bench.json")).unwrap()).unwrap()
}

#[test]
fn every_combination_is_measured_in_every_round() {
    let fixture = Fixture::new(EVENTS);
    let flags = ["--engine", "rten", "--batch", "64,1000", "--workers", "1,2", "-o", "out"];
    success(&mut bench(&fixture, &flags));
    assert_eq!(names_in(&fixture.path("out")), ["bench.json", "bench.svg", "bench.txt"]);
    let report = found(&fixture);
    let entries = report["entries"].as_array().unwrap();
    let shape = |entry: &Value| {
        let number = |name: &str| entry[name].as_u64().unwrap();
        (entry["way"].as_str().unwrap().to_owned(), number("batch"), number("workers"))
    };
    let expected = [(64, 1), (64, 2), (1000, 1), (1000, 2)]
        .map(|(batch, workers)| ["call", "replay"].map(|way| (way.to_owned(), batch, workers)));
    assert_eq!(entries.iter().map(shape).collect::<Vec<_>>(), expected.concat());
    for entry in entries {
        let rounds: Vec<f64> = serde_json::from_value(entry["rounds_hz"].clone()).unwrap();
        let hz = |name: &str| entry["throughput_hz"][name].as_f64().unwrap();
        assert_eq!(rounds.len(), 3);
        assert!(rounds.iter().all(|&hz| hz > 1000.0), "{rounds:?}");
        assert!(hz("low") <= hz("median") && hz("median") <= hz("high"));
        assert!(entry["latency_ns"]["p50"].as_u64().unwrap() > 0);
        let ratios = entry["ratios"].as_array().unwrap();
        assert_eq!(ratios.len(), usize::from(entry["way"] == "replay"));
    }
    assert!(report["host"]["cpu"].is_string() && report["date"].is_string());
    let table = std::fs::read_to_string(fixture.path("out/bench.txt")).unwrap();
    assert_eq!(table.lines().filter(|line| line.contains("rten:float")).count(), 8, "{table}");
}

#[test]
fn hardware_integers_are_for_the_fixed_engine() {
    let mut fixture = Fixture::new(1);
    fixture.events = fixture.path("integers.arrow");
    fixture.model = fixture.path("toy");
    write_integers(&fixture.events, EVENTS, "0.5 GeV");
    write_fixed_bundle(&fixture.model, "toy", &fixed_program(None));
    success(&mut bench(&fixture, &["--batch", "100", "-o", "out"]));
    let report = found(&fixture);
    let engines: Vec<_> = report["entries"].as_array().unwrap().iter().map(|e| &e["engine"]).collect();
    assert_eq!(engines, ["fixed", "fixed"]);
    let python = ["--against", "python", "--python", "/bin/true"];
    failure(&mut bench(&fixture, &python)).expect(2, &["--against python needs a graph"]);
}

#[test]
fn a_benchmark_is_not_replaced_unasked() {
    let fixture = Fixture::new(100);
    let flags = ["--engine", "rten", "--batch", "10", "-o", "out"];
    success(&mut bench(&fixture, &flags));
    failure(&mut bench(&fixture, &flags)).expect(2, &["out", "--force"]);
    success(bench(&fixture, &flags).arg("--force"));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let fixture = Fixture::new(100);
    for (flags, expected) in [
        (&["--batch", "0"][..], "--batch 0"),
        (&["--batch", "65537"], "--batch 65537"),
        (&["--workers", "0"], "--workers 0"),
        (&["--time", "0s"], "--time 0"),
        (&["--tolerance", "-1"], "--tolerance"),
        (&["--tolerance", "nan"], "--tolerance"),
        (&["--rounds", "0"], "--rounds"),
        (&["--engine", "torch"], "torch"),
        (&["--engine", "rten:fixed"], "rten"),
        (&["--engine", "rten,rten"], "twice"),
        (&["--python", "python3"], "--against"),
        (&["--engine", "rten", "--against", "python"], ".venv/bin/python"),
        (&["--force"], "--output"),
    ] {
        let output = bench(&fixture, flags).output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {message}");
        assert!(message.contains(expected), "{flags:?}: {message}");
    }
}

#[test]
fn different_scores_are_not_timed() {
    let fixture = Fixture::new(EVENTS);
    let zeros = format!(
        "echo '{{\"python\": \"3\", \"onnxruntime\": \"1\"}}'; head -c {} /dev/zero; exec cat >/dev/null",
        4 * EVENTS
    );
    let python = impostor(&fixture, &zeros);
    let flags = ["--engine", "rten", "--batch", "100", "-o", "out", "--against", "python", "--python"];
    let message = ["nothing was timed", "in Python (float) at batch 100", "events differently"];
    failure(bench(&fixture, &flags).arg(&python)).expect(1, &message);
    assert!(!fixture.path("out").exists());
}

#[test]
fn an_interpreter_without_the_runtime_says_so_itself() {
    let fixture = Fixture::new(EVENTS);
    let python = impostor(
        &fixture,
        "echo Traceback >&2; echo \"ModuleNotFoundError: No module named 'onnxruntime'\" >&2; exit 1",
    );
    let flags = ["--engine", "rten", "--against", "python", "--python"];
    failure(bench(&fixture, &flags).arg(&python))
        .expect(1, &["python: ModuleNotFoundError: No module named"]);
    failure(bench(&fixture, &flags).arg("nowhere/python")).expect(1, &["nowhere/python: No such file"]);
}
