//! Every instruction set gives the interpreter's bits.

use proptest::prelude::*;
use trigsieve_fixed::testing::{program, rows_f32, rows_i16};
use trigsieve_fixed::{CheckedProgram, Engine, Interpreter, Simd};

fn engine(program: &CheckedProgram, simd: Simd) -> Engine {
    Engine::new(program, Some(simd)).expect("an available instruction set")
}

/// Raw scores by the interpreter, as the engine gives them.
fn expected<T>(k: usize, rows: &[T], mut run: impl FnMut(&[T]) -> i128) -> Vec<i64> {
    rows.chunks_exact(k).map(|row| run(row) as i64).collect()
}

/// Checks every instruction set on one program; the rows begin `skew` values into their allocation.
fn check(seed: u64, events: usize, skew: usize) {
    let program = program(seed);
    let k = program.k();
    let mut interpreter = Interpreter::new(&program);
    let hardware = rows_i16(seed, k, events + skew);
    let hardware = &hardware[skew..][..events * k];
    let physical = rows_f32(seed, k, events + skew);
    let physical = &physical[skew..][..events * k];
    let raw = expected(k, hardware, |row| interpreter.run_i16(row));
    let raw_physical = expected(k, physical, |row| interpreter.run_f32(row));
    let numbers: Vec<f32> =
        hardware.chunks_exact(k).map(|row| program.score_value(interpreter.run_i16(row))).collect();
    for simd in Simd::available() {
        let mut engine = engine(&program, simd);
        let mut scores = vec![0_i64; events];
        engine.score_raw_i16(hardware, &mut scores);
        assert_eq!(scores, raw, "seed {seed}: {}", engine.describe());
        engine.score_raw_f32(physical, &mut scores);
        assert_eq!(scores, raw_physical, "seed {seed}, physical values: {}", engine.describe());
        let mut values = vec![0.0; events];
        engine.score_i16(hardware, &mut values);
        assert_eq!(values, numbers, "seed {seed}: {}", engine.describe());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_programs_give_the_interpreters_bits(seed: u64, events in 0_usize..300, skew in 0_usize..3) {
        check(seed, events, skew);
    }
}
