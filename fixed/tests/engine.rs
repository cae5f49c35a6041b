//! Every instruction set gives the interpreter's bits.

use proptest::prelude::*;
use trigsieve_fixed::testing::{deployed, near_deployed, program, rows_f32, rows_i16};
use trigsieve_fixed::{CheckedProgram, Engine, Interpreter, Simd};

fn engine(program: &CheckedProgram, simd: Simd) -> Engine {
    Engine::new(program, Some(simd)).expect("an available instruction set")
}

/// Raw scores by the interpreter, as the engine gives them.
fn expected<T>(k: usize, rows: &[T], mut run: impl FnMut(&[T]) -> i128) -> Vec<i64> {
    rows.chunks_exact(k).map(|row| run(row) as i64).collect()
}

/// Checks every instruction set on one program; the rows begin `skew` values into their allocation.
fn check(program: &CheckedProgram, seed: u64, events: usize, skew: usize) {
    let k = program.k();
    let mut interpreter = Interpreter::new(program);
    // To the very end of their allocation, which a sanitizer watches.
    let hardware = rows_i16(seed, 1, events * k + skew);
    let hardware = &hardware[skew..];
    let physical = rows_f32(seed, 1, events * k + skew);
    let physical = &physical[skew..];
    let raw = expected(k, hardware, |row| interpreter.run_i16(row));
    let raw_physical = expected(k, physical, |row| interpreter.run_f32(row));
    let numbers: Vec<f32> =
        hardware.chunks_exact(k).map(|row| program.score_value(interpreter.run_i16(row))).collect();
    for simd in Simd::available() {
        let mut engine = engine(program, simd);
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
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn random_programs_give_the_interpreters_bits(seed: u64, events in 0_usize..300, skew in 0_usize..3) {
        check(&program(seed), seed, events, skew);
    }

    #[test]
    fn programs_near_the_deployed_one_give_the_interpreters_bits(seed: u64, events in 0_usize..300, skew in 0_usize..3) {
        check(&near_deployed(seed), seed, events, skew);
    }
}

#[test]
fn the_deployed_network_gives_the_interpreters_bits() {
    for seed in 0..4 {
        check(&deployed(seed), seed, 2000, 1);
    }
}

/// Every hardware integer at every input: shifts from -1 to 8, offsets, the wrap at 13 bits.
#[test]
fn the_input_scaling_is_right_for_every_hardware_integer() {
    let program = deployed(5);
    let rows: Vec<i16> = (0..=u16::MAX).flat_map(|h| vec![h.cast_signed(); program.k()]).collect();
    let mut interpreter = Interpreter::new(&program);
    let raw = expected(program.k(), &rows, |row| interpreter.run_i16(row));
    for simd in Simd::available() {
        let mut scores = vec![0; raw.len()];
        engine(&program, simd).score_raw_i16(&rows, &mut scores);
        assert_eq!(scores, raw, "{simd}");
    }
}

#[test]
fn the_deployed_networks_layers_are_in_packed_lanes() {
    for simd in Simd::available() {
        let text = engine(&deployed(0), simd).describe();
        assert_eq!(text.matches("32-bit sum").count(), 8, "{text}");
        assert_eq!(text.contains("from rows"), simd != Simd::Scalar && simd != Simd::Neon, "{text}");
        assert!(!text.contains("64-bit") && !text.contains("128-bit"), "{text}");
    }
}

#[test]
fn an_instruction_set_that_the_cpu_lacks_is_refused() {
    let available: Vec<Simd> = Simd::available().collect();
    for simd in Simd::ALL {
        assert_eq!(Engine::new(&deployed(0), Some(simd)).is_ok(), available.contains(&simd), "{simd}");
        assert_eq!(simd.name().parse(), Ok(simd));
    }
    assert!("sse9".parse::<Simd>().is_err());
}
