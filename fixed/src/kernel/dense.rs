//! Dense layers: exact sums of products in 32-bit lanes, and what becomes of them before they leave the registers.

use super::isa::Isa;
use super::{BLOCK, Block};

/// A dense layer laid out for packed lanes: four or two outputs at a time, for as many events as the registers hold.
#[derive(Clone, Debug)]
pub(crate) struct Dense {
    /// First lane of the packed input.
    pub(crate) input: usize,
    /// Lanes of the packed input.
    pub(crate) input_lanes: usize,
    /// First lane of the output.
    pub(crate) output: usize,
    /// Lanes of the output.
    pub(crate) output_lanes: usize,
    /// Outputs.
    pub(crate) outputs: usize,
    /// Whether a lane of the input holds four bytes, not two 16-bit numbers.
    pub(crate) bytes: bool,
    /// Outputs that are computed together.
    pub(crate) tiles: Vec<Tile>,
    /// For each tile in turn, the planes of the input (first lane, from `input`) that have a weight in it.
    pub(crate) places: Places,
    /// For each of those, the packed weights of the tile's outputs.
    pub(crate) weights: Vec<i32>,
    /// What becomes of the sums.
    pub(crate) finish: Finish,
}

/// First lanes of planes, of which the last is known without looking.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    all: Vec<u32>,
    last: u32,
}

impl Places {
    /// In the order given.
    pub(crate) fn new(all: Vec<u32>) -> Self {
        let last = all.iter().copied().max().unwrap_or(0);
        Self { all, last }
    }
}

/// Outputs that are computed together, the last of them perhaps nothing.
#[derive(Clone, Debug)]
pub(crate) struct Tile {
    /// Four or two.
    pub(crate) outputs: usize,
    /// Places and weights up to the end of this tile's.
    pub(crate) places_end: usize,
    pub(crate) weights_end: usize,
    /// What the sums start from, with the constants of `finish` already added.
    pub(crate) starts: [i32; 4],
    /// Planes to write, first lane from `output`, as [`Pack`] says.
    pub(crate) to: [Option<u32>; 4],
}

/// What becomes of the sums.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Finish {
    /// Stored as they are, a plane an output.
    Sums {
        /// Bits above those of a sum that wraps, 0 for none.
        unused: u32,
    },
    /// Rounded and brought into range.
    Round {
        /// Bits above those of a sum that wraps, 0 for none.
        unused: u32,
        /// Added after the wrap.
        offset: i32,
        /// How.
        window: Window,
        /// Where to.
        to: Pack,
    },
}

/// Rounding and saturation in unsigned 16-bit lanes: the sum, shifted so that the greatest value that matters is 65,535,
/// saturates on both sides as it is narrowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Window {
    /// What lies below the least value that matters.
    pub(crate) excess: u16,
    /// Bits dropped.
    pub(crate) dropped: u32,
    /// Whether ties go to even; the sum has half a step more than the number.
    pub(crate) even: bool,
    /// Added at the end, modulo 2^16.
    pub(crate) least: u16,
    /// Where 16 bits are too few for what is dropped, all of it is dropped before, in 32 bits, and nothing after.
    pub(crate) early: Option<Early>,
    /// Takes the place of all but `least`.
    pub(crate) floats: Option<Floats>,
}

/// Rounding by conversion to single precision.
///
/// The sum has 1.5 x 2^(23 + dropped) more than the number. What single precision drops of that is `dropped` bits, and the
/// low bits of the mantissa are the number, rounded, in two's complement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Floats {
    /// Whether to nearest, ties to even; or else down.
    pub(crate) even: bool,
    /// Range of the result.
    pub(crate) range: [i16; 2],
}

/// Rounding in 32-bit lanes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Early {
    /// Bits dropped.
    pub(crate) dropped: u32,
    /// As in [`Window`].
    pub(crate) even: bool,
    /// Added after that.
    pub(crate) offset: i32,
}

/// Layout of the finished numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pack {
    /// Two 16-bit numbers a lane: a plane for every other output.
    Pairs,
    /// Four bytes a lane, of outputs 0, 2, 1, 3: a plane a tile.
    Quads,
    /// A plane an output, each number of 16 bits plus the constant.
    Planes(i32),
}

/// Runs a layer on the first `lanes` events of a block.
#[inline(always)]
pub(crate) fn run<I: Isa>(isa: I, layer: &Dense, block: &mut Block) {
    let lanes = block.lanes;
    let arena = block.memory.narrow.lanes_mut();
    assert!(lanes <= BLOCK && lanes.is_multiple_of(2 * I::LANES), "a whole number of two vectors");
    let (before, after) = arena.split_at_mut(layer.output);
    let input = &before[layer.input..][..layer.input_lanes];
    let output = &mut after[..layer.output_lanes];
    // Hoisted so that the loads need no bounds check.
    assert!(layer.places.last as usize + lanes <= input.len(), "places in the input");
    let finisher = Finisher::new(isa, layer.finish);
    let (mut place, mut weight) = (0, 0);
    for tile in &layer.tiles {
        block.ahead.fetch(isa);
        let work = Work {
            places: &layer.places.all[place..tile.places_end],
            weights: &layer.weights[weight..tile.weights_end],
            tile,
        };
        (place, weight) = (tile.places_end, tile.weights_end);
        match (layer.bytes, tile.outputs) {
            (true, 4) => finisher.all_lanes::<true, 4>(&work, input, output, lanes),
            (true, _) => finisher.all_lanes::<true, 2>(&work, input, output, lanes),
            (false, 4) => finisher.all_lanes::<false, 4>(&work, input, output, lanes),
            (false, _) => finisher.all_lanes::<false, 2>(&work, input, output, lanes),
        }
    }
}

struct Work<'a> {
    places: &'a [u32],
    weights: &'a [i32],
    tile: &'a Tile,
}

/// E vectors of neighbouring events.
type Events<I, const E: usize> = [<I as Isa>::V; E];

/// The sums of O outputs for the E vectors of events that `input` begins with, in place `place`.
///
/// # Safety
/// `input` must have E vectors from each of the places on.
#[inline(always)]
unsafe fn sums<I: Isa, const BYTES: bool, const O: usize, const E: usize>(
    isa: I,
    work: &Work,
    input: *const i32,
) -> [Events<I, E>; O] {
    let mut sums = [[isa.splat(0); E]; O];
    for (sum, start) in sums.iter_mut().zip(&work.tile.starts) {
        *sum = [isa.splat(*start); E];
    }
    for (place, weights) in work.places.iter().zip(work.weights.chunks_exact(O)) {
        let mut x = [isa.splat(0); E];
        for (e, x) in x.iter_mut().enumerate() {
            // SAFETY: the caller vouches for E vectors from here on.
            *x = unsafe { isa.load(input.add(*place as usize + e * I::LANES)) };
        }
        for (sum, weight) in sums.iter_mut().zip(weights) {
            let w = isa.splat(*weight);
            for (a, x) in sum.iter_mut().zip(&x) {
                *a = if BYTES { isa.dot4(*a, *x, w) } else { isa.dot2(*a, *x, w) };
            }
        }
    }
    sums
}

/// What becomes of sums, with its constants in registers.
struct Finisher<I: Isa> {
    isa: I,
    finish: Finish,
    excess: I::V,
    bit: I::V,
    least: I::V,
    places: I::Places,
    unused: I::Places,
    offset: I::V,
    range: [I::V; 2],
}

impl<I: Isa> Finisher<I> {
    #[inline(always)]
    fn new(isa: I, finish: Finish) -> Self {
        let none = Window { excess: 0, dropped: 0, even: false, least: 0, early: None, floats: None };
        let (unused, offset, window) = match finish {
            Finish::Sums { unused } => (unused, 0, none),
            Finish::Round { unused, offset, window, .. } => (unused, offset, window),
        };
        let both = |value: u16| isa.splat((u32::from(value) * 0x1_0001).cast_signed());
        let range = window.floats.map_or([0; 2], |floats| floats.range.map(i16::cast_unsigned));
        Self {
            isa,
            finish,
            excess: both(window.excess),
            bit: both(1_u16.checked_shl(window.dropped).unwrap_or(0)),
            least: both(window.least),
            places: isa.places16(window.dropped),
            unused: isa.places32(unused),
            offset: isa.splat(offset),
            range: range.map(both),
        }
    }

    #[inline(always)]
    fn all_lanes<const BYTES: bool, const O: usize>(
        &self,
        work: &Work,
        input: &[i32],
        output: &mut [i32],
        lanes: usize,
    ) {
        let mut lane = 0;
        while I::WIDE && lane + 4 * I::LANES <= lanes {
            self.some_lanes::<BYTES, O, 4>(work, input, output, lane);
            lane += 4 * I::LANES;
        }
        while lane < lanes {
            self.some_lanes::<BYTES, O, 2>(work, input, output, lane);
            lane += 2 * I::LANES;
        }
    }

    #[inline(always)]
    fn some_lanes<const BYTES: bool, const O: usize, const E: usize>(
        &self,
        work: &Work,
        input: &[i32],
        output: &mut [i32],
        lane: usize,
    ) {
        // SAFETY: `run` has asserted that every place is followed by all lanes, and E vectors from `lane` on are among
        // them.
        let mut sums = unsafe { sums::<I, BYTES, O, E>(self.isa, work, input.as_ptr().add(lane)) };
        let (Finish::Sums { unused } | Finish::Round { unused, .. }) = self.finish;
        if unused != 0 {
            sums.iter_mut().for_each(|sum| self.wrap(sum));
        }
        let to = |at: usize| work.tile.to[at].map(|plane| plane as usize + lane);
        match self.finish {
            Finish::Sums { .. } => {
                for (at, sum) in sums.iter().enumerate() {
                    self.put(output, to(at), sum);
                }
            }
            Finish::Round { window, to: pack, .. } => {
                if let Some(early) = window.early {
                    sums.iter_mut().for_each(|sum| self.early(early, sum));
                }
                for pair in sums.chunks_exact_mut(2) {
                    let (low, high) = pair.split_at_mut(1);
                    for (a, b) in low[0].iter_mut().zip(&high[0]) {
                        *a = self.pair(window, *a, *b);
                    }
                }
                match pack {
                    Pack::Pairs => {
                        for at in (0..O).step_by(2) {
                            self.put(output, to(at), &sums[at]);
                        }
                    }
                    Pack::Quads => {
                        let (low, high) = sums.split_at_mut(O - 2);
                        if O == 4 {
                            for (low, high) in low[0].iter_mut().zip(&high[0]) {
                                *low = self.isa.bytes(*low, *high);
                            }
                        }
                        self.put(output, to(0), &sums[0]);
                    }
                    Pack::Planes(least) => {
                        for at in (0..O).step_by(2) {
                            self.planes(least, &sums[at], [to(at), to(at + 1)], output);
                        }
                    }
                }
            }
        }
    }

    /// Both numbers of pairs, each to its plane.
    #[inline(always)]
    fn planes<const E: usize>(
        &self,
        least: i32,
        pairs: &Events<I, E>,
        to: [Option<usize>; 2],
        output: &mut [i32],
    ) {
        let isa = self.isa;
        let (mask, half, least) = (isa.splat(0xffff), isa.places32(16), isa.splat(least));
        let (mut even, mut odd) = (*pairs, *pairs);
        for (even, odd) in even.iter_mut().zip(&mut odd) {
            *even = isa.add32(isa.and(*even, mask), least);
            *odd = isa.add32(isa.right32_unsigned(*odd, half), least);
        }
        self.put(output, to[0], &even);
        self.put(output, to[1], &odd);
    }

    /// Two outputs of 16 bits, finished.
    #[inline(always)]
    fn pair(&self, window: Window, a: I::V, b: I::V) -> I::V {
        let isa = self.isa;
        let v = match window.floats {
            Some(Floats { even, .. }) if I::FLOATS => isa.round_pair(a, b, even, self.range),
            _ => {
                let v = isa.excess16(isa.narrow(a, b), self.excess);
                isa.right16(if window.even { isa.less16(v, self.bit) } else { v }, self.places)
            }
        };
        if window.least == 0 { v } else { isa.add16(v, self.least) }
    }

    /// Rounds in 32 bits.
    #[inline(always)]
    fn early<const E: usize>(&self, early: Early, sums: &mut Events<I, E>) {
        let isa = self.isa;
        let (bit, places) = (isa.splat(1 << early.dropped), isa.places32(early.dropped));
        let offset = isa.splat(early.offset);
        for v in sums {
            let even = if early.even { isa.less32(*v, bit) } else { *v };
            *v = isa.add32(isa.right32(even, places), offset);
        }
    }

    /// Cuts sums to the accumulator's bits.
    #[inline(always)]
    fn wrap<const E: usize>(&self, sums: &mut Events<I, E>) {
        for v in sums {
            let cut = self.isa.right32(self.isa.left32(*v, self.unused), self.unused);
            *v = self.isa.add32(cut, self.offset);
        }
    }

    /// Writes vectors of neighbouring events, if anywhere.
    #[inline(always)]
    fn put<const E: usize>(&self, output: &mut [i32], at: Option<usize>, v: &Events<I, E>) {
        let Some(at) = at else { return };
        let to = &mut output[at..][..E * I::LANES];
        for (e, v) in v.iter().enumerate() {
            // SAFETY: `to` has room for E vectors.
            unsafe { self.isa.store(to.as_mut_ptr().add(e * I::LANES), *v) };
        }
    }
}
