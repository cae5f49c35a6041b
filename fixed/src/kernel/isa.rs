//! What a kernel asks of an instruction set: vectors of 32-bit lanes, one event a lane.

use super::rows::{DoorRows, ScaleRows};
use super::{Block, PlaneStep};

/// An instruction set whose presence was tested.
///
/// A value of an implementing type is the proof that this CPU has the instructions, which the `SAFETY` arguments of the
/// implementations rest on. Every method is to be inlined into a function compiled for the instruction set.
pub(crate) trait Isa: Copy {
    /// 32-bit lanes of a vector.
    const LANES: usize;
    /// Whether there are registers for 16 accumulators and what else a dense layer takes, or else for 8.
    const WIDE: bool;
    /// Whether [`dot4`](Self::dot4) is one instruction.
    const BYTES: bool;
    /// Whether there is [`round_pair`](Self::round_pair).
    const FLOATS: bool = false;
    /// Whether rows are scaled by [`rows::run`](super::rows::run), or else plane by plane.
    const ROWS: bool;
    /// A vector.
    type V: Copy;
    /// How far to shift, in the form that the instructions take.
    type Places: Copy;

    /// Whether bytes can be [permuted](Rows::permute_bytes).
    fn permutes(self) -> bool {
        false
    }
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
    /// 32-bit lanes: a less 1 where it has `bit`.
    fn less32(self, a: Self::V, bit: Self::V) -> Self::V;
    /// 32-bit lanes: to the left.
    fn left32(self, a: Self::V, places: Self::Places) -> Self::V;
    /// 32-bit lanes: to the right, with the sign.
    fn right32(self, a: Self::V, places: Self::Places) -> Self::V;
    /// 32-bit lanes: to the right, with zeros.
    fn right32_unsigned(self, a: Self::V, places: Self::Places) -> Self::V;
    /// Each 32-bit lane: a in the low half and b in the high half, both saturated to unsigned 16 bits.
    fn narrow(self, a: Self::V, b: Self::V) -> Self::V;
    /// Each pair of bytes: the low byte of a's and the low byte of b's, which goes high.
    fn bytes(self, a: Self::V, b: Self::V) -> Self::V;
    /// Each 32-bit lane: a in the low half and b in the high half, both converted to single precision, to nearest with
    /// ties to even or else down, and the lowest 16 bits of that brought into a range; only where
    /// [`FLOATS`](Self::FLOATS).
    fn round_pair(self, _a: Self::V, _b: Self::V, _even: bool, _range: [Self::V; 2]) -> Self::V {
        unreachable!("planned only where there are conversions with a rounding of their own")
    }
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
    /// Scales rows; only where [`ROWS`](Self::ROWS).
    fn scale_rows(self, scale: &ScaleRows, block: &mut Block);
    /// Takes rows in as they are; only where [`ROWS`](Self::ROWS).
    fn door_rows(self, door: &DoorRows, block: &mut Block);
    /// Asks for the cache line of an address to be brought in; the address need not be valid.
    fn prefetch(self, at: *const i16);
}

/// What scaling of rows takes besides (see [`ScaleRows`](super::rows::ScaleRows)).
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
pub(crate) trait Rows: Isa {
    /// 16-bit lanes: `count` numbers, at most two a 32-bit lane, and then any.
    ///
    /// # Safety
    /// There must be `valid` numbers in one allocation, and `count` must not be more.
    unsafe fn load16(self, from: *const i16, count: usize, valid: usize) -> Self::V;
    /// 16-bit lanes: scales.
    fn scale16(self, h: Self::V, constants: &[Self::V; 5]) -> Self::V;
    /// 16-bit lanes: brings into a range.
    fn clamp16(self, v: Self::V, least: Self::V, most: Self::V) -> Self::V;
    /// Two vectors of 16-bit lanes as one of bytes, saturated and plus 128, in the order of
    /// [`packed_byte`](super::rows::packed_byte).
    fn bytes_plus_128(self, low: Self::V, high: Self::V) -> Self::V;
    /// Byte i is byte `order`_i of v; only where [`permutes`](Isa::permutes).
    fn permute_bytes(self, v: Self::V, order: Self::V) -> Self::V;
    /// The transpose of four rows within each 128 bits: vector i has, in each of them, lane i of every row.
    fn quarter(self, rows: [Self::V; 4]) -> [Self::V; 4];
    /// From vector c of as many quarters as a vector has 128 bits: vector i is column 4 i + c of all their rows.
    fn columns(self, quarters: [Self::V; 4]) -> [Self::V; 4];
}
