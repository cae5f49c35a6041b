//! The intervals hold: whatever the interpreter computes lies within what was proven.

use proptest::prelude::*;
use trigsieve_fixed::ranges::Ranges;
use trigsieve_fixed::{CheckedProgram, Interpreter, testing};

fn every_value_is_within(program: &CheckedProgram, ranges: &Ranges, trace: &[Vec<i128>]) {
    for (tensor, values) in trace.iter().enumerate() {
        for (element, (value, interval)) in values.iter().zip(ranges.tensor(tensor)).enumerate() {
            let name = &program.tensor_at(tensor).name;
            assert!(interval.contains(*value), "{name}[{element}] = {value}, not in {interval:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn values_lie_within_their_intervals(seed: u64) {
        let program = testing::program(seed);
        let k = program.k();
        let (hardware, anything) = (Ranges::of_hardware(&program), Ranges::of(&program));
        let mut interpreter = Interpreter::new(&program);
        for row in testing::rows_i16(seed, k, 8).chunks(k) {
            interpreter.run_i16(row);
            every_value_is_within(&program, &hardware, interpreter.trace());
            every_value_is_within(&program, &anything, interpreter.trace());
        }
        for row in testing::rows_f32(seed, k, 8).chunks(k) {
            interpreter.run_f32(row);
            every_value_is_within(&program, &anything, interpreter.trace());
        }
    }
}
