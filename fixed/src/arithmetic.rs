//! Exact numbers, and their assignment to formats: the scalar specification of every kernel.
//!
//! The results equal those of the HLS headers (`ap_fixed_base.h`) bit for bit, which `tests/headers.rs` proves against
//! the headers themselves. In the headers an expression has a type wide enough to hold it ([`Wide`]); only an
//! assignment loses anything: first rounding, then overflow, which is judged after rounding.

use std::cmp::Ordering;

use crate::{Format, Overflow, Rounding};

/// A number without loss: `mantissa` 2^-`fraction`.
///
/// Sums and products panic where 128 bits do not hold them. [`Wide`] tells beforehand which results fit, and the
/// checker of programs refuses the others.
#[derive(Clone, Copy, Debug)]
pub struct Exact {
    /// The digits.
    pub mantissa: i128,
    /// Bits after the binary point; may be negative.
    pub fraction: i32,
}

/// The type of an exact result by the width rules of the headers (`RType`), for W up to what [`Exact`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wide {
    /// Whether it can be negative.
    pub signed: bool,
    /// Bits before the binary point, the sign included.
    pub integer: i32,
    /// Bits after the binary point.
    pub fraction: i32,
}

const TOO_WIDE: &str = "an exact result over 128 bits, which the checker of programs refuses";

impl Exact {
    /// Zero.
    pub const ZERO: Self = Self { mantissa: 0, fraction: 0 };

    /// A whole number.
    #[must_use]
    pub const fn integer(value: i128) -> Self {
        Self { mantissa: value, fraction: 0 }
    }

    /// A double as the headers take it in: infinities and NaN are numbers beyond 2^1023, of their sign.
    ///
    /// A subnormal number gets the hidden bit of a normal one, as in the headers; no format reaches down to it.
    #[must_use]
    pub fn from_f64(value: f64) -> Self {
        let bits = value.to_bits();
        if bits << 1 == 0 {
            return Self::ZERO;
        }
        let exponent = ((bits >> 52) & 0x7ff) as i32;
        let magnitude = i128::from(bits & ((1 << 52) - 1) | (1 << 52));
        let mantissa = if value.is_sign_negative() { -magnitude } else { magnitude };
        Self { mantissa, fraction: 1023 + 52 - exponent }
    }

    /// The sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let fraction = self.fraction.max(other.fraction);
        let mantissa = self.at(fraction).checked_add(other.at(fraction)).expect(TOO_WIDE);
        Self { mantissa, fraction }
    }

    /// The difference.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        self.plus(other.negated())
    }

    /// The product.
    #[must_use]
    pub fn times(self, other: Self) -> Self {
        let mantissa = self.mantissa.checked_mul(other.mantissa).expect(TOO_WIDE);
        Self { mantissa, fraction: self.fraction + other.fraction }
    }

    /// The number with the other sign.
    #[must_use]
    pub fn negated(self) -> Self {
        Self { mantissa: self.mantissa.checked_neg().expect(TOO_WIDE), ..self }
    }

    /// The number without its sign.
    #[must_use]
    pub fn absolute(self) -> Self {
        if self.mantissa < 0 { self.negated() } else { self }
    }

    /// The mantissa with another, not smaller number of bits after the binary point.
    fn at(self, fraction: i32) -> i128 {
        shifted_left(self.mantissa, fraction - self.fraction).expect(TOO_WIDE)
    }
}

impl Ord for Exact {
    fn cmp(&self, other: &Self) -> Ordering {
        let fraction = self.fraction.max(other.fraction);
        let at = |number: &Self| shifted_left(number.mantissa, fraction - number.fraction);
        match (at(self), at(other)) {
            (Some(left), Some(right)) => left.cmp(&right),
            // Only the number with fewer bits after the point is shifted; past 128 bits its sign decides.
            (None, _) => self.mantissa.cmp(&0),
            (_, None) => 0.cmp(&other.mantissa),
        }
    }
}

impl PartialOrd for Exact {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Exact {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Exact {}

impl Wide {
    /// W.
    #[must_use]
    pub const fn width(self) -> i32 {
        self.integer + self.fraction
    }

    /// Whether every number of this type fits into an [`Exact`].
    #[must_use]
    pub const fn fits(self) -> bool {
        self.width() <= if self.signed { 128 } else { 127 }
    }

    /// Type of a sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let integer = (self.integer + i32::from(other.signed && !self.signed))
            .max(other.integer + i32::from(self.signed && !other.signed));
        Self {
            signed: self.signed || other.signed,
            integer: integer + 1,
            fraction: self.fraction.max(other.fraction),
        }
    }

    /// Type of a difference.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self { signed: true, ..self.plus(other) }
    }

    /// Type of a product.
    #[must_use]
    pub const fn times(self, other: Self) -> Self {
        Self {
            signed: self.signed || other.signed,
            integer: self.integer + other.integer,
            fraction: self.fraction + other.fraction,
        }
    }
}

impl From<Format> for Wide {
    fn from(format: Format) -> Self {
        Self { signed: format.signed, integer: format.integer, fraction: format.fraction() }
    }
}

impl Format {
    /// The number of a raw value.
    #[must_use]
    pub const fn exact(&self, raw: i128) -> Exact {
        Exact { mantissa: raw, fraction: self.fraction() }
    }

    /// The raw value that a number gets in this format: rounded by Q, then brought into range by O.
    #[must_use]
    pub fn assign(&self, number: Exact) -> i128 {
        let dropped = number.fraction - self.fraction();
        if dropped > 0 {
            return self.bound(round(number.mantissa, dropped.unsigned_abs(), self.rounding));
        }
        match shifted_left(number.mantissa, -dropped) {
            Some(value) => self.bound(value),
            None => self.bound_beyond(number.mantissa, dropped.unsigned_abs()),
        }
    }

    /// The raw value of a double (`ap_fixed(double)`), NaN as [`Exact::from_f64`] says.
    #[must_use]
    pub fn assign_f64(&self, value: f64) -> i128 {
        self.assign(Exact::from_f64(value))
    }

    /// A raw value shifted within the format, to the right for positive `places`: bits shifted out at either end are
    /// lost, and neither Q nor O has a say (`operator>>`).
    #[must_use]
    pub fn shift_right(&self, raw: i128, places: i32) -> i128 {
        let distance = places.unsigned_abs();
        if places >= 0 {
            raw >> distance.min(127)
        } else if distance >= self.width {
            0
        } else {
            self.wrap(raw << distance)
        }
    }

    /// Whether a raw value is one of this format.
    #[must_use]
    pub const fn holds(&self, raw: i128) -> bool {
        self.min_raw() <= raw && raw <= self.max_raw()
    }

    /// The least raw value that an assignment gives: `AP_SAT_SYM` has no most negative one, but for W = 1.
    #[must_use]
    pub const fn least(&self) -> i128 {
        let symmetric = matches!(self.overflow, Overflow::SaturateSymmetric) && self.signed && self.width > 1;
        self.min_raw() + symmetric as i128
    }

    /// O for a value whose bits are all there.
    #[must_use]
    pub fn bound(&self, value: i128) -> i128 {
        let (least, most) = (self.least(), self.max_raw());
        if (least..=most).contains(&value) {
            return value;
        }
        match self.overflow {
            Overflow::Wrap => self.wrap(value),
            Overflow::SaturateToZero => 0,
            Overflow::Saturate | Overflow::SaturateSymmetric => value.clamp(least, most),
        }
    }

    /// O for `value` 2^`places` that does not fit into 128 bits.
    fn bound_beyond(&self, value: i128, places: u32) -> i128 {
        match self.overflow {
            Overflow::Wrap if places >= self.width => 0,
            Overflow::Wrap => self.wrap(value << places),
            Overflow::SaturateToZero => 0,
            Overflow::Saturate | Overflow::SaturateSymmetric if value < 0 => self.least(),
            Overflow::Saturate | Overflow::SaturateSymmetric => self.max_raw(),
        }
    }

    /// The lowest W bits of a value, read in two's complement where the format is signed.
    fn wrap(&self, value: i128) -> i128 {
        let unused = 128 - self.width;
        if self.signed { (value << unused) >> unused } else { ((value << unused) as u128 >> unused) as i128 }
    }
}

/// `mantissa` 2^-`dropped` as a whole number, for `dropped` > 0.
#[must_use]
pub fn round(mantissa: i128, dropped: u32, rounding: Rounding) -> i128 {
    let negative = mantissa < 0;
    let (floor, half, rest) = split(mantissa, dropped);
    let up = match rounding {
        Rounding::Truncate => false,
        Rounding::TruncateToZero => negative && (half || rest),
        Rounding::Round => half,
        Rounding::RoundToZero => half && (negative || rest),
        Rounding::RoundToMinusInfinity => half && rest,
        Rounding::RoundToInfinity => half && (!negative || rest),
        Rounding::RoundConvergent => half && (floor & 1 == 1 || rest),
    };
    floor + i128::from(up)
}

/// What stays, the first bit that goes, and whether any bit after it is set.
fn split(mantissa: i128, dropped: u32) -> (i128, bool, bool) {
    let sign = mantissa >> 127;
    match dropped {
        1..=127 => {
            let half = 1_i128 << (dropped - 1);
            (mantissa >> dropped, mantissa & half != 0, mantissa & (half - 1) != 0)
        }
        128 => (sign, sign != 0, mantissa & i128::MAX != 0),
        _ => (sign, sign != 0, mantissa != 0),
    }
}

/// `value` 2^`places`, for `places` >= 0, if 128 bits hold it.
fn shifted_left(value: i128, places: i32) -> Option<i128> {
    if value == 0 || places == 0 {
        return Some(value);
    }
    let places = places.unsigned_abs();
    let shifted = value.checked_shl(places)?;
    (shifted >> places == value).then_some(shifted)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Halves, at a format of whole numbers: -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, and both sides of 1.5.
    #[test]
    fn each_rounding_breaks_ties_its_own_way() {
        let numbers = [-10, -6, -2, 2, 6, 10, 5, 7];
        for (rounding, expected) in [
            (Rounding::Round, [-2, -1, 0, 1, 2, 3, 1, 2]),
            (Rounding::RoundToZero, [-2, -1, 0, 0, 1, 2, 1, 2]),
            (Rounding::RoundToMinusInfinity, [-3, -2, -1, 0, 1, 2, 1, 2]),
            (Rounding::RoundToInfinity, [-3, -2, -1, 1, 2, 3, 1, 2]),
            (Rounding::RoundConvergent, [-2, -2, 0, 0, 2, 2, 1, 2]),
            (Rounding::Truncate, [-3, -2, -1, 0, 1, 2, 1, 1]),
            (Rounding::TruncateToZero, [-2, -1, 0, 0, 1, 2, 1, 1]),
        ] {
            let format = Format::signed(8, 8).with(rounding, Overflow::Wrap);
            let found = numbers.map(|mantissa| format.assign(Exact { mantissa, fraction: 2 }));
            assert_eq!(found, expected, "{}", rounding.name());
        }
    }

    #[test]
    fn overflow_is_judged_after_rounding() {
        let just_below_eight = Exact { mantissa: 0b1111, fraction: 1 };
        for (overflow, expected) in [
            (Overflow::Saturate, 7),
            (Overflow::SaturateToZero, 0),
            (Overflow::SaturateSymmetric, 7),
            (Overflow::Wrap, -8),
        ] {
            let format = Format::signed(4, 4).with(Rounding::Round, overflow);
            assert_eq!(format.assign(just_below_eight), expected, "{}", overflow.name());
        }
        let symmetric = Format::signed(4, 4).with(Rounding::Truncate, Overflow::SaturateSymmetric);
        assert_eq!(symmetric.assign(Exact::integer(-8)), -7);
        assert_eq!(Format::unsigned(4, 4).assign(Exact::integer(-1)), 15);
    }

    #[test]
    fn numbers_far_from_the_format_are_still_judged() {
        let far = Format::signed(8, 128).with(Rounding::RoundToInfinity, Overflow::Saturate);
        assert_eq!(far.assign(Exact { mantissa: -1, fraction: 190 }), 0);
        let near = Format::signed(64, -128).with(Rounding::Truncate, Overflow::Saturate);
        assert_eq!(near.assign(Exact::integer(-1)), near.min_raw());
        assert_eq!(near.with(Rounding::Truncate, Overflow::Wrap).assign(Exact::integer(-1)), 0);
        assert_eq!(near.assign_f64(f64::INFINITY), near.max_raw());
        assert_eq!(Format::signed(8, 4).assign_f64(f64::NEG_INFINITY), 0);
    }

    #[test]
    fn comparison_does_not_need_a_common_width() {
        let tiny = Exact { mantissa: 1, fraction: 190 };
        assert!(Exact::integer(1 << 40) > tiny);
        assert!(Exact::integer(-(1 << 40)) < tiny);
        assert!(tiny < Exact::integer(1 << 40));
        assert_eq!(Exact { mantissa: 6, fraction: 1 }, Exact::integer(3));
    }

    #[test]
    fn a_shift_keeps_the_format() {
        let format = Format::signed(8, 4);
        assert_eq!(format.shift_right(-3, 1), -2);
        assert_eq!(format.shift_right(-3, 200), -1);
        assert_eq!(format.shift_right(96, -1), -64);
        assert_eq!(format.shift_right(96, -8), 0);
    }
}
