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
fn coverage_leaves_out_both_ends() {
    let values: Vec<f32> = (-100..=100).map(|value| value as f32).collect();
    assert_eq!(range_of(values.clone(), 1.0), ActivationRange::covering(-100.0, 100.0));
    assert_eq!(range_of(values, 0.9), ActivationRange::covering(-90.0, 90.0));
    assert_eq!(range_of(vec![], 0.9), ActivationRange::covering(0.0, 0.0));
    assert_eq!(range_of(vec![2.0], 0.6), ActivationRange::covering(0.0, 2.0));
}

#[test]
fn codes_give_the_weights_back_within_half_a_step() {
    let layer = Dense {
        weights: vec![0.5, 0.0, -0.25, 0.0, 0.1, 0.0],
        bias: vec![0.3, -7.0],
        activation: Activation::Relu,
    };
    for bits in [7, 8] {
        let quantised = quantise_layer(&layer, ActivationRange::covering(-1.0, 1.0), bits);
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
