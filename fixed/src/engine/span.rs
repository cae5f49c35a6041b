//! The lanes that hold intervals of exact integers.

use crate::kernel::Width;
use crate::kernel::lane::Assign;
use crate::{Format, Interval};

/// The narrowest lanes of at least so many bits.
pub(super) const fn width(bits: u32) -> Width {
    match bits {
        0..=32 => Width::Narrow,
        33..=64 => Width::Wide,
        _ => Width::Widest,
    }
}

/// Bits of two's complement that hold every value of a format.
pub(super) const fn format_bits(format: &Format) -> u32 {
    format.width + !format.signed as u32
}

/// The hull of intervals; of none, zero.
pub(super) fn hull(intervals: impl IntoIterator<Item = Interval>) -> Interval {
    intervals.into_iter().reduce(Interval::hull).unwrap_or(Interval::ZERO)
}

/// Whether an interval lies between two numbers.
pub(super) const fn within(interval: Interval, least: i128, most: i128) -> bool {
    least <= interval.least && interval.most <= most
}

/// Whether 32 bits hold an interval.
pub(super) const fn within_i32(interval: Interval) -> bool {
    within(interval, i32::MIN as i128, i32::MAX as i128)
}

/// An assignment of numbers of this interval, and the bits it takes on the way.
pub(super) fn assign(numbers: Interval, fraction: i32, format: Format) -> (Assign, u32) {
    let assigned = numbers.assigned(fraction, &format);
    let assign = Assign { fraction, format, in_range: assigned.in_range };
    let places = assign.dropped().unsigned_abs();
    let bits = if assign.dropped() > 0 {
        (numbers.signed_width() + 1).max(places + 2)
    } else {
        assigned.rounded.signed_width().max(places + 1)
    };
    (assign, bits.max(format_bits(&format)))
}
