//! Disks that are full or broken, writes that are taken in part, memory that runs out, clocks that jump: each ends in one
//! clear error and exit code 1, or has no effect, and no half-written file is left under a final name.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use arrow_array::RecordBatch;
use common::{Fixture, failure, names_in, report, success, trigsieve};
use trigsieve::event::EventTable;

const EVENTS: usize = 60_000;
const ENOSPC: &str = "28";
const EIO: &str = "5";

/// The library of `tests/faults/faults.cpp`, compiled once a test process.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, library) = LIBRARY.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("libfaults.so");
        let mut compiler = Command::new("g++");
        compiler.args(["-shared", "-fPIC", "-O1", "tests/faults/faults.cpp", "-o"]).arg(&library);
        success(compiler.current_dir(env!("CARGO_MANIFEST_DIR")));
        (folder, library)
    });
    library
}

fn with_faults<'a>(command: &'a mut Command, faults: &[(&str, &str)]) -> &'a mut Command {
    command.env("LD_PRELOAD", library()).envs(faults.iter().copied())
}

fn tagged(folder: &Path) -> Vec<RecordBatch> {
    let table = EventTable::open(&folder.join("tagged.arrow")).unwrap();
    let no_latency = |batch: &RecordBatch| {
        let mut batch = batch.clone();
        batch.remove_column(batch.schema().index_of("latency_ns").unwrap());
        batch
    };
    table.batches().iter().map(|batch| no_latency(batch.record_batch())).collect()
}

/// All tagged events in one batch: a run that was interrupted divides them otherwise.
fn rows(folder: &Path) -> RecordBatch {
    let batches = tagged(folder);
    arrow_select::concat::concat_batches(&batches[0].schema(), &batches).unwrap()
}

/// Nothing under a final name but a report that says the run failed, and what came with it.
fn nothing_half_written(out: &Path, file: &str) {
    let names = names_in(out);
    assert!(!names.iter().any(|name| name == file), "{names:?}");
    if names.iter().any(|name| name == "run.json") {
        assert_eq!(report(out, "/status"), "failed");
    }
}

#[test]
fn a_disk_that_fails_at_any_write_or_sync_fails_the_run() {
    for (format, file) in [("arrow", "tagged.arrow"), ("parquet", "tagged.parquet")] {
        let fixture = Fixture::new(EVENTS);
        for (call, errno, text) in [
            ("write", ENOSPC, "No space left"),
            ("write", EIO, "Input/output error"),
            ("fsync", EIO, "Input/output error"),
        ] {
            // The file takes some 2 MB, a write takes 1 MiB.
            for after in ["0", "1"] {
                if (call, after) == ("fsync", "1") {
                    continue;
                }
                let out = fixture.path(&format!("{format}-{call}-{errno}-{after}"));
                let mut command = fixture.replay(&out);
                command.args(["--format", format, "--checkpoint-every", "0s"]);
                let faults = [
                    ("FAULT_CALL", call),
                    ("FAULT_ERRNO", errno),
                    ("FAULT_PATH", file),
                    ("FAULT_AFTER", after),
                ];
                if format == "parquet" && after == "1" {
                    continue;
                }
                failure(with_faults(&mut command, &faults)).expect(1, &[file, text]);
                nothing_half_written(&out, file);
                let partial = names_in(&out).iter().any(|name| name.ends_with(".partial"));
                assert!(!partial, "{:?}", names_in(&out));
            }
        }
    }
}

#[test]
fn every_other_file_that_cannot_be_written_fails_the_run_too() {
    let fixture = Fixture::new(100);
    for file in
        ["latency.hgrm", "latency.hlog", "latency-stages.hlog", "latency.svg", "menu.toml", "run.json"]
    {
        for call in ["write", "fsync"] {
            let out = fixture.path(&format!("{file}-{call}"));
            let faults = [("FAULT_CALL", call), ("FAULT_ERRNO", ENOSPC), ("FAULT_PATH", file)];
            let failure = failure(with_faults(&mut fixture.replay(&out), &faults));
            failure.expect(1, &[file, "No space left"]);
            assert!(
                !names_in(&out).iter().any(|name| name == "run.json" || name == file),
                "{:?}",
                names_in(&out)
            );
        }
    }
}

#[test]
fn a_checkpoint_that_cannot_be_written_fails_the_run() {
    let fixture = Fixture::new(EVENTS);
    for (call, path, named) in
        [("write", "checkpoint.json", "checkpoint.json"), ("fdatasync", "tagged.arrow", "checkpoint.json")]
    {
        let out = fixture.path(call);
        let faults = [("FAULT_CALL", call), ("FAULT_ERRNO", EIO), ("FAULT_PATH", path)];
        let mut command = fixture.replay(&out);
        failure(with_faults(&mut command, &faults)).expect(1, &[named, "Input/output error"]);
        nothing_half_written(&out, "checkpoint.json");
    }
}

#[test]
fn a_run_that_ran_out_of_disk_goes_on_when_there_is_room() {
    let fixture = Fixture::new(EVENTS);
    let (whole, out) = (fixture.path("whole"), fixture.path("out"));
    let slow = ["--rate", "100kHz", "--checkpoint-every", "20ms"];
    success(fixture.replay(&whole).args(slow));
    let faults = [
        ("FAULT_CALL", "write"),
        ("FAULT_ERRNO", ENOSPC),
        ("FAULT_PATH", "tagged.arrow"),
        ("FAULT_AFTER", "2"),
    ];
    let failed = failure(with_faults(fixture.replay(&out).args(slow), &faults));
    failed.expect(1, &["tagged.arrow", "No space left", "--resume goes on after"]);
    failure(&mut fixture.replay(&out)).expect(1, &["unfinished run", "--resume", "--force"]);
    success(fixture.replay(&out).args(slow).arg("--resume"));
    assert_eq!(rows(&out), rows(&whole));
    assert_eq!(names_in(&out), names_in(&whole));
}

/// The file that the last checkpoint names stays until another checkpoint names its successor.
#[test]
fn a_resumed_run_that_fails_at_its_first_checkpoint_can_be_resumed_again() {
    let fixture = Fixture::new(EVENTS);
    let (whole, out) = (fixture.path("whole"), fixture.path("out"));
    let slow = ["--rate", "100kHz", "--checkpoint-every", "20ms"];
    success(fixture.replay(&whole).args(slow));
    let full =
        |file| [("FAULT_CALL", "write"), ("FAULT_ERRNO", ENOSPC), ("FAULT_PATH", file), ("FAULT_AFTER", "2")];
    failure(with_faults(fixture.replay(&out).args(slow), &full("tagged.arrow")))
        .expect(1, &["--resume goes on after"]);
    for (call, file) in
        [("write", "checkpoint.json"), ("fdatasync", "tagged.arrow"), ("write", "tagged.arrow")]
    {
        let at_once = [("FAULT_CALL", call), ("FAULT_ERRNO", EIO), ("FAULT_PATH", file)];
        let mut command = fixture.replay(&out);
        let failed = failure(with_faults(command.args(slow).arg("--resume"), &at_once));
        failed.expect(1, &["Input/output error", "--resume goes on after"]);
    }
    success(fixture.replay(&out).args(slow).arg("--resume"));
    assert_eq!(rows(&out), rows(&whole));
    assert_eq!(names_in(&out), names_in(&whole));
}

#[test]
fn writes_that_are_taken_in_part_change_nothing() {
    let fixture = Fixture::new(EVENTS);
    let (whole, short) = (fixture.path("whole"), fixture.path("short"));
    success(&mut fixture.replay(&whole));
    let faults = [("FAULT_CALL", "short"), ("FAULT_PATH", short.to_str().unwrap())];
    success(with_faults(&mut fixture.replay(&short), &faults));
    assert_eq!(tagged(&short), tagged(&whole));
    assert_eq!(names_in(&short), names_in(&whole));
}

/// The disk says that all is well and keeps something else: noticed where the events are counted by what is in the file.
#[test]
fn a_file_that_is_not_what_was_written_is_noticed() {
    let fixture = Fixture::new(EVENTS);
    let out = fixture.path("out");
    let faults = [("FAULT_CALL", "garble"), ("FAULT_PATH", "tagged.arrow")];
    let output = with_faults(&mut fixture.replay(&out), &faults).output().unwrap();
    let message = common::stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{message}");
    // What was zeroed decides whether a header or the decisions are missed.
    let noticed = ["cannot be read back", "not a complete Arrow IPC file", "do not add up"];
    assert!(noticed.iter().any(|what| message.contains(what)), "{message}");
    assert_eq!(report(&out, "/status"), "failed");
    assert!(!message.contains("--resume"), "{message}");
}

#[test]
fn a_model_or_menu_that_cannot_be_read_is_named() {
    let fixture = Fixture::new(100);
    for file in ["model.toml", "float.onnx"] {
        let out = fixture.path(file);
        let faults = [("FAULT_CALL", "read"), ("FAULT_ERRNO", EIO), ("FAULT_PATH", file)];
        failure(with_faults(&mut fixture.replay(&out), &faults)).expect(1, &[file, "Input/output error"]);
        assert_eq!(names_in(&out), Vec::<String>::new());
    }
}

/// Latencies and schedules are on the monotonic clock: a wall clock that jumps by hours between any two looks at it is
/// not seen in them.
#[test]
fn a_wall_clock_that_jumps_has_no_effect() {
    let fixture = Fixture::new(20_000);
    let (whole, out) = (fixture.path("whole"), fixture.path("out"));
    success(&mut fixture.replay(&whole));
    let mut command = fixture.replay(&out);
    command.args(["--rate", "100kHz", "--checkpoint-every", "20ms"]);
    success(with_faults(&mut command, &[("FAULT_CALL", "clock")]));
    let rows = |folder: &Path| tagged(folder).iter().map(RecordBatch::num_rows).sum::<usize>();
    assert_eq!(rows(&out), rows(&whole));
    let seconds = report(&out, "/wall_seconds").as_f64().unwrap();
    assert!((0.2..60.0).contains(&seconds), "{seconds}");
    assert!(report(&out, "/latency_ns/max").as_u64().unwrap() < 60_000_000_000);
    assert_eq!(report(&out, "/counters_add_up"), true);
}

/// With any amount of address space a run succeeds, or says why not with exit code 1, and leaves nothing half-written.
#[test]
fn memory_that_runs_out_is_an_error() {
    let fixture = Fixture::new(EVENTS);
    let (mut failed, mut succeeded) = (0, 0);
    for kibibytes in
        [28_000, 32_000, 36_000, 40_000, 44_000, 48_000, 52_000, 56_000, 60_000, 70_000, 100_000, 4_000_000]
    {
        let limited = |words: &Command| {
            let mut limited = Command::new("sh");
            limited.arg("-c").arg(format!("ulimit -c 0; ulimit -v {kibibytes}; exec \"$@\"")).arg("sh");
            limited.arg(words.get_program()).args(words.get_args()).env_remove("RUST_BACKTRACE");
            limited.output().unwrap()
        };
        if !limited(&trigsieve(&["--version"])).status.success() {
            // The loader cannot map the program.
            continue;
        }
        let out = fixture.path(&kibibytes.to_string());
        let output = limited(&fixture.replay(&out));
        let message = common::stderr(&output);
        let names = names_in(&out);
        if output.status.success() {
            succeeded += 1;
            assert!(names.iter().any(|name| name == "run.json"));
            continue;
        }
        failed += 1;
        assert_eq!(output.status.code(), Some(1), "{kibibytes} KiB: {:?} {message}", output.status);
        assert!(message.lines().last().is_some_and(|line| line.starts_with("error: ")), "{message}");
        // Rust's own word on an allocation that failed comes before ours.
        assert_eq!(message.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{message}");
        let finished = names.iter().any(|name| name == "run.json");
        assert!(!finished || report(&out, "/status") == "failed", "{names:?}");
    }
    assert!(failed > 0 && succeeded > 0, "{failed} failed, {succeeded} succeeded");
}

#[test]
fn a_closed_standard_output_is_no_reason_to_lose_the_run() {
    let fixture = Fixture::new(100);
    let out = fixture.path("out");
    let command = fixture.replay(&out);
    let mut closed = Command::new("sh");
    closed.args(["-c", "exec \"$@\" >&-", "sh"]).arg(command.get_program()).args(command.get_args());
    let output = closed.output().unwrap();
    let message = common::stderr(&output);
    // What the user sees differs with what the system puts in its place; the run is there in any case.
    assert!(output.status.code().is_some_and(|code| code <= 1), "{:?} {message}", output.status);
    assert_eq!(report(&out, "/status"), "complete");
    let mut help = trigsieve(&["--version"]);
    assert!(help.output().unwrap().status.success());
}
