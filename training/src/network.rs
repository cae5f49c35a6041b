//! A trained network as plain numbers: what export and quantisation work on.

use std::ops::Range;

use serde::Deserialize;

/// Function applied to every output of a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Activation {
    /// x.
    #[default]
    Linear,
    /// max(x, 0).
    Relu,
    /// Hyperbolic tangent.
    Tanh,
    /// x above 0, exp(x) - 1 below (arXiv:1511.07289, with alpha = 1).
    Elu,
    /// x above 0, `slope` x below.
    LeakyRelu {
        /// Slope below 0.
        slope: f32,
    },
}

impl Activation {
    /// The function's value.
    #[must_use]
    pub fn apply(self, value: f32) -> f32 {
        match self {
            Self::Linear => value,
            Self::Relu => value.max(0.0),
            Self::Tanh => value.tanh(),
            Self::Elu if value > 0.0 => value,
            Self::Elu => value.exp() - 1.0,
            Self::LeakyRelu { slope } => value.max(0.0) + slope * value.min(0.0),
        }
    }
}

impl std::fmt::Display for Activation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Linear => f.write_str("linear"),
            Self::Relu => f.write_str("ReLU"),
            Self::Tanh => f.write_str("tanh"),
            Self::Elu => f.write_str("ELU"),
            Self::LeakyRelu { slope } => write!(f, "leaky ReLU of slope {slope}"),
        }
    }
}

/// A dense layer, y = activation(x W + b).
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// W, `[inputs, outputs]` row-major.
    pub weights: Vec<f32>,
    /// b, `[outputs]`.
    pub bias: Vec<f32>,
    /// The function after it.
    pub activation: Activation,
}

impl Dense {
    /// Number of outputs.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// Number of inputs.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.weights.len() / self.bias.len().max(1)
    }

    /// The layer that computes some of the outputs.
    #[must_use]
    pub fn columns(&self, range: Range<usize>) -> Self {
        let rows = self.weights.chunks_exact(self.outputs().max(1));
        Self {
            weights: rows.flat_map(|row| &row[range.clone()]).copied().collect(),
            bias: self.bias[range].to_vec(),
            activation: self.activation,
        }
    }

    /// The outputs for one event.
    #[must_use]
    pub fn apply(&self, input: &[f32]) -> Vec<f32> {
        let mut output = self.bias.clone();
        for (value, row) in input.iter().zip(self.weights.chunks_exact(self.outputs())) {
            output.iter_mut().zip(row).for_each(|(sum, weight)| *sum += value * weight);
        }
        if self.activation != Activation::Linear {
            output.iter_mut().for_each(|value| *value = self.activation.apply(*value));
        }
        output
    }
}

/// Dense layers, from input to output.
///
/// This is all that export, int8 and fixed-point lowering see of a training: whatever decides the numbers, the
/// network that runs is this list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Network {
    /// The layers.
    pub layers: Vec<Dense>,
}

impl Network {
    /// What every layer reads, for one event, and at the end what the last one writes: one entry more than layers.
    #[must_use]
    pub fn values(&self, inputs: &[f32]) -> Vec<Vec<f32>> {
        let mut values = vec![inputs.to_vec()];
        for (index, layer) in self.layers.iter().enumerate() {
            values.push(layer.apply(&values[index]));
        }
        values
    }

    /// What the last layer writes, for one event.
    #[must_use]
    pub fn outputs(&self, inputs: &[f32]) -> Vec<f32> {
        self.values(inputs).pop().unwrap_or_default()
    }

    /// Widths from input to output, as in `57-32-8`.
    #[must_use]
    pub fn widths(&self) -> String {
        let first = self.layers.first().map(Dense::inputs);
        let widths = first.into_iter().chain(self.layers.iter().map(Dense::outputs));
        widths.map(|width| width.to_string()).collect::<Vec<_>>().join("-")
    }
}
