//! Sums of squares in packed lanes, and dot products for their own sake.

use super::isa::Isa;
use super::{BLOCK, Block};

/// The sum of the squares of a packed tensor, each cut by `dropped` bits, modulo a power of two.
///
/// A square is 0 or 1 modulo 4, so that cutting up to two bits takes nothing but the last bit of each number from the
/// sum, and one shift at the end does for all.
#[derive(Clone, Debug)]
pub(crate) struct Squares {
    /// First lane of the packed input: two 16-bit numbers a lane.
    pub(crate) input: usize,
    /// Its planes.
    pub(crate) planes: usize,
    /// First lane of the output.
    pub(crate) output: usize,
    /// Bits cut from each square, at most 2.
    pub(crate) dropped: u32,
    /// Bits of the sum.
    pub(crate) width: u32,
    /// Whether the sum is in two's complement.
    pub(crate) signed: bool,
}

impl Squares {
    #[inline(always)]
    pub(crate) fn run<I: Isa>(&self, isa: I, block: &mut Block) {
        let (before, after) = block.memory.narrow.lanes_mut().split_at_mut(self.output);
        let input = &before[self.input..][..self.planes * BLOCK];
        let output = &mut after[..block.lanes];
        let last = isa.splat(if self.dropped == 0 { 0 } else { 0x1_0001 });
        let minus_one = isa.splat(-1);
        let left = isa.places32(32 - self.width - self.dropped);
        let right = isa.places32(32 - self.width);
        for (lane, output) in (0..).step_by(I::LANES).zip(output.chunks_exact_mut(I::LANES)) {
            let mut sum = isa.splat(0);
            for plane in input.chunks_exact(BLOCK) {
                // SAFETY: the slice has room for a vector.
                let x = unsafe { isa.load(plane[lane..][..I::LANES].as_ptr()) };
                sum = isa.dot2(sum, x, x);
                sum = isa.dot2(sum, isa.and(x, last), minus_one);
            }
            let sum = isa.left32(sum, left);
            let sum = if self.signed { isa.right32(sum, right) } else { isa.right32_unsigned(sum, right) };
            // SAFETY: `output` has room for a vector.
            unsafe { isa.store(output.as_mut_ptr(), sum) };
        }
    }
}

/// Dot products from register to register: as many as the instruction set can do.
#[derive(Clone, Debug)]
pub(crate) struct Spin {
    /// Of bytes, or else of 16-bit numbers.
    pub(crate) bytes: bool,
    /// Runs of [`Spin::CHAINS`] of them.
    pub(crate) rounds: usize,
}

impl Spin {
    /// Vectors that do not wait for each other.
    pub(crate) const CHAINS: usize = 12;

    #[inline(always)]
    pub(crate) fn run<I: Isa>(&self, isa: I, block: &mut Block) {
        if self.bytes {
            self.spin::<I, true>(isa, block);
        } else {
            self.spin::<I, false>(isa, block);
        }
    }

    #[inline(always)]
    fn spin<I: Isa, const BYTES: bool>(&self, isa: I, block: &mut Block) {
        let mut sums = [isa.splat(1); Self::CHAINS];
        let w = isa.splat(0x0102_0304);
        for _ in 0..self.rounds {
            // Each product depends on the sum before it, so that none can be left out or computed once for all.
            for sum in &mut sums {
                *sum = if BYTES { isa.dot4(*sum, *sum, w) } else { isa.dot2(*sum, *sum, w) };
            }
        }
        let output = &mut block.memory.narrow.lanes_mut()[..Self::CHAINS * I::LANES];
        for (sum, output) in sums.iter().zip(output.chunks_exact_mut(I::LANES)) {
            // SAFETY: `output` has room for a vector.
            unsafe { isa.store(output.as_mut_ptr(), *sum) };
        }
    }
}
