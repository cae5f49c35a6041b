//! Compares a published project, event by event, with the C++ that it is:
//! `cargo run --release -p trigsieve-hls --example against_cpp -- EVENTS PROJECT...`.
//!
//! The class around the network is compiled with g++ and the headers of the pinned hls4ml wheel, and runs on random
//! hardware integers: the full range, small ones, mostly absent objects, edges. Exit code 1 on any mismatch.

#[path = "../tests/common/mod.rs"]
#[allow(dead_code)]
mod common;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use trigsieve_fixed::{Engine, Interpreter};
use trigsieve_hls::{Imported, Options, import};

/// Events that are in memory at a time.
const BLOCK: usize = 50_000;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let events = arguments.next().and_then(|events| events.parse().ok());
    let Some(events) = events else {
        eprintln!("usage: against_cpp EVENTS PROJECT...");
        return ExitCode::from(2);
    };
    let mismatches: usize = arguments.map(|project| compare(Path::new(&project), events)).sum();
    ExitCode::from(u8::from(mismatches > 0))
}

fn compare(project: &Path, events: usize) -> usize {
    let imported = import(project, &Options::default()).unwrap_or_else(|error| panic!("{error}"));
    let folder = tempfile::tempdir().expect("a folder");
    let driver = folder.path().join("driver");
    let k = imported.program.k();
    build(project, &imported, &driver);
    let program = imported.program.check().expect("a program that was checked");
    let mut interpreter = Interpreter::new(&program);
    let mut engine = Engine::new(&program, None).expect("an engine");
    let mut random = common::Random(1);
    let (mut mismatches, mut done, mut seconds) = (0, 0, 0.0);
    let mut scores = std::collections::BTreeSet::new();
    while done < events {
        let rows = random.rows(k, BLOCK.min(events - done));
        let start = Instant::now();
        let expected = common::outputs(&driver, &rows);
        seconds += start.elapsed().as_secs_f64();
        assert_eq!(expected.len() * k, rows.len(), "a score for each event");
        let mut fast = vec![0; expected.len()];
        engine.score_raw_i16(&rows, &mut fast);
        for ((row, expected), fast) in rows.chunks(k).zip(expected).zip(fast) {
            let found = interpreter.run_i16(row);
            scores.insert(expected);
            if found != i128::from(expected) || fast != expected {
                mismatches += 1;
                if mismatches <= 10 {
                    println!("interpreter {found}, engine {fast} instead of {expected}: {row:?}");
                }
            }
            done += 1;
        }
    }
    println!(
        "{}: {mismatches} mismatches in {done} events, {} different scores; interpreter and engine ({}); C++ {:.0} events/s",
        project.display(),
        scores.len(),
        engine.simd(),
        done as f64 / seconds
    );
    mismatches
}

/// Compiles the project's sources with a driver for its class.
fn build(project: &Path, imported: &Imported, driver: &Path) {
    let around = imported.report.around.strip_prefix("class ").expect("a class around the network");
    let (class, file) = around.split_once(" (").expect("its file");
    let file = file.trim_end_matches(')');
    let text = std::fs::read_to_string(project.join(file)).expect("the class");
    // The members are those of the two families that are published.
    let (kind, score) =
        if text.contains("unscaled_t") { ("unscaled_t", "_loss") } else { ("input_t", "_result[0]") };
    let network = project.join(imported.report.place.split_once(':').expect("a place").0);
    let options = [
        format!("-DSOURCE=\"{file}\""),
        format!("-DCLASS={class}"),
        format!("-DTYPE={kind}"),
        format!("-DSCORE={score}"),
        format!("-DINPUTS={}", imported.program.k()),
    ];
    let sources = [common::drivers().join("wrapped.cpp"), network];
    let folder = driver.parent().expect("its folder").join("prelude");
    common::Compiler::new(&folder, "-O3").compile(&sources, &options, &[project.to_owned()], driver);
}
