//! A dense network in integers.

use trigsieve_fixed::Format;

use crate::network::{Activation, Dense, Network};

/// Formats of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerFormats {
    /// Weights.
    pub weights: Format,
    /// Biases.
    pub biases: Format,
    /// What it writes, after its activation.
    pub output: Format,
}

/// Formats of a stack of layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackFormats {
    /// What the first layer reads; `None`: what another stack wrote.
    pub input: Option<Format>,
    /// Layer by layer.
    pub layers: Vec<LayerFormats>,
}

/// A dense layer in integers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedDense {
    /// Raw weights, `[inputs, outputs]` row-major.
    pub weights: Vec<i64>,
    /// Raw biases, `[outputs]`.
    pub biases: Vec<i64>,
    /// Their formats, and that of the output.
    pub formats: LayerFormats,
    /// Whether a ReLU follows.
    pub relu: bool,
}

/// Dense layers in integers, from network inputs to outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedNetwork {
    /// Format of the network inputs.
    pub input: Format,
    /// The layers.
    pub layers: Vec<FixedDense>,
}

/// The number nearest to `value` in a format that rounds by `AP_RND_CONV` and saturates.
#[must_use]
pub fn nearest(value: f64, format: &Format) -> f64 {
    let step = f64::from(format.fraction()).exp2();
    let raw = (value * step).round_ties_even();
    raw.clamp(format.min_raw() as f64, format.max_raw() as f64) / step
}

impl FixedDense {
    /// The layer, rounded.
    #[must_use]
    pub fn new(layer: &Dense, formats: LayerFormats) -> Self {
        let raw = |values: &[f32], format: Format| {
            // 64 bits at most, so that a raw value fits.
            values.iter().map(|value| format.assign_f64(f64::from(*value)) as i64).collect()
        };
        Self {
            weights: raw(&layer.weights, formats.weights),
            biases: raw(&layer.bias, formats.biases),
            formats,
            relu: layer.activation == Activation::Relu,
        }
    }

    /// The narrowest format in which the sums of the layer neither lose a bit nor overflow, in any order of addition, for
    /// every input of a format.
    #[must_use]
    pub fn accumulator(&self, input: &Format) -> Format {
        let products = input.fraction() + self.formats.weights.fraction();
        let fraction = products.max(self.formats.biases.fraction());
        let largest = input.max_raw().max(-input.min_raw());
        let outputs = self.biases.len();
        let bound = |output: usize| {
            let weights = self.weights.iter().skip(output).step_by(outputs);
            let sum: i128 = weights.map(|weight| i128::from(weight.abs()) * largest).sum();
            let bias = i128::from(self.biases[output].abs());
            (sum << (fraction - products)) + (bias << (fraction - self.formats.biases.fraction()))
        };
        holding((0..outputs).map(bound).max().unwrap_or(0), fraction)
    }

    pub(super) fn outputs(&self, inputs: &[f64]) -> Vec<f64> {
        let value = |raw: i64, format: &Format| format.to_f64(raw.into());
        let mut sums: Vec<f64> = self.biases.iter().map(|bias| value(*bias, &self.formats.biases)).collect();
        for (input, row) in inputs.iter().zip(self.weights.chunks_exact(self.biases.len())) {
            let row = row.iter().map(|weight| value(*weight, &self.formats.weights));
            sums.iter_mut().zip(row).for_each(|(sum, weight)| *sum += input * weight);
        }
        for sum in &mut sums {
            *sum = nearest(if self.relu { sum.max(0.0) } else { *sum }, &self.formats.output);
        }
        sums
    }
}

impl FixedNetwork {
    /// The network, rounded.
    #[must_use]
    pub fn new(network: &Network, input: Format, formats: &[LayerFormats]) -> Self {
        let layers = network.layers.iter().zip(formats);
        Self { input, layers: layers.map(|(layer, formats)| FixedDense::new(layer, *formats)).collect() }
    }

    /// What the last layer writes for network inputs that are not rounded yet. In double precision, which is exact for
    /// sums of up to 53 bits.
    #[must_use]
    pub fn outputs(&self, inputs: &[f32]) -> Vec<f64> {
        let inputs = inputs.iter().map(|value| nearest(f64::from(*value), &self.input)).collect();
        self.layers.iter().fold(inputs, |values: Vec<f64>, layer| layer.outputs(&values))
    }

    /// Bits of all weights and biases.
    #[must_use]
    pub fn bits(&self) -> u64 {
        let layer = |layer: &FixedDense| {
            let of = |values: &[i64], format: Format| values.len() as u64 * u64::from(format.width);
            of(&layer.weights, layer.formats.weights) + of(&layer.biases, layer.formats.biases)
        };
        self.layers.iter().map(layer).sum()
    }
}

/// The narrowest signed format with `fraction` bits after the point that holds `bound` and -`bound`.
#[must_use]
pub fn holding(bound: i128, fraction: i32) -> Format {
    let width = 129 - bound.max(1).leading_zeros();
    Format::signed(width, width as i32 - fraction)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::saturating;

    #[test]
    fn accumulators_hold_what_they_must_and_no_more() {
        assert_eq!(holding(127, 3), Format::signed(8, 5));
        assert_eq!(holding(128, 0), Format::signed(9, 9));
        let formats = LayerFormats {
            weights: Format::signed(8, 2),
            biases: Format::signed(8, 3),
            output: Format::signed(8, 4),
        };
        let layer = FixedDense { weights: vec![100, -3, -27, 2], biases: vec![1, 0], formats, relu: false };
        // 127 * 128 + 1 * 2^(3 + 6 - 5): the fractions are 3 of the input, 6 of the weights, 5 of the biases.
        assert_eq!(layer.accumulator(&Format::signed(8, 5)), Format::signed(15, 6));
    }

    #[test]
    fn the_nearest_number_is_what_the_arithmetic_assigns() {
        let formats =
            [saturating(Format::signed(8, 3)), saturating(Format::unsigned(5, 7)), Format::signed(8, 12)];
        for format in formats.map(saturating) {
            for step in -2000..2000 {
                let value = f64::from(step) / 64.0;
                assert_eq!(
                    nearest(value, &format),
                    format.to_f64(format.assign_f64(value)),
                    "{value} {format}"
                );
            }
        }
    }
}
