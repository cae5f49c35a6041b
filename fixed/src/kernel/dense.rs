//! Dense layers: exact sums of products in 32-bit lanes, and what becomes of them before they leave the registers.

use super::BLOCK;
use super::isa::Isa;

/// Vectors of events in a tile.
pub(crate) const EVENTS: usize = 2;

/// A dense layer laid out for an instruction set.
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
    /// Whether a lane of the input holds four bytes, not two 16-bit numbers.
    pub(crate) bytes: bool,
    /// Outputs that are computed together.
    pub(crate) tiles: Vec<Tile>,
    /// For each tile, the places of the input (first lane, from `input`) that have a weight in it.
    pub(crate) places: Vec<u32>,
    /// For each of those, the packed weights of the tile's outputs.
    pub(crate) weights: Vec<i32>,
    /// What each output starts from, with the constants of `finish` already added.
    pub(crate) starts: Vec<i32>,
    /// What becomes of the sums.
    pub(crate) finish: Finish,
}

/// Outputs that are computed together.
#[derive(Clone, Debug)]
pub(crate) struct Tile {
    /// First output, a multiple of 4.
    pub(crate) first: usize,
    /// How many there are.
    pub(crate) count: usize,
    /// First of its [`Dense::places`].
    pub(crate) place: usize,
    /// How many there are.
    pub(crate) places: usize,
    /// First of its [`Dense::weights`].
    pub(crate) weight: usize,
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
}

/// Layout of the finished numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pack {
    /// Two 16-bit numbers a lane: outputs 2 i, 2 i + 1.
    Pairs,
    /// Four bytes a lane: outputs 4 i, 4 i + 2, 4 i + 1, 4 i + 3.
    Quads,
    /// A plane an output, each number of 16 bits plus the constant.
    Planes(i32),
}

/// Runs a layer on the first `lanes` events of a block; `lanes` is a multiple of [`EVENTS`] vectors.
#[inline(always)]
pub(crate) fn run<I: Isa>(isa: I, layer: &Dense, arena: &mut [i32], lanes: usize) {
    assert!(lanes <= BLOCK && lanes.is_multiple_of(EVENTS * I::LANES), "a whole number of tiles");
    let (before, after) = arena.split_at_mut(layer.output);
    let input = &before[layer.input..][..layer.input_lanes];
    let output = &mut after[..layer.output_lanes];
    let mut sums = Sums([0; MOST]);
    let finisher = Finisher::new(isa, layer.finish);
    for tile in &layer.tiles {
        let work = Work {
            places: &layer.places[tile.place..][..tile.places],
            weights: &layer.weights[tile.weight..][..tile.places * tile.count],
            starts: &layer.starts[tile.first..][..tile.count],
        };
        // Hoisted so that the loads need no bounds check.
        assert!(
            work.places.iter().all(|place| *place as usize + lanes <= input.len()),
            "places in the input"
        );
        for lane in (0..lanes).step_by(EVENTS * I::LANES) {
            if layer.bytes {
                by_count::<I, true>(isa, &work, &input[lane..], &mut sums);
            } else {
                by_count::<I, false>(isa, &work, &input[lane..], &mut sums);
            }
            finisher.finish(tile, &mut sums, output, lane);
        }
    }
}

/// Most sums of a tile.
const MOST: usize = 16 * EVENTS * 16;

/// The sums of a tile: EVENTS vectors an output.
#[repr(align(64))]
struct Sums([i32; MOST]);

struct Work<'a> {
    places: &'a [u32],
    weights: &'a [i32],
    starts: &'a [i32],
}

#[inline(always)]
fn by_count<I: Isa, const BYTES: bool>(isa: I, work: &Work, input: &[i32], sums: &mut Sums) {
    match work.starts.len() {
        1 => tile::<I, BYTES, 1>(isa, work, input, sums),
        2 => tile::<I, BYTES, 2>(isa, work, input, sums),
        3 => tile::<I, BYTES, 3>(isa, work, input, sums),
        4 => tile::<I, BYTES, 4>(isa, work, input, sums),
        5 if I::TILE > 4 => tile::<I, BYTES, 5>(isa, work, input, sums),
        6 if I::TILE > 4 => tile::<I, BYTES, 6>(isa, work, input, sums),
        7 if I::TILE > 4 => tile::<I, BYTES, 7>(isa, work, input, sums),
        8 if I::TILE > 4 => tile::<I, BYTES, 8>(isa, work, input, sums),
        9 if I::TILE > 8 => tile::<I, BYTES, 9>(isa, work, input, sums),
        10 if I::TILE > 8 => tile::<I, BYTES, 10>(isa, work, input, sums),
        11 if I::TILE > 8 => tile::<I, BYTES, 11>(isa, work, input, sums),
        12 if I::TILE > 8 => tile::<I, BYTES, 12>(isa, work, input, sums),
        13 if I::TILE > 12 => tile::<I, BYTES, 13>(isa, work, input, sums),
        14 if I::TILE > 12 => tile::<I, BYTES, 14>(isa, work, input, sums),
        count => unreachable!("a tile of {count} outputs"),
    }
}

/// The sums of COUNT outputs for EVENTS vectors of events, which `input` begins with.
#[inline(always)]
fn tile<I: Isa, const BYTES: bool, const COUNT: usize>(isa: I, work: &Work, input: &[i32], to: &mut Sums) {
    assert_eq!(work.weights.len(), work.places.len() * COUNT);
    let mut sums = [[isa.splat(0); EVENTS]; COUNT];
    for (sum, start) in sums.iter_mut().zip(work.starts) {
        *sum = [isa.splat(*start); EVENTS];
    }
    for (place, weights) in work.places.iter().zip(work.weights.chunks_exact(COUNT)) {
        let mut x = [isa.splat(0); EVENTS];
        for (e, x) in x.iter_mut().enumerate() {
            // SAFETY: `run` has asserted that every place is followed by all lanes, and the lane that `input` begins
            // with is followed by EVENTS vectors of them.
            *x = unsafe { isa.load(input.as_ptr().add(*place as usize + e * I::LANES)) };
        }
        for (sum, weight) in sums.iter_mut().zip(weights) {
            let w = isa.splat(*weight);
            for (a, x) in sum.iter_mut().zip(x) {
                *a = if BYTES { isa.dot4(*a, x, w) } else { isa.dot2(*a, x, w) };
            }
        }
    }
    for (at, sum) in sums.into_iter().enumerate() {
        put(isa, &mut to.0, at * EVENTS * I::LANES, sum);
    }
}

/// Writes vectors of neighbouring events.
#[inline(always)]
fn put<I: Isa>(isa: I, output: &mut [i32], at: usize, v: [I::V; EVENTS]) {
    let to = &mut output[at..][..EVENTS * I::LANES];
    for (e, v) in v.into_iter().enumerate() {
        // SAFETY: `to` has room for EVENTS vectors.
        unsafe { isa.store(to.as_mut_ptr().add(e * I::LANES), v) };
    }
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
}

impl<I: Isa> Finisher<I> {
    #[inline(always)]
    fn new(isa: I, finish: Finish) -> Self {
        let none = Window { excess: 0, dropped: 0, even: false, least: 0 };
        let (unused, offset, window) = match finish {
            Finish::Sums { unused } => (unused, 0, none),
            Finish::Round { unused, offset, window, .. } => (unused, offset, window),
        };
        let both = |value: u16| isa.splat((u32::from(value) * 0x1_0001).cast_signed());
        Self {
            isa,
            finish,
            excess: both(window.excess),
            bit: both(1 << window.dropped),
            least: both(window.least),
            places: isa.places16(window.dropped),
            unused: isa.places32(unused),
            offset: isa.splat(offset),
        }
    }

    #[inline(always)]
    fn finish(&self, tile: &Tile, sums: &mut Sums, output: &mut [i32], lane: usize) {
        let (Finish::Sums { unused } | Finish::Round { unused, .. }) = self.finish;
        if unused != 0 {
            self.wrap(tile.count, sums);
        }
        match self.finish {
            Finish::Sums { .. } => {
                for at in 0..tile.count {
                    put(self.isa, output, (tile.first + at) * BLOCK + lane, self.sum(sums, at));
                }
            }
            Finish::Round { window, to, .. } => {
                for at in (0..tile.count).step_by(if to == Pack::Quads { 4 } else { 2 }) {
                    self.pack(window, to, sums, tile, at, output, lane);
                }
            }
        }
    }

    /// Cuts sums to the accumulator's bits.
    #[inline(always)]
    fn wrap(&self, count: usize, sums: &mut Sums) {
        let isa = self.isa;
        for at in 0..count {
            let wrapped = self.sum(sums, at).map(|v| {
                let cut = isa.right32(isa.left32(v, self.unused), self.unused);
                isa.add32(cut, self.offset)
            });
            put(isa, &mut sums.0, at * EVENTS * I::LANES, wrapped);
        }
    }

    #[inline(always)]
    fn sum(&self, sums: &Sums, at: usize) -> [I::V; EVENTS] {
        let from = &sums.0[at * EVENTS * I::LANES..][..EVENTS * I::LANES];
        let mut v = [self.offset; EVENTS];
        for (e, v) in v.iter_mut().enumerate() {
            // SAFETY: `from` has EVENTS vectors.
            *v = unsafe { self.isa.load(from.as_ptr().add(e * I::LANES)) };
        }
        v
    }

    /// Outputs `at` and `at + 1` of a tile, finished.
    #[inline(always)]
    fn pair(&self, window: Window, sums: &Sums, at: usize) -> [I::V; EVENTS] {
        let isa = self.isa;
        let (a, b) = (self.sum(sums, at), self.sum(sums, at + 1));
        let mut pair = a;
        for (e, v) in pair.iter_mut().enumerate() {
            *v = isa.excess16(isa.narrow(a[e], b[e]), self.excess);
            if window.even {
                *v = isa.less16(*v, self.bit);
            }
            *v = isa.right16(*v, self.places);
            if window.least != 0 {
                *v = isa.add16(*v, self.least);
            }
        }
        pair
    }

    #[inline(always)]
    fn pack(
        &self,
        window: Window,
        to: Pack,
        sums: &Sums,
        tile: &Tile,
        at: usize,
        output: &mut [i32],
        lane: usize,
    ) {
        let isa = self.isa;
        let first = tile.first + at;
        let low = self.pair(window, sums, at);
        match to {
            Pack::Pairs => put(isa, output, first / 2 * BLOCK + lane, low),
            Pack::Quads => {
                let high = self.pair(window, sums, at + 2);
                let mut bytes = low;
                for (e, bytes) in bytes.iter_mut().enumerate() {
                    *bytes = isa.bytes(low[e], high[e]);
                }
                put(isa, output, first / 4 * BLOCK + lane, bytes);
            }
            Pack::Planes(least) => {
                let (mask, least) = (isa.splat(0xffff), isa.splat(least));
                put(isa, output, first * BLOCK + lane, low.map(|v| isa.add32(isa.and(v, mask), least)));
                if at + 1 < tile.count {
                    let high = low.map(|v| isa.add32(isa.high(v), least));
                    put(isa, output, (first + 1) * BLOCK + lane, high);
                }
            }
        }
    }
}
