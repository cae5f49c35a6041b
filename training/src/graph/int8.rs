use trigsieve_onnx::{Attribute, Error, TensorData, Value};

use super::ScoreGraph;
use crate::model::TrainedModel;
use crate::quantise::{QuantisedDense, QuantisedNetwork};

/// `int8.onnx`: the network's layers in QDQ form, preprocessing and score in single precision.
///
/// Every layer is DequantizeLinear(activation), DequantizeLinear(weights), DequantizeLinear(bias) -> Gemm, with
/// activations U8 per tensor, weights S8 per output and biases S32: the form that ONNX Runtime turns into one
/// integer kernel a layer. A hidden layer's ReLU is in the lower end of its range. The last layer's sums are
/// dequantised to float at once, because the score subtracts inputs that were never quantised.
///
/// # Errors
/// When the network does not fit together.
pub fn int8_graph(model: &TrainedModel, network: &QuantisedNetwork) -> Result<Vec<u8>, Error> {
    let mut graph = ScoreGraph::new(model)?;
    let truth = graph.network_inputs()?;
    let last = network.layers.len().saturating_sub(1);
    let mut values = truth.clone();
    for (index, layer) in network.layers.iter().enumerate() {
        let name = if index == last { "reconstruction".to_owned() } else { format!("dense{index}") };
        values = quantised_dense(&mut graph, layer, index, &values, &name)?;
        if index != last {
            values = graph.builder.node("Relu", &[&values], &format!("hidden{index}"), vec![])?;
        }
    }
    graph.finish(model, &values, &truth, model.preprocessing.weight())
}

fn quantised_dense(
    graph: &mut ScoreGraph<'_>,
    layer: &QuantisedDense,
    index: usize,
    values: &Value,
    name: &str,
) -> Result<Value, Error> {
    let activations = quantise_activations(graph, layer, index, values)?;
    let weights = quantised_weights(graph, layer, index)?;
    let bias = quantised_bias(graph, layer, index)?;
    graph.builder.node("Gemm", &[&activations, &weights, &bias], name, vec![])
}

fn quantise_activations(
    graph: &mut ScoreGraph<'_>,
    layer: &QuantisedDense,
    index: usize,
    values: &Value,
) -> Result<Value, Error> {
    let range = layer.input;
    let b = &mut graph.builder;
    let scale = b.constant(&format!("input_scale{index}"), &[], TensorData::F32(vec![range.scale]))?;
    let zero = b.constant(&format!("input_zero{index}"), &[], TensorData::U8(vec![range.zero_point]))?;
    let quantised =
        b.node("QuantizeLinear", &[values, &scale, &zero], &format!("quantised_input{index}"), vec![])?;
    b.node("DequantizeLinear", &[&quantised, &scale, &zero], &format!("input{index}"), vec![])
}

fn quantised_weights(
    graph: &mut ScoreGraph<'_>,
    layer: &QuantisedDense,
    index: usize,
) -> Result<Value, Error> {
    let outputs = layer.bias.len();
    let shape = [layer.weights.len() / outputs.max(1), outputs];
    let b = &mut graph.builder;
    let weights = TensorData::I8(layer.weights.clone());
    let weights = b.constant(&format!("quantised_weights{index}"), &shape, weights)?;
    let scale = TensorData::F32(layer.weight_scale.clone());
    let scale = b.constant(&format!("weight_scale{index}"), &[outputs], scale)?;
    let zero = b.constant(&format!("weight_zero{index}"), &[outputs], TensorData::I8(vec![0; outputs]))?;
    let axis = vec![Attribute::int("axis", 1)];
    b.node("DequantizeLinear", &[&weights, &scale, &zero], &format!("weights{index}"), axis)
}

fn quantised_bias(graph: &mut ScoreGraph<'_>, layer: &QuantisedDense, index: usize) -> Result<Value, Error> {
    let outputs = layer.bias.len();
    let b = &mut graph.builder;
    let bias = TensorData::I32(layer.bias.clone());
    let bias = b.constant(&format!("quantised_bias{index}"), &[outputs], bias)?;
    let scale = TensorData::F32(layer.bias_scale());
    let scale = b.constant(&format!("bias_scale{index}"), &[outputs], scale)?;
    let zero = b.constant(&format!("bias_zero{index}"), &[outputs], TensorData::I32(vec![0; outputs]))?;
    let axis = vec![Attribute::int("axis", 0)];
    b.node("DequantizeLinear", &[&bias, &scale, &zero], &format!("bias{index}"), axis)
}
