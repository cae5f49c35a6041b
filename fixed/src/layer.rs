//! Dense layers and convolutions seen alike: each output is a bias and a list of products, in the order of addition.

use crate::Format;
use crate::arithmetic::Exact;
use crate::program::Kind;
use crate::window::Windows;

/// The weights of a [`Kind::Dense`] or [`Kind::Conv2d`], with what each of them meets.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a> {
    /// Weights, place-major: place * filters + filter. In a dense layer the places are the inputs.
    pub weights: &'a [i64],
    /// Their format.
    pub weight_format: Format,
    /// One a filter.
    pub biases: &'a [i64],
    /// Their format.
    pub bias_format: Format,
    /// Format of every partial sum.
    pub accumulator: Format,
    order: Option<&'a [u32]>,
    windows: Option<Windows>,
}

impl<'a> Layer<'a> {
    /// The layer of this kind on an input of this shape; None if the kind is another, or a window does not fit.
    #[must_use]
    pub fn of(kind: &'a Kind, input_shape: &[usize]) -> Option<Self> {
        match kind {
            Kind::Dense { weights, weight_format, biases, bias_format, accumulator, order } => Some(Self {
                weights,
                weight_format: *weight_format,
                biases,
                bias_format: *bias_format,
                accumulator: *accumulator,
                order: order.as_deref(),
                windows: None,
            }),
            Kind::Conv2d {
                weights,
                weight_format,
                biases,
                bias_format,
                accumulator,
                kernel,
                stride,
                padding,
            } => Some(Self {
                weights,
                weight_format: *weight_format,
                biases,
                bias_format: *bias_format,
                accumulator: *accumulator,
                order: None,
                windows: Some(Windows::new(input_shape.try_into().ok()?, *kernel, *stride, *padding)?),
            }),
            _ => None,
        }
    }

    /// Outputs of a dense layer, or filters of a convolution.
    #[must_use]
    pub const fn filters(&self) -> usize {
        self.biases.len()
    }

    /// The windows of a convolution.
    #[must_use]
    pub const fn windows(&self) -> Option<&Windows> {
        self.windows.as_ref()
    }

    /// The accumulator's raw value before the first product of output element `output`.
    #[must_use]
    pub fn start(&self, output: usize) -> i128 {
        self.accumulator.assign(self.bias(output))
    }

    /// The bias of output element `output`.
    #[must_use]
    pub fn bias(&self, output: usize) -> Exact {
        self.bias_format.exact(self.biases[output % self.filters()].into())
    }

    /// Input element and raw weight of each product of output element `output`, in the order of addition. Places on
    /// padding are left out: adding zero changes nothing.
    pub fn products(&self, output: usize) -> impl Iterator<Item = (usize, i64)> + '_ {
        let (position, filter) = (output / self.filters(), output % self.filters());
        let places = self.weights.len() / self.filters();
        (0..places).filter_map(move |step| {
            let place = self.order.map_or(step, |order| order[step] as usize);
            let element = match &self.windows {
                Some(windows) => windows.element(position, place)?,
                None => place,
            };
            Some((element, self.weights[place * self.filters() + filter]))
        })
    }
}
