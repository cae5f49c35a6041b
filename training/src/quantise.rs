//! Post-training quantisation: activations U8 with a zero point, weights S8 symmetric per output, biases S32.
//!
//! The scheme is that of arXiv:1712.05877, section 2, with a range per output as in arXiv:1806.08342, section 3. Before
//! it ranges are balanced between activations and weights (`balance`), in it weights are rounded to keep the outputs
//! (`rounding`), and biases take up what is left of their means (arXiv:1906.04721, section 4.2). An anomaly's score comes
//! from the tails of what background has: a range that cuts them, which costs background little, costs the signal.

mod balance;
mod rounding;

use std::ops::Range;

use crate::data::EventMatrix;
use crate::model::TrainedModel;
use crate::network::{Activation, Dense, Network};
use crate::recipe::Quantisation;

use rounding::{Moments, Rounded};

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

    /// The nearest value that has a code.
    fn nearest(self, value: f32) -> f32 {
        let zero = f32::from(self.zero_point);
        let code = ((value / self.scale).round_ties_even() + zero).clamp(0.0, 255.0);
        (code - zero) * self.scale
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

/// A layer of a quantised network.
#[derive(Clone, Debug, PartialEq)]
pub enum QuantisedLayer {
    /// In integers.
    Integer(QuantisedDense),
    /// In single precision, because the recipe wants it so.
    Float(Dense),
}

/// The layers, from input to output.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantisedNetwork {
    /// The layers, from input to output.
    pub layers: Vec<QuantisedLayer>,
}

/// A model with balanced ranges, and its networks in integers.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantisedModel {
    /// Preprocessing and score of the int8 graph, and what its layers approximate.
    pub model: TrainedModel,
    /// The networks of the members.
    pub networks: Vec<QuantisedNetwork>,
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

    /// The layer in single precision.
    fn dequantised(&self) -> Dense {
        let rows = self.weights.chunks_exact(self.bias.len().max(1));
        let weight = |(code, scale): (&i8, &f32)| f32::from(*code) * scale;
        let weights = rows.flat_map(|row| row.iter().zip(&self.weight_scale).map(weight)).collect();
        let bias = self.bias.iter().zip(self.bias_scale()).map(|(code, scale)| *code as f32 * scale);
        Dense { weights, bias: bias.collect(), activation: self.activation }
    }
}

impl QuantisedLayer {
    /// Number of outputs.
    #[must_use]
    pub fn outputs(&self) -> usize {
        match self {
            Self::Integer(layer) => layer.bias.len(),
            Self::Float(layer) => layer.outputs(),
        }
    }

    /// The function after it.
    #[must_use]
    pub fn activation(&self) -> Activation {
        match self {
            Self::Integer(layer) => layer.activation,
            Self::Float(layer) => layer.activation,
        }
    }

    /// The layer that computes some of the outputs.
    #[must_use]
    pub fn columns(&self, range: Range<usize>) -> Self {
        match self {
            Self::Integer(layer) => Self::Integer(layer.columns(range)),
            Self::Float(layer) => Self::Float(layer.columns(range)),
        }
    }
}

/// Quantises the networks of a model with ranges taken from background events, spread evenly over `events`.
#[must_use]
pub fn quantise(model: &TrainedModel, events: &EventMatrix, settings: &Quantisation) -> QuantisedModel {
    let step = (events.len() / settings.calibration_events).max(1);
    let rows: Vec<&[f32]> = events.iter().step_by(step).collect();
    let model = balance::balanced(model, &rows, settings);
    let inputs: Vec<Vec<f32>> = rows.iter().map(|row| model.network_inputs(row)).collect();
    let networks = model.members.iter().map(|member| quantise_network(&member.network, &inputs, settings));
    QuantisedModel { networks: networks.collect(), model }
}

fn quantise_network(network: &Network, inputs: &[Vec<f32>], settings: &Quantisation) -> QuantisedNetwork {
    // What the layers read as trained, and after the integer layers before them.
    let (mut exact, mut found) = (inputs.to_vec(), inputs.to_vec());
    let mut layers = Vec::with_capacity(network.layers.len());
    for (index, layer) in network.layers.iter().enumerate() {
        let next = if settings.is_integer(index) {
            let input = range_of(exact.iter().flatten().copied().collect(), settings.coverage);
            found.iter_mut().flatten().for_each(|value| *value = input.nearest(*value));
            let quantised = quantise_layer(layer, input, &exact, &found, settings.weight_bits);
            let next = quantised.dequantised();
            layers.push(QuantisedLayer::Integer(quantised));
            next
        } else {
            layers.push(QuantisedLayer::Float(layer.clone()));
            layer.clone()
        };
        exact.iter_mut().for_each(|values| *values = layer.apply(values));
        found.iter_mut().for_each(|values| *values = next.apply(values));
    }
    QuantisedNetwork { layers }
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

/// The layer for what it will read, `found`, with the mean outputs of what it should read, `exact`.
fn quantise_layer(
    layer: &Dense,
    input: ActivationRange,
    exact: &[Vec<f32>],
    found: &[Vec<f32>],
    weight_bits: u32,
) -> QuantisedDense {
    let sums = mean_sums(layer, exact);
    let moments = Moments::of(found, layer.inputs());
    let Rounded { weights, scale, bias } = rounding::round(layer, input, &moments, &sums, weight_bits);
    QuantisedDense { input, weights, weight_scale: scale, bias, activation: layer.activation }
}

/// Mean of every output before its activation.
fn mean_sums(layer: &Dense, events: &[Vec<f32>]) -> Vec<f64> {
    let count = events.len().max(1) as f64;
    let mut sums: Vec<f64> = layer.bias.iter().copied().map(f64::from).collect();
    let mut mean = vec![0.0; layer.inputs()];
    for event in events {
        mean.iter_mut().zip(event).for_each(|(mean, value)| *mean += f64::from(*value) / count);
    }
    for (mean, row) in mean.iter().zip(layer.weights.chunks_exact(layer.outputs())) {
        sums.iter_mut().zip(row).for_each(|(sum, weight)| *sum += mean * f64::from(*weight));
    }
    sums
}

#[cfg(test)]
mod tests;
