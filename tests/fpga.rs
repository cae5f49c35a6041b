//! The exports in `fpga/`: that they are those of the bundled models, and that their firmware has the engine's bits.
//!
//! Needs what `cargo xtask fpga-tools` installs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Every bundle with an export.
const EXPORTS: [&str; 3] = ["l1_vae", "l1_ae", "l1_svdd"];
/// Events of the sample, and generated ones.
const EVENTS: [&str; 4] = ["--limit", "2000", "--generated", "3000"];
/// What measuring and verifying leave beside the export's own files.
const RECORDS: [&str; 3] = ["report.md", "report.json", "verification.json"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn trigsieve(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trigsieve"));
    command.current_dir(root()).args(args).output().expect("trigsieve")
}

fn succeeds(args: &[&str]) -> String {
    let output = trigsieve(args);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {errors}");
    String::from_utf8(output.stdout).expect("text")
}

fn fails(args: &[&str], code: i32) -> String {
    let output = trigsieve(args);
    assert_eq!(output.status.code(), Some(code), "{args:?}");
    let errors = String::from_utf8(output.stderr).expect("text");
    assert_eq!(errors.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{errors}");
    errors
}

fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fpga").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(folder.parent().expect("a parent")).expect("a folder");
    folder
}

/// Every file below a folder, by its path in it.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inner) = folders.pop() {
        for entry in std::fs::read_dir(&inner).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("below").to_owned();
                found.insert(name, std::fs::read(&path).expect("a file"));
            }
        }
    }
    found
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}

/// `cargo xtask fpga` makes them anew.
#[test]
fn the_exports_are_those_of_the_bundled_models() {
    for name in EXPORTS {
        let folder = scratch(&format!("again_{name}"));
        succeeds(&["export-hls", &format!("models/{name}"), "-o", text(&folder), "--no-report"]);
        let mut kept = files(&root().join("fpga").join(name));
        kept.retain(|path, _| {
            !path.starts_with("build") && !RECORDS.iter().any(|record| path == Path::new(record))
        });
        let again = files(&folder);
        assert_eq!(kept.keys().collect::<Vec<_>>(), again.keys().collect::<Vec<_>>(), "fpga/{name}");
        for (path, bytes) in &again {
            assert!(kept[path] == *bytes, "fpga/{name}/{} is not what export-hls writes", path.display());
        }
    }
}

#[test]
fn every_way_has_the_bits_of_the_engine() {
    let table = scratch("background.arrow");
    let convert = ["convert", "samples/background.h5", "--from", "adc2021", "-o", text(&table), "--force"];
    succeeds(&convert);
    for name in EXPORTS {
        let build = scratch(&format!("build_{name}"));
        let export = format!("fpga/{name}");
        let events = [&["--events", text(&table)][..], &EVENTS].concat();
        let printed = succeeds(&[&["verify-hls", &export, "--build", text(&build)][..], &events].concat());
        let pairs: Vec<&str> =
            printed.lines().filter(|line| line.split_whitespace().count() == 4).skip(1).collect();
        assert_eq!(pairs.len(), 6, "{printed}");
        assert!(pairs.iter().all(|line| line.ends_with(" 0") && line.contains(" 5000 ")), "{printed}");
    }
}

/// A changed weight in one way alone has to be seen.
#[test]
fn a_changed_weight_is_a_mismatch() {
    let export = scratch("changed");
    succeeds(&["export-hls", "models/l1_vae", "-o", text(&export), "--no-report", "--ways", "standalone"]);
    let source = export.join("standalone/l1_vae.cpp");
    let text_before = std::fs::read_to_string(&source).expect("the source");
    let (head, tail) = text_before.split_once("mu_biases[8] = {\n    ").expect("the biases");
    let (first, rest) = tail.split_once(',').expect("numbers");
    let changed: i32 = first.parse::<i32>().expect("a number") + 64;
    std::fs::write(&source, format!("{head}mu_biases[8] = {{\n    {changed},{rest}")).expect("the source");
    let error = fails(&["verify-hls", text(&export), "--generated", "200"], 1);
    assert!(error.contains("fixed and standalone differ on "), "{error}");
}

#[test]
fn what_stands_against_an_export_is_named() {
    let folder = scratch("refused");
    let export = |more: &[&str], code| {
        let error = fails(&[&["export-hls", "models/l1_vae", "-o", text(&folder)][..], more].concat(), code);
        assert!(!folder.exists(), "{more:?}");
        error
    };
    for (more, code, expected) in [
        (&["--clock", "1000"][..], 2, "clocks of a VU9P run up to 775 MHz"),
        (&["--clock", "0"][..], 2, "positive"),
        (&["--part", "xc7a35t"][..], 2, "none of those whose size is known"),
        (
            &["--yosys", "no-such-yosys"][..],
            1,
            "`no-such-yosys` is not installed (estimates the Verilog's resources): apt-get install yosys",
        ),
        (&["--python", "no-such-python"][..], 1, "cargo xtask fpga-tools"),
        (&["--ways", "standalone"][..], 2, "--no-report"),
    ] {
        let error = export(more, code);
        assert!(error.contains(expected), "{error}");
    }
    for (tool, way, expected) in
        [("--cxx", "standalone", "apt-get install g++"), ("--verilator", "rtl", "apt-get install verilator")]
    {
        let error = fails(
            &[
                "verify-hls",
                "fpga/l1_vae",
                "--ways",
                way,
                tool,
                "no-such-tool",
                "--generated",
                "10",
                "--build",
                text(&folder),
            ],
            1,
        );
        assert!(error.contains("`no-such-tool` is not installed") && error.contains(expected), "{error}");
    }
}

/// The emulator has the engine's scores of every event that it is timed on; the chain is faster by far.
#[test]
fn the_chain_is_measured_beside_the_emulator() {
    let out = scratch("bench");
    let output = out.display().to_string();
    let flags = ["--engine", "fixed", "--batch", "4096", "--rounds", "3", "--time", "30ms", "-o", &output];
    succeeds(&[&["bench", "--model", "models/l1_vae", "--against", "emulator"], &flags[..]].concat());
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(out.join("bench.json")).expect("a report")).expect("JSON");
    assert!(report["emulators"][0][1].as_str().expect("text").starts_with("hls4ml's C++"), "{report}");
    let entries = report["entries"].as_array().expect("entries");
    let replay = entries.iter().find(|entry| entry["way"] == "replay").expect("a replay");
    let ratios = replay["ratios"].as_array().expect("ratios");
    let to =
        |way| ratios.iter().find(|ratio| ratio["to"] == way).expect("a ratio")["ratio"]["median"].as_f64();
    assert!(to("emulator") > Some(30.0) && to("call") < Some(10.0), "{ratios:?}");
}
