//! Programs of the shape of CMS's deployed anomaly trigger, with random weights.

use std::ops::Range;

use fastrand::Rng;

use crate::check::CheckedProgram;
use crate::program::{Input, Kind, Operation, Program, SumOrder, Tensor, VERSION};
use crate::{Format, Overflow, Rounding};

/// Widths of the layers: inputs, two hidden layers, the latent means.
const WIDTHS: [usize; 4] = [57, 28, 15, 8];

/// A network of the shape, formats and share of zero weights of CMS's AXOL1TL v4 (57-28-15-8 and the sum of squares).
///
/// # Panics
/// Never: the program passes the checker.
#[must_use]
pub fn deployed(seed: u64) -> CheckedProgram {
    deployed_of(seed, WIDTHS)
}

/// The same with other widths: inputs, two hidden layers, latent means.
///
/// # Panics
/// When the checker refuses what these widths make of the sums.
#[must_use]
pub fn deployed_of(seed: u64, widths: [usize; 4]) -> CheckedProgram {
    let conventional = |format: Format| format.with(Rounding::RoundConvergent, Overflow::Saturate);
    let formats = Formats {
        input: Format::signed(18, 13),
        scaled: conventional(Format::signed(8, 6)),
        accumulators: [Format::signed(29, 16), Format::signed(22, 15), Format::signed(21, 14)],
        weight: Format::signed(6, 3),
        hidden: conventional(Format::unsigned(10, 6)),
        latent: conventional(Format::signed(10, 7)),
        square: Format::unsigned(18, 14),
    };
    build(&mut Rng::with_seed(seed), widths, &formats).check().expect("a program that checks")
}

/// A network of the same shape in every way but widths, formats and modes, which are near those of the deployed one.
#[must_use]
pub fn near_deployed(seed: u64) -> CheckedProgram {
    let mut rng = Rng::with_seed(seed);
    loop {
        let widths = [rng.usize(1..=140), rng.usize(1..=40), rng.usize(1..=20), rng.usize(1..=9)];
        let formats = Formats::near_deployed(&mut rng);
        if let Ok(checked) = build(&mut rng, widths, &formats).check() {
            return checked;
        }
    }
}

struct Formats {
    input: Format,
    scaled: Format,
    accumulators: [Format; 3],
    weight: Format,
    hidden: Format,
    latent: Format,
    square: Format,
}

impl Formats {
    fn near_deployed(rng: &mut Rng) -> Self {
        let mode = |rng: &mut Rng, format: Format| {
            let saturates = rng.u8(0..4) > 0;
            let overflow = if saturates { Overflow::Saturate } else { Overflow::ALL[rng.usize(..4)].0 };
            let rounding = [Rounding::RoundConvergent, Rounding::ALL[rng.usize(..7)].0][rng.usize(..2)];
            format.with(rounding, overflow)
        };
        let around = |rng: &mut Rng, width: u32, integer: i32| {
            Format::signed(width + rng.u32(0..4) - 1, integer + rng.i32(-1..=2))
        };
        let hidden = Format { signed: rng.bool(), ..around(rng, 10, 6) };
        let scaled = if rng.bool() { Format::signed(8, rng.i32(4..=7)) } else { around(rng, 8, 6) };
        Self {
            input: around(rng, 18, 13),
            scaled: mode(rng, scaled),
            accumulators: [around(rng, 28, 15), around(rng, 20, 13), around(rng, 21, 14)],
            weight: around(rng, 6, 3),
            hidden: mode(rng, hidden),
            latent: {
                let format = around(rng, 10, 7);
                mode(rng, format)
            },
            square: Format::unsigned(rng.u32(14..=20), 14),
        }
    }
}

fn build(rng: &mut Rng, widths: [usize; 4], formats: &Formats) -> Program {
    let [k, first, second, latent] = widths;
    let tensor =
        |name: &str, len: usize, format: Format| Tensor { name: name.to_owned(), shape: vec![len], format };
    let step = |layer: &str, input: &str, output: Tensor, kind: Kind| Operation {
        layer: layer.to_owned(),
        inputs: vec![input.to_owned()],
        output,
        kind,
    };
    let square = formats.square;
    let [a1, a2, a3] = formats.accumulators;
    let wide = |a: Format, name: &str, len: usize| tensor(name, len, a);
    let mut square_step = step("square", "mu", tensor("squares", latent, square), Kind::Multiply {});
    square_step.inputs.push("mu".to_owned());
    Program {
        version: VERSION,
        name: "deployed".to_owned(),
        input: Input { tensor: tensor("x", k, formats.input), hardware_fraction: 0, units: None },
        operations: vec![
            step("scale", "x", tensor("scaled", k, formats.scaled), scale(rng, k, formats.input)),
            step(
                "dense1",
                "scaled",
                wide(a1, "a1", first),
                dense(rng, [k, first], 0.04..1.0, formats.weight, a1),
            ),
            step("relu1", "a1", tensor("h1", first, formats.hidden), Kind::Relu { maximum: None }),
            step(
                "dense2",
                "h1",
                wide(a2, "a2", second),
                dense(rng, [first, second], 0.72..1.0, formats.weight, a2),
            ),
            step("relu2", "a2", tensor("h2", second, formats.hidden), Kind::Relu { maximum: None }),
            step(
                "dense3",
                "h2",
                wide(a3, "a3", latent),
                dense(rng, [second, latent], 0.04..0.8, formats.weight, a3),
            ),
            step("linear", "a3", tensor("mu", latent, formats.latent), Kind::Requantise {}),
            square_step,
            step(
                "sum",
                "squares",
                tensor("score", 1, square),
                Kind::Sum { accumulator: square, order: SumOrder::Tree },
            ),
        ],
        score: "score".to_owned(),
    }
}

fn scale(rng: &mut Rng, k: usize, difference: Format) -> Kind {
    Kind::Scale {
        offsets: (0..k).map(|_| [0, rng.i64(-10..=300), rng.i64(0..=72)][rng.usize(..3)]).collect(),
        offset_format: Format::signed(10, 10),
        difference,
        shifts: (0..k).map(|_| rng.i32(-1..=8)).collect(),
    }
}

/// The share of weights that are not zero is between the ends of `share`, another for each input, as pruning leaves them.
fn dense(
    rng: &mut Rng,
    [inputs, outputs]: [usize; 2],
    share: Range<f32>,
    format: Format,
    accumulator: Format,
) -> Kind {
    let most = (format.max_raw() as i64).min(9);
    let mut weights = Vec::with_capacity(inputs * outputs);
    for _ in 0..inputs {
        let share = share.start + rng.f32() * (share.end - share.start);
        weights.extend((0..outputs).map(|_| match rng.i64(-most..most) {
            _ if rng.f32() >= share => 0,
            // Not zero.
            weight => weight + i64::from(weight >= 0),
        }));
    }
    let bias_format = Format::signed(10, 7);
    Kind::Dense {
        weights,
        weight_format: format,
        biases: (0..outputs).map(|_| rng.i64(-100..=100)).collect(),
        bias_format,
        accumulator,
        order: None,
    }
}
