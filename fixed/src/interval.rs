//! Intervals of raw values, and what the arithmetic makes of them.

use crate::arithmetic::round;
use crate::{Format, Overflow};

/// All multiples of 2^`zeros` from `least` to `most`.
///
/// The arithmetic saturates at the ends of i128, which lie far outside of every format: a `least` of `i128::MIN` and a `most`
/// of `i128::MAX` stand for no bound, and stay what they are in whatever follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Least value.
    pub least: i128,
    /// Greatest value.
    pub most: i128,
    /// How many of the lowest bits are zero in every value.
    pub zeros: u32,
}

/// What becomes of an interval in an assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// Rounded, before O; raw at the format's binary point.
    pub rounded: Interval,
    /// The raw values that the assignment gives.
    pub raw: Interval,
    /// Whether no set bit is lost by rounding.
    pub keeps_bits: bool,
    /// Whether no value is out of range.
    pub in_range: bool,
}

impl Interval {
    /// Nothing but zero.
    pub const ZERO: Self = Self::point(0);

    /// One value.
    #[must_use]
    pub const fn point(value: i128) -> Self {
        Self { least: value, most: value, zeros: value.trailing_zeros() }
    }

    /// Every whole number from `least` to `most`.
    #[must_use]
    pub const fn between(least: i128, most: i128) -> Self {
        if least == most { Self::point(least) } else { Self { least, most, zeros: 0 } }
    }

    /// Every raw value of a format.
    #[must_use]
    pub const fn of(format: &Format) -> Self {
        Self::between(format.min_raw(), format.max_raw())
    }

    /// Whether it has this value.
    #[must_use]
    pub const fn contains(&self, value: i128) -> bool {
        self.least <= value && value <= self.most && value.trailing_zeros() >= self.zeros
    }

    /// Width of the narrowest two's complement integer that holds all values.
    #[must_use]
    pub fn signed_width(&self) -> u32 {
        let width = |value: i128| 129 - (if value < 0 { !value } else { value }).leading_zeros();
        width(self.least).max(width(self.most))
    }

    /// The smallest interval with all values of both.
    #[must_use]
    pub fn hull(self, other: Self) -> Self {
        Self {
            least: self.least.min(other.least),
            most: self.most.max(other.most),
            zeros: self.zeros.min(other.zeros),
        }
    }

    /// Sums.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            least: match (self.least, other.least) {
                (i128::MIN, _) | (_, i128::MIN) => i128::MIN,
                (one, other) => one.saturating_add(other),
            },
            most: match (self.most, other.most) {
                (i128::MAX, _) | (_, i128::MAX) => i128::MAX,
                (one, other) => one.saturating_add(other),
            },
            zeros: self.zeros.min(other.zeros),
        }
    }

    /// Differences.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        self.plus(other.negated())
    }

    /// The numbers with the other sign.
    #[must_use]
    pub const fn negated(self) -> Self {
        let least = if self.most == i128::MAX { i128::MIN } else { self.most.saturating_neg() };
        // The negative of `i128::MIN` saturates to no bound.
        Self { least, most: self.least.saturating_neg(), zeros: self.zeros }
    }

    /// Products of independent values.
    #[must_use]
    pub fn times(self, other: Self) -> Self {
        let corners = [
            multiplied(self.least, other.least),
            multiplied(self.least, other.most),
            multiplied(self.most, other.least),
            multiplied(self.most, other.most),
        ];
        let start = (i128::MAX, i128::MIN + 1);
        let (least, most) = corners.iter().fold(start, |(least, most), v| (least.min(*v), most.max(*v)));
        Self { least, most, zeros: self.zeros.saturating_add(other.zeros).min(127) }
    }

    /// Products of a value with itself.
    #[must_use]
    pub fn squared(self) -> Self {
        let magnitude = self.absolute();
        magnitude.times(magnitude)
    }

    /// The numbers without their sign.
    #[must_use]
    pub fn absolute(self) -> Self {
        let (least, most) = (self.least, self.most.max(self.least.saturating_neg()));
        match self {
            _ if least >= 0 => self,
            _ if self.most <= 0 => self.negated(),
            _ => Self { least: 0, most, ..self },
        }
    }

    /// max(value, `floor`).
    #[must_use]
    pub fn at_least(self, floor: i128) -> Self {
        let raised = Self { least: self.least.max(floor), most: self.most.max(floor), ..self };
        if self.least < floor {
            Self { zeros: self.zeros.min(floor.trailing_zeros()), ..raised }
        } else {
            raised
        }
    }

    /// min(value, `ceiling`).
    #[must_use]
    pub fn at_most(self, ceiling: i128) -> Self {
        self.negated().at_least(ceiling.saturating_neg()).negated()
    }

    /// value 2^`places`, for `places` >= 0.
    #[must_use]
    pub fn shifted_left(self, places: u32) -> Self {
        let shift = |value: i128| {
            let shifted = value.checked_shl(places).filter(|shifted| shifted >> places == value);
            let end = if value < 0 { i128::MIN } else { i128::MAX };
            shifted.unwrap_or(if value == 0 { 0 } else { end })
        };
        let zeros = self.zeros.saturating_add(places).min(127);
        Self { least: shift(self.least), most: shift(self.most), zeros }
    }

    /// value 2^-`places` towards minus infinity.
    #[must_use]
    pub fn shifted_right(self, places: u32) -> Self {
        let shift = |value: i128| value >> places.min(127);
        self.ends_by(shift, self.zeros.saturating_sub(places))
    }

    /// What a function that does not fall makes of the ends; no bound stays none.
    fn ends_by(self, function: impl Fn(i128) -> i128, zeros: u32) -> Self {
        let least = if self.least == i128::MIN { i128::MIN } else { function(self.least) };
        let most = if self.most == i128::MAX { i128::MAX } else { function(self.most) };
        Self { least, most, zeros }
    }

    /// The part of it within a format's reach, if any.
    fn inside(self, format: &Format) -> Option<Self> {
        let (least, most) = (self.least.max(format.least()), self.most.min(format.max_raw()));
        (least <= most).then_some(Self { least, most, ..self })
    }

    /// What O makes of raw values that need not be in range.
    #[must_use]
    pub fn bound(self, format: &Format) -> Self {
        if self.inside(format) == Some(self) {
            return self;
        }
        match format.overflow {
            Overflow::Wrap => self.wrapped(format),
            Overflow::SaturateToZero => {
                self.inside(format).map_or(Self::ZERO, |inside| inside.hull(Self::ZERO))
            }
            Overflow::Saturate | Overflow::SaturateSymmetric => {
                self.at_least(format.least()).at_most(format.max_raw())
            }
        }
    }

    /// Modulo 2^W; an interval that crosses an end of the range becomes the whole range.
    fn wrapped(self, format: &Format) -> Self {
        let least = format.bound(self.least);
        let distance = self.most.saturating_sub(self.least);
        let zeros = self.zeros.min(format.width);
        match least.checked_add(distance) {
            Some(most) if most <= format.max_raw() => Self { least, most, zeros },
            _ => Self { zeros, ..Self::of(format) },
        }
    }

    /// The assignment of numbers with `fraction` bits after the binary point.
    #[must_use]
    pub fn assigned(self, fraction: i32, format: &Format) -> Assigned {
        let dropped = fraction - format.fraction();
        let places = dropped.unsigned_abs();
        let (rounded, keeps_bits) = if dropped <= 0 {
            (self.shifted_left(places), true)
        } else if self.zeros >= places {
            (self.shifted_right(places), true)
        } else {
            let end = |value| round(value, places, format.rounding);
            (self.ends_by(end, 0), self == Self::ZERO)
        };
        let in_range = rounded.inside(format) == Some(rounded);
        let raw = if saturated(rounded) && format.overflow == Overflow::Wrap {
            Self { zeros: rounded.zeros.min(format.width), ..Self::of(format) }
        } else {
            rounded.bound(format)
        };
        Assigned { rounded, raw, keeps_bits, in_range }
    }
}

/// The product of two ends; an end that is no bound is none times anything but zero.
fn multiplied(one: i128, other: i128) -> i128 {
    let is_no_bound = |end: i128| end == i128::MIN || end == i128::MAX;
    if one == 0 || other == 0 || !(is_no_bound(one) || is_no_bound(other)) {
        return one.saturating_mul(other);
    }
    if (one < 0) == (other < 0) { i128::MAX } else { i128::MIN }
}

/// Whether an end was cut off, so that its value modulo 2^W is not known.
const fn saturated(interval: Interval) -> bool {
    interval.least == i128::MIN || interval.most == i128::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bound_stays_none() {
        let open = Interval::between(0, 1 << 44).shifted_left(93);
        assert_eq!((open.least, open.most), (0, i128::MAX));
        assert_eq!(open.shifted_right(120).most, i128::MAX);
        assert_eq!((open.negated().least, open.negated().most), (i128::MIN, 0));
        assert_eq!(open.plus(Interval::point(-5)).most, i128::MAX);
        assert_eq!(open.minus(Interval::point(5)).most, i128::MAX);
        assert_eq!(open.times(Interval::point(-1)).least, i128::MIN);
        assert_eq!(open.times(Interval::ZERO), Interval { zeros: 127, ..Interval::ZERO });
        assert_eq!(open.at_most(7).most, 7);
        // A leaky ReLU whose slope has 93 bits after the point: 2^137 / 2^128 are 512.
        let format: Format = "ap_fixed<10,5,AP_TRN_ZERO,AP_SAT>".parse().unwrap();
        let assigned = open.assigned(133, &format);
        assert_eq!((assigned.raw.least, assigned.raw.most, assigned.in_range), (0, 511, false));
    }
}
