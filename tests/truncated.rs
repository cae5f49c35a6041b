//! An event file that is cut while it is mapped ends a run in an error, not in SIGBUS, and nothing of it is kept.

use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const SAMPLE: &str = "samples/background.h5";

fn trigsieve(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trigsieve"));
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Cuts the event file to what `length` makes of its length while a replay of it runs.
fn replay_of_a_file_cut_to(length: impl Fn(u64) -> u64) {
    let folder = tempfile::tempdir().unwrap();
    let (events, out) = (folder.path().join("events.arrow"), folder.path().join("out"));
    let converted =
        trigsieve(&["convert", SAMPLE, "--from", "adc2021", "-o", text(&events)]).status().unwrap();
    assert!(converted.success());
    let mut replay = trigsieve(&["replay", text(&events), "--model", "models/l1_ae", "--engine", "rten"]);
    replay.args(["--rate", "20kHz", "--duration", "3s", "--threshold", "1e9", "-o", text(&out)]);
    let replay = replay.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(700));
    let bytes = std::fs::metadata(&events).unwrap().len();
    OpenOptions::new().write(true).open(&events).unwrap().set_len(length(bytes)).unwrap();
    let output = replay.wait_with_output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{:?}: {message}", output.status);
    assert!(message.contains("became shorter"), "{message}");
    assert!(message.contains("events.arrow"), "{message}");
}

#[test]
fn a_file_cut_under_a_replay_ends_it_with_an_error() {
    replay_of_a_file_cut_to(|_| 4096);
}

#[test]
fn a_file_that_lost_its_last_byte_is_noticed_though_no_page_is_missing() {
    replay_of_a_file_cut_to(|bytes| bytes - 1);
}
