//! The input scaling of a trigger, from rows of hardware integers to packed bytes: the result, saturated to 8 signed bits, plus 128.

/// Scales rows in 16-bit lanes: four bytes of an event a lane.
///
/// In two's complement of 16 bits, u = (h << `left`) - `offset` holds the shifted difference with its wrap at the top;
/// the byte is u 2^-q rounded, with q the bits below its last one. `mulhrs` by `factor` = 2^(15 - q) rounds ties up, so u is
/// first lowered by `step` (saturating) where it does not have the bit `keep`: never for ties up, always for ties down
/// or for truncation (with half of 2^q), where the result would be odd for ties to even.
#[derive(Clone, Debug)]
pub(crate) struct ScaleRows {
    /// Inputs an event.
    pub(crate) k: usize,
    /// First lane of the output.
    pub(crate) output: usize,
    /// Constants of 64 inputs each, zero past the last input.
    pub(crate) chunks: Vec<Chunk>,
    /// Plane of each of a chunk's 16 lanes of four inputs ([`lane_inputs`]), from `output`; none for lanes that nothing
    /// reads.
    pub(crate) planes: Vec<[Option<u32>; 16]>,
}

/// Constants of 64 inputs.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(crate) struct Chunk {
    pub(crate) left: [u16; 64],
    pub(crate) offset: [i16; 64],
    pub(crate) keep: [u16; 64],
    pub(crate) step: [i16; 64],
    pub(crate) factor: [i16; 64],
}

impl Chunk {
    /// What makes zeros of any inputs.
    pub(crate) const ZERO: Self =
        Self { left: [0; 64], offset: [0; 64], keep: [0; 64], step: [0; 64], factor: [0; 64] };
}

/// The four inputs (from the chunk's first) that lane `lane` of a packed chunk holds: two vectors of 32 inputs are
/// packed 128 bits at a time.
pub(crate) fn lane_inputs(lane: usize) -> [usize; 4] {
    let (part, quarter) = (lane / 4, lane % 4);
    let first = quarter / 2 * 32 + part * 8 + quarter % 2 * 4;
    [first, first + 1, first + 2, first + 3]
}
