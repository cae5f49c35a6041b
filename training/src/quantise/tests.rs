use rand::rngs::ChaCha12Rng;
use rand::{RngExt, SeedableRng};

use super::*;

#[test]
fn a_range_contains_zero_exactly() {
    let both = ActivationRange::covering(-1.0, 3.0);
    assert_eq!(both.zero_point, 64);
    let positive = ActivationRange::covering(0.5, 2.55);
    assert_eq!((positive.zero_point, positive.scale), (0, 0.01));
    let nothing = ActivationRange::covering(0.0, 0.0);
    assert_eq!((nothing.zero_point, nothing.scale), (0, 1.0));
}

#[test]
fn the_nearest_value_is_within_half_a_step_or_at_the_end() {
    let range = ActivationRange::covering(-1.0, 3.0);
    assert_eq!(range.nearest(0.0), 0.0);
    for step in -64..=191 {
        let value = step as f32 * range.scale;
        assert_eq!(range.nearest(value + 0.4 * range.scale), value);
    }
    assert_eq!(range.nearest(9.0), range.nearest(3.0));
    assert_eq!(range.nearest(-9.0), range.nearest(-1.0));
}

#[test]
fn coverage_leaves_out_both_ends() {
    let values: Vec<f32> = (-100..=100).map(|value| value as f32).collect();
    assert_eq!(range_of(values.clone(), 1.0), ActivationRange::covering(-100.0, 100.0));
    assert_eq!(range_of(values, 0.9), ActivationRange::covering(-90.0, 90.0));
    assert_eq!(range_of(vec![], 0.9), ActivationRange::covering(0.0, 0.0));
    assert_eq!(range_of(vec![2.0], 0.6), ActivationRange::covering(0.0, 2.0));
}

fn layer() -> Dense {
    Dense {
        weights: vec![0.5, 0.0, -0.25, 0.0, 0.1, 0.0],
        bias: vec![0.3, -7.0],
        activation: Activation::Relu,
    }
}

/// Inputs that vary alone, each with mean 0.
fn independent() -> Vec<Vec<f32>> {
    (0..3)
        .flat_map(|input| {
            [1.0, -1.0].map(|value| (0..3).map(|at| if at == input { value } else { 0.0 }).collect())
        })
        .collect()
}

#[test]
fn codes_give_the_weights_back_within_half_a_step() {
    let layer = layer();
    let events = independent();
    for bits in [7, 8] {
        let range = ActivationRange::covering(-1.0, 1.0);
        let quantised = quantise_layer(&layer, range, &events, &events, bits);
        for (index, (&code, &weight)) in quantised.weights.iter().zip(&layer.weights).enumerate() {
            let scale = quantised.weight_scale[index % 2];
            assert!((f32::from(code) * scale - weight).abs() <= scale * 0.500_01);
        }
        for ((&code, &bias), scale) in quantised.bias.iter().zip(&layer.bias).zip(quantised.bias_scale()) {
            assert!((code as f32 * scale - bias).abs() <= scale * 0.500_01);
        }
        let largest = quantised.weights.iter().map(|code| code.unsigned_abs()).max();
        assert_eq!(largest, Some((1 << (bits - 1)) - 1));
        let second = quantised.columns(1..2);
        assert_eq!((second.weights, second.bias), (vec![0, 0, 0], vec![quantised.bias[1]]));
    }
}

/// Numbers between -1 and 1.
fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut random = ChaCha12Rng::seed_from_u64(seed);
    (0..count).map(|_| random.random_range(-1.0..1.0)).collect()
}

fn mean_square(values: impl Iterator<Item = f32>) -> f32 {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value * value, count + 1));
    sum / count as f32
}

/// The layer with every weight rounded by itself.
fn rounded_alone(layer: &Dense, scale: &[f32]) -> Dense {
    let nearest = |(weight, scale): (&f32, &f32)| (weight / scale).round() * scale;
    let rows = layer.weights.chunks_exact(layer.outputs());
    Dense { weights: rows.flat_map(|row| row.iter().zip(scale).map(nearest)).collect(), ..layer.clone() }
}

#[test]
fn rounding_keeps_outputs_of_correlated_inputs() {
    let (inputs, outputs) = (24, 16);
    let weights = noise(inputs * outputs, 1);
    let layer = Dense { weights, bias: vec![0.0; outputs], activation: Activation::Linear };
    // Of which 3 are independent, with a mean that is not 0.
    let mixing = noise(3 * inputs, 2);
    let event = |seeds: &[f32]| {
        let mixed =
            |at: usize| seeds.iter().enumerate().map(move |(seed, value)| (at + seed * inputs, value));
        (0..inputs).map(|at| mixed(at).map(|(at, value)| value * mixing[at]).sum::<f32>() + 0.5).collect()
    };
    let events: Vec<Vec<f32>> = noise(600, 3).chunks_exact(3).map(event).collect();
    let quantised = quantise_layer(&layer, ActivationRange::covering(-3.0, 3.0), &events, &events, 7);
    let alone = rounded_alone(&layer, &quantised.weight_scale);
    let error = |other: &Dense| {
        let errors = events.iter().flat_map(|event| {
            layer.apply(event).into_iter().zip(other.apply(event)).map(|(exact, found)| exact - found)
        });
        mean_square(errors)
    };
    let (compensated, plain) = (error(&quantised.dequantised()), error(&alone));
    assert!(compensated < 0.1 * plain, "{compensated} and {plain}");
    let expected = mean_sums(&layer, &events);
    for (found, expected) in mean_sums(&quantised.dequantised(), &events).iter().zip(&expected) {
        assert!((found - expected).abs() < 1e-3, "means: {found} and {expected}");
    }
}
