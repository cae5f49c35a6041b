//! The output folder: who may write to it, what is in it after success, failure, interruption and a full disk.

mod common;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use arrow_array::{Array, ArrayRef, Float32Array, RecordBatch};
use arrow_schema::{DataType, Field};
use common::{Fixture, failure, graph, names_in, report, stderr, success, trigsieve, write_bundle};
use rustix::process::{Pid, Signal, kill_process};
use trigsieve::event::{EventTable, EventWriter};
use trigsieve::sink::RunFolder;

const RUN: [&str; 7] = [
    "latency-stages.hlog",
    "latency.hgrm",
    "latency.hlog",
    "latency.svg",
    "menu.toml",
    "run.json",
    "tagged.arrow",
];

/// The files of a run that was interrupted: it can be gone on with, unless it had not come to its first events.
fn interrupted(folder: &Path) -> Vec<String> {
    names_in(folder).into_iter().filter(|name| name != "checkpoint.json").collect()
}

/// A replay that goes on until it is stopped.
fn endless(fixture: &Fixture, output: &Path) -> Child {
    let mut command = fixture.replay(output);
    command.args(["--rate", "10kHz", "--duration", "1h"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // The partial file appears when the folder is this run's.
    wait_until("the run has begun", || names_in(output).iter().any(|name| name.ends_with(".partial")));
    child
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

fn tagged(folder: &Path) -> Vec<RecordBatch> {
    let table = EventTable::open(&folder.join("tagged.arrow")).unwrap();
    table.batches().iter().map(|batch| batch.record_batch().clone()).collect()
}

#[test]
fn a_run_leaves_its_files_and_nothing_else() {
    let fixture = Fixture::new(1000);
    let out = fixture.path("deep/er/out");
    success(&mut fixture.replay(&out));
    assert_eq!(names_in(&out), RUN);
    assert_eq!(report(&out, "/status"), "complete");
    assert_eq!(report(&out, "/events_tagged"), 1000);
}

#[test]
fn no_events_are_a_run_of_nothing() {
    let fixture = Fixture::new(0);
    let out = fixture.path("out");
    for format in ["arrow", "parquet"] {
        success(fixture.replay(&out).args(["--force", "--format", format]));
        assert_eq!(report(&out, "/status"), "complete");
        assert_eq!(report(&out, "/events_in"), 0);
        assert_eq!(report(&out, "/counters_add_up"), true);
    }
    success(fixture.replay(&out).arg("--force"));
    let table = EventTable::open(&out.join("tagged.arrow")).unwrap();
    assert!(table.is_empty());
    assert!(table.arrow_schema().field_with_name("score_squares").is_ok());
}

#[test]
fn a_folder_that_cannot_be_written() {
    let fixture = Fixture::new(10);
    let file = fixture.path("file");
    std::fs::write(&file, "in the way").unwrap();
    // Nobody, root included, can make a folder or a file in /proc.
    for place in [&*file, &file.join("below"), Path::new("/proc/trigsieve/out"), Path::new("/proc/self")] {
        failure(&mut fixture.replay(place)).expect(1, &["output folder", &place.to_string_lossy()]);
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"in the way");
}

#[test]
fn a_folder_that_holds_a_run_is_replaced_only_with_force() {
    let fixture = Fixture::new(100);
    let out = fixture.path("out");
    success(fixture.replay(&out).args(["--format", "parquet"]));
    std::fs::write(out.join("notes.txt"), "mine").unwrap();
    let before = std::fs::read(out.join("run.json")).unwrap();

    failure(&mut fixture.replay(&out)).expect(1, &["output folder", "holds a run", "--force"]);
    assert_eq!(std::fs::read(out.join("run.json")).unwrap(), before);

    success(fixture.replay(&out).arg("--force"));
    let mut expected: Vec<&str> = RUN.to_vec();
    expected.insert(5, "notes.txt");
    assert_eq!(names_in(&out), expected, "the older run's Parquet file is gone, other files stay");
}

#[test]
fn a_run_that_cannot_start_leaves_the_older_run_alone() {
    let fixture = Fixture::new(100);
    let out = fixture.path("out");
    success(&mut fixture.replay(&out));
    let mut no_runtime =
        trigsieve(&["replay", "--threshold", "0", "--force", "--onnxruntime", "/nonexistent"]);
    no_runtime.arg(&fixture.events).arg("--model").arg(&fixture.model).arg("-o").arg(&out);
    failure(&mut no_runtime).expect(1, &["/nonexistent"]);
    // This one fails only when it scores its first event.
    let bytes = graph(common::K, |graph, inputs| {
        let shape = graph.constant("shape", &[1], trigsieve_onnx::TensorData::I64(vec![7])).unwrap();
        graph.node("Reshape", &[inputs, &shape], "score", vec![]).unwrap()
    });
    write_bundle(&fixture.model, "reshape", &bytes);
    failure(fixture.replay(&out).arg("--force")).expect(1, &["rten"]);
    assert_eq!(names_in(&out), RUN);
    assert_eq!(report(&out, "/engine/models/0/0"), "squares");
}

#[test]
fn a_run_does_not_replace_its_own_input() {
    let fixture = Fixture::new(100);
    let out = fixture.path("out");
    success(&mut fixture.replay(&out));
    let before = std::fs::read(out.join("tagged.arrow")).unwrap();
    let mut again = trigsieve(&["replay", "--engine", "rten", "--threshold", "1e30", "--force"]);
    again.arg(out.join("tagged.arrow")).arg("--model").arg(&fixture.model).arg("-o").arg(out.join("."));
    failure(&mut again).expect(2, &["tagged.arrow", "input"]);
    assert_eq!(std::fs::read(out.join("tagged.arrow")).unwrap(), before);
}

#[test]
fn tagged_events_replay_again() {
    let fixture = Fixture::new(100);
    let (first, second) = (fixture.path("first"), fixture.path("second"));
    success(&mut fixture.replay(&first));
    let mut again = trigsieve(&["replay", "--engine", "rten", "--threshold", "-1"]);
    success(again.arg(first.join("tagged.arrow")).arg("--model").arg(&fixture.model).arg("-o").arg(&second));
    let (before, after) = (tagged(&first), tagged(&second));
    assert_eq!(before[0].schema(), after[0].schema(), "each column once");
    for column in ["event_id", "inputs", "score_squares", "decision"] {
        assert_eq!(before[0].column_by_name(column), after[0].column_by_name(column), "{column}");
    }
}

#[test]
fn two_runs_into_one_folder_at_once() {
    let fixture = Fixture::new(100);
    let out = fixture.path("out");
    let first = endless(&fixture, &out);
    failure(&mut fixture.replay(&out)).expect(1, &["output folder", "another run"]);
    failure(fixture.replay(&out).arg("--force")).expect(1, &["output folder", "another run"]);
    signal(&first, Signal::INT);
    let output = first.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(interrupted(&out), RUN);
}

#[test]
fn an_interrupted_run_leaves_what_it_decided() {
    for stop in [Signal::INT, Signal::TERM] {
        let fixture = Fixture::new(100);
        let out = fixture.path("out");
        let run = endless(&fixture, &out);
        std::thread::sleep(Duration::from_millis(100));
        signal(&run, stop);
        let output = run.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).starts_with("error: interrupted"), "{}", stderr(&output));
        assert_eq!(interrupted(&out), RUN);
        assert_eq!(report(&out, "/status"), "interrupted");
        let rows: usize = tagged(&out).iter().map(RecordBatch::num_rows).sum();
        assert_eq!(report(&out, "/events_in"), rows);
        assert!(rows > 0);
    }
}

#[test]
fn a_signal_that_arrives_twice_is_one_wish() {
    // `timeout` signals its child and then the process group that the child is in.
    let fixture = Fixture::new(100);
    let out = fixture.path("out");
    let run = endless(&fixture, &out);
    signal(&run, Signal::TERM);
    std::thread::sleep(Duration::from_millis(1));
    signal(&run, Signal::TERM);
    run.wait_with_output().unwrap();
    assert_eq!(interrupted(&out), RUN);
}

#[test]
fn an_interrupt_does_not_wait_for_the_next_event() {
    let fixture = Fixture::new(100);
    let out = fixture.path("out");
    let mut slow = fixture.replay(&out);
    slow.args(["--rate", "0.01Hz"]).stdout(Stdio::null()).stderr(Stdio::piped());
    let run = slow.spawn().unwrap();
    wait_until("the run has begun", || names_in(&out).iter().any(|name| name.ends_with(".partial")));
    std::thread::sleep(Duration::from_millis(100));
    signal(&run, Signal::INT);
    let asked = Instant::now();
    run.wait_with_output().unwrap();
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    assert_eq!(report(&out, "/status"), "interrupted");
}

#[test]
fn what_a_killed_run_left_does_not_stay() {
    let fixture = Fixture::new(100);
    let out = fixture.path("out");
    let mut killed = endless(&fixture, &out);
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_ne!(names_in(&out), Vec::<String>::new());
    success(&mut fixture.replay(&out));
    assert_eq!(names_in(&out), RUN);
}

/// The command under a limit on the size of a file, in blocks of 512 or 1024 bytes: a full disk as far as a program
/// can tell, but for the error's name.
fn with_file_size_limit(blocks: u32, command: &Command) -> Command {
    let mut limited = Command::new("sh");
    limited.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"")).arg("sh");
    limited.arg(command.get_program()).args(command.get_args());
    limited
}

#[test]
fn a_full_disk_fails_the_run_with_its_first_error() {
    for (format, file) in [("arrow", "tagged.arrow"), ("parquet", "tagged.parquet")] {
        for blocks in [0, 2, 32] {
            let fixture = Fixture::new(60_000);
            let out = fixture.path("out");
            let mut command = fixture.replay(&out);
            command.args(["--format", format]);
            let failure = failure(&mut with_file_size_limit(blocks, &command));
            failure.expect(1, &[file, "File too large"]);
            assert!(!failure.message.contains(".partial"), "names a file of ours: {}", failure.message);
            let left = names_in(&out);
            assert!(!left.iter().any(|name| name.starts_with('.') || name.starts_with("tagged")), "{left:?}");
            if left.iter().any(|name| name == "run.json") {
                assert_eq!(report(&out, "/status"), "failed");
            }
        }
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let fixture = Fixture::new(100);
    let out = fixture.path("out");
    let mut command = fixture.replay(&out);
    let mut run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(run.stdout.take());
    let output = run.wait_with_output().unwrap();
    assert_eq!(stderr(&output), "");
    assert!(output.status.success());
    assert_eq!(names_in(&out), RUN);
}

#[test]
fn output_that_cannot_be_printed_is_an_error() {
    let fixture = Fixture::new(100);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = fixture.replay(&fixture.path("out"));
    failure_with_stdout(command.stdout(full), &["standard output", "No space left"]);
}

#[track_caller]
fn failure_with_stdout(command: &mut Command, parts: &[&str]) {
    let output = command.stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{message}");
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

#[test]
fn a_folder_has_one_owner_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let owners = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut mine = 0;
                while mine < 300 {
                    let Ok(claimed) = RunFolder::claim(folder.path(), false) else { continue };
                    assert_eq!(owners.fetch_add(1, Ordering::SeqCst), 0, "two owners");
                    mine += 1;
                    std::thread::yield_now();
                    owners.fetch_sub(1, Ordering::SeqCst);
                    drop(claimed);
                }
            });
        }
    });
    assert_eq!(names_in(folder.path()), Vec::<String>::new());
}

#[test]
fn quiet_is_quiet_and_a_pipe_gets_no_progress_bar() {
    let fixture = Fixture::new(100);
    let aloud = success(&mut fixture.replay(&fixture.path("aloud")));
    assert!(String::from_utf8(aloud.stdout).unwrap().contains("throughput"));
    assert_eq!(String::from_utf8(aloud.stderr).unwrap(), "");
    let quiet = success(fixture.replay(&fixture.path("quiet")).arg("-q"));
    assert_eq!((quiet.stdout, quiet.stderr), (Vec::new(), Vec::new()));
}

#[test]
fn more_pinned_workers_than_cores_share_them() {
    let fixture = Fixture::new(1000);
    let out = fixture.path("out");
    let cores = std::thread::available_parallelism().unwrap().get();
    let workers = (cores + 1).to_string();
    success(fixture.replay(&out).args(["--pin", "--workers", &workers, "--batch", "10"]));
    assert_eq!(report(&out, "/setup/pinned"), true);
    assert_eq!(report(&out, "/events_scored"), 1000);
}

/// A column may have nulls in one file and none in another, as `convert` and other programs write it.
#[test]
fn files_of_which_one_has_nulls_are_replayed_together() {
    let fixture = Fixture::new(10);
    let write = |name: &str, qualities: Vec<Option<f32>>, is_nullable: bool| {
        let path = fixture.path(name);
        let schema = EventTable::open(&fixture.events).unwrap().schema().clone();
        let quality = Field::new("quality", DataType::Float32, is_nullable);
        let mut writer = EventWriter::create(&path, schema.to_arrow([quality])).unwrap();
        let ids: Vec<u64> = (0..qualities.len() as u64).collect();
        let inputs = vec![1.0; qualities.len() * schema.k];
        let qualities: ArrayRef = Arc::new(Float32Array::from(qualities));
        writer.write_events(ids.clone(), ids, inputs, vec![qualities]).unwrap();
        writer.finish().unwrap();
        path
    };
    let whole = write("whole.arrow", vec![Some(1.0), Some(2.0)], false);
    let partly = write("partly.arrow", vec![Some(3.0), None], true);
    for (name, files) in [("one", [&whole, &partly]), ("other", [&partly, &whole])] {
        let out = fixture.path(name);
        let mut replay = trigsieve(&["replay", "--engine", "rten", "--threshold", "-1"]);
        success(replay.args(files).arg("--model").arg(&fixture.model).arg("-o").arg(&out));
        let tagged = EventTable::open(&out.join("tagged.arrow")).unwrap();
        let nulls: usize = tagged
            .batches()
            .iter()
            .map(|batch| batch.record_batch().column_by_name("quality").unwrap().null_count())
            .sum();
        assert_eq!((tagged.len(), nulls), (4, 1));
    }
}
