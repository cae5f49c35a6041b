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
        (&["--rate", "fast"], "--rate"),
        (&["--rate", "1kHz", "--workers", "2"], "--workers 1"),
        (&["--rate", "1kHz", "--against", "emulator"], "without --against"),
        (&["--engine", "rten", "--against", "emulator"], "fixed engine"),
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

#[test]
fn on_a_clock_the_latency_that_a_replay_adds_is_found() {
    let fixture = Fixture::new(EVENTS);
    let flags = ["--engine", "rten", "--batch", "8", "--rate", "20kHz", "--wait", "spin,park", "-o", "out"];
    success(&mut bench(&fixture, &flags));
    let report = found(&fixture);
    assert_eq!(report["rate_hz"], 20e3);
    let entries = report["entries"].as_array().unwrap();
    let ways: Vec<String> =
        entries.iter().map(|entry| format!("{} {}", entry["way"].as_str().unwrap(), entry["wait"])).collect();
    assert_eq!(ways[0], "call null");
    assert!(ways[1].starts_with("replay \"spin") && ways[2].starts_with("replay \"park"), "{ways:?}");
    for entry in entries {
        // 20 kHz for 10 ms, the first at 0, three rounds.
        assert_eq!(entry["latency_ns"]["count"], 3 * 201);
        assert_eq!(entry["rounds_latency_ns"].as_array().unwrap().len(), 3);
        assert!(entry["ratios"].as_array().unwrap().is_empty());
        assert_eq!(entry["added_ns"]["p99_9"]["median"].is_f64(), entry["way"] == "replay");
    }
    let added = entries[2]["added_ns"]["p50"]["median"].as_f64().unwrap();
    let of = |entry: usize, round: usize| entries[entry]["rounds_latency_ns"][round]["p50"].as_f64().unwrap();
    let mut differences: Vec<f64> = (0..3).map(|round| of(2, round) - of(0, round)).collect();
    differences.sort_by(f64::total_cmp);
    assert_eq!(added, differences[1], "{differences:?}");
    let table = std::fs::read_to_string(fixture.path("out/bench.txt")).unwrap();
    assert!(table.contains("adds p99.9"), "{table}");
    let plot = std::fs::read_to_string(fixture.path("out/bench.svg")).unwrap();
    assert!(plot.contains("percentile of events") && plot.contains("Latency at 20 kHz"), "{plot}");
    assert!(plot.contains("replay spin, at most 8"), "{plot}");
}

#[test]
fn events_are_made_where_none_are_given() {
    let fixture = Fixture::new(1);
    let run = |flags: &[&str]| {
        let mut command = trigsieve(&["bench", "--rounds", "1", "--time", "10ms", "--batch", "4096", "-o"]);
        command.arg(fixture.path("out")).arg("--force").args(flags);
        success(&mut command);
        found(&fixture)
    };
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/models");
    for model in ["l1_vae", "dm_2b_ae"] {
        let report = run(&["--engine", "rten", "--model", &format!("{models}/{model}")]);
        assert_eq!(report["events"], 250_000);
    }
    run(&["--engine", "fixed,rten", "--model", &format!("{models}/l1_vae")]);
    run(&["--engine", "fixed", "--model", &format!("{models}/l1_vae")]);
}

/// Programs that pose as hls4ml's Python and as a C++ compiler, whose program answers nothing but zeros, and their folder.
fn impostors(fixture: &Fixture) -> (PathBuf, PathBuf) {
    let tools = fixture.path("tools");
    std::fs::create_dir_all(tools.join("templates/vivado/ap_types")).unwrap();
    std::fs::write(tools.join("templates/vivado/ap_types/ap_fixed.h"), "").unwrap();
    let python = format!(
        "if [ \"$1\" = -c ]; then echo {}; exit; fi\nmkdir -p \"$4/firmware\"; echo library > \"$4/library.txt\"",
        tools.display()
    );
    let python = impostor(fixture, &python);
    let compiler = "#!/bin/sh\n[ \"$1\" = -dumpfullversion ] && { echo 1; exit; }\n\
        for last; do :; done\n\
        printf '#!/bin/sh\\nexec 3<&0; cat <&3 >/dev/null &\\nexec cat /dev/zero\\n' > \"$last\"; chmod +x \"$last\"\n";
    std::fs::write(tools.join("g++"), compiler).unwrap();
    std::fs::set_permissions(tools.join("g++"), std::fs::Permissions::from_mode(0o755)).unwrap();
    (tools, python)
}

#[test]
fn an_emulator_of_other_scores_is_not_timed() {
    let mut fixture = Fixture::new(1);
    fixture.events = fixture.path("integers.arrow");
    fixture.model = fixture.path("toy");
    write_integers(&fixture.events, EVENTS, "0.5 GeV");
    write_fixed_bundle(&fixture.model, "toy", &fixed_program(None));
    let (tools, python) = impostors(&fixture);
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let flags = ["-q", "--batch", "100", "-o", "out", "--against", "emulator"];
    let mut command = bench(&fixture, &flags);
    command.env("PATH", path).env("TRIGSIEVE_HLS_PYTHON", python);
    failure(&mut command).expect(1, &["nothing was timed", "the emulator of toy", "events differently"]);
    assert!(!fixture.path("out").exists());
    let mut command = bench(&fixture, &flags);
    command.env("TRIGSIEVE_HLS_PYTHON", "nowhere/python");
    failure(&mut command)
        .expect(1, &["the C++ emulator", "nowhere/python", "is not installed", "fpga-tools"]);
}
