//! Formats that a recipe leaves open, fitted to the weights and to training background.

use trigsieve_fixed::Format;

use super::network::{FixedDense, LayerFormats, StackFormats, nearest};
use crate::network::{Activation, Dense, Network};
use crate::recipe::{Fixed, Width, saturating};

/// Positions of the binary point that are tried below the one that covers all values.
const POSITIONS: i32 = 8;

/// Fits formats to stacks of layers, one after the other.
pub struct Fitting<'a> {
    settings: &'a Fixed,
    /// Layers fitted so far.
    layer: usize,
    /// What the next layer reads, event by event.
    values: Vec<Vec<f64>>,
    /// Its format, once known.
    input: Option<Format>,
}

impl<'a> Fitting<'a> {
    /// Fitting to the network inputs of calibration events.
    #[must_use]
    pub fn new<'e>(settings: &'a Fixed, inputs: impl Iterator<Item = &'e [f32]>) -> Self {
        let values = inputs.map(|event| event.iter().copied().map(f64::from).collect()).collect();
        Self { settings, layer: 0, values, input: None }
    }

    /// Formats of the next stack, of whose outputs the first `outputs` are looked at.
    pub fn stack(&mut self, network: &Network, outputs: usize) -> StackFormats {
        let first = self.input.is_none();
        let input = self.input.unwrap_or_else(|| {
            let fitted = |bits| least_error(&self.values.concat(), bits, true);
            resolve(self.settings.input, fitted)
        });
        if first {
            self.values.iter_mut().flatten().for_each(|value| *value = nearest(*value, &input));
        }
        self.input = Some(input);
        let layers = network.layers.iter().map(|layer| self.layer(layer, outputs)).collect();
        StackFormats { input: first.then_some(input), layers }
    }

    fn layer(&mut self, layer: &Dense, outputs: usize) -> LayerFormats {
        let input = self.input.unwrap_or(Format::signed(1, 1));
        let settings = self.settings;
        let width = |of: &crate::recipe::PerLayer| of.at(self.layer).unwrap_or(Width::Bits(8));
        let widen = |values: &[f32]| values.iter().copied().map(f64::from).collect::<Vec<f64>>();
        let weights =
            resolve(width(&settings.weights), |bits| least_error(&widen(&layer.weights), bits, true));
        let fraction = input.fraction() + weights.fraction();
        let biases =
            resolve(width(&settings.biases), |bits| bias_format(&widen(&layer.bias), bits, fraction));
        let hidden = layer.activation == Activation::Relu;
        // The sums themselves come first; their format is not looked at.
        let wide = saturating(Format::signed(60, 30));
        let sums = FixedDense::new(layer, LayerFormats { weights, biases, output: wide });
        self.values.iter_mut().for_each(|event| *event = sums.outputs(event));
        let output = if hidden {
            resolve(width(&settings.activations), |bits| least_error(&self.values.concat(), bits, false))
        } else {
            let seen = self.values.iter().flat_map(|event| event.iter().take(outputs).copied());
            resolve(settings.output, |bits| covering(seen.collect::<Vec<_>>().as_slice(), bits))
        };
        self.values.iter_mut().flatten().for_each(|value| *value = nearest(*value, &output));
        (self.layer, self.input) = (self.layer + 1, Some(output));
        LayerFormats { weights, biases, output }
    }
}

fn resolve(width: Width, fit: impl FnOnce(u32) -> Format) -> Format {
    saturating(match width {
        Width::Bits(bits) => fit(bits),
        Width::Format(format) => format,
    })
}

/// Integer bits without the sign that hold every value.
fn integer_bits(values: &[f64]) -> i32 {
    let largest = values.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    if largest > 0.0 { (largest.log2().floor() as i32 + 1).clamp(-64, 64) } else { 0 }
}

/// The format of `bits` bits with the least squared error on these values, which it may saturate.
fn least_error(values: &[f64], bits: u32, signed: bool) -> Format {
    let most = integer_bits(values);
    let format = |integer: i32| {
        let format = if signed { Format::signed(bits, integer + 1) } else { Format::unsigned(bits, integer) };
        saturating(format)
    };
    let error = |format: &Format| -> f64 {
        values.iter().map(|value| (nearest(*value, format) - value).powi(2)).sum()
    };
    let errors = (most - POSITIONS..=most).rev().map(|integer| {
        let format = format(integer);
        (format, error(&format))
    });
    // Where two are as good, the one that covers more.
    let best = errors.reduce(|best, other| if other.1 < best.1 { other } else { best });
    best.map_or_else(|| format(most), |(format, _)| format)
}

/// The format of `bits` bits with room for twice the largest of these values: anomalies go further than background.
fn covering(values: &[f64], bits: u32) -> Format {
    Format::signed(bits, integer_bits(values) + 2)
}

/// The format of `bits` bits with room for twice the largest bias, and no more bits after the point than the products:
/// more would make the sums wider.
fn bias_format(biases: &[f64], bits: u32, products: i32) -> Format {
    let integer = integer_bits(biases) + 2;
    let fraction = (bits as i32 - integer).min(products);
    Format::signed(bits, bits as i32 - fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_point_goes_where_the_error_is_least() {
        let even: Vec<f64> = (-100..=100).map(|step| f64::from(step) * 0.015).collect();
        assert_eq!(least_error(&even, 8, true), saturating(Format::signed(8, 2)), "1.5 fits below 2");
        let mut tailed = vec![0.3; 10_000];
        tailed.push(5.0);
        let format = least_error(&tailed, 4, true);
        assert!(format.integer < 4, "a lone value is saturated for the sake of all others: {format}");
        assert_eq!(least_error(&[0.0; 3], 8, false).width, 8);
    }

    #[test]
    fn biases_do_not_widen_the_sums() {
        assert_eq!(bias_format(&[0.7], 16, 10), Format::signed(16, 6));
        assert_eq!(bias_format(&[100.0], 16, 10), Format::signed(16, 9));
    }
}
