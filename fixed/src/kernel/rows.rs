//! The input scaling of a trigger, from rows of hardware integers to packed lanes.

use super::Block;
use super::isa::Rows;

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
    /// First lane of the output.
    pub(crate) output: usize,
    /// Whether the output is packed to bytes, saturated to 8 signed bits plus 128, or else to 16-bit numbers.
    pub(crate) bytes: bool,
    /// Range of 16-bit numbers.
    pub(crate) range: [i16; 2],
    /// Constants of [`CHUNK`] inputs each, zero past the last input.
    pub(crate) chunks: Vec<Chunk>,
    /// For each plane of the output, whether anything reads it. Its inputs are neighbours.
    pub(crate) read: Vec<bool>,
}

/// Inputs of a chunk.
pub(crate) const CHUNK: usize = 64;

/// Constants of some inputs: left, offset, keep, step, factor.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(crate) struct Chunk(pub(crate) [[i16; CHUNK]; 5]);

/// The plane, among a chunk's, of lane `lane` of 16 lanes of packed bytes: two vectors of 32 inputs are packed 128 bits at
/// a time.
const fn byte_plane(lane: usize) -> usize {
    let (part, quarter) = (lane / 4, lane % 4);
    quarter / 2 * 8 + part * 2 + quarter % 2
}

/// Takes rows in, scaled.
#[inline(always)]
pub(crate) fn run<I: Rows>(isa: I, scale: &ScaleRows, block: &mut Block) {
    let rows = block.hardware;
    assert_eq!(rows.len(), block.lanes * scale.k, "a row a lane");
    let output = &mut block.memory.narrow.lanes_mut()[scale.output..];
    if scale.bytes {
        for (at, chunk) in scale.chunks.iter().enumerate() {
            let [low, high] = [0, 32].map(|first| constants(isa, chunk, first));
            let inputs = at * CHUNK..scale.k.min((at + 1) * CHUNK);
            let middle = inputs.end.min(inputs.start + 32);
            let planes = Planes { first: at * 16, place: byte_plane, read: &scale.read };
            planes.fill(isa, block.lanes, output, |event| {
                let row = &rows[event * scale.k..][..scale.k];
                let a = isa.scale16(isa.load16(&row[inputs.start..middle]), &low);
                let b = isa.scale16(isa.load16(&row[middle..inputs.end]), &high);
                isa.bytes_plus_128(a, b)
            });
        }
        return;
    }
    let range = scale.range.map(|end| isa.splat((u32::from(end.cast_unsigned()) * 0x1_0001).cast_signed()));
    let width = 2 * I::LANES;
    for first in (0..scale.k).step_by(width) {
        let constants = constants(isa, &scale.chunks[first / CHUNK], first % CHUNK);
        let inputs = first..scale.k.min(first + width);
        let planes = Planes { first: first / 2, place: |lane| lane, read: &scale.read };
        planes.fill(isa, block.lanes, output, |event| {
            let h = isa.load16(&rows[event * scale.k..][..scale.k][inputs.clone()]);
            isa.clamp16(isa.scale16(h, &constants), range[0], range[1])
        });
    }
}

/// A vector's constants, from input `first` of a chunk.
#[inline(always)]
fn constants<I: Rows>(isa: I, chunk: &Chunk, first: usize) -> [I::V; 5] {
    let mut constants = [isa.splat(0); 5];
    for (constant, numbers) in constants.iter_mut().zip(&chunk.0) {
        *constant = isa.load16(&numbers[first..][..2 * I::LANES]);
    }
    constants
}

/// Neighbouring planes of the output.
struct Planes<'a, F> {
    first: usize,
    /// Which of them a lane of a row goes to.
    place: F,
    read: &'a [bool],
}

impl<F: Fn(usize) -> usize> Planes<'_, F> {
    /// Computes rows and writes their lanes, those of one place to a plane.
    #[inline(always)]
    fn fill<I: Rows>(&self, isa: I, lanes: usize, output: &mut [i32], row: impl Fn(usize) -> I::V) {
        for lane in (0..lanes).step_by(I::LANES) {
            let mut vectors = [isa.splat(0); 16];
            for (event, vector) in vectors[..I::LANES].iter_mut().enumerate() {
                *vector = row(lane + event);
            }
            isa.transpose(&mut vectors);
            for (at, vector) in vectors[..I::LANES].iter().enumerate() {
                let plane = self.first + (self.place)(at);
                if self.read.get(plane) == Some(&true) {
                    let to = &mut output[plane * super::BLOCK + lane..][..I::LANES];
                    // SAFETY: `to` has room for a vector.
                    unsafe { isa.store(to.as_mut_ptr(), *vector) };
                }
            }
        }
    }
}
