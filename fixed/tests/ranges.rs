//! The intervals hold: whatever the interpreter computes lies within what was proven, and what is said to be exact is.

use proptest::prelude::*;
use trigsieve_fixed::program::{Input, Kind, Operation, Program, Tensor, VERSION};
use trigsieve_fixed::ranges::{Place, Ranges};
use trigsieve_fixed::{
    CheckedProgram, Exact, Format, Interpreter, Interval, Layer, Overflow, Rounding, testing,
};

fn every_value_is_within(program: &CheckedProgram, ranges: &Ranges, trace: &[Vec<i128>]) {
    for (tensor, values) in trace.iter().enumerate() {
        for (element, (value, interval)) in values.iter().zip(ranges.tensor(tensor)).enumerate() {
            let name = &program.tensor_at(tensor).name;
            assert!(interval.contains(*value), "{name}[{element}] = {value}, not in {interval:?}");
        }
    }
}

/// Exact sums of weighted layers: within the partial sums, and the layer's result where the proof says so.
fn exact_sums_are_as_proven(program: &CheckedProgram, ranges: &Ranges, trace: &[Vec<i128>]) {
    for (at, operation) in program.operations.iter().enumerate() {
        let Some(layer) = Layer::of(&operation.kind, program.input_shape(at)) else { continue };
        let (source, out) = (program.sources(at)[0], operation.output.format);
        let accumulation = ranges.proof(at).accumulation.as_ref().expect("an accumulator");
        let x = |element: usize| program.format(source).exact(trace[source][element]);
        for (output, value) in trace[at + 1].iter().enumerate() {
            let Interval { least, most, .. } = accumulation.partial_sums[output];
            if least < i128::MIN / 2 || most > i128::MAX / 2 {
                assert!(!accumulation.exact());
                continue;
            }
            let mut sum = layer.bias(output);
            for (element, weight) in layer.products(output) {
                sum = sum.plus(x(element).times(layer.weight_format.exact(weight.into())));
                let end = |mantissa| Exact { mantissa, fraction: accumulation.fraction };
                assert!(end(least) <= sum && sum <= end(most), "operation {at}, output {output}");
            }
            if ranges.exact(at) {
                assert_eq!(*value, out.assign(sum), "operation {at}, output {output}");
            }
        }
    }
}

/// What can overflow is found: where no place of an operation is reported, unbounded arithmetic gives the same.
fn what_does_not_overflow_is_the_same_without_a_bound(
    program: &CheckedProgram,
    ranges: &Ranges,
    rows: &[i16],
) {
    let mut wider = program.program().clone();
    for (at, operation) in wider.operations.iter_mut().enumerate() {
        let reported = ranges.findings().iter().any(|finding| finding.operation == at);
        if !reported {
            let changed = match operation.output.format.overflow {
                Overflow::Wrap => Overflow::Saturate,
                _ => Overflow::Wrap,
            };
            operation.output.format.overflow = changed;
        }
    }
    let wider = wider.check().expect("the same shapes");
    let (mut one, mut other) = (Interpreter::new(program), Interpreter::new(&wider));
    for row in rows.chunks(program.k()) {
        one.run_i16(row);
        other.run_i16(row);
        assert_eq!(one.trace(), other.trace());
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
        let rows = testing::rows_i16(seed, k, 8);
        for row in rows.chunks(k) {
            interpreter.run_i16(row);
            every_value_is_within(&program, &hardware, interpreter.trace());
            every_value_is_within(&program, &anything, interpreter.trace());
            exact_sums_are_as_proven(&program, &hardware, interpreter.trace());
        }
        what_does_not_overflow_is_the_same_without_a_bound(&program, &hardware, &rows);
        for row in testing::rows_f32(seed, k, 8).chunks(k) {
            interpreter.run_f32(row);
            every_value_is_within(&program, &anything, interpreter.trace());
        }
    }
}

/// The random programs are of use: enough of their layers are exact, and enough are not.
#[test]
fn random_programs_have_exact_and_inexact_layers() {
    let (mut exact, mut layers) = (0, 0);
    for seed in 0..400 {
        let program = testing::program(seed);
        let ranges = Ranges::of_hardware(&program);
        for (at, operation) in program.operations.iter().enumerate() {
            if Layer::of(&operation.kind, program.input_shape(at)).is_some() {
                layers += 1;
                exact += usize::from(ranges.exact(at));
            }
        }
    }
    assert!(exact * 20 > layers && exact * 10 < layers * 9, "{exact} of {layers} layers are exact");
}

/// x [2] of ap_fixed<6,6>, two outputs: 3 x0 - 2 x1 + 1.5 and 7 x0 + 7 x1.
fn two_sums(accumulator: Format, out: Format) -> CheckedProgram {
    let tensor = |name: &str, count, format| Tensor { name: name.to_owned(), shape: vec![count], format };
    let layer = Operation {
        layer: "fc".to_owned(),
        inputs: vec!["x".to_owned()],
        output: tensor("h", 2, out),
        kind: Kind::Dense {
            weights: vec![3, 7, -2, 7],
            weight_format: Format::signed(4, 4),
            biases: vec![3, 0],
            bias_format: Format::signed(4, 3),
            accumulator,
            order: None,
        },
    };
    let score = Operation {
        layer: "score".to_owned(),
        inputs: vec!["h".to_owned()],
        output: tensor("y", 1, out),
        kind: Kind::Select { indices: vec![0] },
    };
    let input = Input { tensor: tensor("x", 2, Format::signed(6, 6)), hardware_fraction: 0, units: None };
    let operations = vec![layer, score];
    let program =
        Program { version: VERSION, name: "two".to_owned(), input, operations, score: "y".to_owned() };
    program.check().expect("a program")
}

#[test]
fn sums_have_the_ranges_that_a_hand_finds() {
    let program = two_sums(Format::signed(11, 10), Format::signed(8, 8));
    let ranges = Ranges::of(&program);
    let accumulation = ranges.proof(0).accumulation.as_ref().expect("an accumulator");
    assert!(accumulation.exact() && ranges.exact(0));
    assert_eq!(accumulation.fraction, 1);
    let ends = |interval: &Interval| (interval.least, interval.most);
    // 3 x -32 - 2 x 31 + 1.5 to 3 x 31 + 2 x 32 + 1.5, and 7 x -64 to 7 x 62, in halves.
    let sums: Vec<_> = ranges.partial_sums(0).iter().map(ends).collect();
    assert_eq!(sums, [(2 * -158 + 3, 2 * 157 + 3), (2 * -448, 2 * 434)]);
    assert_eq!(accumulation.sums.iter().map(ends).collect::<Vec<_>>(), sums);
    let output: Vec<_> = ranges.tensor(1).iter().map(ends).collect();
    assert_eq!(output, [(-128, 127); 2]);
    let narrow = Ranges::of_hardware_within(&program, &[(-8, 7), (0, 1)]);
    let output: Vec<_> = narrow.tensor(1).iter().map(ends).collect();
    assert_eq!(output, [(-25, 22), (-56, 56)]);
    assert!(narrow.findings().is_empty());
    assert_eq!(narrow.tensor(1)[1].signed_width(), 7);
}

#[test]
fn what_can_overflow_is_said() {
    let saturating = Format::signed(9, 8).with(Rounding::Truncate, Overflow::Saturate);
    let program = two_sums(saturating, Format::signed(8, 8));
    let ranges = Ranges::of(&program);
    assert!(!ranges.exact(0));
    let places: Vec<_> = ranges.findings().iter().map(|finding| (finding.place, finding.elements)).collect();
    assert_eq!(places, [(Place::Term, 1), (Place::Sum, 2)]);
    let message = ranges.findings()[1].to_string();
    assert!(message.contains("operation 0 (layer `fc`): a partial sum of the accumulator"), "{message}");
    assert!(message.contains("ap_fixed<9,8,AP_TRN,AP_SAT> in 2 of"), "{message}");
}
