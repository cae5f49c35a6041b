use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// A linear or logarithmic axis with ticks where a physicist expects them: plotters' own logarithmic
/// coordinate labels every second decade, or 2 and 5 of some.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    logarithmic: bool,
}

/// Decades on a logarithmic axis up to which 2 and 5 get a label as well.
const FEW_DECADES: f64 = 2.0;
/// Labels on a linear axis at most.
const LABELS: f64 = 8.0;

impl Axis {
    /// Logarithmic from `low` to `high`, both > 0. A range of no extent becomes a decade.
    pub(super) fn logarithmic(low: f64, high: f64) -> Self {
        let high = if high > low { high } else { low * 10.0 };
        Self { low, high, logarithmic: true }
    }

    /// Linear from `low` to `high`. A range of no extent becomes one of length 1.
    pub(super) fn linear(low: f64, high: f64) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        Self { low, high, logarithmic: false }
    }

    pub(super) fn low(&self) -> f64 {
        self.low
    }

    pub(super) fn high(&self) -> f64 {
        self.high
    }

    /// Where `value` lies: 0 at the low end, 1 at the high end, clamped to the axis.
    pub(super) fn place(&self, value: f64) -> f64 {
        let scale = |value: f64| if self.logarithmic { value.log10() } else { value };
        let value = value.clamp(self.low, self.high);
        (scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low))
    }

    /// The value at `place`, the inverse of [`Axis::place`].
    pub(super) fn value(&self, place: f64) -> f64 {
        if self.logarithmic {
            self.low * (self.high / self.low).powf(place)
        } else {
            self.low + place * (self.high - self.low)
        }
    }

    /// The label of a tick: plain near 1, a power of ten far from it.
    pub(super) fn tick(&self, value: f64) -> String {
        let powers = self.logarithmic && self.high / self.low > 10f64.powf(FEW_DECADES);
        let near_one = if powers { 0.1..10_000.0 } else { 0.001..1_000_000.0 };
        if value == 0.0 || near_one.contains(&(value.abs() * (1.0 + 1e-9))) {
            return plain(value);
        }
        let exponent = value.abs().log10().round();
        let is_power = (value / 10f64.powf(exponent) - 1.0).abs() < 1e-9;
        if is_power { format!("10{}", superscript(exponent as i32)) } else { format!("{value:.1e}") }
    }

    /// The same axis with this fraction of its length more on both sides.
    pub(super) fn extended(self, fraction: f64) -> Self {
        Self { low: self.value(-fraction), high: self.value(1.0 + fraction), ..self }
    }

    /// `steps` of each decade that lie on the axis.
    fn decades(&self, steps: &[f64]) -> Vec<f64> {
        let exponents = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
        exponents
            .flat_map(|exponent| steps.iter().map(move |step| step * power(exponent)))
            .filter(|v| self.holds(*v))
            .collect()
    }

    fn even_steps(&self, divisions: f64) -> Vec<f64> {
        let rough = (self.high - self.low) / LABELS;
        let decade = 10f64.powf(rough.log10().floor());
        let nice = [1.0, 2.0, 5.0, 10.0].into_iter().find(|step| step * decade >= rough).unwrap_or(10.0);
        let step = nice * decade / divisions;
        let numbers = (self.low / step).ceil() as i64..=(self.high / step).floor() as i64;
        numbers.map(|number| number as f64 * step).collect()
    }

    fn holds(&self, value: f64) -> bool {
        let slack = 1e-9;
        value >= self.low * (1.0 - slack) && value <= self.high * (1.0 + slack)
    }

    fn major(&self) -> Vec<f64> {
        if !self.logarithmic {
            return self.even_steps(1.0);
        }
        let decades = (self.high / self.low).log10();
        self.decades(if decades <= FEW_DECADES { &[1.0, 2.0, 5.0] } else { &[1.0] })
    }

    fn minor(&self) -> Vec<f64> {
        if self.logarithmic {
            self.decades(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0])
        } else {
            self.even_steps(2.0)
        }
    }
}

/// 10 to an integer power, as exact as the literal: `powi` is an ulp off for negative ones.
fn power(exponent: i32) -> f64 {
    if exponent < 0 { 1.0 / 10f64.powi(-exponent) } else { 10f64.powi(exponent) }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        limit.0 + (self.place(*value) * f64::from(limit.1 - limit.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() { self.minor() } else { self.major() }
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        self.tick(*value)
    }
}

fn plain(value: f64) -> String {
    let text = format!("{value:.4}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn superscript(number: i32) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let glyph = |c: char| c.to_digit(10).map_or('⁻', |digit| DIGITS[digit as usize]);
    number.to_string().chars().map(glyph).collect()
}
