//! What a kernel asks of an instruction set: vectors of 32-bit lanes, one event a lane.

use super::scale::ScaleRows;
use super::{Block, PlaneStep};

/// An instruction set whose presence was tested.
///
/// A value of an implementing type is the proof that this CPU has the instructions, which the `SAFETY` arguments of the
/// implementations rest on. Every method is to be inlined into a function compiled for the instruction set.
pub(crate) trait Isa: Copy {
    /// 32-bit lanes of a vector.
    const LANES: usize;
    /// Most outputs of a tile, a multiple of 4: with [`EVENTS`](super::dense::EVENTS) vectors each, as many accumulators as the registers hold.
    const TILE: usize;
    /// Whether [`dot4`](Self::dot4) is one instruction.
    const BYTES: bool;
    /// Whether there is a [`scale_rows`](Self::scale_rows).
    const ROWS: bool = false;
    /// A vector.
    type V: Copy;
    /// How far to shift, in the form that the instructions take.
    type Places: Copy;

    /// All lanes the same.
    fn splat(self, value: i32) -> Self::V;
    /// [`LANES`](Self::LANES) values from memory of any alignment.
    ///
    /// # Safety
    /// The values must lie in one allocation.
    unsafe fn load(self, from: *const i32) -> Self::V;
    /// [`LANES`](Self::LANES) values to memory of any alignment.
    ///
    /// # Safety
    /// The values must lie in one allocation.
    unsafe fn store(self, to: *mut i32, v: Self::V);
    /// a + the two products of signed 16-bit numbers, modulo 2^32.
    fn dot2(self, a: Self::V, x: Self::V, w: Self::V) -> Self::V;
    /// a + the four products of the unsigned bytes of x and the signed bytes of w, modulo 2^32.
    fn dot4(self, a: Self::V, x: Self::V, w: Self::V) -> Self::V;
    /// A distance for the shifts of 32-bit lanes.
    fn places32(self, count: u32) -> Self::Places;
    /// A distance for the shifts of 16-bit lanes.
    fn places16(self, count: u32) -> Self::Places;
    /// 32-bit lanes: a + b modulo 2^32.
    fn add32(self, a: Self::V, b: Self::V) -> Self::V;
    /// 32-bit lanes: to the left.
    fn left32(self, a: Self::V, places: Self::Places) -> Self::V;
    /// 32-bit lanes: to the right, with the sign.
    fn right32(self, a: Self::V, places: Self::Places) -> Self::V;
    /// 32-bit lanes, by 16 to the right, with zeros.
    fn high(self, a: Self::V) -> Self::V;
    /// Each 32-bit lane: a in the low half and b in the high half, both saturated to unsigned 16 bits.
    fn narrow(self, a: Self::V, b: Self::V) -> Self::V;
    /// Each pair of bytes: the low byte of a's and the low byte of b's, which goes high.
    fn bytes(self, a: Self::V, b: Self::V) -> Self::V;
    /// Bit by bit.
    fn and(self, a: Self::V, b: Self::V) -> Self::V;
    /// 16-bit lanes: a + b modulo 2^16.
    fn add16(self, a: Self::V, b: Self::V) -> Self::V;
    /// 16-bit lanes, unsigned: a - b, or 0 where that is negative.
    fn excess16(self, a: Self::V, b: Self::V) -> Self::V;
    /// 16-bit lanes: to the right, with zeros.
    fn right16(self, a: Self::V, places: Self::Places) -> Self::V;
    /// 16-bit lanes: a less 1 where it has `bit`.
    fn less16(self, a: Self::V, bit: Self::V) -> Self::V;
    /// Runs a step on planes, compiled for the instruction set.
    fn planes(self, step: &PlaneStep, block: &mut Block);
    /// Takes rows in, scaled and packed to bytes.
    fn scale_rows(self, _: &ScaleRows, _: &mut Block) {
        unreachable!("rows are scaled in lanes where the instruction set has no better way")
    }
}
