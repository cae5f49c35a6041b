//! Rounding of a layer's weights that keeps its outputs, not each weight.
//!
//! Inputs of a layer are correlated: an error in the weight of one can be made good by the weights of the others. The
//! weights are rounded input by input, and what an input's rounding changes in the outputs is taken up by the weights
//! of the inputs that follow, as well as a linear map can (arXiv:2210.17323, eq. 2-3 and section 3.3).

use nalgebra::{Cholesky, DMatrix};

use super::ActivationRange;
use crate::network::Dense;

/// Added to the diagonal of the covariance, as a fraction of its mean: inputs that never vary have no inverse.
const DAMPING: f64 = 1e-3;

/// Means and covariance of what a layer reads.
pub struct Moments {
    mean: Vec<f64>,
    covariance: DMatrix<f64>,
}

impl Moments {
    /// Of `width` numbers an event.
    pub fn of(events: &[Vec<f32>], width: usize) -> Self {
        let count = events.len().max(1) as f64;
        let mut mean = vec![0.0; width];
        for event in events {
            mean.iter_mut().zip(event).for_each(|(mean, value)| *mean += f64::from(*value) / count);
        }
        let mut covariance = DMatrix::zeros(width, width);
        let mut centred = vec![0.0; width];
        for event in events {
            let values = centred.iter_mut().zip(event).zip(&mean);
            values.for_each(|((centred, value), mean)| *centred = f64::from(*value) - mean);
            for (index, factor) in centred.iter().enumerate().filter(|(_, factor)| **factor != 0.0) {
                let mut column = covariance.column_mut(index);
                // The lower triangle is all that a Cholesky decomposition reads.
                let lower = column.as_mut_slice()[index..].iter_mut().zip(&centred[index..]);
                lower.for_each(|(sum, value)| *sum += factor * value / count);
            }
        }
        Self { mean, covariance }
    }

    /// The rows of U, U^T U being the inverse of the damped covariance: by how much the weights that follow
    /// make good for an error. The identity, which makes nothing good, where there is no inverse.
    fn compensation(&self) -> DMatrix<f64> {
        let width = self.mean.len();
        let damping = DAMPING * self.covariance.trace() / width as f64;
        let damped = &self.covariance + DMatrix::identity(width, width) * damping;
        let inverse = Cholesky::new(damped).map(|cholesky| cholesky.inverse());
        let factor = inverse.and_then(Cholesky::new).map(|cholesky| cholesky.l().transpose());
        factor.unwrap_or_else(|| DMatrix::identity(width, width))
    }
}

/// Integer weights, `[inputs, outputs]` row-major, their steps and the biases that keep the mean of the outputs.
pub struct Rounded {
    pub weights: Vec<i8>,
    pub scale: Vec<f32>,
    pub bias: Vec<i32>,
}

/// Rounds a layer that reads what `moments` describe, in steps of `input`; `sums` are the means that its outputs have
/// before their activation.
pub fn round(
    layer: &Dense,
    input: ActivationRange,
    moments: &Moments,
    sums: &[f64],
    weight_bits: u32,
) -> Rounded {
    let outputs = layer.outputs();
    // Symmetric, so that -2^(bits-1) is not used.
    let largest_code = f64::from((1_u32 << (weight_bits - 1)) - 1);
    let scale = steps(layer, largest_code);
    let compensation = moments.compensation();
    let mut exact: Vec<f64> = layer.weights.iter().copied().map(f64::from).collect();
    let mut weights = Vec::with_capacity(exact.len());
    let mut bias = sums.to_vec();
    let mut errors = vec![0.0; outputs];
    for (index, mean) in moments.mean.iter().enumerate() {
        let (row, following) = exact[index * outputs..].split_at_mut(outputs);
        for (output, weight) in row.iter().enumerate() {
            let step = f64::from(scale[output]);
            let code = (weight / step).round().clamp(-largest_code, largest_code);
            weights.push(code as i8);
            bias[output] -= mean * code * step;
            errors[output] = (weight - code * step) / compensation[(index, index)];
        }
        for (row, place) in following.chunks_exact_mut(outputs).zip(index + 1..) {
            let share = compensation[(index, place)];
            row.iter_mut().zip(&errors).for_each(|(weight, error)| *weight -= share * error);
        }
    }
    // A float that does not fit i32 saturates, as it should.
    let steps = bias.iter().zip(&scale).map(|(bias, scale)| bias / f64::from(scale * input.scale));
    let bias = steps.map(|steps| steps.round() as i32).collect();
    Rounded { weights, scale, bias }
}

/// Value of a step of the weights of each output.
fn steps(layer: &Dense, largest_code: f64) -> Vec<f32> {
    let mut scale = vec![0.0_f32; layer.outputs()];
    for row in layer.weights.chunks_exact(layer.outputs()) {
        scale.iter_mut().zip(row).for_each(|(largest, weight)| *largest = largest.max(weight.abs()));
    }
    let step = |largest: f32| if largest > 0.0 { largest / largest_code as f32 } else { 1.0 };
    scale.into_iter().map(step).collect()
}
