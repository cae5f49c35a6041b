//! Operations on planes: constants at a common point, and the lanes that hold every number on the way.

use crate::kernel::Planes;
use crate::kernel::lane::Assign;
use crate::kernel::operation::{Operation, Weighted, What};
use crate::program::SumOrder;
use crate::ranges::{Accumulation, Proof};
use crate::{Format, Interval, Kind, Layer};

use super::span::{assign, format_bits, hull, width};

/// A tensor that an operation reads.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) planes: Planes,
    pub(super) format: Format,
    /// One an element.
    pub(super) intervals: &'a [Interval],
}

impl Source<'_> {
    fn range(&self) -> Interval {
        hull(self.intervals.iter().copied())
    }

    const fn fraction(&self) -> i32 {
        self.format.fraction()
    }
}

/// What an operation computes, the number of bits it takes, and its last assignment.
struct Plan {
    what: What,
    bits: u32,
    assign: Assign,
}

/// The operation in the narrowest lanes that hold every number on the way; `output` is where it goes.
pub(super) fn plan(
    operation: &crate::Operation,
    shape: &[usize],
    x: &[Source],
    proof: &Proof,
    output: Planes,
) -> Operation {
    let out = operation.output.format;
    let plan = match Layer::of(&operation.kind, shape) {
        Some(layer) => weighted(&layer, x[0], operation.output.len(), out, proof),
        None => other(&operation.kind, x, out, proof),
    };
    let inputs = x.iter().map(|x| format_bits(&x.format)).max().unwrap_or(0);
    let bits = plan.bits.max(inputs).max(format_bits(&out));
    let elements = operation.output.len();
    Operation { width: width(bits), what: plan.what, elements, assign: plan.assign, output }
}

/// A shift to the left by a non-negative difference of points.
fn left(to: i32, from: i32) -> u32 {
    (to - from).unsigned_abs()
}

/// A constant shifted to the left; where that leaves 128 bits, so do the lanes, and the checker has refused the program.
fn at(value: i64, places: u32) -> i128 {
    i128::from(value).checked_shl(places).unwrap_or(0)
}

fn constants(values: &[i128]) -> Interval {
    hull(values.iter().copied().map(Interval::point))
}

fn other(kind: &Kind, sources: &[Source], out: Format, proof: &Proof) -> Plan {
    let x = sources[0];
    let (planes, elements, range, fraction) = (x.planes, x.intervals.len(), x.range(), x.fraction());
    // An operation whose exact result has this range and point.
    let exact = |what: What, result: Interval, fraction: i32| {
        let (assign, bits) = assign(result, fraction, out);
        Plan { what, bits: bits.max(result.signed_width()), assign }
    };
    match kind {
        Kind::Scale { offsets, offset_format, difference, shifts } => {
            scale(x, offsets, *offset_format, *difference, shifts, out)
        }
        Kind::Normalise { scales, scale_format, biases, bias_format } => {
            let product = fraction + scale_format.fraction();
            let point = product.max(bias_format.fraction());
            let scales: Vec<i128> = scales.iter().map(|scale| (*scale).into()).collect();
            let biases: Vec<i128> =
                biases.iter().map(|bias| at(*bias, left(point, bias_format.fraction()))).collect();
            let left = left(point, product);
            let result = range.times(constants(&scales)).shifted_left(left).plus(constants(&biases));
            let bits = constants(&scales).signed_width().max(constants(&biases).signed_width()).max(left + 1);
            let mut plan = exact(What::Normalise { x: planes, left, scales, biases }, result, point);
            plan.bits = plan.bits.max(bits).max(result.plus(result).signed_width());
            plan
        }
        Kind::Relu { maximum } => {
            let positive = range.at_least(0);
            let above = maximum.and_then(|maximum| above(maximum, fraction, range, out));
            exact(What::Relu { x: planes, above }, positive, fraction)
        }
        Kind::LeakyRelu { slope, slope_format } => {
            let slope = i128::from(*slope);
            let product = range.times(Interval::point(slope));
            let (negative, bits) = assign(product, fraction + slope_format.fraction(), out);
            let bits = bits.max(product.signed_width()).max(Interval::point(slope).signed_width());
            let mut plan = exact(What::LeakyRelu { x: planes, slope, negative }, range, fraction);
            plan.bits = plan.bits.max(bits);
            plan
        }
        Kind::Table { range: span, offset, table, table_format } => {
            let entry = |entry: &i64| out.assign(table_format.exact((*entry).into()));
            let entries: Vec<i128> = table.iter().map(entry).collect();
            let what = What::Table { x: planes, fraction, range: *span, offset: *offset, entries };
            exact(what, Interval::ZERO, fraction)
        }
        Kind::Add {} | Kind::Subtract {} => {
            let z = sources[1];
            let negative = matches!(kind, Kind::Subtract {});
            let point = fraction.max(z.fraction());
            let (x_left, z_left) = (left(point, fraction), left(point, z.fraction()));
            let (a, b) = (range.shifted_left(x_left), z.range().shifted_left(z_left));
            let one = z.intervals.len() == 1;
            let what = What::Add { x: planes, x_left, z: z.planes, z_left, one, negative };
            let mut plan = exact(what, if negative { a.minus(b) } else { a.plus(b) }, point);
            plan.bits = plan.bits.max(a.signed_width()).max(b.signed_width()).max(x_left + 1).max(z_left + 1);
            plan
        }
        Kind::Multiply {} => {
            let z = sources[1];
            let product = range.times(z.range());
            exact(What::Multiply { x: planes, z: z.planes }, product, fraction + z.fraction())
        }
        Kind::Absolute {} => exact(What::Absolute { x: planes }, range.absolute(), fraction),
        Kind::Sum { accumulator, order } => {
            let tree = *order == SumOrder::Tree;
            let (term, sums, bits) = accumulate(range, fraction, *accumulator, proof);
            let mut plan = exact(What::Sum { x: planes, elements, term, tree }, sums, term.format.fraction());
            plan.bits = plan.bits.max(bits);
            plan
        }
        Kind::Dot { accumulator } => {
            let z = sources[1];
            let product = range.times(z.range());
            let (term, sums, bits) = accumulate(product, fraction + z.fraction(), *accumulator, proof);
            let mut plan =
                exact(What::Dot { x: planes, z: z.planes, elements, term }, sums, term.format.fraction());
            plan.bits = plan.bits.max(bits);
            plan
        }
        Kind::Concatenate {} => {
            copy(sources.iter().flat_map(|x| (0..x.intervals.len()).map(|at| (*x, at))), out)
        }
        Kind::Select { indices } => copy(indices.iter().map(|at| (x, *at as usize)), out),
        Kind::Requantise {} | Kind::Dense { .. } | Kind::Conv2d { .. } => {
            copy((0..elements).map(|at| (x, at)), out)
        }
    }
}

/// Where x is greater than the first number, the result is the second.
fn above(maximum: u32, fraction: i32, range: Interval, out: Format) -> Option<(i128, i128)> {
    let most = if fraction >= 0 {
        // Past 2^64 no x is greater.
        i128::from(maximum)
            .checked_shl(fraction.unsigned_abs())
            .filter(|most| most >> fraction == maximum.into())?
    } else {
        i128::from(maximum) >> fraction.unsigned_abs().min(127)
    };
    let result = out.assign(crate::Exact::integer(maximum.into()));
    (range.most > most).then_some((most, result))
}

fn scale(
    x: Source,
    offsets: &[i64],
    offset_format: Format,
    difference: Format,
    shifts: &[i32],
    out: Format,
) -> Plan {
    let point = x.fraction().max(offset_format.fraction());
    let x_left = left(point, x.fraction());
    let offsets: Vec<i128> =
        offsets.iter().map(|offset| at(*offset, left(point, offset_format.fraction()))).collect();
    let shifted = x.range().shifted_left(x_left);
    let exact = shifted.minus(constants(&offsets));
    let (difference, bits) = assign(exact, point, difference);
    let result = Interval::of(&difference.format);
    let (assign, last) = assign(result, difference.format.fraction(), out);
    let bits = bits
        .max(last)
        .max(exact.signed_width())
        .max(shifted.signed_width())
        .max(constants(&offsets).signed_width());
    let what = What::Scale { x: x.planes, left: x_left, offsets, difference, shifts: shifts.to_vec() };
    Plan { what, bits: bits.max(x_left + 1), assign }
}

fn copy<'a>(elements: impl Iterator<Item = (Source<'a>, usize)>, out: Format) -> Plan {
    let mut most = 0;
    let parts = elements.map(|(x, element)| {
        let (assign, bits) = assign(x.intervals[element], x.fraction(), out);
        most = most.max(bits).max(format_bits(&x.format));
        (x.planes, element as u32, assign)
    });
    let parts: Vec<_> = parts.collect();
    let none = Assign { fraction: out.fraction(), format: out, in_range: true };
    Plan { what: What::Copy(parts), bits: most, assign: none }
}

/// How terms of this interval are assigned to an accumulator, the interval of the sums, and the bits that takes.
fn accumulate(term: Interval, fraction: i32, accumulator: Format, proof: &Proof) -> (Assign, Interval, u32) {
    let (mut assign, bits) = assign(term, fraction, accumulator);
    let proven = |proof: &&Accumulation| proof.terms_in_range && proof.sums_in_range;
    let sums = proof.accumulation.as_ref().filter(proven).map(|proof| hull(proof.sums.iter().copied()));
    assign.in_range = sums.is_some();
    // A sum of two numbers of the accumulator's format before its overflow.
    let bits = bits.max(term.signed_width()).max(format_bits(&accumulator) + 1);
    (assign, sums.unwrap_or(Interval::of(&accumulator)), bits)
}

fn weighted(layer: &Layer, x: Source, outputs: usize, out: Format, proof: &Proof) -> Plan {
    let product = x.fraction() + layer.weight_format.fraction();
    // A shift of the product to the left is one of the weight.
    let finer = u32::try_from(layer.accumulator.fraction() - product).unwrap_or(0);
    let shift = |weight: i64| weight.checked_shl(finer).filter(|shifted| shifted >> finer == weight);
    let finer = if layer.weights.iter().all(|weight| shift(*weight).is_some()) { finer } else { 0 };
    let starts = (0..outputs).map(|output| layer.start(output)).collect();
    let mut ends = Vec::with_capacity(outputs);
    let mut products = Vec::new();
    let mut term = Interval::ZERO;
    let mut weights = Interval::ZERO;
    for output in 0..outputs {
        for (element, weight) in layer.products(output).filter(|(_, weight)| *weight != 0) {
            let weight = weight << finer;
            term = term.hull(x.intervals[element].times(Interval::point(weight.into())));
            weights = weights.hull(Interval::point(weight.into()));
            products.push((element as u32, weight));
        }
        ends.push(products.len());
    }
    let (term, sums, bits) = accumulate(term, product + finer.cast_signed(), layer.accumulator, proof);
    let (assign, last) = assign(sums, layer.accumulator.fraction(), out);
    let what = What::Weighted(Weighted { x: x.planes, starts, ends, products, term });
    Plan { what, bits: bits.max(last).max(weights.signed_width()), assign }
}
