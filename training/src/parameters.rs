//! The trained numbers as a burn module: stacks of dense layers.
//!
//! A family gives the stacks their shapes and says what is computed with them; the module itself knows nothing of
//! activations, so that optimiser, checkpoint and export have one kind of object to deal with.

use burn::module::{Module, Param, ParamId};
use burn::nn::Linear;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};
use rand::{Rng, RngExt};

use trigsieve_fixed::Format;

use crate::TrainError;
use crate::fixed::network::StackFormats;
use crate::network::{Activation, Dense, Network};

/// Shape of a stack.
#[derive(Clone, Debug, PartialEq)]
pub struct StackShape {
    /// Input width, hidden widths, output width.
    pub widths: Vec<usize>,
    /// After every layer but the last, which is linear.
    pub activation: Activation,
    /// Whether layers have biases.
    pub bias: bool,
}

/// Dense layers, one after the other.
#[derive(Module, Debug)]
pub struct Stack {
    layers: Vec<Linear>,
}

/// All parameters of a model.
#[derive(Module, Debug)]
pub struct Parameters {
    stacks: Vec<Stack>,
}

impl Parameters {
    /// Zero biases, and weights drawn from U(-b, b): b = sqrt(6 / inputs) before a ReLU and its relatives
    /// (arXiv:1502.01852, eq. 10), sqrt(3 / inputs) before tanh and in last layers.
    ///
    /// The generator is the caller's, not burn's: burn's is one per process, so that two trainings at a time
    /// would change each other's weights.
    pub fn random(shapes: &[StackShape], random: &mut impl Rng, device: &Device) -> Self {
        let mut numbers = Vec::new();
        for shape in shapes {
            let last = shape.widths.len().saturating_sub(2);
            for (index, pair) in shape.widths.windows(2).enumerate() {
                let saturates = matches!(shape.activation, Activation::Tanh | Activation::Linear);
                let gain = if index == last || saturates { 3.0_f32 } else { 6.0 };
                let bound = (gain / pair[0] as f32).sqrt();
                numbers.push((0..pair[0] * pair[1]).map(|_| random.random_range(-bound..bound)).collect());
                if shape.bias {
                    numbers.push(vec![0.0_f32; pair[1]]);
                }
            }
        }
        Self::build(shapes, numbers, device)
    }

    /// Parameters of these shapes from [`Parameters::numbers`]; `None` where the numbers do not fit the shapes.
    #[must_use]
    pub fn from_numbers(shapes: &[StackShape], numbers: Vec<Vec<f32>>, device: &Device) -> Option<Self> {
        let lengths = shapes.iter().flat_map(|shape| {
            let pairs = shape.widths.windows(2);
            pairs.flat_map(|pair| [Some(pair[0] * pair[1]), shape.bias.then_some(pair[1])]).flatten()
        });
        numbers.iter().map(Vec::len).eq(lengths).then(|| Self::build(shapes, numbers, device))
    }

    /// `numbers` must be as many and as long as the shapes ask for.
    fn build(shapes: &[StackShape], numbers: Vec<Vec<f32>>, device: &Device) -> Self {
        // Numbered in order, so that the state of the optimiser, which is kept by id, fits after a resume.
        let mut numbered = (1_u64..).map(ParamId::from).zip(numbers);
        let mut next = || numbered.next().unwrap_or((ParamId::from(0), Vec::new()));
        let mut stacks = Vec::with_capacity(shapes.len());
        for shape in shapes {
            let mut layers = Vec::new();
            for pair in shape.widths.windows(2) {
                let weight = parameter(next(), [pair[0], pair[1]], device);
                let bias = shape.bias.then(|| parameter(next(), [pair[1]], device));
                layers.push(Linear { weight, bias });
            }
            stacks.push(Stack { layers });
        }
        Self { stacks }
    }

    /// Biases become constants, which no optimiser changes.
    #[must_use]
    pub fn with_constant_biases(mut self) -> Self {
        for layer in self.stacks.iter_mut().flat_map(|stack| &mut stack.layers) {
            layer.bias = layer.bias.take().map(|bias| bias.set_require_grad(false));
        }
        self
    }

    /// One of the stacks.
    ///
    /// # Panics
    /// When there is no such stack.
    #[must_use]
    pub fn stack(&self, index: usize) -> &Stack {
        &self.stacks[index]
    }

    /// All parameters, tensor by tensor, row-major.
    ///
    /// # Errors
    /// [`TrainError::Burn`] when a parameter cannot be read back from the device.
    pub fn numbers(&self) -> Result<Vec<Vec<f32>>, TrainError> {
        let mut all = Vec::new();
        for layer in self.stacks.iter().flat_map(|stack| &stack.layers) {
            all.push(numbers(layer.weight.val())?);
            if let Some(bias) = &layer.bias {
                all.push(numbers(bias.val())?);
            }
        }
        Ok(all)
    }
}

impl Stack {
    /// [N, inputs] to [N, outputs], with `activation` after every layer but the last.
    #[must_use]
    pub fn forward(&self, inputs: Tensor<2>, activation: Activation) -> Tensor<2> {
        let last = self.layers.len().saturating_sub(1);
        self.layers.iter().enumerate().fold(inputs, |values, (index, layer)| {
            let values = layer.forward(values);
            if index == last { values } else { activate(values, activation) }
        })
    }

    /// [N, inputs] to [N, outputs] with numbers rounded to formats on the way; `activation` after every layer but the last.
    #[must_use]
    pub fn forward_fixed(
        &self,
        inputs: Tensor<2>,
        activation: Activation,
        formats: &StackFormats,
    ) -> Tensor<2> {
        let last = self.layers.len().saturating_sub(1);
        let inputs = match &formats.input {
            Some(format) => rounded(inputs, format),
            None => inputs,
        };
        self.layers.iter().zip(&formats.layers).enumerate().fold(
            inputs,
            |values, (index, (layer, formats))| {
                let weights = rounded(layer.weight.val(), &formats.weights);
                let sums = values.matmul(weights);
                let sums = match &layer.bias {
                    Some(bias) => sums + rounded(bias.val(), &formats.biases).unsqueeze(),
                    None => sums,
                };
                let values = if index == last { sums } else { activate(sums, activation) };
                rounded(values, &formats.output)
            },
        )
    }

    /// The layers as plain numbers.
    ///
    /// # Errors
    /// [`TrainError::Burn`] when a parameter cannot be read back from the device.
    pub fn to_network(&self, activation: Activation) -> Result<Network, TrainError> {
        let mut layers =
            self.layers.iter().map(|layer| dense_of(layer, activation)).collect::<Result<Vec<_>, _>>()?;
        if let Some(last) = layers.last_mut() {
            last.activation = Activation::Linear;
        }
        Ok(Network { layers })
    }
}

/// The nearest numbers of a format, which rounds ties to even and saturates. The gradient is that of the numbers
/// themselves, and 0 where they saturate.
fn rounded<const D: usize>(values: Tensor<D>, format: &Format) -> Tensor<D> {
    let step = (-f64::from(format.fraction())).exp2();
    let (least, most) = (format.to_f64(format.min_raw()), format.to_f64(format.max_raw()));
    let values = values.clamp(least, most);
    let nearest = values.clone().div_scalar(step).round().mul_scalar(step);
    // Both the difference and the sum are exact: of a number and its nearest, one is 0 or at least half the other.
    let change = (nearest - values.clone()).detach();
    values + change
}

/// The activation on a tensor.
fn activate(values: Tensor<2>, activation: Activation) -> Tensor<2> {
    match activation {
        Activation::Linear => values,
        Activation::Relu => relu(values),
        Activation::Tanh => values.tanh(),
        // Not burn's, whose gradient is NaN once exp overflows for an input above 88: there it is masked by
        // multiplication with 0.
        Activation::Elu => relu(values.clone()) + relu(values.neg()).neg().exp().sub_scalar(1.0),
        Activation::LeakyRelu { slope } => relu(values.clone()).sub(relu(values.neg()).mul_scalar(slope)),
    }
}

fn parameter<const D: usize>(
    (id, values): (ParamId, Vec<f32>),
    shape: [usize; D],
    device: &Device,
) -> Param<Tensor<D>> {
    let tensor = Tensor::from_data(TensorData::new(values, shape), device);
    Param::initialized(id, if device.is_autodiff() { tensor.require_grad() } else { tensor })
}

fn dense_of(layer: &Linear, activation: Activation) -> Result<Dense, TrainError> {
    let weights = numbers(layer.weight.val())?;
    let outputs = layer.weight.dims()[1];
    let bias = layer.bias.as_ref().map_or_else(|| Ok(vec![0.0; outputs]), |bias| numbers(bias.val()))?;
    Ok(Dense { weights, bias, activation })
}

/// The elements of a tensor, row-major.
pub(crate) fn numbers<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, TrainError> {
    let data = tensor.try_into_data().map_err(|error| TrainError::Burn(format!("{error:?}")))?;
    let values = data.as_slice::<f32>().map_err(|error| TrainError::Burn(format!("{error:?}")))?;
    Ok(values.to_vec())
}
