//! The logic from which Verilog is made, on random programs of every kind, format and mode: da4ml's own interpreter gives the
//! bits of ours.

mod common;

use std::process::Command;

use trigsieve_export::Events;
use trigsieve_fixed::testing::{program, rows_i16};
use trigsieve_fixed::{CheckedProgram, Format, Kind, Overflow, Rounding};

const PROGRAMS: usize = 60;
/// Programs that have to have logic: the others have convolutions, or tables of inputs that are too wide.
const LEAST: usize = 40;
const EVENTS: usize = 40;

/// da4ml's interpreter computes in double precision.
fn is_narrow(program: &CheckedProgram) -> bool {
    program.tensors().all(|tensor| tensor.format.width <= 24 && tensor.format.integer.abs() <= 40)
}

/// The same program with each computed number in the nearest format that there is logic for.
fn with_logic(program: &CheckedProgram) -> Option<CheckedProgram> {
    let mut program = program.program().clone();
    let nearest = |format: &mut Format| {
        format.integer = format.integer.min(format.width as i32);
        format.overflow = if format.overflow == Overflow::Wrap { Overflow::Wrap } else { Overflow::Saturate };
        format.rounding = match format.rounding {
            mode @ (Rounding::Truncate | Rounding::Round) => mode,
            Rounding::TruncateToZero => Rounding::Truncate,
            _ => Rounding::RoundConvergent,
        };
    };
    for operation in &mut program.operations {
        nearest(&mut operation.output.format);
        match &mut operation.kind {
            Kind::Scale { difference: format, .. }
            | Kind::Dense { accumulator: format, .. }
            | Kind::Sum { accumulator: format, .. }
            | Kind::Dot { accumulator: format } => nearest(format),
            _ => {}
        }
    }
    nearest(&mut program.input.tensor.format);
    program.check().ok().filter(is_narrow)
}

#[test]
fn random_programs_give_the_bits_of_the_interpreter() {
    // Kept, so that a program that differs can be looked at.
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("logic");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    let programs = (0..).filter_map(|seed| Some((seed, with_logic(&program(seed))?)));
    for (seed, program) in programs.take(PROGRAMS) {
        let events = Events::interpreted(&program, &rows_i16(seed, program.k(), EVENTS));
        let numbers = events
            .inputs
            .chunks(events.k)
            .zip(&events.scores)
            .flat_map(|(row, score)| [row, &[*score]].concat());
        let bytes: Vec<u8> = numbers.flat_map(i64::to_le_bytes).collect();
        let path = folder.join(format!("p{seed:05}"));
        std::fs::write(path.with_extension("json"), program.to_json()).expect("a program");
        std::fs::write(path.with_extension("bin"), bytes).expect("events");
    }
    let tests = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut python = Command::new(common::python());
    let output = python.arg(tests.join("tests/check_logic.py")).arg(tests.join("templates/rtl")).arg(&folder);
    let output = output.output().expect("python");
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let count = |word: &str| text.lines().filter(|line| line.contains(word)).count();
    assert_eq!(count(" differs on "), 0);
    assert_eq!(count(" agrees on ") + count(" unsupported: "), PROGRAMS);
    assert!(count(" agrees on ") >= LEAST, "{} programs have logic", count(" agrees on "));
}
