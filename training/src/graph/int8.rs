use trigsieve_onnx::{Attribute, Error, TensorData, Value};

use super::ScoreGraph;
use super::float::float_dense;
use super::head::Truth;
use crate::model::Head;
use crate::quantise::{ActivationRange, QuantisedDense, QuantisedLayer, QuantisedModel, QuantisedNetwork};

/// `int8.onnx`: the networks' layers in QDQ form, preprocessing and score in single precision.
///
/// Every integer layer is DequantizeLinear(activation), DequantizeLinear(weights), DequantizeLinear(bias) -> Gemm, with
/// activations U8 per tensor, weights S8 per output and biases S32: the form that ONNX Runtime turns into one
/// integer kernel a layer. A hidden layer's ReLU is in the lower end of its range; other activations are computed in
/// single precision, between the dequantised sums and the next quantisation. The last layer's sums are dequantised to
/// float at once, because the score works on numbers that were never quantised; so are sums that a layer in single
/// precision reads.
///
/// # Errors
/// When the networks do not fit together.
pub fn int8_graph(quantised: &QuantisedModel) -> Result<Vec<u8>, Error> {
    let model = &quantised.model;
    // Members of an ensemble read the same inputs, and mostly with the same range.
    let mut shared: Option<(ActivationRange, Value)> = None;
    ScoreGraph::new(model)?.finish(|graph, index, name| {
        let values = graph.inputs.network(&mut graph.builder, &model.preprocessing)?;
        let mut read = graph.inputs.read(&mut graph.builder, &model.preprocessing)?;
        let network = &quantised.networks[index];
        if let Some(QuantisedLayer::Integer(first)) = network.layers.first() {
            read = match &shared {
                Some((range, value)) if *range == first.input => value.clone(),
                _ => quantise(graph, first.input, 0, &read)?,
            };
            shared = Some((first.input, read.clone()));
        }
        let truth = Truth { values, terms: model.term_weights() };
        member_score(graph, index, network, &read, &truth, name)
    })
}

/// The score of a member from what its first layer reads.
fn member_score(
    graph: &mut ScoreGraph<'_>,
    member: usize,
    network: &QuantisedNetwork,
    read: &Value,
    truth: &Truth,
    name: &str,
) -> Result<Value, Error> {
    let Some((last, hidden)) = network.layers.split_last() else { return Ok(read.clone()) };
    let mut values = read.clone();
    for (index, layer) in hidden.iter().enumerate() {
        let sums = layer_sums(graph, layer, &index.to_string(), &values, &format!("dense{index}"))?;
        values = graph.activation(sums, layer.activation(), index)?;
        if let QuantisedLayer::Integer(next) = &network.layers[index + 1] {
            values = quantise(graph, next.input, index + 1, &values)?;
        }
    }
    let index = hidden.len().to_string();
    let head = graph.model.members[member].head;
    if head.has_variance() {
        let half = last.outputs() / 2;
        let mu = layer_sums(graph, &last.columns(0..half), "_mu", &values, "mu")?;
        let columns = last.columns(half..2 * half);
        let log_variance = layer_sums(graph, &columns, "_log_variance", &values, "log_variance")?;
        let limit = graph.model.members[member].log_variance_limit;
        let log_variance = graph.limited(&log_variance, limit)?;
        return graph.latent_score(head, &mu, Some(&log_variance), name);
    }
    let outputs = layer_sums(graph, last, &index, &values, graph.output_name(head))?;
    if head == Head::Reconstruction {
        graph.reconstruction_score(&outputs, truth, name)
    } else {
        graph.latent_score(head, &outputs, None, name)
    }
}

fn layer_sums(
    graph: &mut ScoreGraph<'_>,
    layer: &QuantisedLayer,
    suffix: &str,
    values: &Value,
    name: &str,
) -> Result<Value, Error> {
    match layer {
        QuantisedLayer::Integer(layer) => dense(graph, layer, suffix, values, name),
        QuantisedLayer::Float(layer) => float_dense(graph, layer, suffix, values, name),
    }
}

fn dense(
    graph: &mut ScoreGraph<'_>,
    layer: &QuantisedDense,
    suffix: &str,
    activations: &Value,
    name: &str,
) -> Result<Value, Error> {
    let weights = quantised_weights(graph, layer, suffix)?;
    let bias = quantised_bias(graph, layer, suffix)?;
    graph.node("Gemm", &[activations, &weights, &bias], name)
}

/// Quantises what layer `index` reads, and dequantises it at once.
fn quantise(
    graph: &mut ScoreGraph<'_>,
    range: ActivationRange,
    index: usize,
    values: &Value,
) -> Result<Value, Error> {
    let scale = graph.constant(&format!("input_scale{index}"), &[], TensorData::F32(vec![range.scale]))?;
    let zero = graph.constant(&format!("input_zero{index}"), &[], TensorData::U8(vec![range.zero_point]))?;
    let quantised =
        graph.node("QuantizeLinear", &[values, &scale, &zero], &format!("quantised_input{index}"))?;
    graph.node("DequantizeLinear", &[&quantised, &scale, &zero], &format!("input{index}"))
}

fn quantised_weights(
    graph: &mut ScoreGraph<'_>,
    layer: &QuantisedDense,
    suffix: &str,
) -> Result<Value, Error> {
    let outputs = layer.bias.len();
    let shape = [layer.weights.len() / outputs.max(1), outputs];
    let weights = TensorData::I8(layer.weights.clone());
    let weights = graph.constant(&format!("quantised_weights{suffix}"), &shape, weights)?;
    let scale = TensorData::F32(layer.weight_scale.clone());
    let scale = graph.constant(&format!("weight_scale{suffix}"), &[outputs], scale)?;
    let zero = TensorData::I8(vec![0; outputs]);
    let zero = graph.constant(&format!("weight_zero{suffix}"), &[outputs], zero)?;
    let axis = vec![Attribute::int("axis", 1)];
    graph.node_with("DequantizeLinear", &[&weights, &scale, &zero], &format!("weights{suffix}"), axis)
}

fn quantised_bias(graph: &mut ScoreGraph<'_>, layer: &QuantisedDense, suffix: &str) -> Result<Value, Error> {
    let outputs = layer.bias.len();
    let bias = TensorData::I32(layer.bias.clone());
    let bias = graph.constant(&format!("quantised_bias{suffix}"), &[outputs], bias)?;
    let scale = TensorData::F32(layer.bias_scale());
    let scale = graph.constant(&format!("bias_scale{suffix}"), &[outputs], scale)?;
    let zero = TensorData::I32(vec![0; outputs]);
    let zero = graph.constant(&format!("bias_zero{suffix}"), &[outputs], zero)?;
    let axis = vec![Attribute::int("axis", 0)];
    graph.node_with("DequantizeLinear", &[&bias, &scale, &zero], &format!("bias{suffix}"), axis)
}
