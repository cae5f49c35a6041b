use trigsieve_onnx::{Error, TensorData, Value};

use super::ScoreGraph;
use crate::model::TrainedModel;
use crate::network::{Dense, DenseNetwork};
use crate::recipe::PtTransform;

/// `float.onnx`, single precision.
///
/// Where the preprocessing is linear it costs nothing: the scale of an input goes into its row of the first layer
/// and, inverted, into its column of the last, and its square into the error's weight. The graph then reconstructs
/// physical units. The score differs from the unfolded one by rounding alone.
///
/// # Errors
/// When the network does not fit together.
pub fn float_graph(model: &TrainedModel) -> Result<Vec<u8>, Error> {
    let mut graph = ScoreGraph::new(model)?;
    let (truth, network, weight) = match model.preprocessing.pt() {
        PtTransform::Linear => (graph.inputs.clone(), folded_network(model), folded_weight(model)),
        PtTransform::Log1p { .. } => {
            (graph.network_inputs()?, model.network.clone(), model.preprocessing.weight().to_vec())
        }
    };
    let reconstruction = dense_layers(&mut graph, &network, &truth)?;
    graph.finish(model, &reconstruction, &truth, &weight)
}

fn dense_layers(graph: &mut ScoreGraph<'_>, network: &DenseNetwork, inputs: &Value) -> Result<Value, Error> {
    let last = network.layers.len().saturating_sub(1);
    let mut values = inputs.clone();
    for (index, layer) in network.layers.iter().enumerate() {
        let name = if index == last { "reconstruction".to_owned() } else { format!("dense{index}") };
        values = dense(graph, layer, index, &values, &name)?;
        if index != last {
            values = graph.builder.node("Relu", &[&values], &format!("hidden{index}"), vec![])?;
        }
    }
    Ok(values)
}

fn dense(
    graph: &mut ScoreGraph<'_>,
    layer: &Dense,
    index: usize,
    values: &Value,
    name: &str,
) -> Result<Value, Error> {
    let shape = [layer.inputs(), layer.outputs()];
    let builder = &mut graph.builder;
    let weights = TensorData::F32(layer.weights.clone());
    let weights = builder.constant(&format!("weights{index}"), &shape, weights)?;
    let bias = TensorData::F32(layer.bias.clone());
    let bias = builder.constant(&format!("bias{index}"), &[layer.outputs()], bias)?;
    builder.node("Gemm", &[values, &weights, &bias], name, vec![])
}

fn folded_network(model: &TrainedModel) -> DenseNetwork {
    let scale = model.preprocessing.scale();
    let mut network = model.network.clone();
    if let Some(first) = network.layers.first_mut() {
        let outputs = first.outputs();
        for (row, scale) in first.weights.chunks_exact_mut(outputs).zip(scale) {
            row.iter_mut().for_each(|weight| *weight *= scale);
        }
    }
    if let Some(last) = network.layers.last_mut() {
        let outputs = last.outputs();
        for row in last.weights.chunks_exact_mut(outputs).chain([last.bias.as_mut_slice()]) {
            row.iter_mut().zip(scale).for_each(|(weight, &scale)| *weight = unscaled(*weight, scale));
        }
    }
    network
}

/// Inputs without meaning have scale 0, and their reconstruction has weight 0.
fn unscaled(value: f32, scale: f32) -> f32 {
    if scale == 0.0 { 0.0 } else { value / scale }
}

fn folded_weight(model: &TrainedModel) -> Vec<f32> {
    let preprocessing = &model.preprocessing;
    preprocessing
        .weight()
        .iter()
        .zip(preprocessing.scale())
        .map(|(weight, scale)| weight * scale * scale)
        .collect()
}
