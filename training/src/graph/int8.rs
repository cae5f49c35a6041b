use trigsieve_onnx::{Attribute, Error, TensorData, Value};

use super::ScoreGraph;
use super::head::Truth;
use crate::model::TrainedModel;
use crate::quantise::{ActivationRange, QuantisedDense, QuantisedNetwork};

/// `int8.onnx`: the networks' layers in QDQ form, preprocessing and score in single precision.
///
/// Every layer is DequantizeLinear(activation), DequantizeLinear(weights), DequantizeLinear(bias) -> Gemm, with
/// activations U8 per tensor, weights S8 per output and biases S32: the form that ONNX Runtime turns into one
/// integer kernel a layer. A hidden layer's ReLU is in the lower end of its range; other activations are computed in
/// single precision, between the dequantised sums and the next quantisation. The last layer's sums are dequantised to
/// float at once, because the score works on numbers that were never quantised.
///
/// # Errors
/// When the networks do not fit together.
pub fn int8_graph(model: &TrainedModel, networks: &[QuantisedNetwork]) -> Result<Vec<u8>, Error> {
    // Members of an ensemble read the same inputs, and mostly with the same range.
    let mut shared: Option<(ActivationRange, Value)> = None;
    ScoreGraph::new(model)?.finish(|graph, index, name| {
        let values = graph.inputs.network(&mut graph.builder, &model.preprocessing)?;
        let read = graph.inputs.read(&mut graph.builder, &model.preprocessing)?;
        let Some(first) = networks[index].layers.first() else { return Ok(read) };
        let quantised = match &shared {
            Some((range, value)) if *range == first.input => value.clone(),
            _ => quantise(graph, first.input, 0, &read)?,
        };
        shared = Some((first.input, quantised.clone()));
        let truth = Truth { values, terms: model.term_weights() };
        member_score(graph, index, &networks[index], &quantised, &truth, name)
    })
}

fn member_score(
    graph: &mut ScoreGraph<'_>,
    member: usize,
    network: &QuantisedNetwork,
    quantised: &Value,
    truth: &Truth,
    name: &str,
) -> Result<Value, Error> {
    let Some((last, hidden)) = network.layers.split_last() else { return Ok(quantised.clone()) };
    let mut values = quantised.clone();
    for (index, layer) in hidden.iter().enumerate() {
        let sums = dense(graph, layer, &index.to_string(), &values, &format!("dense{index}"))?;
        let active = graph.activation(sums, layer.activation, index)?;
        let next = network.layers[index + 1].input;
        values = quantise(graph, next, index + 1, &active)?;
    }
    let index = hidden.len().to_string();
    let head = graph.model.members[member].head;
    if head.has_variance() {
        let half = last.bias.len() / 2;
        let mu = dense(graph, &last.columns(0..half), "_mu", &values, "mu")?;
        let columns = last.columns(half..2 * half);
        let log_variance = dense(graph, &columns, "_log_variance", &values, "log_variance")?;
        let limit = graph.model.members[member].log_variance_limit;
        let log_variance = graph.limited(&log_variance, limit)?;
        return graph.latent_score(head, &mu, Some(&log_variance), name);
    }
    let outputs = dense(graph, last, &index, &values, graph.output_name(head))?;
    if head == crate::model::Head::Reconstruction {
        graph.reconstruction_score(&outputs, truth, name)
    } else {
        graph.latent_score(head, &outputs, None, name)
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
