//! A trained network as plain numbers: what export and quantisation work on.

/// A dense layer, y = x W + b.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// W, `[inputs, outputs]` row-major.
    pub weights: Vec<f32>,
    /// b, `[outputs]`.
    pub bias: Vec<f32>,
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

    fn apply(&self, input: &[f32]) -> Vec<f32> {
        let mut output = self.bias.clone();
        for (value, row) in input.iter().zip(self.weights.chunks_exact(self.outputs())) {
            output.iter_mut().zip(row).for_each(|(sum, weight)| *sum += value * weight);
        }
        output
    }
}

/// Dense layers with ReLU between them; the last is linear.
#[derive(Clone, Debug, PartialEq)]
pub struct DenseNetwork {
    /// The layers, from input to output.
    pub layers: Vec<Dense>,
}

impl DenseNetwork {
    /// What every layer reads, for one event: the network's inputs, then the activations of each hidden layer.
    #[must_use]
    pub fn layer_inputs(&self, inputs: &[f32]) -> Vec<Vec<f32>> {
        let hidden = self.layers.len().saturating_sub(1);
        let mut read = vec![inputs.to_vec()];
        for (index, layer) in self.layers.iter().take(hidden).enumerate() {
            let activations = layer.apply(&read[index]).into_iter().map(|value| value.max(0.0)).collect();
            read.push(activations);
        }
        read
    }
}
