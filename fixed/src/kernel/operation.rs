//! Every operation on planes of lanes, one element after the other, in the narrowest lanes that the plan proves enough.

use crate::interpreter::table_index;
use crate::program::Input;
use crate::{Exact, Format, Overflow, interpreter};

use super::lane::{Assign, Buffer, Buffers, Lane, bound, wrap};
use super::{BLOCK, Block, Memory, Planes, Width};

/// An operation and where its result goes.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    /// Lanes it computes in.
    pub(crate) width: Width,
    /// What it computes.
    pub(crate) what: What,
    /// Elements of the output.
    pub(crate) elements: usize,
    /// To the output's format.
    pub(crate) assign: Assign,
    /// Where to.
    pub(crate) output: Planes,
}

/// What an operation computes. Numbers with a `left` are shifted to the common number of bits after the point.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// The input scaling.
    Scale {
        x: Planes,
        left: u32,
        /// One an element, at the common point.
        offsets: Vec<i128>,
        difference: Assign,
        shifts: Vec<i32>,
    },
    /// Dense layers and convolutions.
    Weighted(Weighted),
    /// Batch normalisation: a scale and a bias (at the product's point or a common finer one) an element.
    Normalise { x: Planes, left: u32, scales: Vec<i128>, biases: Vec<i128> },
    /// max(x, 0); where x is above the first number given, the second one is the result.
    Relu { x: Planes, above: Option<(i128, i128)> },
    /// x, or slope x where x is not positive, which has an assignment of its own.
    LeakyRelu { x: Planes, slope: i128, negative: Assign },
    /// Copies, each with its assignment.
    Copy(Vec<(Planes, u32, Assign)>),
    /// An activation by table; the entries are of the output's format already.
    Table { x: Planes, fraction: i32, range: u32, offset: i32, entries: Vec<i128> },
    /// x + z or x - z.
    Add { x: Planes, x_left: u32, z: Planes, z_left: u32, one: bool, negative: bool },
    /// x z.
    Multiply { x: Planes, z: Planes },
    /// |x|.
    Absolute { x: Planes },
    /// The sum of all elements; the assignment of a term is in range if no partial sum leaves the accumulator's either.
    Sum { x: Planes, elements: usize, term: Assign, tree: bool },
    /// The scalar product, likewise.
    Dot { x: Planes, z: Planes, elements: usize, term: Assign },
}

impl What {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Scale { .. } => "input scaling",
            Self::Weighted(_) => "weighted sums",
            Self::Normalise { .. } => "normalisation",
            Self::Relu { .. } => "ReLU",
            Self::LeakyRelu { .. } => "leaky ReLU",
            Self::Copy(_) => "assignment",
            Self::Table { .. } => "table",
            Self::Add { .. } => "addition",
            Self::Multiply { .. } => "multiplication",
            Self::Absolute { .. } => "absolute values",
            Self::Sum { .. } => "sum",
            Self::Dot { .. } => "scalar product",
        }
    }
}

/// Sums of products with the accumulator's rounding and overflow at each addition.
#[derive(Clone, Debug)]
pub(crate) struct Weighted {
    pub(crate) x: Planes,
    /// Raw accumulators before the first product, one an output.
    pub(crate) starts: Vec<i128>,
    /// For each output the end of its products.
    pub(crate) ends: Vec<usize>,
    /// Input element and weight.
    pub(crate) products: Vec<(u32, i64)>,
    /// From the product to the accumulator; in range if no partial sum leaves the accumulator's either.
    pub(crate) term: Assign,
}

/// A plane as lanes of type C: itself, or a copy.
#[inline(always)]
fn view<'a, C: Lane>(
    memory: &'a Memory,
    planes: Planes,
    element: usize,
    lanes: usize,
    copy: &'a mut Buffer<C>,
) -> &'a [C] {
    if same_width::<C>(planes.width) {
        return &C::all(memory)[planes.plane(element)..][..lanes];
    }
    read(memory, planes, element, &mut copy[..lanes]);
    &copy[..lanes]
}

#[inline(always)]
fn same_width<C: Lane>(width: Width) -> bool {
    C::BITS
        == match width {
            Width::Narrow => 32,
            Width::Wide => 64,
            Width::Widest => 128,
        }
}

/// Lanes of type C hold every number of a plane that they are read from or written to.
#[inline(always)]
fn read<C: Lane>(memory: &Memory, planes: Planes, element: usize, to: &mut [C]) {
    #[inline(always)]
    fn convert<S: Lane, C: Lane>(from: &[S], to: &mut [C]) {
        for (to, from) in to.iter_mut().zip(from) {
            *to = C::cut((*from).into());
        }
    }
    let plane = planes.plane(element);
    match planes.width {
        Width::Narrow => convert(&i32::all(memory)[plane..], to),
        Width::Wide if C::BITS >= 64 => convert(&i64::all(memory)[plane..], to),
        Width::Widest if C::BITS >= 128 => convert(&i128::all(memory)[plane..], to),
        width => unreachable!("{} bits of {width:?} lanes", C::BITS),
    }
}

#[inline(always)]
fn write<C: Lane>(memory: &mut Memory, planes: Planes, element: usize, from: &[C]) {
    #[inline(always)]
    fn convert<C: Lane, S: Lane>(from: &[C], to: &mut [S]) {
        for (to, from) in to.iter_mut().zip(from) {
            *to = S::cut((*from).into());
        }
    }
    let plane = planes.plane(element);
    match planes.width {
        Width::Narrow => convert(from, &mut i32::all_mut(memory)[plane..]),
        Width::Wide if C::BITS >= 64 => convert(from, &mut i64::all_mut(memory)[plane..]),
        Width::Widest if C::BITS >= 128 => convert(from, &mut i128::all_mut(memory)[plane..]),
        width => unreachable!("{} bits to {width:?} lanes", C::BITS),
    }
}

impl Operation {
    #[inline(always)]
    pub(crate) fn run(&self, memory: &mut Memory, lanes: usize) {
        match self.width {
            Width::Narrow => self.run_in::<i32>(memory, lanes),
            Width::Wide => self.run_in::<i64>(memory, lanes),
            Width::Widest => self.run_widest(memory, lanes),
        }
    }

    /// No instruction set has lanes of 128 bits: compiled once.
    #[inline(never)]
    fn run_widest(&self, memory: &mut Memory, lanes: usize) {
        self.run_in::<i128>(memory, lanes);
    }

    #[inline(always)]
    fn run_in<C: Lane>(&self, memory: &mut Memory, lanes: usize) {
        let mut buffers = Buffers([[C::default(); BLOCK]; 3]);
        for at in 0..self.elements {
            let [y, copy, product] = &mut buffers.0;
            let y = &mut y[..lanes];
            let assign = self.compute(memory, at, y, copy, &mut product[..lanes]);
            if let Some(assign) = assign {
                assign.apply(y);
            }
            write(memory, self.output, at, y);
        }
    }

    /// Computes an element; returns what is left to assign it with.
    #[inline(always)]
    fn compute<C: Lane>(
        &self,
        memory: &Memory,
        at: usize,
        y: &mut [C],
        copy: &mut Buffer<C>,
        product: &mut [C],
    ) -> Option<&Assign> {
        let zero = C::cut(0);
        let lanes = y.len();
        match &self.what {
            What::Scale { x, left, offsets, difference, shifts } => {
                let offset = C::cut(offsets[at]);
                read(memory, *x, at, y);
                y.iter_mut().for_each(|y| *y = y.left(*left).minus(offset));
                difference.apply(y);
                shift(y, &difference.format, shifts[at]);
            }
            What::Weighted(layer) => layer.sum(memory, at, y, copy, product),
            What::Normalise { x, left, scales, biases } => {
                let channel = at % scales.len();
                let (scale, bias) = (C::cut(scales[channel]), C::cut(biases[channel]));
                read(memory, *x, at, y);
                y.iter_mut().for_each(|y| *y = y.times(scale).left(*left).plus(bias));
            }
            What::Relu { x, above } => {
                read(memory, *x, at, y);
                y.iter_mut().for_each(|y| *y = (*y).max(zero));
                let Some((most, result)) = above else { return Some(&self.assign) };
                self.assign.apply(y);
                let (most, result) = (C::cut(*most), C::cut(*result));
                for (y, x) in y.iter_mut().zip(view(memory, *x, at, lanes, copy)) {
                    *y = if *x > most { result } else { *y };
                }
                return None;
            }
            What::LeakyRelu { x, slope, negative } => {
                let slope = C::cut(*slope);
                read(memory, *x, at, y);
                self.assign.apply(y);
                let x = view(memory, *x, at, lanes, copy);
                for (product, x) in product.iter_mut().zip(x) {
                    *product = x.times(slope);
                }
                negative.apply(product);
                for ((y, x), product) in y.iter_mut().zip(x).zip(product) {
                    *y = if *x > zero { *y } else { *product };
                }
                return None;
            }
            What::Copy(parts) => {
                let (x, element, assign) = &parts[at];
                read(memory, *x, *element as usize, y);
                return Some(assign);
            }
            What::Table { x, fraction, range, offset, entries } => {
                read(memory, *x, at, y);
                for y in y {
                    let number = Exact { mantissa: (*y).into(), fraction: *fraction };
                    *y = C::cut(entries[table_index(number, *range, *offset, entries.len())]);
                }
                return None;
            }
            What::Add { x, x_left, z, z_left, one, negative } => {
                read(memory, *x, at, y);
                let z = view(memory, *z, if *one { 0 } else { at }, lanes, copy);
                for (y, z) in y.iter_mut().zip(z) {
                    let (x, z) = (y.left(*x_left), z.left(*z_left));
                    *y = if *negative { x.minus(z) } else { x.plus(z) };
                }
            }
            What::Multiply { x, z } => {
                read(memory, *x, at, y);
                multiply(y, view(memory, *z, at, lanes, copy));
            }
            What::Absolute { x } => {
                read(memory, *x, at, y);
                y.iter_mut().for_each(|y| *y = (*y).max(zero.minus(*y)));
            }
            What::Sum { x, elements, term, tree } => {
                if *tree && !term.in_range && term.format.overflow != Overflow::Wrap {
                    tree_sum(memory, *x, *elements, term, y);
                } else {
                    y.fill(zero);
                    for at in 0..*elements {
                        read(memory, *x, at, product);
                        accumulate(y, product, term);
                    }
                    settle(y, term);
                }
            }
            What::Dot { x, z, elements, term } => {
                y.fill(zero);
                for at in 0..*elements {
                    read(memory, *x, at, product);
                    multiply(product, view(memory, *z, at, lanes, copy));
                    accumulate(y, product, term);
                }
                settle(y, term);
            }
        }
        Some(&self.assign)
    }
}

#[inline(always)]
fn multiply<C: Lane>(y: &mut [C], z: &[C]) {
    for (y, z) in y.iter_mut().zip(z) {
        *y = y.times(*z);
    }
}

/// a = A(a + A(product)); the overflow of a wrapping A is left to [`settle`], since a sum modulo 2^W may be cut to W bits
/// at any time.
#[inline(always)]
fn accumulate<C: Lane>(sum: &mut [C], product: &mut [C], term: &Assign) {
    term.apply(product);
    for (sum, product) in sum.iter_mut().zip(&*product) {
        *sum = sum.plus(*product);
    }
    if !term.in_range && term.format.overflow != Overflow::Wrap {
        bound(sum, &term.format);
    }
}

#[inline(always)]
fn settle<C: Lane>(sum: &mut [C], term: &Assign) {
    if !term.in_range && term.format.overflow == Overflow::Wrap {
        wrap(sum, &term.format);
    }
}

/// Deepest tree: one level a bit of the number of elements.
const LEVELS: usize = 32;

/// The sum as a tree whose left branch has a power of two of elements: sums of equal size are added as soon as there
/// are two, and what is left from the right.
#[inline(always)]
fn tree_sum<C: Lane>(memory: &Memory, x: Planes, elements: usize, term: &Assign, y: &mut [C]) {
    let mut sums = [[C::default(); BLOCK]; LEVELS];
    let mut depth = 0;
    let merge = |sums: &mut [Buffer<C>; LEVELS], depth: usize| {
        let (left, right) = sums.split_at_mut(depth - 1);
        let left = &mut left[depth - 2];
        for (left, right) in left.iter_mut().zip(&right[0]) {
            *left = left.plus(*right);
        }
        bound(left, &term.format);
    };
    for at in 0..elements {
        let leaf = &mut sums[depth][..y.len()];
        read(memory, x, at, leaf);
        term.apply(leaf);
        depth += 1;
        for _ in 0..(at + 1).trailing_zeros() {
            merge(&mut sums, depth);
            depth -= 1;
        }
    }
    while depth > 1 {
        merge(&mut sums, depth);
        depth -= 1;
    }
    y.copy_from_slice(&sums[0][..y.len()]);
}

/// The shift of the headers within a format.
#[inline(always)]
fn shift<C: Lane>(lanes: &mut [C], format: &Format, places: i32) {
    let distance = places.unsigned_abs();
    if places >= 0 {
        let distance = distance.min(C::BITS - 1);
        lanes.iter_mut().for_each(|lane| *lane = lane.right(distance));
    } else if distance >= format.width {
        lanes.fill(C::cut(0));
    } else {
        lanes.iter_mut().for_each(|lane| *lane = lane.left(distance));
        wrap(lanes, format);
    }
}

impl Weighted {
    #[inline(always)]
    fn sum<C: Lane>(
        &self,
        memory: &Memory,
        output: usize,
        y: &mut [C],
        copy: &mut Buffer<C>,
        product: &mut [C],
    ) {
        let start = output.checked_sub(1).map_or(0, |before| self.ends[before]);
        y.fill(C::cut(self.starts[output]));
        let plain = self.term.dropped() == 0
            && (self.term.in_range || self.term.format.overflow == Overflow::Wrap)
            && C::BITS < 128;
        for (element, weight) in &self.products[start..self.ends[output]] {
            let weight = C::cut((*weight).into());
            let x = view(memory, self.x, *element as usize, y.len(), copy);
            if plain {
                for (y, x) in y.iter_mut().zip(x) {
                    *y = y.plus(x.times(weight));
                }
            } else {
                for (product, x) in product.iter_mut().zip(x) {
                    *product = x.times(weight);
                }
                accumulate(y, product, &self.term);
            }
        }
        settle(y, &self.term);
    }
}

/// Takes events in, element by element.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    /// The format, and how values become numbers of it.
    pub(crate) input: Input,
    /// Inputs an event.
    pub(crate) k: usize,
    /// Lanes to assign hardware integers in.
    pub(crate) width: Width,
    /// For hardware integers.
    pub(crate) assign: Assign,
    /// Where to.
    pub(crate) output: Planes,
}

impl Door {
    #[inline(always)]
    pub(crate) fn run(&self, block: &mut Block) {
        if block.hardware.is_empty() {
            self.physical(block);
            return;
        }
        match self.width {
            Width::Narrow => self.hardware::<i32>(block),
            Width::Wide => self.hardware::<i64>(block),
            Width::Widest => self.hardware_widest(block),
        }
    }

    #[inline(never)]
    fn hardware_widest(&self, block: &mut Block) {
        self.hardware::<i128>(block);
    }

    #[inline(always)]
    fn hardware<C: Lane>(&self, block: &mut Block) {
        let rows = block.hardware;
        for at in 0..self.k {
            let mut y = [C::default(); BLOCK];
            for (y, row) in y[..block.lanes].iter_mut().zip(rows.chunks_exact(self.k)) {
                *y = C::cut(row[at].into());
            }
            self.assign.apply(&mut y[..block.lanes]);
            write(block.memory, self.output, at, &y[..block.lanes]);
        }
    }

    #[inline(never)]
    fn physical(&self, block: &mut Block) {
        for at in 0..self.k {
            let mut y = [0_i128; BLOCK];
            for (y, row) in y[..block.lanes].iter_mut().zip(block.physical.chunks_exact(self.k)) {
                *y = interpreter::from_physical(&self.input, at, row[at]);
            }
            write(block.memory, self.output, at, &y[..block.lanes]);
        }
    }
}

/// Packs planes: each number less a constant, two of 16 bits or four of 8 a lane.
#[derive(Clone, Debug)]
pub(crate) struct Pack {
    pub(crate) input: Planes,
    /// Of each lane.
    pub(crate) elements: Vec<Vec<Option<usize>>>,
    /// First lane of the output.
    pub(crate) output: usize,
    /// Four bytes a lane.
    pub(crate) bytes: bool,
    /// The constant.
    pub(crate) least: i32,
}

impl Pack {
    #[inline(always)]
    pub(crate) fn run(&self, memory: &mut Memory, lanes: usize) {
        let bits = if self.bytes { 8 } else { 16 };
        let mask = (1_i32 << bits) - 1;
        for (group, elements) in self.elements.iter().enumerate() {
            let mut packed = [0_i32; BLOCK];
            for (part, element) in elements.iter().enumerate() {
                let Some(element) = element else { continue };
                let plane = self.input.plane(*element);
                let place = (self.least, mask, part * bits);
                // Only the lowest bits matter.
                match self.input.width {
                    Width::Narrow => merge(&mut packed[..lanes], &i32::all(memory)[plane..], place, |x| x),
                    Width::Wide => {
                        merge(&mut packed[..lanes], &i64::all(memory)[plane..], place, |x| x as i32)
                    }
                    Width::Widest => {
                        merge(&mut packed[..lanes], &i128::all(memory)[plane..], place, |x| x as i32)
                    }
                }
            }
            memory.narrow.lanes_mut()[self.output + group * BLOCK..][..lanes]
                .copy_from_slice(&packed[..lanes]);
        }
    }
}

/// Puts the lowest bits of each number less `least` in their place.
#[inline(always)]
fn merge<T: Copy>(
    packed: &mut [i32],
    numbers: &[T],
    (least, mask, left): (i32, i32, usize),
    low: impl Fn(T) -> i32,
) {
    for (packed, number) in packed.iter_mut().zip(numbers) {
        *packed |= (low(*number).wrapping_sub(least) & mask) << left;
    }
}
