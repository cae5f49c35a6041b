//! A file larger than the memory it is converted in.

use std::io::{BufWriter, Write as _};
use std::process::Command;

use crate::Scratch;

const LIMIT_BYTES: u64 = 140 << 20;

fn convert(scratch: &Scratch, encoding: &str) -> std::process::Output {
    let limit_kib = LIMIT_BYTES >> 10;
    let script = format!(
        "ulimit -v {limit_kib}; exec \"$0\" convert \"$1\" --from darkmachines --encoding '{encoding}' -o \"$2\""
    );
    let mut shell = Command::new("bash");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_trigsieve")]);
    shell.arg(scratch.path("large.csv")).arg(scratch.output()).output().unwrap()
}

#[test]
fn a_file_larger_than_memory_is_converted() {
    let scratch = Scratch::new();
    let mut file = BufWriter::new(std::fs::File::create(scratch.path("large.csv")).unwrap());
    let objects = "; j,50000.123456,40000.123456,1.123456789,-1.123456789".repeat(10);
    let events = LIMIT_BYTES / objects.len() as u64;
    for event in 0..events {
        writeln!(file, "{event}; ttbar; 1; 60000; 1.5{objects}").unwrap();
    }
    assert!(file.into_inner().unwrap().metadata().unwrap().len() > LIMIT_BYTES);
    let output = convert(&scratch, "simple_ae_34");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let file = std::fs::metadata(scratch.output()).unwrap();
    assert!(file.len() > events * (34 + 10 * 4) * 4, "all of it was written");
}

/// Without bounds the line would have to be in memory, whole.
#[test]
fn a_file_without_line_ends_is_an_error_and_not_a_large_allocation() {
    let scratch = Scratch::new();
    let file = std::fs::File::create(scratch.path("large.csv")).unwrap();
    file.set_len(LIMIT_BYTES + 1).unwrap();
    let output = convert(&scratch, "dm_static");
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("large.csv: line 1: longer than 4194304 bytes"), "{message}");
    assert!(!scratch.output().exists());
}
