//! A file larger than the memory it is converted in.

use std::process::Command;

use trigsieve::event::EventTable;

use crate::Scratch;
use crate::fixture::{Fixture, Storage};

#[test]
fn a_file_larger_than_memory_is_converted() {
    let scratch = Scratch::new();
    let events = 600_000;
    let bytes = Fixture::of(events, Storage::Contiguous).bytes();
    let limit = 140 << 20;
    assert!(bytes.len() > limit, "the test needs a file larger than its limit");
    let input = scratch.input("large.h5", &bytes);
    let script = format!("ulimit -v {}; exec \"$0\" convert \"$1\" --from adc2021 -o \"$2\"", limit >> 10);
    let mut shell = Command::new("bash");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_trigsieve")]).arg(input).arg(scratch.output());
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(EventTable::open(&scratch.output()).unwrap().len(), events as u64);
}
