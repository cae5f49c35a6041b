//! Quantities as typed on the command line.

use std::str::FromStr;

/// A rate: `40MHz`, `100kHz`, `1000Hz`, `1e5` (Hz).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateHz(pub f64);

impl FromStr for RateHz {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let trimmed = text.trim();
        let units = [("GHz", 1e9), ("MHz", 1e6), ("kHz", 1e3), ("Hz", 1.0)];
        let (number, factor) = units
            .iter()
            .find_map(|(unit, factor)| trimmed.strip_suffix(unit).map(|number| (number, *factor)))
            .unwrap_or((trimmed, 1.0));
        let rate = number
            .trim()
            .parse::<f64>()
            .map_err(|_| format!("`{text}` is not a rate such as 40MHz, 100kHz or 500Hz"))?
            * factor;
        if rate.is_finite() && rate > 0.0 {
            Ok(Self(rate))
        } else {
            Err(format!("a rate must be positive and finite, `{text}` is not"))
        }
    }
}

/// A rate for people: three decimals in the largest unit below it.
pub fn format_rate(hz: f64) -> String {
    match hz {
        hz if hz >= 1e6 => format!("{:.3} MHz", hz / 1e6),
        hz if hz >= 1e3 => format!("{:.3} kHz", hz / 1e3),
        hz => format!("{hz:.3} Hz"),
    }
}

#[cfg(test)]
mod tests {
    use super::RateHz;

    #[test]
    fn rates_take_the_usual_units() {
        for (text, hz) in [("40MHz", 40e6), ("100 kHz", 1e5), ("1e3", 1e3), ("2.5GHz", 2.5e9), ("7Hz", 7.0)] {
            assert_eq!(text.parse(), Ok(RateHz(hz)), "{text}");
        }
        for text in ["", "fast", "-1Hz", "0", "infHz", "nan", "1THz"] {
            assert!(text.parse::<RateHz>().is_err(), "{text}");
        }
    }
}
