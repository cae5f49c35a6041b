//! Which values every tensor and accumulator can take, and so what can overflow and which lanes suffice.
//!
//! Interval arithmetic, element by element: the input's intervals follow from the door, and each operation's from those
//! of what it reads. The intervals hold for every event; elements are taken as independent, so a range may be wider than
//! what events reach.

mod accumulators;

use std::fmt;

use self::accumulators::Accumulators;
use crate::check::CheckedProgram;
use crate::interpreter::table_index;
use crate::interval::{Assigned, Interval};
use crate::layer::Layer;
use crate::program::{Input, Kind, Operation, SumOrder};
use crate::{Exact, Format, Overflow};

/// The intervals of a program.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranges {
    tensors: Vec<Vec<Interval>>,
    proofs: Vec<Proof>,
    findings: Vec<Finding>,
}

/// What is proven of one operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Proof {
    /// Exact results before they are assigned to the output's format, one an output element, with
    /// [`result_fraction`](Self::result_fraction) bits after the binary point.
    pub results: Vec<Interval>,
    /// Binary point of the results.
    pub result_fraction: i32,
    /// Whether no result loses a set bit in the output's format.
    pub output_keeps_bits: bool,
    /// Whether no result overflows the output's format.
    pub output_in_range: bool,
    /// In a [`Kind::Scale`], the difference before its shift, raw in its format; one an element, otherwise none.
    pub differences: Vec<Interval>,
    /// Whether no difference loses a set bit or overflows, in itself or in a shift to the left.
    pub differences_exact: bool,
    /// For operations with an accumulator.
    pub accumulation: Option<Accumulation>,
}

/// What is proven of the accumulators of an operation. The intervals are one an output element, and include 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Accumulation {
    /// The common binary point of products (or elements) and bias.
    pub fraction: i32,
    /// The products (or elements), exact, at the common binary point.
    pub products: Vec<Interval>,
    /// The partial sums that exact arithmetic would give, bias alone included, at the common binary point.
    pub partial_sums: Vec<Interval>,
    /// The products (or elements) as assigned to the accumulator's format, raw.
    pub terms: Vec<Interval>,
    /// The partial sums of the firmware before each assignment to the accumulator, raw at its binary point; the
    /// accumulator before the first addition included.
    pub sums: Vec<Interval>,
    /// Whether neither the bias nor a product loses a set bit in the accumulator's format.
    pub terms_keep_bits: bool,
    /// Whether neither the bias nor a product overflows the accumulator's format.
    pub terms_in_range: bool,
    /// Whether no partial sum overflows the accumulator's format.
    pub sums_in_range: bool,
}

impl Accumulation {
    /// Whether plain integer arithmetic at the common binary point gives the accumulator's number.
    #[must_use]
    pub const fn exact(&self) -> bool {
        self.terms_keep_bits && self.terms_in_range && self.sums_in_range
    }
}

/// A place where a format can overflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Index of the operation.
    pub operation: usize,
    /// Its layer.
    pub layer: String,
    /// What overflows.
    pub place: Place,
    /// In how many elements of the output it can.
    pub elements: usize,
    /// The element that goes the furthest.
    pub element: usize,
    /// Its range before overflow, raw at the format's binary point.
    pub range: Interval,
    /// The format that does not hold it.
    pub format: Format,
}

/// What can overflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The difference of a [`Kind::Scale`].
    Difference,
    /// Its shift to the left.
    Shift,
    /// A bias, product or element assigned to an accumulator.
    Term,
    /// A partial sum.
    Sum,
    /// The output.
    Output,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Difference => "the difference",
            Self::Shift => "the shifted difference",
            Self::Term => "a term of the accumulator",
            Self::Sum => "a partial sum of the accumulator",
            Self::Output => "the output",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, layer, place, elements, element, range, format } = self;
        let (least, most) = (format.to_f64(range.least), format.to_f64(range.most));
        write!(f, "operation {operation} (layer `{layer}`): {place} can overflow {format} in {elements} ")?;
        write!(f, "of its elements, the furthest in element {element}, which is from {least} to {most}")
    }
}

impl Ranges {
    /// For everything that the program's door lets in: hardware integers, and with no `units` any physical value.
    #[must_use]
    pub fn of(program: &CheckedProgram) -> Self {
        let anything = match program.input.units {
            Some(_) => hardware(&program.input, i16::MIN, i16::MAX),
            None => Interval::of(&program.input.tensor.format),
        };
        Self::with_inputs(program, vec![anything; program.k()])
    }

    /// For rows of hardware integers alone.
    #[must_use]
    pub fn of_hardware(program: &CheckedProgram) -> Self {
        let limits = vec![(i16::MIN, i16::MAX); program.k()];
        Self::of_hardware_within(program, &limits)
    }

    /// For rows of hardware integers, each within its limits (both included).
    #[must_use]
    pub fn of_hardware_within(program: &CheckedProgram, limits: &[(i16, i16)]) -> Self {
        let inputs = limits.iter().map(|(least, most)| hardware(&program.input, *least, *most)).collect();
        Self::with_inputs(program, inputs)
    }

    /// For the given intervals of the input tensor's raw values.
    ///
    /// # Panics
    /// When there are not K of them.
    #[must_use]
    pub fn with_inputs(program: &CheckedProgram, inputs: Vec<Interval>) -> Self {
        assert_eq!(inputs.len(), program.k(), "intervals of the inputs");
        let mut ranges = Self { tensors: vec![inputs], proofs: Vec::new(), findings: Vec::new() };
        for (at, operation) in program.operations.iter().enumerate() {
            let sources: Vec<Source> = program
                .sources(at)
                .iter()
                .map(|tensor| Source {
                    tensor: *tensor,
                    fraction: program.format(*tensor).fraction(),
                    raw: &ranges.tensors[*tensor],
                })
                .collect();
            let mut log = Log { operation: at, layer: &operation.layer, findings: Vec::new() };
            let (proof, outputs) = prove(operation, program.input_shape(at), &sources, &mut log);
            let mut findings = log.findings;
            findings.sort_by_key(|finding| finding.place);
            ranges.findings.extend(findings);
            ranges.proofs.push(proof);
            ranges.tensors.push(outputs);
        }
        ranges
    }

    /// Raw intervals of a tensor's elements: 0 is the input, i + 1 what operation i writes.
    #[must_use]
    pub fn tensor(&self, tensor: usize) -> &[Interval] {
        &self.tensors[tensor]
    }

    /// What is proven of an operation.
    #[must_use]
    pub fn proof(&self, operation: usize) -> &Proof {
        &self.proofs[operation]
    }

    /// Whether no accumulator step and no difference of the operation loses a bit, saturates or wraps, so that plain
    /// integer arithmetic at the common binary point gives the same; its output may still round and overflow.
    #[must_use]
    pub fn exact(&self, operation: usize) -> bool {
        let proof = &self.proofs[operation];
        proof.differences_exact && proof.accumulation.as_ref().is_none_or(Accumulation::exact)
    }

    /// [`Accumulation::partial_sums`] of an operation; nothing where it has no accumulator.
    #[must_use]
    pub fn partial_sums(&self, operation: usize) -> &[Interval] {
        self.proofs[operation].accumulation.as_ref().map_or(&[], |accumulation| &accumulation.partial_sums)
    }

    /// Where something can overflow, in the order of execution.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

fn hardware(input: &Input, least: i16, most: i16) -> Interval {
    let row = Interval::between(least.into(), most.into());
    row.assigned(input.hardware_fraction, &input.tensor.format).raw
}

#[derive(Clone, Copy)]
struct Source<'a> {
    tensor: usize,
    fraction: i32,
    raw: &'a [Interval],
}

impl Source<'_> {
    fn at(&self, element: usize) -> Number {
        Number { interval: self.raw[element], fraction: self.fraction }
    }

    fn broadcast(&self, element: usize) -> Number {
        self.at(if self.raw.len() == 1 { 0 } else { element })
    }

    fn len(&self) -> usize {
        self.raw.len()
    }
}

/// The numbers interval 2^-fraction.
#[derive(Clone, Copy)]
struct Number {
    interval: Interval,
    fraction: i32,
}

impl Number {
    const fn constant(raw: i64, format: &Format) -> Self {
        Self { interval: Interval::point(raw as i128), fraction: format.fraction() }
    }

    /// The mantissas with another, not smaller number of bits after the binary point.
    fn at(self, fraction: i32) -> Interval {
        debug_assert!(fraction >= self.fraction || self.interval == Interval::ZERO);
        self.interval.shifted_left(fraction.abs_diff(self.fraction))
    }

    fn plus(self, other: Self) -> Self {
        let fraction = self.fraction.max(other.fraction);
        Self { interval: self.at(fraction).plus(other.at(fraction)), fraction }
    }

    fn minus(self, other: Self) -> Self {
        self.plus(Self { interval: other.interval.negated(), ..other })
    }

    fn times(self, other: Self) -> Self {
        let interval = self.interval.times(other.interval);
        Self { interval, fraction: self.fraction + other.fraction }
    }

    fn squared(self) -> Self {
        Self { interval: self.interval.squared(), fraction: 2 * self.fraction }
    }

    fn assigned(self, format: &Format) -> Assigned {
        self.interval.assigned(self.fraction, format)
    }

    fn with(self, interval: Interval) -> Self {
        Self { interval, ..self }
    }
}

/// Findings of one operation, one a place.
struct Log<'a> {
    operation: usize,
    layer: &'a str,
    findings: Vec<Finding>,
}

impl Log<'_> {
    fn note(&mut self, place: Place, element: usize, range: Interval, format: &Format) {
        let beyond = |range: &Interval| {
            let below = format.least().saturating_sub(range.least);
            below.max(range.most.saturating_sub(format.max_raw()))
        };
        let Some(found) = self.findings.iter_mut().find(|found| found.place == place) else {
            self.findings.push(Finding {
                operation: self.operation,
                layer: self.layer.to_owned(),
                place,
                elements: 1,
                element,
                range,
                format: *format,
            });
            return;
        };
        found.elements += 1;
        if beyond(&range) > beyond(&found.range) {
            (found.element, found.range) = (element, range);
        }
    }
}

/// The exact results of one operation.
struct Results {
    numbers: Vec<Number>,
    differences: Vec<Interval>,
    differences_exact: bool,
    accumulation: Option<Accumulation>,
}

impl From<Vec<Number>> for Results {
    fn from(numbers: Vec<Number>) -> Self {
        Self { numbers, differences: Vec::new(), differences_exact: true, accumulation: None }
    }
}

fn prove(
    operation: &Operation,
    shape: &[usize],
    sources: &[Source],
    log: &mut Log,
) -> (Proof, Vec<Interval>) {
    let results = results(operation, shape, sources, log);
    let out = &operation.output.format;
    let (mut output_keeps_bits, mut output_in_range) = (true, true);
    let mut outputs = Vec::with_capacity(results.numbers.len());
    for (element, number) in results.numbers.iter().enumerate() {
        let assigned = number.assigned(out);
        output_keeps_bits &= assigned.keeps_bits;
        output_in_range &= assigned.in_range;
        if !assigned.in_range {
            log.note(Place::Output, element, assigned.rounded, out);
        }
        outputs.push(assigned.raw);
    }
    let result_fraction = results.numbers.iter().map(|number| number.fraction).max().unwrap_or(0);
    let proof = Proof {
        results: results.numbers.iter().map(|number| number.at(result_fraction)).collect(),
        result_fraction,
        output_keeps_bits,
        output_in_range,
        differences: results.differences,
        differences_exact: results.differences_exact,
        accumulation: results.accumulation,
    };
    (proof, outputs)
}

fn results(operation: &Operation, shape: &[usize], sources: &[Source], log: &mut Log) -> Results {
    let x = sources[0];
    let count = operation.output.len();
    let each = |number: &dyn Fn(usize) -> Number| Results::from((0..count).map(number).collect::<Vec<_>>());
    if let Some(layer) = Layer::of(&operation.kind, shape) {
        return weighted_sums(&layer, x, count, log);
    }
    match &operation.kind {
        Kind::Scale { .. } => scale(&operation.kind, x, log),
        Kind::Dense { .. } | Kind::Conv2d { .. } => Vec::new().into(),
        Kind::Normalise { scales, scale_format, biases, bias_format } => each(&|at| {
            let channel = at % scales.len();
            let scaled = x.at(at).times(Number::constant(scales[channel], scale_format));
            scaled.plus(Number::constant(biases[channel], bias_format))
        }),
        Kind::Relu { maximum } => each(&|at| relu(x.at(at), *maximum)),
        Kind::LeakyRelu { slope, slope_format } => {
            each(&|at| leaky_relu(x.at(at), Number::constant(*slope, slope_format)))
        }
        Kind::Table { range, offset, table, table_format } => {
            let entries = Entries::new(*range, *offset, table, count);
            each(&|at| Number { interval: entries.reached(x.at(at)), fraction: table_format.fraction() })
        }
        Kind::Add {} => each(&|at| x.at(at).plus(sources[1].broadcast(at))),
        Kind::Subtract {} => each(&|at| x.at(at).minus(sources[1].broadcast(at))),
        Kind::Multiply {} => each(&|at| product(x, sources[1], at)),
        Kind::Absolute {} => each(&|at| x.at(at).with(x.at(at).interval.absolute())),
        Kind::Sum { accumulator, order } => sum(accumulator, *order, x, log),
        Kind::Dot { accumulator } => {
            let mut accumulators = Accumulators::new(accumulator, x.fraction + sources[1].fraction, log);
            let zero = x.at(0).with(Interval::ZERO);
            accumulators.add_up(zero, (0..x.len()).map(|at| product(x, sources[1], at)));
            accumulators.finish()
        }
        Kind::Requantise {} => each(&|at| x.at(at)),
        Kind::Concatenate {} => {
            let elements = sources.iter().flat_map(|x| (0..x.len()).map(|at| x.at(at)));
            elements.collect::<Vec<_>>().into()
        }
        Kind::Select { indices } => each(&|at| x.at(indices[at] as usize)),
    }
}

fn product(x: Source, z: Source, at: usize) -> Number {
    if x.tensor == z.tensor { x.at(at).squared() } else { x.at(at).times(z.at(at)) }
}

fn relu(x: Number, maximum: Option<u32>) -> Number {
    let positive = x.with(x.interval.at_least(0));
    let Some(maximum) = maximum else { return positive };
    let ceiling = Interval::point(maximum.into());
    if x.fraction >= 0 {
        let ceiling = ceiling.shifted_left(x.fraction.unsigned_abs());
        return x.with(positive.interval.at_most(ceiling.least));
    }
    let whole = positive.interval.shifted_left(x.fraction.unsigned_abs());
    Number { interval: whole.at_most(ceiling.least), fraction: 0 }
}

fn leaky_relu(x: Number, slope: Number) -> Number {
    let fraction = x.fraction.max(x.fraction + slope.fraction);
    let (below, above) = (x.interval.at_most(0), x.interval.at_least(0));
    let above = (x.interval.most > 0).then(|| x.with(above).at(fraction));
    let below = (x.interval.least <= 0).then(|| x.with(below).times(slope).at(fraction));
    let interval = match (below, above) {
        (Some(below), Some(above)) => below.hull(above),
        (one, other) => one.or(other).unwrap_or(Interval::ZERO),
    };
    Number { interval, fraction }
}

/// A table as the ranges see it.
struct Entries<'a> {
    range: u32,
    offset: i32,
    table: &'a [i64],
    all: Interval,
    /// Whether looking at each element's part of the table would take too long.
    coarse: bool,
}

const MOST_LOOKUPS: usize = 1 << 26;

impl<'a> Entries<'a> {
    fn new(range: u32, offset: i32, table: &'a [i64], elements: usize) -> Self {
        let coarse = elements.saturating_mul(table.len()) > MOST_LOOKUPS;
        Self { range, offset, table, all: hull_of(table), coarse }
    }

    /// The entries that x can reach: a stretch of the table, unless the index can leave 32 bits and wrap.
    fn reached(&self, x: Number) -> Interval {
        let end = |mantissa| {
            let entry = Exact { mantissa, fraction: x.fraction };
            let limit = Exact::integer((1 << 30) * i128::from(self.range));
            let near = entry.absolute().times(Exact::integer(self.table.len() as i128)) < limit;
            near.then(|| table_index(entry, self.range, self.offset, self.table.len()))
        };
        match (end(x.interval.least), end(x.interval.most)) {
            (Some(first), Some(last)) if !self.coarse && self.offset.unsigned_abs() < 1 << 30 => {
                hull_of(&self.table[first..=last])
            }
            _ => self.all,
        }
    }
}

fn hull_of(table: &[i64]) -> Interval {
    let points = table.iter().map(|entry| Interval::point((*entry).into()));
    points.reduce(Interval::hull).unwrap_or(Interval::ZERO)
}

fn scale(kind: &Kind, x: Source, log: &mut Log) -> Results {
    let Kind::Scale { offsets, offset_format, difference, shifts } = kind else { return Vec::new().into() };
    let mut results = Results::from(Vec::with_capacity(x.len()));
    for (at, shift) in shifts.iter().enumerate() {
        let assigned = x.at(at).minus(Number::constant(offsets[at], offset_format)).assigned(difference);
        if !assigned.in_range {
            log.note(Place::Difference, at, assigned.rounded, difference);
        }
        let places = shift.unsigned_abs();
        let (shifted, in_range) = if *shift >= 0 {
            (assigned.raw.shifted_right(places), true)
        } else {
            let wrapping = difference.with(difference.rounding, Overflow::Wrap);
            let moved = assigned.raw.shifted_left(places).assigned(difference.fraction(), &wrapping);
            if !moved.in_range {
                log.note(Place::Shift, at, moved.rounded, difference);
            }
            (moved.raw, moved.in_range)
        };
        results.differences_exact &= assigned.keeps_bits && assigned.in_range && in_range;
        results.differences.push(assigned.raw);
        results.numbers.push(Number { interval: shifted, fraction: difference.fraction() });
    }
    results
}

fn weighted_sums(layer: &Layer, x: Source, count: usize, log: &mut Log) -> Results {
    let fraction = (x.fraction + layer.weight_format.fraction()).max(layer.bias_format.fraction());
    let mut accumulators = Accumulators::new(&layer.accumulator, fraction, log);
    for output in 0..count {
        let bias = layer.bias(output);
        let bias = Number { interval: Interval::point(bias.mantissa), fraction: bias.fraction };
        let products = layer
            .products(output)
            .map(|(element, weight)| x.at(element).times(Number::constant(weight, &layer.weight_format)));
        accumulators.add_up(bias, products);
    }
    accumulators.finish()
}

fn sum(accumulator: &Format, order: SumOrder, x: Source, log: &mut Log) -> Results {
    let mut accumulators = Accumulators::new(accumulator, x.fraction, log);
    match order {
        SumOrder::Sequential => accumulators.add_up(x.at(0), (1..x.len()).map(|at| x.at(at))),
        SumOrder::Tree => accumulators.add_up_tree(x),
    }
    accumulators.finish()
}
