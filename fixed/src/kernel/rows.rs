//! The input scaling of a trigger, from rows of hardware integers to packed lanes.

use super::isa::Rows;
use super::{BLOCK, Block, GRAIN};

/// Scales rows in 16-bit lanes.
///
/// In two's complement of 16 bits, u = (h << `left`) - `offset` holds the shifted difference with its wrap at the top;
/// the result is u 2^-q rounded, with q the bits below its last one. `mulhrs` by `factor` = 2^(15 - q) rounds ties up, so u
/// is first lowered by `step` (saturating) where it does not have the bit `keep`: never for ties up, always for ties
/// down or for truncation (with half of 2^q), where the result would be odd for ties to even.
#[derive(Clone, Debug)]
pub(crate) struct ScaleRows {
    /// Inputs an event.
    pub(crate) k: usize,
    /// First lane of the output, which has planes for whole chunks.
    pub(crate) output: usize,
    /// Whether the output is packed to bytes, saturated to 8 signed bits plus 128, or else to 16-bit numbers.
    pub(crate) bytes: bool,
    /// Range of 16-bit numbers.
    pub(crate) range: [i16; 2],
    /// Constants of [`CHUNK`] inputs each, zero past the last input.
    pub(crate) chunks: Vec<Chunk>,
    /// For each chunk, where each byte comes from among the packed ones; empty: from its own place.
    pub(crate) orders: Vec<[u8; CHUNK]>,
}

/// Inputs of a chunk.
pub(crate) const CHUNK: usize = 64;

/// Constants of some inputs: left, offset, keep, step, factor.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(crate) struct Chunk(pub(crate) [[i16; CHUNK]; 5]);

/// The place of an input of a chunk among its packed bytes: two vectors of 32 inputs are packed 128 bits at a time.
pub(crate) const fn packed_byte(input: usize) -> usize {
    let (half, at) = (input / 32, input % 32);
    at / 8 * 16 + half * 8 + at % 8
}

/// The plane, among a chunk's, of lane `lane` of packed bytes, so that neighbouring inputs share a plane.
const fn byte_plane(lane: usize) -> usize {
    let (part, quarter) = (lane / 4, lane % 4);
    quarter / 2 * 8 + part * 2 + quarter % 2
}

/// Takes rows in, scaled.
#[inline(always)]
pub(crate) fn run<I: Rows>(isa: I, scale: &ScaleRows, block: &mut Block) {
    let rows = block.hardware;
    assert_eq!(rows.len(), block.lanes * scale.k, "a row a lane");
    assert!(
        block.lanes.is_multiple_of(GRAIN) && block.lanes <= BLOCK && scale.k <= scale.chunks.len() * CHUNK
    );
    let each = if scale.bytes { 4 } else { 2 };
    let planes = scale.chunks.len() * CHUNK / each;
    let output = &mut block.memory.narrow.lanes_mut()[scale.output..][..planes * BLOCK];
    let (k, lanes) = (scale.k, block.lanes);
    let input =
        |first: usize, most: usize| Inputs { rows, k, first, count: k.saturating_sub(first).min(most) };
    if scale.bytes {
        for (at, chunk) in scale.chunks.iter().enumerate() {
            let first = at * CHUNK;
            let row = Bytes {
                inputs: [input(first, 32), input(first + 32, 32)],
                constants: [constants(isa, chunk, 0), constants(isa, chunk, 32)],
            };
            let planes = &mut output[at * 16 * BLOCK..][..16 * BLOCK];
            match scale.orders.get(at) {
                Some(order) => {
                    // SAFETY: the order has as many bytes as a vector.
                    let order = unsafe { isa.load(order.as_ptr().cast()) };
                    fill(isa, &Ordered { row, order }, lanes, planes);
                }
                None => fill(isa, &row, lanes, planes),
            }
        }
        return;
    }
    let range = scale.range.map(|end| isa.splat((u32::from(end.cast_unsigned()) * 0x1_0001).cast_signed()));
    for first in (0..k).step_by(2 * I::LANES) {
        let constants = constants(isa, &scale.chunks[first / CHUNK], first % CHUNK);
        let row = Pairs { inputs: input(first, 2 * I::LANES), constants, range };
        fill(isa, &row, lanes, &mut output[first / 2 * BLOCK..][..I::LANES * BLOCK]);
    }
}

/// A vector's constants, from input `first` of a chunk.
#[inline(always)]
fn constants<I: Rows>(isa: I, chunk: &Chunk, first: usize) -> [I::V; 5] {
    let mut constants = [isa.splat(0); 5];
    for (constant, numbers) in constants.iter_mut().zip(&chunk.0) {
        let numbers = &numbers[first..][..2 * I::LANES];
        // SAFETY: there are as many numbers.
        *constant = unsafe { isa.load16(numbers.as_ptr(), numbers.len(), numbers.len()) };
    }
    constants
}

/// Some inputs of every event.
struct Inputs<'a> {
    rows: &'a [i16],
    k: usize,
    first: usize,
    count: usize,
}

impl Inputs<'_> {
    /// The inputs of an event; what follows them is of no account.
    ///
    /// # Safety
    /// There must be a row of the event.
    #[inline(always)]
    unsafe fn load<I: Rows>(&self, isa: I, event: usize) -> I::V {
        let at = event * self.k + self.first;
        let valid = self.rows.len().saturating_sub(at);
        // SAFETY: where `count` is not 0, `first + count` is at most `k`, and there is a row of `k` inputs.
        unsafe { isa.load16(self.rows.as_ptr().wrapping_add(at), self.count, valid) }
    }
}

/// A part of a row, scaled, in the order of lanes.
trait Row<I: Rows> {
    /// The plane of a lane.
    fn plane(lane: usize) -> usize;

    /// # Safety
    /// There must be a row of the event.
    unsafe fn row(&self, isa: I, event: usize) -> I::V;

    /// Writes a lane of the next LANES events to its plane.
    ///
    /// # Safety
    /// `planes` must have, from `lane` on, LANES values in each plane that belongs to this one.
    #[inline(always)]
    unsafe fn write(&self, isa: I, planes: *mut i32, plane: usize, lane: usize, v: I::V) {
        // SAFETY: the caller vouches for the plane.
        unsafe { isa.store(planes.add(plane * BLOCK + lane), v) };
    }
}

/// Takes rows in as they are, a plane an input.
#[derive(Clone, Debug)]
pub(crate) struct DoorRows {
    /// Inputs an event.
    pub(crate) k: usize,
    /// First lane of the output, which has planes for whole chunks.
    pub(crate) output: usize,
}

/// Takes rows in as they are.
#[inline(always)]
pub(crate) fn door<I: Rows>(isa: I, door: &DoorRows, block: &mut Block) {
    let (k, lanes) = (door.k, block.lanes);
    assert_eq!(block.hardware.len(), lanes * k, "a row a lane");
    let planes = k.next_multiple_of(CHUNK);
    let output = &mut block.memory.narrow.lanes_mut()[door.output..][..planes * BLOCK];
    for first in (0..k).step_by(2 * I::LANES) {
        let inputs = Inputs { rows: block.hardware, k, first, count: (k - first).min(2 * I::LANES) };
        fill(isa, &Whole(inputs), lanes, &mut output[first * BLOCK..][..2 * I::LANES * BLOCK]);
    }
}

struct Whole<'a>(Inputs<'a>);

impl<I: Rows> Row<I> for Whole<'_> {
    #[inline(always)]
    fn plane(lane: usize) -> usize {
        lane
    }

    #[inline(always)]
    unsafe fn row(&self, isa: I, event: usize) -> I::V {
        // SAFETY: the caller vouches for the row.
        unsafe { self.0.load(isa, event) }
    }

    #[inline(always)]
    unsafe fn write(&self, isa: I, planes: *mut i32, plane: usize, lane: usize, v: I::V) {
        let half = isa.places32(16);
        let low = isa.right32(isa.left32(v, half), half);
        // SAFETY: `door` gives `fill` two planes for each.
        unsafe {
            isa.store(planes.add(2 * plane * BLOCK + lane), low);
            isa.store(planes.add((2 * plane + 1) * BLOCK + lane), isa.right32(v, half));
        }
    }
}

struct Bytes<'a, I: Rows> {
    inputs: [Inputs<'a>; 2],
    constants: [[I::V; 5]; 2],
}

impl<I: Rows> Row<I> for Bytes<'_, I> {
    #[inline(always)]
    fn plane(lane: usize) -> usize {
        byte_plane(lane)
    }

    #[inline(always)]
    unsafe fn row(&self, isa: I, event: usize) -> I::V {
        // SAFETY: the caller vouches for the row.
        let (a, b) = unsafe { (self.inputs[0].load(isa, event), self.inputs[1].load(isa, event)) };
        isa.bytes_plus_128(isa.scale16(a, &self.constants[0]), isa.scale16(b, &self.constants[1]))
    }
}

struct Ordered<'a, I: Rows> {
    row: Bytes<'a, I>,
    order: I::V,
}

impl<I: Rows> Row<I> for Ordered<'_, I> {
    #[inline(always)]
    fn plane(lane: usize) -> usize {
        lane
    }

    #[inline(always)]
    unsafe fn row(&self, isa: I, event: usize) -> I::V {
        // SAFETY: the caller vouches for the row.
        isa.permute_bytes(unsafe { self.row.row(isa, event) }, self.order)
    }
}

struct Pairs<'a, I: Rows> {
    inputs: Inputs<'a>,
    constants: [I::V; 5],
    range: [I::V; 2],
}

impl<I: Rows> Row<I> for Pairs<'_, I> {
    #[inline(always)]
    fn plane(lane: usize) -> usize {
        lane
    }

    #[inline(always)]
    unsafe fn row(&self, isa: I, event: usize) -> I::V {
        // SAFETY: the caller vouches for the row.
        let h = unsafe { self.inputs.load(isa, event) };
        isa.clamp16(isa.scale16(h, &self.constants), self.range[0], self.range[1])
    }
}

/// The rows of four events, transposed within each 128 bits: the `at`-th four from `lane` on, of as many as a vector has
/// 128 bits; nothing for others.
///
/// # Safety
/// There must be a row for each of LANES events from `lane` on.
#[inline(always)]
unsafe fn quarter<I: Rows, R: Row<I>>(isa: I, part: &R, at: usize, lane: usize) -> [I::V; 4] {
    if at >= I::LANES / 4 {
        return [isa.splat(0); 4];
    }
    let event = lane + 4 * at;
    // SAFETY: these are four of the LANES events.
    unsafe {
        isa.quarter([
            part.row(isa, event),
            part.row(isa, event + 1),
            part.row(isa, event + 2),
            part.row(isa, event + 3),
        ])
    }
}

/// Computes rows and writes their lanes, each to its plane.
#[inline(always)]
fn fill<I: Rows, R: Row<I>>(isa: I, part: &R, lanes: usize, planes: &mut [i32]) {
    assert!(planes.len() >= I::LANES * BLOCK && lanes <= BLOCK);
    for lane in (0..lanes).step_by(I::LANES) {
        // Not an array that is zero before: the stores of the zeros would show.
        // SAFETY: `run` has asserted a row for each of the lanes, which are a multiple of LANES.
        let quarters = unsafe {
            [
                quarter(isa, part, 0, lane),
                quarter(isa, part, 1, lane),
                quarter(isa, part, 2, lane),
                quarter(isa, part, 3, lane),
            ]
        };
        let [first, second, third, fourth] = &quarters;
        let rest = second.iter().zip(third).zip(fourth);
        for (c, (first, ((second, third), fourth))) in first.iter().zip(rest).enumerate() {
            let columns = isa.columns([*first, *second, *third, *fourth]);
            for (at, column) in columns[..I::LANES / 4].iter().enumerate() {
                let plane = R::plane(4 * at + c);
                debug_assert!(plane < I::LANES);
                // SAFETY: there are LANES planes of BLOCK lanes, as asserted above, or for `door` twice as many.
                unsafe { part.write(isa, planes.as_mut_ptr(), plane, lane, *column) };
            }
        }
    }
}
