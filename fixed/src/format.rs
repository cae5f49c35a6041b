//! `ap_fixed<W, I, Q, O>` and `ap_ufixed<W, I, Q, O>`: what numbers a wire can carry.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How bits below the least significant one are dropped (`ap_q_mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Rounding {
    /// `AP_RND`: to nearest, ties towards plus infinity.
    Round,
    /// `AP_RND_ZERO`: to nearest, ties towards zero.
    RoundToZero,
    /// `AP_RND_MIN_INF`: to nearest, ties towards minus infinity.
    RoundToMinusInfinity,
    /// `AP_RND_INF`: to nearest, ties away from zero.
    RoundToInfinity,
    /// `AP_RND_CONV`: to nearest, ties to even.
    RoundConvergent,
    /// `AP_TRN`: towards minus infinity.
    #[default]
    Truncate,
    /// `AP_TRN_ZERO`: towards zero.
    TruncateToZero,
}

/// What becomes of a value out of range (`ap_o_mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Overflow {
    /// `AP_SAT`: the nearest end of the range.
    Saturate,
    /// `AP_SAT_ZERO`: zero.
    SaturateToZero,
    /// `AP_SAT_SYM`: the nearest end of the range without its most negative value.
    SaturateSymmetric,
    /// `AP_WRAP`: modulo 2^W.
    #[default]
    Wrap,
}

/// A fixed-point format: a number of `width` bits, `integer` of them (sign included) before the binary point.
///
/// A number of this format is an integer, its *raw* value, times 2^-[`fraction`](Self::fraction). Written as in the HLS
/// headers, `ap_fixed<16,6,AP_RND,AP_SAT>`; `ap_int<W>`, `ap_uint<W>` are read as `ap_fixed<W,W>`, `ap_ufixed<W,W>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Format {
    /// `ap_fixed` (two's complement) or `ap_ufixed`.
    pub signed: bool,
    /// W, from 1 to [`MAX_WIDTH`](Self::MAX_WIDTH).
    pub width: u32,
    /// I, from -[`MAX_POINT`](Self::MAX_POINT) to [`MAX_POINT`](Self::MAX_POINT); may be negative or exceed W.
    pub integer: i32,
    /// Q.
    pub rounding: Rounding,
    /// O.
    pub overflow: Overflow,
}

/// A text that is no format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no fixed-point format: {reason}")]
pub struct FormatError {
    /// What was read.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Format {
    /// Greatest W.
    pub const MAX_WIDTH: u32 = 64;
    /// Greatest distance of the binary point from the most significant bit.
    pub const MAX_POINT: i32 = 128;

    /// `ap_fixed<W, I>` with the defaults of the headers: `AP_TRN`, `AP_WRAP`.
    #[must_use]
    pub const fn signed(width: u32, integer: i32) -> Self {
        Self { signed: true, width, integer, rounding: Rounding::Truncate, overflow: Overflow::Wrap }
    }

    /// `ap_ufixed<W, I>` with the defaults of the headers: `AP_TRN`, `AP_WRAP`.
    #[must_use]
    pub const fn unsigned(width: u32, integer: i32) -> Self {
        Self { signed: false, ..Self::signed(width, integer) }
    }

    /// The same numbers, reached by another rounding and overflow.
    #[must_use]
    pub const fn with(self, rounding: Rounding, overflow: Overflow) -> Self {
        Self { rounding, overflow, ..self }
    }

    /// Bits after the binary point, W - I: a raw value r is the number r 2^-fraction.
    #[must_use]
    pub const fn fraction(&self) -> i32 {
        self.width as i32 - self.integer
    }

    /// Least raw value.
    #[must_use]
    pub const fn min_raw(&self) -> i128 {
        if self.signed { -(1_i128 << (self.width - 1)) } else { 0 }
    }

    /// Greatest raw value.
    #[must_use]
    pub const fn max_raw(&self) -> i128 {
        if self.signed { (1_i128 << (self.width - 1)) - 1 } else { (1_i128 << self.width) - 1 }
    }

    /// The number of a raw value, rounded to double precision.
    #[must_use]
    pub fn to_f64(&self, raw: i128) -> f64 {
        raw as f64 * (-f64::from(self.fraction())).exp2()
    }
}

impl Rounding {
    /// Each of them, with the name that the HLS headers give it.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::Round, "AP_RND"),
        (Self::RoundToZero, "AP_RND_ZERO"),
        (Self::RoundToMinusInfinity, "AP_RND_MIN_INF"),
        (Self::RoundToInfinity, "AP_RND_INF"),
        (Self::RoundConvergent, "AP_RND_CONV"),
        (Self::Truncate, "AP_TRN"),
        (Self::TruncateToZero, "AP_TRN_ZERO"),
    ];

    /// `AP_RND` and so on.
    #[must_use]
    pub fn name(self) -> &'static str {
        name_of(&Self::ALL, self)
    }
}

impl Overflow {
    /// Each of them, with the name that the HLS headers give it.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Saturate, "AP_SAT"),
        (Self::SaturateToZero, "AP_SAT_ZERO"),
        (Self::SaturateSymmetric, "AP_SAT_SYM"),
        (Self::Wrap, "AP_WRAP"),
    ];

    /// `AP_SAT` and so on.
    #[must_use]
    pub fn name(self) -> &'static str {
        name_of(&Self::ALL, self)
    }
}

fn name_of<T: Copy + PartialEq>(all: &[(T, &'static str)], value: T) -> &'static str {
    all.iter().find(|(each, _)| *each == value).map_or("", |(_, name)| name)
}

fn by_name<T: Copy>(all: &[(T, &'static str)], name: &str) -> Result<T, String> {
    let known = || all.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(", ");
    all.iter()
        .find(|(_, each)| *each == name)
        .map(|(value, _)| *value)
        .ok_or_else(|| format!("`{name}` is none of {}", known()))
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.signed { "ap_fixed" } else { "ap_ufixed" };
        write!(f, "{name}<{},{}", self.width, self.integer)?;
        if (self.rounding, self.overflow) != (Rounding::Truncate, Overflow::Wrap) {
            write!(f, ",{},{}", self.rounding.name(), self.overflow.name())?;
        }
        write!(f, ">")
    }
}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).map_err(|reason| FormatError { text: text.to_owned(), reason })
    }
}

fn parse(text: &str) -> Result<Format, String> {
    let (name, rest) = text.split_once('<').ok_or("expected ap_fixed<W,I> or its like")?;
    let arguments = rest.trim_end().strip_suffix('>').ok_or("the closing > is missing")?;
    let arguments: Vec<&str> = arguments.split(',').map(str::trim).collect();
    let (signed, integers_only) = match name.trim() {
        "ap_fixed" => (true, false),
        "ap_ufixed" => (false, false),
        "ap_int" => (true, true),
        "ap_uint" => (false, true),
        other => return Err(format!("`{other}` is none of ap_fixed, ap_ufixed, ap_int, ap_uint")),
    };
    let most = if integers_only { 1 } else { 5 };
    let least = if integers_only { 1 } else { 2 };
    if !(least..=most).contains(&arguments.len()) {
        return Err(format!("{} arguments", arguments.len()));
    }
    let width: u32 = number(arguments[0])?;
    let integer: i32 = if integers_only { number(arguments[0])? } else { number(arguments[1])? };
    let rounding = arguments.get(2).map_or(Ok(Rounding::default()), |name| by_name(&Rounding::ALL, name))?;
    let overflow = arguments.get(3).map_or(Ok(Overflow::default()), |name| by_name(&Overflow::ALL, name))?;
    check_saturation_bits(arguments.get(4).copied(), overflow)?;
    check_range(Format { signed, width, integer, rounding, overflow })
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is not a whole number in range"))
}

/// N, the number of saturated bits in a wrap, has no effect on the other overflow modes; published projects write
/// `AP_SAT` there, whose value is 0.
fn check_saturation_bits(text: Option<&str>, overflow: Overflow) -> Result<(), String> {
    match text {
        None | Some("0") => Ok(()),
        Some(_) if overflow != Overflow::Wrap => Ok(()),
        Some(other) => Err(format!("`{other}` saturated bits in a wrap are not supported, only 0")),
    }
}

fn check_range(format: Format) -> Result<Format, String> {
    if !(1..=Format::MAX_WIDTH).contains(&format.width) {
        return Err(format!("its width is not from 1 to {}", Format::MAX_WIDTH));
    }
    if format.integer.abs() > Format::MAX_POINT {
        return Err(format!("its integer bits are not from -{0} to {0}", Format::MAX_POINT));
    }
    Ok(format)
}

impl Serialize for Format {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_read_as_the_headers_write_them() {
        let cases = [
            ("ap_fixed<18,13>", Format::signed(18, 13)),
            (
                "ap_fixed<8, 6, AP_RND_CONV, AP_SAT>",
                Format::signed(8, 6).with(Rounding::RoundConvergent, Overflow::Saturate),
            ),
            (
                "ap_ufixed<16,4,AP_RND,AP_SAT,AP_SAT>",
                Format::unsigned(16, 4).with(Rounding::Round, Overflow::Saturate),
            ),
            ("ap_fixed<3,-2>", Format::signed(3, -2)),
            ("ap_uint<1>", Format::unsigned(1, 1)),
            ("ap_int<64>", Format::signed(64, 64)),
        ];
        for (text, format) in cases {
            assert_eq!(text.parse(), Ok(format), "{text}");
            assert_eq!(format.to_string().parse(), Ok(format), "{text}");
        }
    }

    #[test]
    fn what_is_no_format_says_why() {
        for (text, reason) in [
            ("ap_fixed<65,3>", "width"),
            ("ap_fixed<0,0>", "width"),
            ("ap_fixed<8>", "arguments"),
            ("ap_fixed<8,4,AP_ROUND>", "AP_ROUND"),
            ("ap_fixed<8,4,AP_TRN,AP_WRAP,2>", "saturated bits"),
            ("ap_fixed<8,300>", "integer bits"),
            ("float", "expected"),
        ] {
            let error = text.parse::<Format>().expect_err(text);
            assert!(error.reason.contains(reason), "{text}: {error}");
        }
    }
}
