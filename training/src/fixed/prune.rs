use std::fmt;

use trigsieve::event::Feature;

use super::FixedModel;

/// What of a network in integers does nothing, and what saturates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pruning {
    /// Inputs all of whose weights are 0.
    pub dead_inputs: Vec<String>,
    /// Weights that are 0 and weights in all, layer by layer.
    pub zero_weights: Vec<(usize, usize)>,
    /// Outputs of each hidden layer that nothing reads: all of their weights in the next layer are 0.
    pub dead_outputs: Vec<usize>,
}

impl Pruning {
    /// Looks at every weight.
    #[must_use]
    pub fn of(model: &FixedModel, features: &[Feature]) -> Self {
        let layers = &model.network.layers;
        let rows = |layer: usize| {
            let layer = &layers[layer];
            let dead = |row: &[i64]| row.iter().all(|weight| *weight == 0);
            layer.weights.chunks_exact(layer.biases.len().max(1)).map(dead).collect::<Vec<bool>>()
        };
        let dead_inputs = if layers.is_empty() { vec![] } else { rows(0) };
        let names = dead_inputs.iter().zip(features).filter(|(dead, _)| **dead);
        let zeros = layers
            .iter()
            .map(|layer| (layer.weights.iter().filter(|weight| **weight == 0).count(), layer.weights.len()));
        Self {
            dead_inputs: names.map(|(_, feature)| feature.name.clone()).collect(),
            zero_weights: zeros.collect(),
            dead_outputs: (1..layers.len())
                .map(|layer| rows(layer).into_iter().filter(|dead| *dead).count())
                .collect(),
        }
    }
}

impl fmt::Display for Pruning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.dead_inputs.as_slice() {
            [] => write!(f, "no input is dead")?,
            inputs => write!(f, "dead inputs: {}", inputs.join(", "))?,
        }
        let zeros = self.zero_weights.iter().map(|(zeros, all)| format!("{zeros} of {all}"));
        write!(f, "; weights that are 0, layer by layer: {}", zeros.collect::<Vec<_>>().join(", "))?;
        let dead: usize = self.dead_outputs.iter().sum();
        if dead > 0 { write!(f, "; {dead} hidden outputs that nothing reads") } else { Ok(()) }
    }
}
