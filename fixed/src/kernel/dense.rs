//! Dense layers: exact sums of products in 32-bit lanes, and what becomes of them before they leave the registers.

use super::isa::Isa;
use super::{BLOCK, Block};

/// A dense layer laid out for packed lanes: two outputs at a time, for as many events as the registers hold.
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
    pub(crate) pairs: Vec<Pair>,
    /// For each pair in turn, the planes of the input (first lane, from `input`) that have a weight in it.
    pub(crate) places: Vec<u32>,
    /// For each of those, the packed weights of both outputs.
    pub(crate) weights: Vec<[i32; 2]>,
    /// What becomes of the sums.
    pub(crate) finish: Finish,
}

/// Two outputs, or one and nothing.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    /// End of its [`Dense::places`].
    pub(crate) end: usize,
    /// What the sums start from, with the constants of `finish` already added.
    pub(crate) starts: [i32; 2],
    /// Planes to write, first lane from `output`: of both outputs, or of the pair.
    pub(crate) to: [Option<u32>; 2],
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
    /// Two 16-bit numbers a lane.
    Pairs,
    /// Four bytes a lane: the low bytes of one pair and of the next, in turns. The first pair of such a lane writes its
    /// 16-bit numbers, and the next one, whose second plane this is, the bytes.
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
    assert!(layer.places.iter().all(|place| *place as usize + lanes <= input.len()), "places in the input");
    let finisher = Finisher::new(isa, layer.finish);
    let mut first = 0;
    for pair in &layer.pairs {
        block.ahead.fetch(isa);
        let work =
            Work { places: &layer.places[first..pair.end], weights: &layer.weights[first..pair.end], pair };
        first = pair.end;
        if layer.bytes {
            finisher.all_lanes::<true>(&work, input, output, lanes);
        } else {
            finisher.all_lanes::<false>(&work, input, output, lanes);
        }
    }
}

struct Work<'a> {
    places: &'a [u32],
    weights: &'a [[i32; 2]],
    pair: &'a Pair,
}

/// E vectors of neighbouring events.
type Events<I, const E: usize> = [<I as Isa>::V; E];

/// The sums of two outputs for the E vectors of events that `input` begins with, in place `place`.
///
/// # Safety
/// `input` must have E vectors from each of the places on.
#[inline(always)]
unsafe fn sums<I: Isa, const BYTES: bool, const E: usize>(
    isa: I,
    work: &Work,
    input: *const i32,
) -> [Events<I, E>; 2] {
    let mut a = [isa.splat(work.pair.starts[0]); E];
    let mut b = [isa.splat(work.pair.starts[1]); E];
    for (place, weights) in work.places.iter().zip(work.weights) {
        let w = [isa.splat(weights[0]), isa.splat(weights[1])];
        for (e, (a, b)) in a.iter_mut().zip(&mut b).enumerate() {
            // SAFETY: the caller vouches for E vectors from here on.
            let x = unsafe { isa.load(input.add(*place as usize + e * I::LANES)) };
            if BYTES {
                *a = isa.dot4(*a, x, w[0]);
                *b = isa.dot4(*b, x, w[1]);
            } else {
                *a = isa.dot2(*a, x, w[0]);
                *b = isa.dot2(*b, x, w[1]);
            }
        }
    }
    [a, b]
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
    fn all_lanes<const BYTES: bool>(&self, work: &Work, input: &[i32], output: &mut [i32], lanes: usize) {
        let mut lane = 0;
        if I::WIDE {
            while lane + 8 * I::LANES <= lanes {
                self.some_lanes::<BYTES, 8>(work, input, output, lane);
                lane += 8 * I::LANES;
            }
        } else {
            while lane + 4 * I::LANES <= lanes {
                self.some_lanes::<BYTES, 4>(work, input, output, lane);
                lane += 4 * I::LANES;
            }
        }
        while lane < lanes {
            self.some_lanes::<BYTES, 2>(work, input, output, lane);
            lane += 2 * I::LANES;
        }
    }

    #[inline(always)]
    fn some_lanes<const BYTES: bool, const E: usize>(
        &self,
        work: &Work,
        input: &[i32],
        output: &mut [i32],
        lane: usize,
    ) {
        // SAFETY: `run` has asserted that every place is followed by all lanes, and E vectors from `lane` on are among
        // them.
        let [mut a, mut b] = unsafe { sums::<I, BYTES, E>(self.isa, work, input.as_ptr().add(lane)) };
        let (Finish::Sums { unused } | Finish::Round { unused, .. }) = self.finish;
        if unused != 0 {
            self.wrap(&mut a);
            self.wrap(&mut b);
        }
        let [to, other] = work.pair.to.map(|plane| plane.map(|plane| plane as usize + lane));
        match self.finish {
            Finish::Sums { .. } => {
                to.into_iter().for_each(|to| self.put(output, to, &a));
                other.into_iter().for_each(|to| self.put(output, to, &b));
            }
            Finish::Round { window, to: pack, .. } => {
                for (a, b) in a.iter_mut().zip(&b) {
                    *a = self.pair(window, *a, *b);
                }
                self.pack(pack, &a, [to, other], output);
            }
        }
    }

    #[inline(always)]
    fn pack<const E: usize>(
        &self,
        pack: Pack,
        pair: &Events<I, E>,
        [to, other]: [Option<usize>; 2],
        output: &mut [i32],
    ) {
        let isa = self.isa;
        match pack {
            Pack::Pairs => to.into_iter().for_each(|to| self.put(output, to, pair)),
            Pack::Quads => {
                to.into_iter().for_each(|to| self.put(output, to, pair));
                if let Some(other) = other {
                    let mut bytes = self.get(output, other);
                    for (low, high) in bytes.iter_mut().zip(pair) {
                        *low = isa.bytes(*low, *high);
                    }
                    self.put::<E>(output, other, &bytes);
                }
            }
            Pack::Planes(least) => {
                let (mask, half, least) = (isa.splat(0xffff), isa.places32(16), isa.splat(least));
                let (mut even, mut odd) = (*pair, *pair);
                for (even, odd) in even.iter_mut().zip(&mut odd) {
                    *even = isa.add32(isa.and(*even, mask), least);
                    *odd = isa.add32(isa.right32_unsigned(*odd, half), least);
                }
                to.into_iter().for_each(|to| self.put(output, to, &even));
                other.into_iter().for_each(|to| self.put(output, to, &odd));
            }
        }
    }

    /// Two outputs of 16 bits, finished.
    #[inline(always)]
    fn pair(&self, window: Window, a: I::V, b: I::V) -> I::V {
        let isa = self.isa;
        let mut v = isa.excess16(isa.narrow(a, b), self.excess);
        if window.even {
            v = isa.less16(v, self.bit);
        }
        v = isa.right16(v, self.places);
        if window.least == 0 { v } else { isa.add16(v, self.least) }
    }

    /// Cuts sums to the accumulator's bits.
    #[inline(always)]
    fn wrap<const E: usize>(&self, sums: &mut Events<I, E>) {
        for v in sums {
            let cut = self.isa.right32(self.isa.left32(*v, self.unused), self.unused);
            *v = self.isa.add32(cut, self.offset);
        }
    }

    #[inline(always)]
    fn put<const E: usize>(&self, output: &mut [i32], at: usize, v: &Events<I, E>) {
        let to = &mut output[at..][..E * I::LANES];
        for (e, v) in v.iter().enumerate() {
            // SAFETY: `to` has room for E vectors.
            unsafe { self.isa.store(to.as_mut_ptr().add(e * I::LANES), *v) };
        }
    }

    #[inline(always)]
    fn get<const E: usize>(&self, output: &[i32], at: usize) -> Events<I, E> {
        let from = &output[at..][..E * I::LANES];
        let mut v = [self.offset; E];
        for (e, v) in v.iter_mut().enumerate() {
            // SAFETY: `from` has E vectors.
            *v = unsafe { self.isa.load(from.as_ptr().add(e * I::LANES)) };
        }
        v
    }
}
