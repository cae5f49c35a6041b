use std::fmt;

use trigsieve_fixed::Format;

/// An exact number, `odd` 2^`exponent` with `odd` odd or zero, so that equal numbers of different formats are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    odd: i128,
    exponent: i32,
}

impl Number {
    /// The number of a raw value of `format`.
    #[must_use]
    pub fn of_raw(raw: i128, format: Format) -> Self {
        Self::new(raw, -format.fraction())
    }

    /// The number of a double; none for NaN and infinities.
    #[must_use]
    pub fn of_f64(value: f64) -> Option<Self> {
        /// Bits of a double below the implicit one.
        const FRACTION_BITS: u32 = f64::MANTISSA_DIGITS - 1;
        if !value.is_finite() {
            return None;
        }
        let bits = value.to_bits();
        let biased = ((bits >> FRACTION_BITS) & 0x7ff) as i32;
        let fraction = i128::from(bits & ((1 << FRACTION_BITS) - 1));
        // Subnormal numbers have no implicit one, and the exponent of the smallest normal ones.
        let magnitude = if biased == 0 { fraction } else { fraction | (1 << FRACTION_BITS) };
        let exponent = biased.max(1) - 1023 - FRACTION_BITS as i32;
        Some(Self::new(if value.is_sign_negative() { -magnitude } else { magnitude }, exponent))
    }

    fn new(integer: i128, exponent: i32) -> Self {
        if integer == 0 {
            return Self { odd: 0, exponent: 0 };
        }
        let zeros = integer.trailing_zeros();
        Self { odd: integer >> zeros, exponent: exponent + zeros as i32 }
    }

    /// The nearest double.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        self.odd as f64 * f64::from(self.exponent).exp2()
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_f64())
    }
}
