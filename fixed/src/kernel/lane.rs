//! The arithmetic of one lane in 32, 64 or 128 bits, written so that loops over lanes turn into vectors.

use crate::{Exact, Format, Overflow, Rounding};

use super::{BLOCK, Memory};

/// A signed integer that a lane holds.
pub(crate) trait Lane: Copy + Default + Ord + Into<i128> + 'static {
    /// Its bits.
    const BITS: u32;
    /// The lowest bits of a number.
    fn cut(value: i128) -> Self;
    /// Modulo 2^BITS.
    fn plus(self, other: Self) -> Self;
    /// Modulo 2^BITS.
    fn minus(self, other: Self) -> Self;
    /// Modulo 2^BITS.
    fn times(self, other: Self) -> Self;
    /// Bits pushed out at the top are lost.
    fn left(self, places: u32) -> Self;
    /// With the sign.
    fn right(self, places: u32) -> Self;
    /// With zeros.
    fn right_unsigned(self, places: u32) -> Self;
    /// Bit by bit.
    fn and(self, other: Self) -> Self;
    /// The lanes of this width.
    fn all(memory: &Memory) -> &[Self];
    /// The lanes of this width.
    fn all_mut(memory: &mut Memory) -> &mut [Self];
}

macro_rules! lane {
    ($signed:ty, $unsigned:ty, $field:ident) => {
        impl Lane for $signed {
            const BITS: u32 = <$signed>::BITS;

            #[inline(always)]
            fn cut(value: i128) -> Self {
                value as Self
            }

            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }

            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }

            #[inline(always)]
            fn times(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }

            #[inline(always)]
            fn left(self, places: u32) -> Self {
                self << places
            }

            #[inline(always)]
            fn right(self, places: u32) -> Self {
                self >> places
            }

            #[inline(always)]
            fn right_unsigned(self, places: u32) -> Self {
                (self as $unsigned >> places) as Self
            }

            #[inline(always)]
            fn and(self, other: Self) -> Self {
                self & other
            }

            #[inline(always)]
            fn all(memory: &Memory) -> &[Self] {
                memory.$field.lanes()
            }

            #[inline(always)]
            fn all_mut(memory: &mut Memory) -> &mut [Self] {
                memory.$field.lanes_mut()
            }
        }
    };
}

lane!(i32, u32, narrow);
lane!(i64, u64, wide);
lane!(i128, u128, widest);

/// One plane's lanes on the stack.
pub(crate) type Buffer<C> = [C; BLOCK];

/// Buffers that begin a cache line, so that no vector of them crosses one.
#[repr(align(64))]
pub(crate) struct Buffers<C, const N: usize>(pub(crate) [Buffer<C>; N]);

/// Assignment of a number with a known number of bits after the point to a format.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Assign {
    /// Bits after the point of the number.
    pub(crate) fraction: i32,
    /// The format.
    pub(crate) format: Format,
    /// Whether the proof leaves out that the rounded number is out of range.
    pub(crate) in_range: bool,
}

impl Assign {
    /// Bits that the assignment drops; negative where it adds zeros.
    pub(crate) fn dropped(&self) -> i32 {
        self.fraction - self.format.fraction()
    }

    /// Assigns each lane. In 32 and 64 bits the plan has made sure that nothing is lost on the way.
    #[inline(always)]
    pub(crate) fn apply<C: Lane>(&self, lanes: &mut [C]) {
        if C::BITS == 128 {
            for lane in lanes {
                let number = Exact { mantissa: (*lane).into(), fraction: self.fraction };
                *lane = C::cut(self.format.assign(number));
            }
            return;
        }
        let dropped = self.dropped();
        if dropped > 0 {
            round(lanes, dropped.unsigned_abs(), self.format.rounding);
        } else if dropped < 0 {
            lanes.iter_mut().for_each(|lane| *lane = lane.left(dropped.unsigned_abs()));
        }
        if !self.in_range {
            bound(lanes, &self.format);
        }
    }
}

/// Drops bits; `dropped` is from 1 to two less than the lane's bits.
///
/// Every mode is a floor of the lane plus a constant, plus another where the lane is negative, or plus the last bit that
/// stays where ties go to even.
#[inline(always)]
fn round<C: Lane>(lanes: &mut [C], dropped: u32, rounding: Rounding) {
    let [zero, one] = [0, 1].map(C::cut);
    let half = one.left(dropped - 1);
    let below = half.minus(one);
    let (always, negative) = match rounding {
        Rounding::Truncate => (zero, zero),
        Rounding::TruncateToZero => (zero, half.plus(below)),
        Rounding::Round => (half, zero),
        Rounding::RoundToMinusInfinity => (below, zero),
        Rounding::RoundToZero => (below, one),
        Rounding::RoundToInfinity => (half, zero.minus(one)),
        Rounding::RoundConvergent => {
            for lane in lanes {
                let odd = lane.right(dropped).and(one);
                *lane = lane.plus(below).plus(odd).right(dropped);
            }
            return;
        }
    };
    for lane in lanes {
        let sign = lane.right(C::BITS - 1);
        *lane = lane.plus(always).plus(sign.and(negative)).right(dropped);
    }
}

/// Ends of a format in lanes that hold it.
#[derive(Clone, Copy)]
struct Limits<C> {
    least: C,
    most: C,
    unused: u32,
}

impl<C: Lane> Limits<C> {
    #[inline(always)]
    fn new(format: &Format) -> Self {
        let (least, most) = (C::cut(format.least()), C::cut(format.max_raw()));
        Self { least, most, unused: C::BITS - format.width }
    }

    #[inline(always)]
    fn wrap(self, lane: C) -> C {
        lane.left(self.unused).right(self.unused)
    }

    #[inline(always)]
    fn wrap_unsigned(self, lane: C) -> C {
        lane.left(self.unused).right_unsigned(self.unused)
    }

    #[inline(always)]
    fn saturate(self, lane: C) -> C {
        lane.max(self.least).min(self.most)
    }

    #[inline(always)]
    fn zero(self, lane: C) -> C {
        if lane >= self.least && lane <= self.most { lane } else { C::cut(0) }
    }
}

/// O of a format that the lane holds.
#[inline(always)]
pub(crate) fn bound<C: Lane>(lanes: &mut [C], format: &Format) {
    if C::BITS == 128 {
        lanes.iter_mut().for_each(|lane| *lane = C::cut(format.bound((*lane).into())));
        return;
    }
    let limits = Limits::new(format);
    match format.overflow {
        Overflow::Wrap => wrap(lanes, format),
        Overflow::Saturate | Overflow::SaturateSymmetric => {
            lanes.iter_mut().for_each(|lane| *lane = limits.saturate(*lane));
        }
        Overflow::SaturateToZero => lanes.iter_mut().for_each(|lane| *lane = limits.zero(*lane)),
    }
}

/// The lowest W bits.
#[inline(always)]
pub(crate) fn wrap<C: Lane>(lanes: &mut [C], format: &Format) {
    let limits = Limits::new(format);
    if format.signed {
        lanes.iter_mut().for_each(|lane| *lane = limits.wrap(*lane));
    } else {
        lanes.iter_mut().for_each(|lane| *lane = limits.wrap_unsigned(*lane));
    }
}
