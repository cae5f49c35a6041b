//! The dense autoencoder as a burn module.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};
use rand::{Rng, RngExt};

use crate::TrainError;
use crate::fit::ScoreModel;
use crate::network::{Dense, DenseNetwork};

/// Dense layers with ReLU between them and a linear last layer: K inputs, K outputs
/// (arXiv:2108.03986, section 2, without its quantised layers).
#[derive(Module, Debug)]
pub struct Autoencoder {
    layers: Vec<Linear>,
}

impl Autoencoder {
    /// A network of these widths, input and output included, with zero biases and weights drawn from
    /// U(-b, b): b = sqrt(6 / inputs) before a ReLU (arXiv:1502.01852, eq. 10), sqrt(3 / inputs) in the last layer.
    ///
    /// The generator is the caller's, not burn's: burn's is one per process, so that two trainings at a time
    /// would change each other's weights.
    pub fn new(widths: &[usize], random: &mut impl Rng, device: &Device) -> Self {
        let last = widths.len().saturating_sub(2);
        let layer = |(index, pair): (usize, &[usize])| {
            let gain = if index == last { 3.0 } else { 6.0 };
            random_layer(pair[0], pair[1], gain, random, device)
        };
        Self { layers: widths.windows(2).enumerate().map(layer).collect() }
    }

    /// Reconstruction of network inputs [N, K].
    #[must_use]
    pub fn reconstruct(&self, inputs: Tensor<2>) -> Tensor<2> {
        let last = self.layers.len().saturating_sub(1);
        self.layers.iter().enumerate().fold(inputs, |values, (index, layer)| {
            let values = layer.forward(values);
            if index == last { values } else { relu(values) }
        })
    }

    /// The weights as plain numbers.
    ///
    /// # Errors
    /// [`TrainError::Burn`] when a parameter cannot be read back from the device.
    pub fn to_network(&self) -> Result<DenseNetwork, TrainError> {
        let layers = self.layers.iter().map(dense_of).collect::<Result<_, _>>()?;
        Ok(DenseNetwork { layers })
    }
}

impl ScoreModel for Autoencoder {
    fn scores(&self, inputs: Tensor<2>, weights: Tensor<2>) -> Tensor<1> {
        let events = inputs.dims()[0];
        let error = self.reconstruct(inputs.clone()) - inputs;
        (error.square() * weights).sum_dim(1).reshape([events])
    }
}

fn random_layer(inputs: usize, outputs: usize, gain: f32, random: &mut impl Rng, device: &Device) -> Linear {
    let bound = (gain / inputs as f32).sqrt();
    let weights: Vec<f32> = (0..inputs * outputs).map(|_| random.random_range(-bound..bound)).collect();
    Linear {
        weight: Param::from_data(TensorData::new(weights, [inputs, outputs]), device),
        bias: Some(Param::from_data(TensorData::new(vec![0.0_f32; outputs], [outputs]), device)),
    }
}

fn dense_of(layer: &Linear) -> Result<Dense, TrainError> {
    let bias = layer.bias.as_ref().ok_or_else(|| TrainError::Burn("a layer has lost its bias".to_owned()))?;
    Ok(Dense { weights: numbers(layer.weight.val())?, bias: numbers(bias.val())? })
}

/// The elements of a tensor, row-major.
pub(crate) fn numbers<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, TrainError> {
    let data = tensor.try_into_data().map_err(|error| TrainError::Burn(format!("{error:?}")))?;
    let values = data.as_slice::<f32>().map_err(|error| TrainError::Burn(format!("{error:?}")))?;
    Ok(values.to_vec())
}
