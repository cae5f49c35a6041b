//! Balances ranges between what a layer reads and its weights, without changing what the network computes.
//!
//! An integer step of a layer's inputs is the same for all of them, so that one of wide range leaves few steps to the
//! others, or is cut. Input j divided by s_j and its weights multiplied by it is the same product; the factor
//! s_j = max |x_j|^a / max |w_j|^(1 - a) (arXiv:2211.10438, eq. 4) shares the width between the two. Weights have a step
//! for every output, so that the divisors of a hidden layer's outputs, which go through a ReLU unchanged, cost nothing
//! where they are written (arXiv:1906.04721, section 4.1); those of the inputs become part of their scale.

use crate::model::{Head, Member, TrainedModel};
use crate::network::{Activation, Dense};
use crate::recipe::Quantisation;

/// The model with balanced ranges, by the largest values in `rows`. It has the same scores, but for rounding.
///
/// Inputs that saturate stay as they are: their ranges are alike, and the limit is the same for all. So do one-hot
/// types, what layers in single precision read, and outputs of a function that is not a ray on either side of 0.
pub fn balanced(model: &TrainedModel, rows: &[&[f32]], settings: &Quantisation) -> TrainedModel {
    let mut balanced = model.clone();
    if settings.is_integer(0) && model.preprocessing.saturation().is_none() {
        balance_inputs(&mut balanced, rows, settings.balance);
    }
    let inputs: Vec<Vec<f32>> = rows.iter().map(|row| balanced.network_inputs(row)).collect();
    for member in &mut balanced.members {
        balance_hidden(member, &inputs, settings);
    }
    balanced
}

fn balance_inputs(model: &mut TrainedModel, rows: &[&[f32]], exponent: f64) {
    let mut values = vec![0.0; model.k()];
    rows.iter().for_each(|row| raise(&mut values, &model.network_inputs(row)));
    // What no scale multiplies cannot be divided.
    for object in model.preprocessing.layout().typed_objects() {
        object.types.iter().for_each(|&input| values[input] = 0.0);
    }
    let mut weights = vec![0.0; model.k()];
    let firsts = model.members.iter().filter_map(|member| member.network.layers.first());
    firsts.for_each(|layer| raise(&mut weights, &largest_weights(layer)));
    let divisors = divisors(&values, &weights, exponent);
    model.preprocessing = model.preprocessing.divided(&divisors);
    for Member { network, head, .. } in &mut model.members {
        if let Some(first) = network.layers.first_mut() {
            multiply_inputs(first, &divisors);
        }
        if let (Head::Reconstruction, Some(last)) = (*head, network.layers.last_mut()) {
            divide_outputs(last, &divisors);
        }
    }
}

fn balance_hidden(member: &mut Member, inputs: &[Vec<f32>], settings: &Quantisation) {
    let layers = &mut member.network.layers;
    let mut values: Vec<Vec<f32>> = layers.iter().map(|layer| vec![0.0; layer.inputs()]).collect();
    for event in inputs {
        let mut read = event.clone();
        for (layer, values) in layers.iter().zip(&mut values) {
            raise(values, &read);
            read = layer.apply(&read);
        }
    }
    for index in 1..layers.len() {
        let (before, after) = layers.split_at_mut(index);
        let (writes, reads) = (&mut before[index - 1], &mut after[0]);
        let scales_through = !matches!(writes.activation, Activation::Tanh | Activation::Elu);
        if scales_through && settings.is_integer(index) {
            let divisors = divisors(&values[index], &largest_weights(reads), settings.balance);
            divide_outputs(writes, &divisors);
            multiply_inputs(reads, &divisors);
        }
    }
}

/// s_j; 1 where there is nothing to balance.
fn divisors(values: &[f32], weights: &[f32], exponent: f64) -> Vec<f32> {
    let divisor = |(value, weight): (&f32, &f32)| {
        let divisor = f64::from(*value).powf(exponent) / f64::from(*weight).powf(1.0 - exponent);
        // The square of a divisor is a factor of weights in the score, too.
        let usable = *value > 0.0 && *weight > 0.0 && (1e-12..1e12).contains(&divisor);
        if usable { divisor as f32 } else { 1.0 }
    };
    values.iter().zip(weights).map(divisor).collect()
}

/// Raises every number to the size of another where that is larger.
fn raise(largest: &mut [f32], values: &[f32]) {
    largest.iter_mut().zip(values).for_each(|(largest, value)| *largest = largest.max(value.abs()));
}

/// Largest size of the weights of every input.
fn largest_weights(layer: &Dense) -> Vec<f32> {
    let rows = layer.weights.chunks_exact(layer.outputs());
    rows.map(|row| row.iter().fold(0.0, |largest: f32, weight| largest.max(weight.abs()))).collect()
}

fn multiply_inputs(layer: &mut Dense, factors: &[f32]) {
    let outputs = layer.outputs();
    for (row, factor) in layer.weights.chunks_exact_mut(outputs).zip(factors) {
        row.iter_mut().for_each(|weight| *weight *= factor);
    }
}

fn divide_outputs(layer: &mut Dense, divisors: &[f32]) {
    let outputs = layer.outputs();
    for row in layer.weights.chunks_exact_mut(outputs).chain([layer.bias.as_mut_slice()]) {
        row.iter_mut().zip(divisors).for_each(|(value, divisor)| *value /= divisor);
    }
}
