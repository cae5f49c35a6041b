//! Which dense layers are exact sums in packed 32-bit lanes, and how those are laid out.

use crate::kernel::BLOCK;
use crate::kernel::dense::{Early, Floats, Pack, Tile, Window};
use crate::{Format, Interval, Kind, Layer, Overflow, Rounding};

use super::simd::Shape;
use super::span::{assign, hull, within, within_i32};

/// How a packed input holds its elements: raw value less `least`, a few of them a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packing {
    /// Four bytes a lane, or else two signed 16-bit numbers.
    pub(super) bytes: bool,
    pub(super) least: i32,
}

impl Packing {
    pub(super) const fn each(self) -> usize {
        if self.bytes { 4 } else { 2 }
    }

    /// Into which an input of this range fits, and which these weights can be multiplied with.
    fn of(x: Interval, weights: Interval, shape: Shape) -> Option<Self> {
        let range = x.most - x.least;
        let shifted = |offset: i128| i32::try_from(x.least + offset).ok();
        if shape.bytes && range < 1 << 8 && within(weights, -128, 127) {
            let least = match x {
                _ if within(x, 0, 255) => Some(0),
                _ if within(x, -128, 127) => Some(-128),
                _ => shifted(0),
            };
            return least.map(|least| Self { bytes: true, least });
        }
        if range >= 1 << 16 || !within(weights, i16::MIN.into(), i16::MAX.into()) {
            return None;
        }
        let signed = within(x, i16::MIN.into(), i16::MAX.into());
        let least = if signed { Some(0) } else { shifted(1 << 15) };
        least.map(|least| Self { bytes: false, least })
    }
}

/// A dense layer whose sums are exact modulo 2^32: nothing is lost between the products and the accumulator.
#[derive(Clone, Debug)]
pub(super) struct Exact {
    pub(super) packing: Packing,
    /// Bits after the point of the sums.
    pub(super) fraction: i32,
    /// For each output the weight of each input.
    pub(super) weights: Vec<Vec<i32>>,
    /// What each sum starts from, with the correction for `packing.least`.
    pub(super) starts: Vec<i128>,
    /// Every sum.
    pub(super) sums: Interval,
    /// Bits above those of a sum that wraps, 0 if none does.
    pub(super) unused: u32,
}

impl Exact {
    /// `kind` if it is such a layer; x is the format of its input with the interval of each element.
    pub(super) fn of(kind: &Kind, shape: &[usize], x: (Format, &[Interval]), simd: Shape) -> Option<Self> {
        if !matches!(kind, Kind::Dense { .. }) {
            return None;
        }
        let layer = Layer::of(kind, shape)?;
        let product = x.0.fraction() + layer.weight_format.fraction();
        let spare = u32::try_from(layer.accumulator.fraction() - product).ok()?;
        let starts: Vec<i128> = (0..layer.filters()).map(|output| layer.start(output)).collect();
        // The coarsest point, from the product's on, at which every start is a whole number.
        let zeros = starts.iter().map(|start| start.trailing_zeros()).min()?.min(spare);
        let finer = spare - zeros;
        let starts: Vec<i128> = starts.into_iter().map(|start| start >> zeros).collect();
        let scaled =
            |weight: i64| i128::from(weight).checked_shl(finer).filter(|w| *w >> finer == weight.into());
        let mut weights = vec![vec![0_i128; x.1.len()]; layer.filters()];
        for (output, weights) in weights.iter_mut().enumerate() {
            for (element, weight) in layer.products(output) {
                weights[element] = scaled(weight)?;
            }
        }
        Self::proven(&layer.accumulator, product + finer.cast_signed(), zeros, x.1, weights, starts, simd)
    }

    fn proven(
        accumulator: &Format,
        fraction: i32,
        zeros: u32,
        x: &[Interval],
        weights: Vec<Vec<i128>>,
        starts: Vec<i128>,
        simd: Shape,
    ) -> Option<Self> {
        let constants = hull(weights.iter().flatten().map(|weight| Interval::point(*weight)));
        let packing = Packing::of(hull(x.iter().copied()), constants, simd)?;
        let mut sums = Interval::ZERO;
        let mut partial = Interval::ZERO;
        for (weights, start) in weights.iter().zip(&starts) {
            let (exact, on_the_way) = sum_range(*start, x, weights);
            sums = sums.hull(exact);
            partial = partial.hull(on_the_way);
        }
        let inside = within(partial.shifted_left(zeros), accumulator.least(), accumulator.max_raw());
        let lossless = inside && within_i32(sums);
        let bits = accumulator.width.checked_sub(zeros).filter(|bits| (1..=32).contains(bits));
        let unused = match bits {
            _ if lossless => 0,
            Some(bits) if accumulator.overflow == Overflow::Wrap && accumulator.signed => 32 - bits,
            _ => return None,
        };
        let narrow = |w: &i128| i32::try_from(*w).ok();
        let weights: Vec<Vec<i32>> =
            weights.iter().map(|row| row.iter().map(narrow).collect()).collect::<Option<_>>()?;
        let correct = |(start, weights): (&i128, &Vec<i32>)| {
            start + i128::from(packing.least) * weights.iter().map(|w| i128::from(*w)).sum::<i128>()
        };
        let starts = starts.iter().zip(&weights).map(correct).collect();
        if !lossless {
            sums = Interval::of(accumulator).shifted_right(zeros);
        }
        Some(Self { packing, fraction, weights, starts, sums, unused })
    }
}

/// The range of a sum, and that of its partial sums and products in any order.
fn sum_range(start: i128, x: &[Interval], weights: &[i128]) -> (Interval, Interval) {
    let products = || x.iter().zip(weights).map(|(x, w)| x.times(Interval::point(*w)));
    let sum = products().fold(Interval::point(start), Interval::plus);
    let low = products().map(|p| p.least.min(0)).fold(start, i128::saturating_add);
    let high = products().map(|p| p.most.max(0)).fold(start, i128::saturating_add);
    let partial = products().fold(Interval::between(low, high), Interval::hull);
    (sum, partial)
}

/// What a sum is assigned to: a format, or for ReLU its part from 0 to a maximum.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) format: Format,
    /// Whether negative sums become 0.
    pub(super) relu: bool,
    pub(super) maximum: Option<u32>,
}

/// The assignment in 16-bit lanes, if it fits into them: constants of the kernel, what to add to the sums, and the range
/// of the result, from whose least value the kernel counts.
pub(super) fn window(
    sums: Interval,
    fraction: i32,
    target: Target,
    simd: Shape,
) -> Option<(Window, i128, Interval)> {
    let format = target.format;
    let dropped = u32::try_from(fraction - format.fraction()).ok().filter(|dropped| *dropped < 31)?;
    let relu = |value: i128| if target.relu { value.max(0) } else { value };
    let positive = Interval::between(relu(sums.least), relu(sums.most));
    let clamps = matches!(format.overflow, Overflow::Saturate | Overflow::SaturateSymmetric);
    if !clamps && !assign(positive, fraction, format).0.in_range {
        return None;
    }
    // No result is outside of this, by the format or by the sums; the low end is even, so that ties to even stay even.
    let base = relu(format.least());
    let mut high = format.max_raw().min((sums.most >> dropped).saturating_add(1)).max(base);
    if let Some(maximum) = target.maximum {
        let places = u32::try_from(format.fraction()).ok().filter(|places| *places < 64)?;
        high = high.min(i128::from(maximum) << places);
    }
    let low = base.max(((sums.least >> dropped) - 1) & !1).min(high);
    let result = Interval::between(low, high);
    if let Some((window, offset)) = floats(sums, format.rounding, dropped, result).filter(|_| simd.floats) {
        return Some((window, offset, result));
    }
    let half = (1_i128 << dropped) / 2;
    let (added, even) = match format.rounding {
        _ if dropped == 0 => (0, false),
        Rounding::Truncate => (0, false),
        Rounding::Round => (half, false),
        Rounding::RoundToMinusInfinity => (half - 1, false),
        Rounding::RoundConvergent if low & 1 == 0 => (half, true),
        // From 0 on, the modes that look at the sign are one of the others.
        Rounding::TruncateToZero if low >= 0 => (0, false),
        Rounding::RoundToZero if low >= 0 => (half - 1, false),
        Rounding::RoundToInfinity if low >= 0 => (half, false),
        _ => return None,
    };
    let whole = Window { excess: 0, dropped, even, least: 0, early: None, floats: None };
    let steps = high - low + 1;
    if let Ok(excess) = u16::try_from((1 << 16) - (steps << dropped)) {
        let offset = added + (1 << 16) - ((high + 1) << dropped);
        return Some((Window { excess, ..whole }, offset, result));
    }
    let excess = u16::try_from((1 << 16) - steps).ok()?;
    let early = Early { dropped, even, offset: i32::try_from((1 << 16) - (high + 1)).ok()? };
    // What is left of a sum has to hold its offset.
    let left =
        sums.plus(Interval::point(added)).shifted_right(dropped).plus(Interval::point(early.offset.into()));
    let window = Window { excess, dropped: 0, even: false, early: Some(early), ..whole };
    within_i32(left).then_some((window, added, result))
}

/// Rounding by conversion to single precision, if that gives every number: the constants, and what to add to the sums.
fn floats(sums: Interval, rounding: Rounding, dropped: u32, result: Interval) -> Option<(Window, i128)> {
    let half = (1_i128 << dropped) / 2;
    let (added, even) = match rounding {
        Rounding::RoundConvergent => (0, true),
        Rounding::Truncate => (0, false),
        Rounding::Round => (half, false),
        Rounding::RoundToMinusInfinity => (half - 1, false),
        _ => return None,
    };
    // The mantissa starts in the same place for every sum, and its low 16 bits hold the number.
    let (binade, shifted) = (1_i128 << (22 + dropped), sums.plus(Interval::point(added)));
    let rounded = within(shifted.shifted_right(dropped).plus(Interval::between(0, 1)), -32_768, 32_767);
    if !((1..=7).contains(&dropped) && within(shifted, -binade, binade - 1) && rounded) {
        return None;
    }
    let range = [i16::try_from(result.least).ok()?, i16::try_from(result.most).ok()?];
    let floats = Some(Floats { even, range });
    let least = range[0].wrapping_neg().cast_unsigned();
    let window = Window { excess: 0, dropped, even: false, least, early: None, floats };
    Some((window, added + 3 * binade))
}

/// The kernel's layout of a layer.
#[derive(Default)]
pub(super) struct Layout {
    pub(super) tiles: Vec<Tile>,
    pub(super) places: Vec<u32>,
    pub(super) weights: Vec<i32>,
}

impl Layout {
    /// `inputs` are the elements in each plane of the packed input; places without a weight are left out. `order` is that
    /// of the outputs.
    pub(super) fn new(
        exact: &Exact,
        starts: &[i32],
        inputs: &[Vec<Option<usize>>],
        order: &[usize],
        pack: Option<Pack>,
    ) -> Self {
        let mut layout = Self::default();
        for (at, tile) in order.chunks(4).enumerate() {
            let outputs = if tile.len() > 2 || pack == Some(Pack::Quads) { 4 } else { 2 };
            for (plane, elements) in inputs.iter().enumerate() {
                let packed =
                    |output: &usize| packed_weights(&exact.weights[*output], exact.packing.bytes, elements);
                let packed: Vec<i32> = tile.iter().map(packed).collect();
                if packed.iter().any(|packed| *packed != 0) {
                    layout.places.push((plane * BLOCK) as u32);
                    let nothing = std::iter::repeat_n(0, outputs - tile.len());
                    layout.weights.extend(packed.into_iter().chain(nothing));
                }
            }
            let to = |part: usize| {
                tile.get(part)
                    .and_then(|output| plane_of(4 * at + part, *output, pack))
                    .map(|p| (p * BLOCK) as u32)
            };
            layout.tiles.push(Tile {
                outputs,
                places_end: layout.places.len(),
                weights_end: layout.weights.len(),
                starts: std::array::from_fn(|part| tile.get(part).map_or(0, |output| starts[*output])),
                to: std::array::from_fn(to),
            });
        }
        layout
    }
}

/// The plane that an output begins, in place `at` of the order; planes of single outputs are in the outputs' own order.
fn plane_of(at: usize, output: usize, pack: Option<Pack>) -> Option<usize> {
    match outputs_a_plane(pack) {
        1 => Some(output),
        each => at.is_multiple_of(each).then_some(at / each),
    }
}

/// How many outputs a plane of the output holds.
pub(super) const fn outputs_a_plane(pack: Option<Pack>) -> usize {
    match pack {
        Some(Pack::Pairs) => 2,
        Some(Pack::Quads) => 4,
        Some(Pack::Planes(_)) | None => 1,
    }
}

/// The weights of a lane's elements in the lane's layout.
fn packed_weights(row: &[i32], bytes: bool, elements: &[Option<usize>]) -> i32 {
    let (bits, mask) = if bytes { (8, 0xff) } else { (16, 0xffff) };
    let weight = |element: &Option<usize>| element.map_or(0, |element| row[element]);
    elements
        .iter()
        .enumerate()
        .fold(0, |packed, (at, element)| packed | (weight(element) & mask) << (at * bits))
}

/// The elements of each lane where a layer packs its outputs, in this order, itself.
pub(super) fn packed_elements(outputs: &[usize], pack: Pack) -> Vec<Vec<Option<usize>>> {
    let parts: &[usize] = match pack {
        Pack::Pairs => &[0, 1],
        Pack::Quads => &[0, 2, 1, 3],
        Pack::Planes(_) => &[0],
    };
    let lane = |outputs: &[usize]| parts.iter().map(|part| outputs.get(*part).copied()).collect();
    outputs.chunks(parts.len()).map(lane).collect()
}

/// What the kernel's sums start from, with the offset unless a wrap comes before it.
pub(super) fn starts(exact: &Exact, offset: i128) -> Vec<i32> {
    let offset = if exact.unused == 0 { offset } else { 0 };
    // Modulo 2^32, as the sums.
    exact.starts.iter().map(|start| (start + offset) as i32).collect()
}

/// The same, if no sum leaves 32 bits with the offset.
pub(super) fn starts_in_range(exact: &Exact, offset: i128) -> Option<Vec<i32>> {
    within_i32(exact.sums.plus(Interval::point(offset))).then(|| starts(exact, offset))
}
