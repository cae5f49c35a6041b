//! Which sums of squares are one sum of products in packed lanes.

use crate::interval::Interval;
use crate::{CheckedProgram, Format, Kind, Overflow, Ranges, Rounding};

use super::dense::Packing;
use super::span::{format_bits, hull, within};

/// A multiplication of a tensor by itself whose result nothing reads but the sum that follows.
#[derive(Clone, Copy, Debug)]
pub(super) struct SumOfSquares {
    /// Bits that each square loses.
    pub(super) dropped: u32,
    /// Format of the sum.
    pub(super) accumulator: Format,
}

impl SumOfSquares {
    /// How the tensor has to be packed.
    pub(super) const PACKING: Packing = Packing { bytes: false, least: 0 };

    /// Operation `at` and the next if they are such a sum, and the bits that its overflow cuts off can be cut at the end.
    pub(super) fn of(
        program: &CheckedProgram,
        ranges: &Ranges,
        readers: &[Vec<usize>],
        at: usize,
    ) -> Option<Self> {
        let (multiplication, sum) = (&program.operations[at], program.operations.get(at + 1)?);
        let Kind::Sum { accumulator, .. } = sum.kind else { return None };
        let &[x, z] = program.sources(at) else { return None };
        let alone = readers[at + 1] == [at + 1] && program.score_tensor() != at + 1;
        if !(multiplication.kind == Kind::Multiply {} && x == z && alone) {
            return None;
        }
        let square = multiplication.output.format;
        let dropped = u32::try_from(2 * program.format(x).fraction() - square.fraction()).ok()?;
        let numbers: Interval = hull(ranges.tensor(x).iter().copied());
        let small = within(numbers, i16::MIN.into(), i16::MAX.into()) && dropped <= 2;
        let floor = dropped == 0 || square.rounding == Rounding::Truncate;
        let cut = |format: &Format, in_range| in_range || format.overflow == Overflow::Wrap;
        let squares_in_range = ranges.proof(at).output_in_range;
        let sums = ranges.proof(at + 1).accumulation.as_ref()?;
        let sums_in_range = sums.terms_in_range && sums.sums_in_range;
        // What the squares' wrap takes away, the sum's does as well.
        let within_squares = squares_in_range || !sums_in_range && accumulator.width <= square.width;
        let exact = small
            && floor
            && accumulator.fraction() == square.fraction()
            && cut(&square, squares_in_range)
            && cut(&accumulator, sums_in_range)
            && within_squares
            && format_bits(&accumulator) <= 32
            && accumulator.width + dropped <= 32;
        exact.then_some(Self { dropped, accumulator })
    }
}
