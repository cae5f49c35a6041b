use trigsieve_onnx::{Error, TensorData, Value};

use super::ScoreGraph;
use super::head::Truth;
use crate::model::{Head, Member, TrainedModel};
use crate::network::{Dense, Network};
use crate::preprocessing::Preprocessing;
use crate::recipe::PtTransform;

/// `float.onnx`, single precision.
///
/// Where the preprocessing is linear, without saturation, it costs nothing: the scale of an input goes into its row of the first layer
/// and, inverted, into its column of the last, and its square into the error's weight; an offset goes into the biases.
/// The graph then reconstructs physical units. The score differs from the unfolded one by rounding alone.
///
/// # Errors
/// When the network does not fit together.
pub fn float_graph(model: &TrainedModel) -> Result<Vec<u8>, Error> {
    let preprocessing = &model.preprocessing;
    let linear = preprocessing.pt() == PtTransform::Linear && preprocessing.saturation().is_none();
    ScoreGraph::new(model)?.finish(|graph, index, name| {
        let member = &model.members[index];
        if linear {
            let inputs = graph.inputs.physical.clone();
            let folded = folded(member, preprocessing);
            let terms = model.term_weights().iter().map(|term| folded_weight(term, preprocessing)).collect();
            member_score(graph, &folded, &inputs, &Truth { values: inputs.clone(), terms }, name)
        } else {
            let values = graph.inputs.network(&mut graph.builder, preprocessing)?;
            let read = graph.inputs.read(&mut graph.builder, preprocessing)?;
            member_score(graph, member, &read, &Truth { values, terms: model.term_weights() }, name)
        }
    })
}

fn member_score(
    graph: &mut ScoreGraph<'_>,
    member: &Member,
    read: &Value,
    truth: &Truth,
    name: &str,
) -> Result<Value, Error> {
    let Some((last, hidden)) = member.network.layers.split_last() else { return Ok(read.clone()) };
    let mut values = read.clone();
    for (index, layer) in hidden.iter().enumerate() {
        values = float_dense(graph, layer, &index.to_string(), &values, &format!("dense{index}"))?;
        values = graph.activation(values, layer.activation, index)?;
    }
    let index = hidden.len().to_string();
    match member.head {
        Head::Reconstruction => {
            let reconstruction = float_dense(graph, last, &index, &values, "reconstruction")?;
            graph.reconstruction_score(&reconstruction, truth, name)
        }
        head if head.has_variance() => {
            let half = last.outputs() / 2;
            let mu = float_dense(graph, &last.columns(0..half), "_mu", &values, "mu")?;
            let columns = last.columns(half..2 * half);
            let log_variance = float_dense(graph, &columns, "_log_variance", &values, "log_variance")?;
            let log_variance = graph.limited(&log_variance, member.log_variance_limit)?;
            graph.latent_score(head, &mu, Some(&log_variance), name)
        }
        head => {
            let mu = float_dense(graph, last, &index, &values, "mu")?;
            graph.latent_score(head, &mu, None, name)
        }
    }
}

/// The sums of a layer in single precision.
pub fn float_dense(
    graph: &mut ScoreGraph<'_>,
    layer: &Dense,
    suffix: &str,
    values: &Value,
    name: &str,
) -> Result<Value, Error> {
    let shape = [layer.inputs(), layer.outputs()];
    let weights = TensorData::F32(layer.weights.clone());
    let weights = graph.constant(&format!("weights{suffix}"), &shape, weights)?;
    let bias = TensorData::F32(layer.bias.clone());
    let bias = graph.constant(&format!("bias{suffix}"), &[layer.outputs()], bias)?;
    graph.node("Gemm", &[values, &weights, &bias], name)
}

/// The network on physical inputs, to physical outputs where it reconstructs.
fn folded(member: &Member, preprocessing: &Preprocessing) -> Member {
    let mut member = member.clone();
    fold_inputs(&mut member.network, preprocessing);
    if member.head == Head::Reconstruction {
        unfold_outputs(&mut member.network, preprocessing);
    }
    member
}

fn fold_inputs(network: &mut Network, preprocessing: &Preprocessing) {
    let Some(first) = network.layers.first_mut() else { return };
    let outputs = first.outputs();
    let rows = first.weights.chunks_exact_mut(outputs).zip(preprocessing.scale()).zip(preprocessing.offset());
    for ((row, scale), offset) in rows {
        if *offset != 0.0 {
            first.bias.iter_mut().zip(row.iter()).for_each(|(bias, weight)| *bias += offset * weight);
        }
        row.iter_mut().for_each(|weight| *weight *= scale);
    }
}

fn unfold_outputs(network: &mut Network, preprocessing: &Preprocessing) {
    let (scale, offset) = (preprocessing.scale(), preprocessing.offset());
    let Some(last) = network.layers.last_mut() else { return };
    last.bias.iter_mut().zip(offset).for_each(|(bias, offset)| *bias -= offset);
    let outputs = last.outputs();
    for row in last.weights.chunks_exact_mut(outputs).chain([last.bias.as_mut_slice()]) {
        row.iter_mut().zip(scale).for_each(|(weight, &scale)| *weight = unscaled(*weight, scale));
    }
}

/// Inputs without meaning have scale 0, and their reconstruction has weight 0.
fn unscaled(value: f32, scale: f32) -> f32 {
    if scale == 0.0 { 0.0 } else { value / scale }
}

fn folded_weight(weight: &[f32], preprocessing: &Preprocessing) -> Vec<f32> {
    let weights = weight.iter().zip(preprocessing.scale());
    weights.map(|(weight, scale)| weight * scale * scale).collect()
}
