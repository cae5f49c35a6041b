use std::fmt;
use std::str::FromStr;

use crate::{ExportError, Report};

/// Limits of a firmware, `latency=50ns,lut=3%,ii=1`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Budget(Vec<Limit>);

/// One limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    quantity: Quantity,
    most: f64,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantity {
    Latency,
    Interval,
    Luts,
    Ffs,
    Dsps,
    Brams,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Nanoseconds,
    Cycles,
    Percent,
    Count,
}

const QUANTITIES: [(&str, Quantity); 6] = [
    ("latency", Quantity::Latency),
    ("ii", Quantity::Interval),
    ("lut", Quantity::Luts),
    ("ff", Quantity::Ffs),
    ("dsp", Quantity::Dsps),
    ("bram", Quantity::Brams),
];

impl FromStr for Budget {
    type Err = ExportError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let limits = text
            .split(',')
            .map(|item| limit(item.trim()).map_err(|why| ExportError::Budget { text: text.to_owned(), why }));
        limits.collect::<Result<_, _>>().map(Self)
    }
}

fn limit(item: &str) -> Result<Limit, String> {
    let (name, value) = item.split_once('=').ok_or_else(|| format!("`{item}` is not of the form lut=3%"))?;
    let quantity = QUANTITIES.iter().find(|(known, _)| *known == name).map(|(_, quantity)| *quantity);
    let known = || QUANTITIES.map(|(known, _)| known).join(", ");
    let quantity = quantity.ok_or_else(|| format!("`{name}` is none of {}", known()))?;
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '%');
    let unit = match (quantity, &value[digits.len()..]) {
        (Quantity::Latency, "ns") => Unit::Nanoseconds,
        (Quantity::Latency | Quantity::Interval, "cycles") | (Quantity::Interval, "") => Unit::Cycles,
        (Quantity::Latency, _) => return Err("a latency is in ns or cycles".to_owned()),
        (Quantity::Interval, _) => return Err("an initiation interval is in cycles".to_owned()),
        (_, "%") => Unit::Percent,
        (_, "") => Unit::Count,
        _ => return Err(format!("`{value}` is neither a number nor a percentage")),
    };
    let most: f64 = digits.parse().map_err(|_| format!("`{digits}` is not a number"))?;
    let sensible = most.is_finite() && most >= 0.0;
    if sensible { Ok(Limit { quantity, most, unit }) } else { Err(format!("`{digits}` is no limit")) }
}

impl Budget {
    /// Every limit with what the report has for it, and whether it is kept.
    pub fn judged(&self, report: &Report) -> impl Iterator<Item = (Limit, f64, bool)> {
        self.0.iter().map(|limit| {
            let found = limit.found(report);
            // A latency is a quotient: 18 cycles of 1000 / 360 ns are 50 ns.
            (*limit, found, found <= limit.most * (1.0 + 1e-9))
        })
    }

    /// # Errors
    /// [`ExportError::OverBudget`] with every limit that is exceeded.
    pub fn check(&self, report: &Report) -> Result<(), ExportError> {
        let over: Vec<String> = self
            .judged(report)
            .filter(|(_, _, kept)| !kept)
            .map(|(limit, found, _)| {
                format!("{} is {}, of {limit} at most", limit.name(), limit.number(found))
            })
            .collect();
        if over.is_empty() { Ok(()) } else { Err(ExportError::OverBudget(over.join("; "))) }
    }
}

impl Limit {
    fn name(&self) -> &'static str {
        QUANTITIES.iter().find(|(_, quantity)| *quantity == self.quantity).map_or("", |(name, _)| name)
    }

    fn found(&self, report: &Report) -> f64 {
        let own = &report.usage[0];
        let all = &report.resources;
        match (self.quantity, self.unit) {
            (Quantity::Latency, Unit::Nanoseconds) => report.latency_ns,
            (Quantity::Latency, _) => report.latency_cycles.into(),
            (Quantity::Interval, _) => report.initiation_interval.into(),
            (Quantity::Luts, Unit::Percent) => own.luts_percent,
            (Quantity::Luts, _) => all.luts as f64,
            (Quantity::Ffs, Unit::Percent) => own.ffs_percent,
            (Quantity::Ffs, _) => all.ffs as f64,
            (Quantity::Dsps, Unit::Percent) => own.dsps_percent,
            (Quantity::Dsps, _) => all.dsps as f64,
            (Quantity::Brams, Unit::Percent) => own.brams_percent,
            (Quantity::Brams, _) => all.brams as f64,
        }
    }

    fn number(&self, value: f64) -> String {
        match self.unit {
            Unit::Nanoseconds => format!("{value:.1} ns"),
            Unit::Cycles => format!("{value} cycles"),
            Unit::Percent => format!("{value:.4} %"),
            Unit::Count => format!("{value}"),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number(self.most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PARTS;
    use crate::report::{Resources, Usage};

    fn report() -> Report {
        let resources = Resources { luts: 35_467, ffs: 1, dsps: 0, brams: 0, carries: 0 };
        Report {
            name: "a".to_owned(),
            part: "xcvu9p-flga2104-2-e".to_owned(),
            clock_mhz: 360.0,
            latency_cycles: 18,
            latency_ns: 18.0 * 1e3 / 360.0,
            initiation_interval: 1,
            levels: 50,
            levels_a_stage: 3,
            method: String::new(),
            resources,
            usage: vec![Usage::of(&resources, &PARTS[0])],
            tensors: Vec::new(),
            weights: Vec::new(),
        }
    }

    #[test]
    fn a_limit_is_kept_exactly_and_not_a_cell_more() {
        let budget: Budget = "latency=50ns,lut=3%,ii=1,lut=35467,dsp=0".parse().expect("a budget");
        budget.check(&report()).expect("kept");
        let mut over = report();
        over.resources.luts += 1;
        over.usage = vec![Usage::of(&over.resources, &PARTS[0])];
        over.latency_cycles = 19;
        over.latency_ns = 19.0 * 1e3 / 360.0;
        let error = budget.check(&over).expect_err("exceeded").to_string();
        assert_eq!(
            error,
            "over budget: latency is 52.8 ns, of 50.0 ns at most; lut is 3.0001 %, of 3.0000 % at most; lut is 35468, of 35467 at most"
        );
    }

    #[test]
    fn what_is_no_budget_says_why() {
        for (text, why) in [
            ("luts=3%", "none of"),
            ("lut", "form"),
            ("latency=50", "ns or cycles"),
            ("latency=50%", "ns or cycles"),
            ("lut=x%", "neither"),
            ("lut=-1%", "no limit"),
            ("ii=1ns", "in cycles"),
            ("", "form"),
        ] {
            let error = text.parse::<Budget>().expect_err(text).to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
