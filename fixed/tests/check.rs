//! Programs that cannot be run are refused, with the operation, the layer and the tensor.

use trigsieve_fixed::program::{Input, Kind, Operation, Program, SumOrder, Tensor, VERSION};
use trigsieve_fixed::{CheckedProgram, Format, Overflow, Rounding};

const X: Format = Format::signed(12, 8);
const W: Format = Format::signed(6, 3);

fn tensor(name: &str, shape: &[usize], format: Format) -> Tensor {
    Tensor { name: name.to_owned(), shape: shape.to_vec(), format }
}

fn operation(inputs: &[&str], output: Tensor, kind: Kind) -> Operation {
    let inputs = inputs.iter().map(|name| (*name).to_owned()).collect();
    Operation { layer: format!("layer_{}", output.name), inputs, output, kind }
}

fn dense(order: Option<Vec<u32>>) -> Kind {
    Kind::Dense {
        weights: vec![1, -2, 3, 4, -5, 6],
        weight_format: W,
        biases: vec![0, 7],
        bias_format: W,
        accumulator: Format::signed(20, 12),
        order,
    }
}

fn sum() -> Kind {
    Kind::Sum { accumulator: Format::signed(24, 16), order: SumOrder::Tree }
}

/// x [3] -> dense -> h [2] -> sum -> y [1].
fn program() -> Program {
    Program {
        version: VERSION,
        name: "small".to_owned(),
        input: Input { tensor: tensor("x", &[3], X), hardware_fraction: 0, units: None },
        operations: vec![
            operation(&["x"], tensor("h", &[2], X), dense(None)),
            operation(&["h"], tensor("y", &[1], X), sum()),
        ],
        score: "y".to_owned(),
    }
}

/// The program with an operation between its two.
fn with(inputs: &[&str], output: Tensor, kind: Kind) -> Program {
    let mut program = program();
    program.operations.insert(1, operation(inputs, output, kind));
    program
}

fn changed(change: impl FnOnce(&mut Program)) -> Program {
    let mut program = program();
    change(&mut program);
    program
}

fn refused(program: Program, expected: &[&str]) {
    let error = program.check().expect_err(expected[0]).to_string();
    for part in expected {
        assert!(error.contains(part), "`{error}` does not say `{part}`");
    }
}

#[test]
fn a_sound_program_passes() {
    let checked: CheckedProgram = program().check().expect("a sound program");
    assert_eq!((checked.sources(0), checked.sources(1), checked.score_tensor()), (&[0][..], &[1][..], 2));
}

#[test]
fn names_are_written_once_and_before_they_are_read() {
    refused(changed(|p| p.version = 2), &["version 2", "reads version 1"]);
    let place = "operation 0 (layer `layer_h`, which writes tensor `h`)";
    refused(changed(|p| p.operations[0].inputs[0] = "z".into()), &[place, "`z`, which nothing writes"]);
    refused(changed(|p| p.operations[0].inputs[0] = "h".into()), &[place, "written by operation 0", "cycle"]);
    refused(changed(|p| p.operations[0].inputs[0] = "y".into()), &[place, "written by operation 1", "cycle"]);
    refused(changed(|p| p.operations[1].output.name = "h".into()), &["operation 1", "written before"]);
    refused(changed(|p| p.operations[1].output.name = "x".into()), &["operation 1", "written before"]);
    refused(changed(|p| p.operations[1].output.name.clear()), &["operation 1", "no name"]);
    refused(changed(|p| p.operations[0].inputs.push("x".into())), &[place, "2 tensors instead of one"]);
    refused(changed(|p| p.operations[0].inputs.clear()), &[place, "0 tensors instead of one"]);
    refused(changed(|p| p.score = "z".into()), &["score `z`", "nothing writes"]);
    refused(changed(|p| p.score = "h".into()), &["score `h`", "2 elements"]);
}

#[test]
fn sizes_are_bounded_before_anything_is_allocated() {
    refused(changed(|p| p.input.tensor.shape = vec![usize::MAX, 2]), &["input tensor `x`", "shape"]);
    refused(changed(|p| p.input.tensor.shape = vec![]), &["shape"]);
    refused(changed(|p| p.input.tensor.shape = vec![3, 0]), &["shape"]);
    refused(changed(|p| p.input.tensor.shape = vec![1; 9]), &["shape"]);
    let mut many = program();
    many.operations[0] = operation(&["x"], tensor("h", &[1 << 19], X), Kind::Requantise {});
    refused(many, &["elements of the output", "instead of 3"]);
    let mut big = program();
    big.input.tensor.shape = vec![1 << 18];
    big.operations = (0..3)
        .map(|at| {
            let input = if at == 0 { "x".to_owned() } else { format!("t{at}") };
            operation(&[&input], tensor(&format!("t{}", at + 1), &[1 << 18], X), Kind::Relu { maximum: None })
        })
        .collect();
    refused(big, &["elements of all tensors", "524288"]);
}

#[test]
fn the_door_is_checked() {
    refused(changed(|p| p.input.units = Some(vec![1.0; 2])), &["units", "2 instead of 3"]);
    refused(changed(|p| p.input.units = Some(vec![1.0, 0.0, 1.0])), &["a unit is 0"]);
    refused(changed(|p| p.input.units = Some(vec![f64::NAN; 3])), &["a unit is NaN"]);
    refused(changed(|p| p.input.hardware_fraction = 129), &["hardware_fraction is 129"]);
    refused(changed(|p| p.input.tensor.format.width = 65), &["input tensor", "not supported"]);
}

#[test]
fn lengths_shapes_and_constants_of_a_dense_layer_are_checked() {
    let layer = |change: fn(&mut Kind)| changed(|p| change(&mut p.operations[0].kind));
    refused(
        layer(|kind| {
            if let Kind::Dense { weights, .. } = kind {
                weights.truncate(5)
            }
        }),
        &["weights: 5 instead of 6"],
    );
    refused(
        layer(|kind| {
            if let Kind::Dense { weights, .. } = kind {
                weights[4] = -33
            }
        }),
        &["weights: number 4 is -33", "ap_fixed<6,3>"],
    );
    refused(
        layer(|kind| {
            if let Kind::Dense { biases, .. } = kind {
                biases[1] = 32
            }
        }),
        &["biases: number 1 is 32"],
    );
    refused(
        layer(|kind| {
            if let Kind::Dense { biases, .. } = kind {
                biases.clear()
            }
        }),
        &["number of biases"],
    );
    refused(
        layer(|kind| {
            if let Kind::Dense { accumulator, .. } = kind {
                accumulator.integer = 400
            }
        }),
        &["the accumulator", "not supported"],
    );
    refused(changed(|p| p.operations[0].output.shape = vec![3]), &["elements of the output: 3 instead of 2"]);
    refused(layer(|kind| *kind = dense(Some(vec![0, 1]))), &["order: 2 instead of 3"]);
    refused(layer(|kind| *kind = dense(Some(vec![0, 1, 3]))), &["the order: number 2 is 3"]);
    refused(layer(|kind| *kind = dense(Some(vec![0, 2, 2]))), &["takes input 2 twice"]);
}

#[test]
fn constants_are_numbers_that_an_assignment_gives() {
    let symmetric = W.with(Rounding::Truncate, Overflow::SaturateSymmetric);
    let kind = Kind::LeakyRelu { slope: -32, slope_format: symmetric };
    refused(with(&["h"], tensor("l", &[2], X), kind), &["the slope: number 0 is -32"]);
}

#[test]
fn results_over_128_bits_are_refused() {
    let mut program = program();
    program.input.tensor.format = Format::signed(64, 120);
    program.operations[0].kind = Kind::Normalise {
        scales: vec![1],
        scale_format: Format::signed(64, 64),
        biases: vec![1],
        bias_format: Format::signed(64, -60),
    };
    program.operations[0].output.shape = vec![3];
    refused(program, &["operation 0", "the normalised number needs", "127"]);
}

#[test]
fn a_convolution_has_to_fit_its_image() {
    let convolution = |kernel, stride, padding, weights: usize| Kind::Conv2d {
        weights: vec![1; weights],
        weight_format: W,
        biases: vec![0],
        bias_format: W,
        accumulator: X,
        kernel,
        stride,
        padding,
    };
    let run = |kernel, stride, padding, weights, out: &[usize]| {
        let mut program = program();
        program.input.tensor.shape = vec![3, 4, 2];
        program.operations[0] =
            operation(&["x"], tensor("h", out, X), convolution(kernel, stride, padding, weights));
        program
    };
    assert!(run([2, 2], [1, 2], [0, 0, 1, 1], 8, &[2, 3, 1]).check().is_ok());
    refused(run([4, 2], [1, 1], [0; 4], 16, &[1, 3, 1]), &["window [4, 2]", "does not fit"]);
    refused(run([2, 2], [0, 1], [0; 4], 8, &[2, 3, 1]), &["does not fit"]);
    refused(run([2, 2], [1, 1], [0; 4], 7, &[2, 3, 1]), &["weights: 7 instead of 8"]);
    refused(run([2, 2], [1, 1], [0; 4], 8, &[2, 2, 1]), &["shape [2, 2, 1] instead of [2, 3, 1]"]);
    refused(run([2, 2], [1, 1], [usize::MAX, 1, 0, 0], 8, &[2, 3, 1]), &["does not fit"]);
    let flat = with(&["h"], tensor("c", &[2], X), convolution([1, 1], [1, 1], [0; 4], 1));
    refused(flat, &["does not fit"]);
}

#[test]
fn the_other_kinds_are_checked() {
    let one = |kind| with(&["h"], tensor("k", &[2], X), kind);
    let scale = |offsets: usize, difference, shift| Kind::Scale {
        offsets: vec![0; offsets],
        offset_format: W,
        difference,
        shifts: vec![shift; 2],
    };
    let symmetric = X.with(Rounding::Truncate, Overflow::SaturateSymmetric);
    refused(one(scale(1, X, 0)), &["offsets: 1 instead of 2"]);
    refused(one(scale(2, X, 65)), &["a shift is 65"]);
    refused(one(scale(2, symmetric, -1)), &["AP_SAT_SYM"]);
    let scales = |count| Kind::Normalise {
        scales: vec![1; count],
        scale_format: W,
        biases: vec![1; count],
        bias_format: W,
    };
    refused(one(scales(0)), &["number of scales"]);
    refused(one(scales(3)), &["number of scales is 3 for 2"]);
    refused(one(Kind::Relu { maximum: Some(1 << 31) }), &["maximum"]);
    let table = |range, table| Kind::Table { range, offset: 0, table, table_format: W };
    refused(one(table(0, vec![1])), &["the range is 0"]);
    refused(one(table(8, vec![])), &["number of entries is 0"]);
    refused(one(table(8, vec![32])), &["the table: number 0 is 32"]);
    refused(one(Kind::Select { indices: vec![0, 2] }), &["indices: number 1 is 2"]);
    refused(one(Kind::Select { indices: vec![0] }), &["indices: 1 instead of 2"]);
    refused(with(&["h", "x"], tensor("k", &[2], X), Kind::Multiply {}), &["second input: 3 instead of 2"]);
    refused(with(&["h"], tensor("k", &[2], X), Kind::Add {}), &["1 tensors instead of two"]);
    refused(with(&["h"], tensor("k", &[1, 2], X), Kind::Absolute {}), &["shape [1, 2] instead of [2]"]);
    refused(with(&["h", "h"], tensor("k", &[3], X), Kind::Concatenate {}), &["output: 3 instead of 4"]);
    refused(
        with(&["h", "h"], tensor("k", &[2], X), Kind::Dot { accumulator: X }),
        &["output: 2 instead of 1"],
    );
    refused(with(&[], tensor("k", &[2], X), Kind::Concatenate {}), &["0 tensors"]);
}
