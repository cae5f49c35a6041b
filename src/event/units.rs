use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;

use super::{Encoding, Feature, InputMeaning, Quantity};

/// Step of transverse momenta (and, here, of everything else in GeV) at the CMS global trigger.
const CMS_PT_STEP: f64 = 0.5;
/// Step of ratios of N-subjettinesses, which the trigger does not have: those of physical jets are from 0 to about 1.
const RATIO_STEP: f64 = 1.0 / 1024.0;
/// Width of a calorimeter trigger tower in eta; the global trigger's steps are fractions of it.
const CMS_TOWER_ETA: f64 = 0.087;
/// Steps of a tower in eta: of calorimeter objects, of muons.
const CMS_ETA_DIVISIONS: [f64; 2] = [2.0, 8.0];
/// Steps of a turn in phi: of calorimeter objects, of muons.
const CMS_PHI_STEPS: [f64; 2] = [144.0, 576.0];

/// Two steps that differ by less than this fraction are one: files have them in decimal.
const SAME_STEP: f64 = 1e-9;

/// What one count of a hardware integer is worth. Its text, `0.5 GeV` or `0.04363323129985824 rad modulo 144`, is what
/// an i16 table has as the unit of a feature.
#[derive(Clone, Debug, PartialEq)]
pub struct HardwareUnit {
    /// Size of a step in `unit`, positive and finite.
    pub step: f64,
    /// `GeV`, `rad`, or empty for a pure number.
    pub unit: String,
    /// Counts after which the quantity repeats; integers then run from 0 to this less one.
    pub period: Option<u16>,
}

/// The units of the K inputs of an encoding.
#[derive(Clone, Debug, PartialEq)]
pub struct HardwareUnits(Vec<HardwareUnit>);

/// Why inputs cannot be counted in hardware units.
#[derive(Debug, thiserror::Error)]
pub enum UnitsError {
    /// The file could not be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file is not one of units.
    #[error("{path}: {reason}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line where TOML knows it.
        reason: String,
    },
    /// An input that has no unit.
    #[error("{path}: no [[unit]] fits the input `{feature}`")]
    NoUnit {
        /// The file.
        path: PathBuf,
        /// Name of the input.
        feature: String,
    },
}

impl HardwareUnit {
    /// `value` counted in steps: value / step in double precision, to nearest, ties to even; modulo the period if there
    /// is one; else kept within i16, and then the second is true. This is also how a fixed-point program takes in
    /// physical values ([`trigsieve_fixed::Input`]), so that both ways lead to the same bits. `value` must be finite.
    #[must_use]
    pub fn count(&self, value: f32) -> (i16, bool) {
        let steps = (f64::from(value) / self.step).round_ties_even();
        let steps = self.period.map_or(steps, |period| steps.rem_euclid(f64::from(period)));
        let kept = steps.clamp(f64::from(i16::MIN), f64::from(i16::MAX));
        (kept as i16, kept != steps)
    }

    /// Whether `step`, without a period, is this unit.
    #[must_use]
    pub fn is_step(&self, step: f64) -> bool {
        self.period.is_none() && (self.step - step).abs() <= SAME_STEP * self.step.abs()
    }
}

impl fmt::Display for HardwareUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The shortest decimal that reads back as the same number.
        write!(f, "{}", self.step)?;
        if !self.unit.is_empty() {
            write!(f, " {}", self.unit)?;
        }
        self.period.map_or(Ok(()), |period| write!(f, " modulo {period}"))
    }
}

impl FromStr for HardwareUnit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (rest, period) = match text.split_once(" modulo ") {
            None => (text, None),
            Some((rest, period)) => {
                (rest, Some(period.parse().map_err(|_| format!("`{period}` is no period"))?))
            }
        };
        let (step, unit) = rest.split_once(' ').unwrap_or((rest, ""));
        let number = step.parse().map_err(|_| format!("`{step}` is no number"))?;
        check_step(number, period)?;
        Ok(Self { step: number, unit: unit.to_owned(), period })
    }
}

/// A file of units.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UnitsFile {
    unit: Vec<UnitEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UnitEntry {
    /// Names of inputs; one `*` stands for any text.
    features: String,
    step: f64,
    period: Option<u16>,
}

impl HardwareUnits {
    /// The units of the CMS global trigger: pT, and everything else in GeV, in 0.5 GeV; eta in 0.087 / 2, of muons
    /// 0.087 / 8; phi in 2 pi / 144, of muons 2 pi / 576; tau2 / tau1 in 1 / 1024, which the trigger does not have; numbers
    /// and flags as they are. Phi keeps its sign, where the global trigger counts from 0 on: a file of units with a
    /// `period` does that.
    #[must_use]
    pub fn cms(encoding: Encoding) -> Self {
        let unit = |(meaning, feature): (&InputMeaning, Feature)| HardwareUnit {
            step: cms_step(meaning),
            unit: feature.unit,
            period: None,
        };
        Self(encoding.meanings().iter().zip(encoding.features()).map(unit).collect())
    }

    /// Reads a file of units: `[[unit]]` entries with `features` (a name, in which one `*` stands for any text), `step`
    /// in the unit of the input, and, where the counts repeat, `period`. The first entry that fits an input counts.
    ///
    /// # Errors
    /// [`UnitsError`] with the file, and the line or the input.
    pub fn load(path: &Path, features: &[Feature]) -> Result<Self, UnitsError> {
        let format = |reason: String| UnitsError::Format { path: path.to_owned(), reason };
        let text = std::fs::read_to_string(path)
            .map_err(|source| UnitsError::Io { path: path.to_owned(), source })?;
        let file: UnitsFile = toml::from_str(&text).map_err(|error| format(error.to_string()))?;
        for entry in &file.unit {
            check_step(entry.step, entry.period)
                .map_err(|reason| format(format!("unit of `{}`: {reason}", entry.features)))?;
        }
        let unit = |feature: &Feature| {
            let entry =
                file.unit.iter().find(|entry| fits(&entry.features, &feature.name)).ok_or_else(|| {
                    UnitsError::NoUnit { path: path.to_owned(), feature: feature.name.clone() }
                })?;
            Ok(HardwareUnit { step: entry.step, unit: feature.unit.clone(), period: entry.period })
        };
        features.iter().map(unit).collect::<Result<_, _>>().map(Self)
    }

    /// One unit an input.
    #[must_use]
    pub fn units(&self) -> &[HardwareUnit] {
        &self.0
    }

    /// Size of a step of each input, as [`trigsieve_fixed::Input::units`] has them.
    #[must_use]
    pub fn steps(&self) -> Vec<f64> {
        self.0.iter().map(|unit| unit.step).collect()
    }

    /// Appends rows of K finite `inputs` as integers to `counts`, and adds to `saturated` how many of each input did not fit.
    pub fn count(&self, inputs: &[f32], counts: &mut Vec<i16>, saturated: &mut [u64]) {
        for row in inputs.chunks_exact(self.0.len()) {
            for ((unit, value), saturated) in self.0.iter().zip(row).zip(&mut *saturated) {
                let (count, clipped) = unit.count(*value);
                counts.push(count);
                *saturated += u64::from(clipped);
            }
        }
    }
}

fn cms_step(meaning: &InputMeaning) -> f64 {
    let muon = usize::from(["muon", "antimuon"].iter().any(|name| meaning.object.starts_with(name)));
    match meaning.quantity {
        Quantity::Pt
        | Quantity::Energy
        | Quantity::Px
        | Quantity::Py
        | Quantity::Pz
        | Quantity::Mass
        | Quantity::DeltaMass
        | Quantity::Tau1
        | Quantity::Tau2
        | Quantity::Tau3 => CMS_PT_STEP,
        Quantity::Tau21 => RATIO_STEP,
        Quantity::Eta => CMS_TOWER_ETA / CMS_ETA_DIVISIONS[muon],
        Quantity::Phi => std::f64::consts::TAU / CMS_PHI_STEPS[muon],
        Quantity::Count | Quantity::Presence | Quantity::Is(_) => 1.0,
    }
}

fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, end)) => {
            name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        }
    }
}

fn check_step(step: f64, period: Option<u16>) -> Result<(), String> {
    if !(step.is_finite() && step > 0.0) {
        return Err(format!("a step of {step} is not positive and finite"));
    }
    match period {
        Some(period) if period == 0 || period > i16::MAX as u16 => {
            Err(format!("a period of {period} is not from 1 to {}", i16::MAX))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::f32::consts::{PI, TAU};

    use super::*;

    fn unit(text: &str) -> HardwareUnit {
        text.parse().unwrap()
    }

    #[test]
    fn a_value_is_counted_to_the_nearest_even() {
        let half = unit("0.5 GeV");
        for (value, count) in [(0.0, 0), (0.24, 0), (0.25, 0), (0.75, 2), (1.25, 2), (-0.75, -2), (10.3, 21)]
        {
            assert_eq!(half.count(value), (count, false), "{value}");
        }
        assert_eq!(half.count(16_383.5), (32_767, false));
        assert_eq!(half.count(16_384.0), (32_767, true));
        assert_eq!(half.count(-1e30), (-32_768, true));
    }

    #[test]
    fn counts_of_a_turn_start_again() {
        let phi = unit("0.04363323129985824 rad modulo 144");
        for (value, count) in [(0.0, 0), (-0.0436, 143), (PI, 72), (-PI, 72), (TAU, 0)] {
            assert_eq!(phi.count(value), (count, false), "{value}");
        }
    }

    #[test]
    fn a_unit_reads_back_as_written() {
        let units = HardwareUnits::cms(Encoding::L1x57);
        for unit in units.units() {
            assert_eq!(unit.to_string().parse().as_ref(), Ok(unit));
        }
        assert_eq!(unit("0.25 modulo 8"), HardwareUnit { step: 0.25, unit: String::new(), period: Some(8) });
        for text in
            ["GeV", "", "-1 GeV", "0 rad", "inf", "1 rad modulo 0", "1 rad modulo 40000", "1 modulo x"]
        {
            assert!(text.parse::<HardwareUnit>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_global_trigger_has_finer_units_for_muons() {
        let features = Encoding::L1x57.features();
        let steps = HardwareUnits::cms(Encoding::L1x57).steps();
        let step = |name: &str| steps[features.iter().position(|feature| feature.name == name).unwrap()];
        assert_eq!((step("met_pt"), step("jet9_pt"), step("muon0_pt")), (0.5, 0.5, 0.5));
        assert_eq!((step("egamma0_eta"), step("muon3_eta")), (0.0435, 0.010875));
        assert_eq!(
            (144.0 * step("jet0_phi"), 576.0 * step("muon0_phi")),
            (std::f64::consts::TAU, std::f64::consts::TAU)
        );
    }

    #[test]
    fn a_file_gives_the_first_unit_that_fits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("units.toml");
        let load = |text: &str| {
            std::fs::write(&path, text).unwrap();
            HardwareUnits::load(&path, &Encoding::L1x57.features()).map_err(|error| error.to_string())
        };
        let text = "[[unit]]\nfeatures = \"muon*_phi\"\nstep = 0.5\nperiod = 12\n\
                    [[unit]]\nfeatures = \"*_phi\"\nstep = 0.25\n[[unit]]\nfeatures = \"*\"\nstep = 2";
        let units = load(text).unwrap();
        let shown: Vec<String> = units.units().iter().map(ToString::to_string).collect();
        assert_eq!(
            (&*shown[0], &*shown[1], &*shown[2], &*shown[17]),
            ("2 GeV", "2", "0.25 rad", "0.5 rad modulo 12")
        );
        for (text, words) in [
            ("[[unit]]\nfeatures = \"*_pt\"\nstep = 1\n", "`met_eta`"),
            ("[[unit]]\nfeatures = \"*\"\nstep = 0.0\n", "not positive"),
            ("[[unit]]\nfeatures = \"*\"\nsteps = 1\n", "steps"),
        ] {
            let error = load(text).unwrap_err();
            assert!(error.contains(words) && error.contains("units.toml"), "{error}");
        }
    }
}
