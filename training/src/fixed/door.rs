//! How hardware integers become network inputs.

use trigsieve_fixed::{Format, Kind};

use crate::TrainError;
use crate::preprocessing::Preprocessing;
use crate::recipe::PtTransform;

/// Bits of a hardware integer.
const HARDWARE_BITS: i32 = 16;

/// Entries of the table of logarithms: the largest transverse momentum, in steps, that it tells apart from larger ones.
const LOGARITHMS: usize = 4096;

/// Widest difference of an input and its offset, in both directions of the shift.
const MAX_DIFFERENCE: i32 = 48;

/// The preprocessing of a training in the arithmetic of firmware: a subtraction and a shift.
///
/// An input x counts h = x / u steps. Its network input z = x b + a (scale b, offset a of [`Preprocessing`]) is h / m + a
/// with m = 1 / (u b) steps for a unit of z. The firmware has z' = (h - o) 2^-s, with the power of two nearest to m and the
/// whole number of steps o nearest to -a m, so that z = z' / c + r, c = m 2^-s and r = a + o / m. Weights that multiply z
/// multiply z' after a division by c; reconstructions of z are those of z' after a multiplication by c.
///
/// Where the preprocessing takes the logarithm ln(1 + pT / scale) a table comes first: of h, in steps of a power of two that
/// lets the greatest entry fit 16 bits; h above and u below are then those of the logarithm. A logarithm is above 0 where h
/// is.
///
/// With [`Scaling::Rms`](crate::recipe::Scaling::Rms) o and r are 0, so that an absent object stays exactly zero.
#[derive(Clone, Debug, PartialEq)]
pub struct Door {
    units: Vec<f64>,
    shifts: Vec<i32>,
    offsets: Vec<i64>,
    factor: Vec<f64>,
    residual: Vec<f64>,
    used: Vec<bool>,
    logarithms: Option<Logarithms>,
    preprocessing: Preprocessing,
}

/// A table of logarithms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logarithms {
    /// The inputs that go through it.
    pub inputs: Vec<usize>,
    /// For 0, 1, 2, ... steps; beyond its end the last entry.
    pub table: Vec<i16>,
}

impl Door {
    /// The door for inputs in steps of `units`, in the units of the preprocessing's inputs.
    ///
    /// # Errors
    /// [`TrainError::Fixed`] for inputs so different that no register holds their shifts, and for logarithms that no table
    /// holds.
    ///
    /// # Panics
    /// When there are not K units.
    pub fn new(preprocessing: &Preprocessing, units: Vec<f64>) -> Result<Self, TrainError> {
        let k = preprocessing.layout().inputs;
        assert_eq!(units.len(), k, "units");
        let (logarithms, counted) = logarithms(preprocessing, &units)?;
        let (mut shifts, mut offsets) = (vec![0; k], vec![0; k]);
        let (mut factor, mut residual) = (vec![1.0; k], vec![0.0; k]);
        let used: Vec<bool> = preprocessing.scale().iter().map(|scale| *scale != 0.0).collect();
        for input in (0..k).filter(|&input| used[input]) {
            let (scale, offset) =
                (f64::from(preprocessing.scale()[input]), f64::from(preprocessing.offset()[input]));
            let steps = (counted[input] * scale).recip();
            let limit = f64::from(i16::MAX);
            let shift = steps.log2().round();
            let center = (-offset * steps).round_ties_even().clamp(-limit, limit);
            shifts[input] = shift as i32;
            offsets[input] = center as i64;
            factor[input] = steps * (-shift).exp2();
            residual[input] = offset + center / steps;
        }
        let preprocessing = preprocessing.clone();
        let mut door = Self { units, shifts, offsets, factor, residual, used, logarithms, preprocessing };
        let difference = door.difference();
        if difference.width as i32 > MAX_DIFFERENCE {
            let reason = format!(
                "the scales of the inputs differ by too much: the difference needs {} bits, over {MAX_DIFFERENCE}; check \
                 fixed.units",
                difference.width
            );
            return Err(TrainError::Fixed { reason });
        }
        door.preprocessing = door.preprocessing.in_hardware_units(&door);
        Ok(door)
    }

    /// Size of a step of each input, in the input's unit, `[K]`.
    #[must_use]
    pub fn units(&self) -> &[f64] {
        &self.units
    }

    /// s, `[K]`.
    #[must_use]
    pub fn shifts(&self) -> &[i32] {
        &self.shifts
    }

    /// o, `[K]`.
    #[must_use]
    pub fn offsets(&self) -> &[i64] {
        &self.offsets
    }

    /// c, `[K]`.
    #[must_use]
    pub fn factor(&self) -> &[f64] {
        &self.factor
    }

    /// r, `[K]`.
    #[must_use]
    pub fn residual(&self) -> &[f64] {
        &self.residual
    }

    /// Whether the network sees the input, `[K]`.
    #[must_use]
    pub fn used(&self) -> &[bool] {
        &self.used
    }

    /// The table that comes first.
    #[must_use]
    pub fn logarithms(&self) -> Option<&Logarithms> {
        self.logarithms.as_ref()
    }

    /// The preprocessing of rows of counts: to z', with the weights of errors of z'.
    #[must_use]
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.preprocessing
    }

    /// Replaces physical values by counts, as a program does: hardware integers, and logarithms where there is a table.
    pub fn count(&self, rows: &mut [f32]) {
        for row in rows.chunks_exact_mut(self.units.len()) {
            for (value, unit) in row.iter_mut().zip(&self.units) {
                *value = f32::from((f64::from(*value) / unit).round_ties_even() as i16);
            }
            for &input in self.logarithms.iter().flat_map(|logarithms| &logarithms.inputs) {
                row[input] = self.logarithm(row[input]);
            }
        }
    }

    fn logarithm(&self, count: f32) -> f32 {
        let table = self.logarithms.as_ref().map_or(&[][..], |logarithms| &logarithms.table);
        // A negative count is cut to 0, as the index of the table is.
        let entry = table.get(count as usize).or(table.last());
        entry.map_or(count, |entry| f32::from(*entry))
    }

    /// z' without loss, as the operation that a format is assigned to afterwards.
    #[must_use]
    pub fn operation(&self) -> Kind {
        Kind::Scale {
            offsets: self.offsets.clone(),
            offset_format: Format::signed(HARDWARE_BITS as u32, HARDWARE_BITS),
            difference: self.difference(),
            shifts: self.shifts.clone(),
        }
    }

    /// Wide enough that neither the difference nor a shift loses a bit.
    fn difference(&self) -> Format {
        let right = self.shifts.iter().copied().max().unwrap_or(0).max(0);
        let left = self.shifts.iter().copied().min().unwrap_or(0).min(0).abs();
        let integer = HARDWARE_BITS + 1 + left;
        Format::signed((integer + right) as u32, integer)
    }

    /// Changes weights and biases of a first layer, `[inputs, outputs]` row-major, to read z'.
    pub fn fold_inputs(&self, weights: &mut [f32], bias: &mut [f32]) {
        let outputs = bias.len();
        for (input, row) in weights.chunks_exact_mut(outputs).enumerate() {
            for (weight, bias) in row.iter_mut().zip(bias.iter_mut()) {
                let used = if self.used[input] { f64::from(*weight) } else { 0.0 };
                *bias = (f64::from(*bias) + used * self.residual[input]) as f32;
                *weight = (used / self.factor[input]) as f32;
            }
        }
    }

    /// Changes weights and biases of a last layer, `[inputs, outputs]` row-major, to reconstruct z'.
    pub fn fold_outputs(&self, weights: &mut [f32], bias: &mut [f32]) {
        for row in weights.chunks_exact_mut(bias.len()) {
            let row = row.iter_mut().zip(&self.factor).zip(&self.used);
            row.for_each(|((weight, factor), used)| {
                *weight = if *used { (f64::from(*weight) * factor) as f32 } else { 0.0 };
            });
        }
        for (output, bias) in bias.iter_mut().enumerate() {
            let shifted = (f64::from(*bias) - self.residual[output]) * self.factor[output];
            *bias = if self.used[output] { shifted as f32 } else { 0.0 };
        }
    }
}

/// The table of logarithms, if there is one, and the size of a count of every input after it.
fn logarithms(
    preprocessing: &Preprocessing,
    units: &[f64],
) -> Result<(Option<Logarithms>, Vec<f64>), TrainError> {
    let mut counted = units.to_vec();
    let PtTransform::Log1p { scale_gev } = preprocessing.pt() else { return Ok((None, counted)) };
    let inputs = preprocessing.layout().energies.clone();
    let Some(&first) = inputs.first() else { return Ok((None, counted)) };
    let unit = units[first];
    if inputs.iter().any(|&input| units[input] != unit) {
        let reason = "fixed.units has several steps for inputs in GeV, which share one table of logarithms";
        return Err(TrainError::Fixed { reason: reason.to_owned() });
    }
    let logarithm = |count: usize| (count as f64 * unit / f64::from(scale_gev)).ln_1p();
    let fraction = (f64::from(i16::MAX) / logarithm(LOGARITHMS - 1)).log2().floor();
    let entry = |count: usize| (logarithm(count) * fraction.exp2()).round() as i16;
    if entry(1) == 0 {
        let reason = format!("fixed.units: the logarithm of a step of {unit} GeV is lost; use a larger step");
        return Err(TrainError::Fixed { reason });
    }
    inputs.iter().for_each(|&input| counted[input] = (-fraction).exp2());
    Ok((Some(Logarithms { inputs, table: (0..LOGARITHMS).map(entry).collect() }), counted))
}
