//! Post-training quantisation: activations U8 with a zero point, weights S8 symmetric per output, biases S32.
//! The scheme is that of arXiv:1712.05877, section 2, with a range per output as in arXiv:1806.08342, section 3.

use std::ops::Range;

use crate::data::EventMatrix;
use crate::model::{Member, TrainedModel};
use crate::network::{Activation, Dense};
use crate::recipe::Quantisation;

/// Affine map of one tensor's values to U8: value = `scale` * (code - `zero_point`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ActivationRange {
    /// Value of one step.
    pub scale: f32,
    /// Code of the value 0, which is exact.
    pub zero_point: u8,
}

impl ActivationRange {
    /// The range from `least` to `greatest`, widened to contain 0.
    fn covering(least: f32, greatest: f32) -> Self {
        let (least, greatest) = (least.min(0.0), greatest.max(0.0));
        let width = greatest - least;
        let scale = if width > 0.0 { width / 255.0 } else { 1.0 };
        Self { scale, zero_point: (-least / scale).round().clamp(0.0, 255.0) as u8 }
    }
}

/// A dense layer in integers.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantisedDense {
    /// Range of what the layer reads.
    pub input: ActivationRange,
    /// Weights, `[inputs, outputs]` row-major.
    pub weights: Vec<i8>,
    /// Value of one step of the weights, `[outputs]`.
    pub weight_scale: Vec<f32>,
    /// Biases in steps of [`QuantisedDense::bias_scale`], `[outputs]`.
    pub bias: Vec<i32>,
    /// The function after it, in single precision.
    pub activation: Activation,
}

impl QuantisedDense {
    /// Value of one step of the biases and of the integer sums, `[outputs]`: the product of the other two steps.
    #[must_use]
    pub fn bias_scale(&self) -> Vec<f32> {
        self.weight_scale.iter().map(|scale| scale * self.input.scale).collect()
    }

    /// The layer that computes some of the outputs.
    #[must_use]
    pub fn columns(&self, range: Range<usize>) -> Self {
        let rows = self.weights.chunks_exact(self.bias.len().max(1));
        Self {
            input: self.input,
            weights: rows.flat_map(|row| &row[range.clone()]).copied().collect(),
            weight_scale: self.weight_scale[range.clone()].to_vec(),
            bias: self.bias[range].to_vec(),
            activation: self.activation,
        }
    }
}

/// All layers in integers.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantisedNetwork {
    /// The layers, from input to output.
    pub layers: Vec<QuantisedDense>,
}

/// Quantises the networks of a model with ranges taken from background events, spread evenly over `events`.
#[must_use]
pub fn quantise(
    model: &TrainedModel,
    events: &EventMatrix,
    settings: &Quantisation,
) -> Vec<QuantisedNetwork> {
    let step = (events.len() / settings.calibration_events).max(1);
    let inputs: Vec<Vec<f32>> = events.iter().step_by(step).map(|row| model.network_inputs(row)).collect();
    model.members.iter().map(|member| quantise_member(member, &inputs, settings)).collect()
}

fn quantise_member(member: &Member, inputs: &[Vec<f32>], settings: &Quantisation) -> QuantisedNetwork {
    let network = &member.network;
    let mut read = vec![Vec::new(); network.layers.len()];
    for event in inputs {
        // The last values are read by no layer.
        read.iter_mut().zip(network.values(event)).for_each(|(all, values)| all.extend(values));
    }
    let ranges = read.into_iter().map(|values| range_of(values, settings.coverage));
    let layers = network.layers.iter().zip(ranges);
    QuantisedNetwork {
        layers: layers.map(|(layer, range)| quantise_layer(layer, range, settings.weight_bits)).collect(),
    }
}

/// The range that leaves out the same number of values at both ends, so many that `coverage` of all are inside.
fn range_of(mut values: Vec<f32>, coverage: f64) -> ActivationRange {
    if values.is_empty() {
        return ActivationRange::covering(0.0, 0.0);
    }
    values.sort_unstable_by(f32::total_cmp);
    let outside = ((values.len() as f64 * (1.0 - coverage) / 2.0) as usize).min((values.len() - 1) / 2);
    ActivationRange::covering(values[outside], values[values.len() - 1 - outside])
}

fn quantise_layer(layer: &Dense, input: ActivationRange, weight_bits: u32) -> QuantisedDense {
    let outputs = layer.outputs();
    // Symmetric, so that -2^(bits-1) is not used.
    let largest_code = ((1_u32 << (weight_bits - 1)) - 1) as f32;
    let mut weight_scale = vec![0.0_f32; outputs];
    for row in layer.weights.chunks_exact(outputs) {
        weight_scale.iter_mut().zip(row).for_each(|(largest, weight)| *largest = largest.max(weight.abs()));
    }
    for scale in &mut weight_scale {
        *scale = if *scale > 0.0 { *scale / largest_code } else { 1.0 };
    }
    let code =
        |(weight, scale): (&f32, &f32)| (weight / scale).round().clamp(-largest_code, largest_code) as i8;
    let weights = layer.weights.chunks_exact(outputs).flat_map(|row| row.iter().zip(&weight_scale).map(code));
    let weights = weights.collect();
    let mut quantised =
        QuantisedDense { input, weights, weight_scale, bias: vec![], activation: layer.activation };
    // A float that does not fit i32 saturates, as it should.
    let steps = |(bias, scale): (&f32, f32)| (bias / scale).round() as i32;
    quantised.bias = layer.bias.iter().zip(quantised.bias_scale()).map(steps).collect();
    quantised
}

#[cfg(test)]
mod tests;
