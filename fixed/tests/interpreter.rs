//! The interpreter on programs small enough to work out by hand, as the trigger's firmware computes.

use trigsieve_fixed::program::{Input, Kind, Operation, Program, SumOrder, Tensor, VERSION};
use trigsieve_fixed::{Format, Interpreter, Overflow, Rounding};

fn tensor(name: &str, shape: &[usize], format: Format) -> Tensor {
    Tensor { name: name.to_owned(), shape: shape.to_vec(), format }
}

/// Raw values that `kind` makes of hardware integers; inputs beyond the first are the first again.
fn run(row: &[i16], shape: &[usize], x: Format, inputs: usize, kind: Kind, out: Tensor) -> Vec<i128> {
    let score = Operation {
        layer: "score".to_owned(),
        inputs: vec![out.name.clone()],
        output: tensor("score", &[1], Format::signed(8, 8)),
        kind: Kind::Select { indices: vec![0] },
    };
    let operation =
        Operation { layer: "layer".to_owned(), inputs: vec!["x".to_owned(); inputs], output: out, kind };
    let program = Program {
        version: VERSION,
        name: "one layer".to_owned(),
        input: Input { tensor: tensor("x", shape, x), hardware_fraction: x.fraction(), units: None },
        operations: vec![operation, score],
        score: "score".to_owned(),
    };
    let checked = program.check().expect("a program");
    let mut interpreter = Interpreter::new(&checked);
    interpreter.run_i16(row);
    assert_eq!(interpreter.trace()[0], row.iter().map(|value| i128::from(*value)).collect::<Vec<_>>());
    interpreter.trace()[1].clone()
}

fn flat(row: &[i16], x: Format, inputs: usize, kind: Kind, out: Format) -> Vec<i128> {
    run(row, &[row.len()], x, inputs, kind, tensor("y", &[row.len()], out))
}

fn one(row: &[i16], x: Format, inputs: usize, kind: Kind, out: Format) -> i128 {
    run(row, &[row.len()], x, inputs, kind, tensor("y", &[1], out))[0]
}

/// The scaling of a deployed trigger: offsets without a fraction, a difference that wraps, bits lost before rounding.
#[test]
fn scale_subtracts_wraps_and_shifts_before_it_rounds() {
    let kind = Kind::Scale {
        offsets: vec![4, 4, -512, 0],
        offset_format: Format::signed(10, 10),
        difference: Format::signed(13, 13),
        shifts: vec![2, 2, 0, -1],
    };
    let out = Format::signed(8, 12).with(Rounding::RoundConvergent, Overflow::Saturate);
    // 99 - 4 = 95, >> 2 is 23, / 16 rounds to 1; 100 - 4 >> 2 is 24, a tie that goes to the even 2;
    // 4000 + 512 wraps to -3680, / 16 is -230, saturated; 4000 << 1 wraps to -192, / 16 is -12.
    assert_eq!(flat(&[99, 100, 4000, 4000], Format::signed(13, 13), 1, kind, out), [1, 2, -128, -12]);
}

fn dense(overflow: Overflow, order: Option<Vec<u32>>) -> Kind {
    Kind::Dense {
        weights: vec![2, -1, 3, 1, -4, 2],
        weight_format: Format::signed(4, 4),
        biases: vec![1, 3],
        bias_format: Format::signed(4, 3),
        accumulator: Format::signed(6, 6).with(Rounding::Truncate, overflow),
        order,
    }
}

#[test]
fn dense_assigns_every_step_to_the_accumulator() {
    let x = Format::signed(8, 8);
    let layer = |overflow, order| {
        let y = tensor("y", &[2], Format::signed(8, 8));
        run(&[10, 9, 8], &[3], x, 1, dense(overflow, order), y)
    };
    // Biases 0.5 and 1.5 are cut to 0 and 1; 20 + 27 wraps to -17, - 32 to 15 again.
    assert_eq!(layer(Overflow::Wrap, None), [15, 16]);
    // 20 + 27 saturates at 31, - 32 is -1.
    assert_eq!(layer(Overflow::Saturate, None), [-1, 16]);
    // - 32 + 20 + 27 saturates nowhere.
    assert_eq!(layer(Overflow::Saturate, Some(vec![2, 0, 1])), [15, 16]);
}

#[test]
fn a_convolution_is_a_dense_layer_on_each_window() {
    let kind = Kind::Conv2d {
        weights: vec![1, 2, 3, 4],
        weight_format: Format::signed(4, 4),
        biases: vec![5],
        bias_format: Format::signed(4, 4),
        accumulator: Format::signed(12, 12),
        kernel: [2, 2],
        stride: [1, 2],
        padding: [1, 0, 0, 1],
    };
    let image = [1, 2, 3, 4, 5, 6];
    let y = tensor("y", &[2, 2, 1], Format::signed(12, 12));
    // Rows 0 0 0 0, 1 2 3 0, 4 5 6 0 with the padding; windows start at columns 0 and 2.
    let expected = [5 + 3 + 2 * 4, 5 + 3 * 3, 5 + 1 + 2 * 2 + 3 * 4 + 4 * 5, 5 + 3 + 3 * 6];
    assert_eq!(run(&image, &[2, 3, 1], Format::signed(6, 6), 1, kind, y), expected);
}

#[test]
fn activations() {
    let x = Format::signed(8, 6);
    let row = [-20, -1, 0, 7, 40];
    let whole = Format::signed(6, 6).with(Rounding::Round, Overflow::Saturate);
    assert_eq!(flat(&row, x, 1, Kind::Relu { maximum: None }, whole), [0, 0, 0, 2, 10]);
    assert_eq!(flat(&row, x, 1, Kind::Relu { maximum: Some(6) }, whole), [0, 0, 0, 2, 6]);
    let slope = Kind::LeakyRelu { slope: 1, slope_format: Format::signed(4, 2) };
    assert_eq!(flat(&row, x, 1, slope, Format::signed(10, 6)), [-20, -1, 0, 28, 160]);
    let table =
        Kind::Table { range: 8, offset: 2, table: vec![-9, -8, 0, 8], table_format: Format::signed(5, 2) };
    // n is x / 2 towards zero: -2, 0, 0, 0, 5, and 2 more.
    assert_eq!(flat(&row, x, 1, table, Format::signed(5, 2)), [-9, 0, 0, 0, 8]);
    let normalise = Kind::Normalise {
        scales: vec![3],
        scale_format: Format::signed(4, 3),
        biases: vec![-1],
        bias_format: Format::signed(4, 4),
    };
    // x 1.5 - 1, at three bits after the point, towards minus infinity to a whole number.
    assert_eq!(flat(&row, x, 1, normalise, Format::signed(6, 6)), [-9, -2, -1, 1, 14]);
}

#[test]
fn sums_and_products() {
    let x = Format::signed(6, 6);
    let wrap = |width| Format::signed(width, width as i32);
    let row = [30, 20, -31, 5, 12];
    assert_eq!(flat(&row, x, 2, Kind::Add {}, wrap(6)), [-4, -24, 2, 10, 24]);
    assert_eq!(flat(&row, x, 2, Kind::Subtract {}, wrap(6)), [0; 5]);
    assert_eq!(flat(&row, x, 2, Kind::Multiply {}, wrap(12)), [900, 400, 961, 25, 144]);
    assert_eq!(flat(&row, x, 1, Kind::Absolute {}, wrap(7)), [30, 20, 31, 5, 12]);
    let saturating = wrap(6).with(Rounding::Truncate, Overflow::Saturate);
    let sum = |order| Kind::Sum { accumulator: saturating, order };
    // ((30 + 20 to 31) - 31) + 5 + 12, and ((30 + 20 to 31) + (-31 + 5)) + 12.
    assert_eq!(one(&row, x, 1, sum(SumOrder::Sequential), wrap(8)), 17);
    assert_eq!(one(&row, x, 1, sum(SumOrder::Tree), wrap(8)), 17);
    let row = [30, 20, 5, -31, 12];
    assert_eq!(one(&row, x, 1, sum(SumOrder::Sequential), wrap(8)), 12);
    assert_eq!(one(&row, x, 1, sum(SumOrder::Tree), wrap(8)), 17);
    // Squares cut to multiples of 4: 900 + 400 + 24 + 960 + 144, modulo 1024.
    let dot = Kind::Dot { accumulator: Format::signed(8, 10) };
    assert_eq!(one(&row, x, 2, dot, Format::signed(8, 10)), (900 + 400 + 24 + 960 + 144 - 2048) / 4);
}

#[test]
fn tensors_are_joined_and_picked_from() {
    let x = Format::signed(6, 6);
    let y = tensor("y", &[4], Format::signed(4, 4).with(Rounding::Truncate, Overflow::Saturate));
    assert_eq!(run(&[9, -3], &[2], x, 2, Kind::Concatenate {}, y), [7, -3, 7, -3]);
    let y = tensor("y", &[3], x);
    assert_eq!(run(&[9, -3], &[2], x, 1, Kind::Select { indices: vec![1, 1, 0] }, y), [-3, -3, 9]);
    let y = tensor("y", &[2, 1], Format::signed(4, 6));
    assert_eq!(run(&[9, -3], &[2], x, 1, Kind::Requantise {}, y), [2, -1]);
}

#[test]
fn both_doors_give_the_same_bits_where_units_are_known() {
    let x = Format::signed(10, 6).with(Rounding::Round, Overflow::Saturate);
    let program = |units| Program {
        version: VERSION,
        name: "door".to_owned(),
        input: Input { tensor: tensor("x", &[2], x), hardware_fraction: 1, units },
        operations: vec![Operation {
            layer: "score".to_owned(),
            inputs: vec!["x".to_owned()],
            output: tensor("score", &[1], Format::signed(12, 8)),
            kind: Kind::Sum { accumulator: Format::signed(12, 8), order: SumOrder::Sequential },
        }],
        score: "score".to_owned(),
    };
    let with_units = program(Some(vec![0.5, 0.25])).check().expect("a program");
    let mut interpreter = Interpreter::new(&with_units);
    let score = interpreter.run_i16(&[7, -2]);
    assert_eq!(score, (7 << 3) - (2 << 3));
    assert!((interpreter.score_value(score) - 2.5).abs() < f32::EPSILON);
    // 3.4 / 0.5 rounds to 7; -0.6 / 0.25 to -2.
    assert_eq!(interpreter.run_f32(&[3.4, -0.6]), score);
    assert_eq!(interpreter.run_f32(&[f32::NAN, 1.0e9]), 511);
    let without = program(None).check().expect("a program");
    assert_eq!(Interpreter::new(&without).run_f32(&[3.4, -0.6]), 54 - 10);
}
