//! One event at a time, element by element, by the formulas of [`Kind`]: what every kernel has to equal.

use crate::Format;
use crate::arithmetic::Exact;
use crate::check::CheckedProgram;
use crate::layer::Layer;
use crate::program::{Input, Kind, Operation, SumOrder};

/// Runs a program on single events and keeps every tensor of the last one.
#[derive(Clone, Debug)]
pub struct Interpreter<'a> {
    program: &'a CheckedProgram,
    tensors: Vec<Vec<i128>>,
}

/// A tensor that an operation reads.
#[derive(Clone, Copy)]
struct Source<'a> {
    format: Format,
    raw: &'a [i128],
}

impl<'a> Interpreter<'a> {
    /// An interpreter whose tensors are zero.
    #[must_use]
    pub fn new(program: &'a CheckedProgram) -> Self {
        let tensors = program.tensors().map(|tensor| vec![0; tensor.len()]).collect();
        Self { program, tensors }
    }

    /// Raw score of an event of hardware integers.
    ///
    /// # Panics
    /// When the row does not have the program's K inputs.
    pub fn run_i16(&mut self, row: &[i16]) -> i128 {
        let input = &self.program.input;
        self.run(row, |_, value| from_hardware(input, *value))
    }

    /// Raw score of an event of physical values.
    ///
    /// # Panics
    /// When the row does not have the program's K inputs.
    pub fn run_f32(&mut self, row: &[f32]) -> i128 {
        let input = &self.program.input;
        self.run(row, |at, value| from_physical(input, at, *value))
    }

    /// Every tensor's raw values in the last event: 0 is the input, i + 1 what operation i wrote.
    #[must_use]
    pub fn trace(&self) -> &[Vec<i128>] {
        &self.tensors
    }

    /// The number of a raw score in single precision, as [`CheckedProgram::score_value`].
    #[must_use]
    pub fn score_value(&self, raw: i128) -> f32 {
        self.program.score_value(raw)
    }

    fn run<T>(&mut self, row: &[T], door: impl Fn(usize, &T) -> i128) -> i128 {
        assert_eq!(row.len(), self.program.k(), "inputs of an event");
        for (at, (element, value)) in self.tensors[0].iter_mut().zip(row).enumerate() {
            *element = door(at, value);
        }
        let program = self.program;
        for (at, operation) in program.operations.iter().enumerate() {
            let (before, after) = self.tensors.split_at_mut(at + 1);
            let source = |t: &usize| Source { format: program.format(*t), raw: &before[*t] };
            let inputs: Vec<Source> = program.sources(at).iter().map(source).collect();
            write(operation, program.input_shape(at), &inputs, &mut after[0]);
        }
        self.tensors[program.score_tensor()][0]
    }
}

/// Raw input of a hardware integer.
#[must_use]
pub fn from_hardware(input: &Input, value: i16) -> i128 {
    input.tensor.format.assign(Exact { mantissa: value.into(), fraction: input.hardware_fraction })
}

/// Raw input number `at` of a physical value.
#[must_use]
pub fn from_physical(input: &Input, at: usize, value: f32) -> i128 {
    match &input.units {
        Some(units) => from_hardware(input, (f64::from(value) / units[at]).round_ties_even() as i16),
        None => input.tensor.format.assign_f64(value.into()),
    }
}

impl Source<'_> {
    fn exact(&self, at: usize) -> Exact {
        self.format.exact(self.raw[at])
    }

    /// For the second input of a sum or difference: its one element stands for all.
    fn broadcast(&self, at: usize) -> Exact {
        self.exact(if self.raw.len() == 1 { 0 } else { at })
    }
}

fn write(operation: &Operation, shape: &[usize], inputs: &[Source], raw: &mut [i128]) {
    let out = operation.output.format;
    let x = inputs[0];
    if let Some(layer) = Layer::of(&operation.kind, shape) {
        return weighted_sums(&layer, out, x, raw);
    }
    let mut each = |element: &dyn Fn(usize) -> Exact| {
        for (at, y) in raw.iter_mut().enumerate() {
            *y = out.assign(element(at));
        }
    };
    match &operation.kind {
        Kind::Scale { offsets, offset_format, difference, shifts } => each(&|at| {
            let d = difference.assign(x.exact(at).minus(offset_format.exact(offsets[at].into())));
            difference.exact(difference.shift_right(d, shifts[at]))
        }),
        Kind::Dense { .. } | Kind::Conv2d { .. } => {}
        Kind::Normalise { scales, scale_format, biases, bias_format } => each(&|at| {
            let channel = at % scales.len();
            let scaled = x.exact(at).times(scale_format.exact(scales[channel].into()));
            scaled.plus(bias_format.exact(biases[channel].into()))
        }),
        Kind::Relu { maximum } => each(&|at| {
            let positive = x.exact(at).max(Exact::ZERO);
            maximum.map_or(positive, |maximum| positive.min(Exact::integer(maximum.into())))
        }),
        Kind::LeakyRelu { slope, slope_format } => each(&|at| {
            let value = x.exact(at);
            if value > Exact::ZERO { value } else { value.times(slope_format.exact((*slope).into())) }
        }),
        Kind::Requantise {} => each(&|at| x.exact(at)),
        Kind::Table { range, offset, table, table_format } => each(&|at| {
            table_format.exact(table[table_index(x.exact(at), *range, *offset, table.len())].into())
        }),
        Kind::Add {} => each(&|at| x.exact(at).plus(inputs[1].broadcast(at))),
        Kind::Subtract {} => each(&|at| x.exact(at).minus(inputs[1].broadcast(at))),
        Kind::Multiply {} => each(&|at| x.exact(at).times(inputs[1].exact(at))),
        Kind::Absolute {} => each(&|at| x.exact(at).absolute()),
        Kind::Sum { accumulator, order } => each(&|_| accumulator.exact(sum(accumulator, *order, x))),
        Kind::Dot { accumulator } => each(&|_| {
            let products = (0..x.raw.len()).map(|at| x.exact(at).times(inputs[1].exact(at)));
            accumulate(accumulator, 0, products)
        }),
        Kind::Concatenate {} => {
            let elements = inputs.iter().flat_map(|x| (0..x.raw.len()).map(|at| x.exact(at)));
            raw.iter_mut().zip(elements).for_each(|(y, x)| *y = out.assign(x));
        }
        Kind::Select { indices } => each(&|at| x.exact(indices[at] as usize)),
    }
}

/// a = `start`; for each term: a = A(a + A(term)).
fn accumulate(accumulator: &Format, start: i128, terms: impl Iterator<Item = Exact>) -> Exact {
    let sum = terms.fold(start, |sum, term| {
        let term = accumulator.assign(term);
        accumulator.bound(sum + term)
    });
    accumulator.exact(sum)
}

fn weighted_sums(layer: &Layer, out: Format, x: Source, raw: &mut [i128]) {
    for (at, y) in raw.iter_mut().enumerate() {
        let products = layer
            .products(at)
            .map(|(element, weight)| x.exact(element).times(layer.weight_format.exact(weight.into())));
        *y = out.assign(accumulate(&layer.accumulator, layer.start(at), products));
    }
}

/// The sum of all elements, raw.
fn sum(accumulator: &Format, order: SumOrder, x: Source) -> i128 {
    let elements: Vec<i128> = (0..x.raw.len()).map(|at| accumulator.assign(x.exact(at))).collect();
    match order {
        SumOrder::Sequential => elements[1..].iter().fold(elements[0], |sum, x| accumulator.bound(sum + x)),
        SumOrder::Tree => tree_sum(accumulator, &elements),
    }
}

fn tree_sum(accumulator: &Format, elements: &[i128]) -> i128 {
    match elements {
        [] => 0,
        [one] => *one,
        _ => {
            let (left, right) = elements.split_at(tree_split(elements.len()));
            accumulator.bound(tree_sum(accumulator, left) + tree_sum(accumulator, right))
        }
    }
}

/// How many of `count` > 1 elements a tree's left branch takes: the greatest power of two less than `count`.
#[must_use]
pub const fn tree_split(count: usize) -> usize {
    1 << (count - 1).ilog2()
}

/// The entry of a table of `size` entries for x.
#[must_use]
pub fn table_index(x: Exact, range: u32, offset: i32, size: usize) -> usize {
    let n = table_quotient(x, range, size).wrapping_add(offset);
    usize::try_from(n).unwrap_or(0).min(size - 1)
}

/// x `size` / `range` as C++ makes a 32-bit integer of it: towards zero, modulo 2^32.
#[must_use]
pub fn table_quotient(x: Exact, range: u32, size: usize) -> i32 {
    let quotient = x.mantissa * size as i128 / i128::from(range);
    let places = x.fraction.unsigned_abs();
    let whole = if x.fraction >= 0 {
        // Towards zero: `/` and not `>>`.
        1_i128.checked_shl(places).map_or(0, |step| quotient / step)
    } else {
        quotient.checked_shl(places).unwrap_or(0)
    };
    whole as i32
}
