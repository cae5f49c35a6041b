//! Dense layers, and the order in which hardware adds up.

use trigsieve_fixed::{Format, Kind, Overflow};

use super::config::{Config, Product};
use super::{Layers, Step};
use crate::error::{At, Result, Trouble};
use crate::network::Call;
use crate::weights::Weights;

/// Weights as an operation wants them: input-major, and in which order each output adds its inputs.
pub(super) struct Matrix {
    pub weights: Vec<i64>,
    pub weight_format: Format,
    pub outputs: usize,
    pub order: Order,
}

/// The order of the additions, where it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// 0, 1, 2, ..., or any: an accumulator that wraps around gives the same in all.
    Plain,
    /// The same for all outputs.
    Common(Vec<u32>),
    /// One for each output.
    Each(Vec<Vec<u32>>),
}

impl<'p> Layers<'_, 'p> {
    pub(super) fn dense(&mut self, call: &Call<'p>) -> Result<()> {
        let step = self.step(call, 3)?;
        let config = self.config(call)?;
        let (inputs, outputs) = (config.count("n_in")?, config.count("n_out")?);
        self.check_len(call, "the input", self.len(step.source), inputs)?;
        self.check_len(call, "the output", step.target.len, outputs)?;
        let accumulator = config.format("accum_t")?;
        let count = size(inputs, outputs, call.at)?;
        let weights = self.weights(call, 2, count, config.format("weight_t").ok())?;
        let biases = self.weights(call, 3, outputs, config.format("bias_t").ok())?;
        let product = product(&config, self.builder.tensor(step.source).format, &weights, call.at)?;
        let reuse = config.is_resource("kernel")?.then(|| config.count_or("reuse_factor", 1)).transpose()?;
        let matrix = matrix(weights, product, (inputs, outputs), reuse, accumulator, call.at)?;
        match matrix.order.clone() {
            Order::Each(orders) => self.dense_by_output(&step, &matrix, &orders, &biases, accumulator),
            order => {
                let kind = dense(matrix, biases, accumulator, order);
                self.write_shaped(&step, kind, &[step.source], vec![outputs]);
            }
        }
        Ok(())
    }

    /// One dense layer for each output, then all of them side by side.
    fn dense_by_output(
        &mut self,
        step: &Step<'_, 'p>,
        matrix: &Matrix,
        orders: &[Vec<u32>],
        biases: &Weights,
        accumulator: Format,
    ) {
        let output = (step.name, step.target.format);
        let one = |output: usize| {
            let column = matrix.weights.iter().skip(output).step_by(matrix.outputs).copied().collect();
            let matrix = Matrix { weights: column, outputs: 1, order: Order::Plain, ..*matrix };
            let bias = Weights { raw: vec![biases.raw[output]], ..biases.clone() };
            dense(matrix, bias, accumulator, Order::Common(orders[output].clone()))
        };
        let parts: Vec<usize> = (0..matrix.outputs)
            .map(|j| self.builder.push_shaped(step.name, one(j), &[step.source], output, vec![1]))
            .collect();
        self.write_shaped(step, Kind::Concatenate {}, &parts, vec![matrix.outputs]);
    }
}

pub(super) fn size(inputs: usize, outputs: usize, at: At) -> Result<usize> {
    let count = inputs.checked_mul(outputs).filter(|count| (1..=1 << 26).contains(count));
    count.ok_or_else(|| Trouble::at(at, format!("{inputs} x {outputs} is no size of a layer")))
}

pub(super) fn dense(matrix: Matrix, biases: Weights, accumulator: Format, order: Order) -> Kind {
    Kind::Dense {
        weights: matrix.weights,
        weight_format: matrix.weight_format,
        biases: biases.raw,
        bias_format: biases.format,
        accumulator,
        order: match order {
            Order::Common(order) => Some(order),
            _ => None,
        },
    }
}

/// How products are formed; networks of single bits convert in ways of their own, and are refused.
pub(super) fn product(config: &Config<'_, '_>, input: Format, weights: &Weights, at: At) -> Result<Product> {
    let is_bit = |format: Format| !format.signed && (format.width, format.integer) == (1, 1);
    if is_bit(input) && is_bit(weights.format) {
        return Err(Trouble::at(at, "a layer with inputs and weights of one bit is not supported"));
    }
    config.product()
}

/// Brings weights into input-major order. `reuse`: the reuse factor of the resource strategy, which keeps them
/// output-major.
pub(super) fn matrix(
    weights: Weights,
    product: Product,
    (inputs, outputs): (usize, usize),
    reuse: Option<usize>,
    accumulator: Format,
    at: At,
) -> Result<Matrix> {
    let (raw, weight_format) = multipliers(weights, product);
    let Some(reuse) = reuse else {
        return Ok(Matrix { weights: raw, weight_format, outputs, order: Order::Plain });
    };
    let mut transposed = vec![0; raw.len()];
    for (index, weight) in raw.into_iter().enumerate() {
        transposed[(index % inputs) * outputs + index / inputs] = weight;
    }
    let orders = reuse_order(inputs, outputs, reuse).ok_or_else(|| {
        Trouble::at(
            at,
            format!("a reuse factor of {reuse} is not allowed for {inputs} inputs and {outputs} outputs"),
        )
    })?;
    let order = if accumulator.overflow == Overflow::Wrap { Order::Plain } else { common(orders) };
    Ok(Matrix { weights: transposed, weight_format, outputs, order })
}

fn multipliers(weights: Weights, product: Product) -> (Vec<i64>, Format) {
    let one = |raw: i64| match product {
        Product::Plain => raw,
        Product::WeightBinary => {
            if raw == 0 {
                -1
            } else {
                1
            }
        }
        Product::WeightTernary => {
            if raw == 0 || raw == -1 {
                raw
            } else {
                1
            }
        }
    };
    let format = if product == Product::Plain { weights.format } else { Format::signed(2, 2) };
    (weights.raw.into_iter().map(one).collect(), format)
}

fn common(orders: Vec<Vec<u32>>) -> Order {
    if orders.iter().any(|order| *order != orders[0]) {
        return Order::Each(orders);
    }
    match orders.into_iter().next() {
        Some(order) if order.iter().zip(0..).any(|(i, place)| *i != place) => Order::Common(order),
        _ => Order::Plain,
    }
}

/// The order in which hls4ml's resource kernels take the inputs of each output; None for reuse factors that they do
/// not support.
fn reuse_order(inputs: usize, outputs: usize, reuse: usize) -> Option<Vec<Vec<u32>>> {
    let count = inputs * outputs;
    if reuse == 0 || !count.is_multiple_of(reuse) {
        return None;
    }
    let mut orders = vec![Vec::with_capacity(inputs); outputs];
    if reuse <= inputs && !(count / reuse).is_multiple_of(outputs) {
        return None;
    }
    // In cycle r the multipliers take the weights r, r + reuse, r + 2 reuse, ... of the output-major list.
    for cycle in 0..reuse {
        for index in (cycle..count).step_by(reuse) {
            orders[index / inputs].push((index % inputs) as u32);
        }
    }
    Some(orders)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reuse_takes_every_input_of_every_output_once() {
        assert_eq!(reuse_order(4, 2, 2), Some(vec![vec![0, 2, 1, 3]; 2]));
        assert_eq!(reuse_order(4, 2, 8), Some(vec![vec![0, 1, 2, 3]; 2]));
        assert_eq!(reuse_order(4, 3, 1), Some(vec![vec![0, 1, 2, 3]; 3]));
        assert_eq!(reuse_order(4, 3, 6), Some(vec![vec![0, 1, 2, 3], vec![2, 3, 0, 1], vec![0, 1, 2, 3]]));
        assert_eq!(reuse_order(4, 3, 5), None);
        assert_eq!(reuse_order(4, 3, 0), None);
    }
}
