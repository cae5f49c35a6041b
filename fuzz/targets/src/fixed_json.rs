//! Arbitrary bytes as `fixed.json`: no panic, no huge allocation, and what is said of a program holds.

use std::path::Path;

use trigsieve_fixed::{CheckedProgram, Interpreter, Ranges};

/// Runs the target on `bytes`; whether they were taken.
///
/// # Panics
/// When something does not hold that must.
pub fn run(bytes: &[u8]) -> bool {
    let path = Path::new("fixed.json");
    let Ok(program) = CheckedProgram::from_json(bytes, path) else { return false };
    let again =
        CheckedProgram::from_json(program.to_json().as_bytes(), path).expect("what was written can be read");
    assert_eq!(again.program(), program.program());

    let ranges = Ranges::of(&program);
    let mut interpreter = Interpreter::new(&program);
    let value = |at: usize| bytes[at % bytes.len()];
    let hardware: Vec<i16> =
        (0..program.k()).map(|at| i16::from_le_bytes([value(at), value(at + 7)])).collect();
    interpreter.run_i16(&hardware);
    holds(&ranges, &interpreter);
    let physical: Vec<f32> = hardware.iter().map(|value| f32::from(*value) / 3.0).collect();
    interpreter.run_f32(&physical);
    holds(&ranges, &interpreter);
    true
}

fn holds(ranges: &Ranges, interpreter: &Interpreter) {
    for (tensor, values) in interpreter.trace().iter().enumerate() {
        for (value, interval) in values.iter().zip(ranges.tensor(tensor)) {
            assert!(interval.contains(*value), "tensor {tensor}: {value} is not in {interval:?}");
        }
    }
}
