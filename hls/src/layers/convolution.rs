//! Convolutions, of lines and of images; channels last.

use trigsieve_fixed::{Format, Kind};

use super::config::Config;
use super::dense::{Matrix, Order, dense, matrix, product, size};
use super::{Layers, Step};
use crate::error::{At, Result, Trouble};
use crate::network::Call;
use crate::weights::Weights;

/// Most products of a convolution that is laid out position by position.
const MAX_UNROLLED: usize = 1 << 20;

/// The geometry of a convolution. A line is an image of one row.
#[derive(Clone, Copy, Debug)]
struct Geometry {
    image: [usize; 3],
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 4],
    output: [usize; 3],
}

impl Geometry {
    fn of(config: &Config<'_, '_>, is_line: bool, at: At) -> Result<Self> {
        let vertical = |field: &str, flat: usize| if is_line { Ok(flat) } else { config.count(field) };
        let optional = |field: &str| if is_line { Ok(0) } else { config.count_or(field, 0) };
        for field in ["dilation", "dilation_height", "dilation_width"] {
            if config.count_or(field, 1)? != 1 {
                return Err(Trouble::at(at, "a dilated convolution is not supported"));
            }
        }
        let geometry = Self {
            image: [vertical("in_height", 1)?, config.count("in_width")?, config.count("n_chan")?],
            kernel: [vertical("filt_height", 1)?, config.count("filt_width")?],
            stride: [vertical("stride_height", 1)?, config.count("stride_width")?],
            padding: [
                optional("pad_top")?,
                optional("pad_bottom")?,
                config.count_or("pad_left", 0)?,
                config.count_or("pad_right", 0)?,
            ],
            output: [vertical("out_height", 1)?, config.count("out_width")?, config.count("n_filt")?],
        };
        geometry.check(at)?;
        Ok(geometry)
    }

    fn check(&self, at: At) -> Result<()> {
        let [top, bottom, left, right] = self.padding;
        let along = |axis: usize, before: usize, after: usize| {
            let free = (self.image[axis] + before + after).checked_sub(self.kernel[axis])?;
            Some(free.checked_div(self.stride[axis])? + 1)
        };
        let fits =
            along(0, top, bottom) == Some(self.output[0]) && along(1, left, right) == Some(self.output[1]);
        if fits && self.kernel.iter().all(|length| *length > 0) {
            return Ok(());
        }
        let reason =
            "the sizes of this convolution (image, window, stride, padding, output) do not fit together";
        Err(Trouble::at(at, reason))
    }

    /// Elements under the window.
    fn inputs(&self) -> Option<usize> {
        self.kernel[0].checked_mul(self.kernel[1])?.checked_mul(self.image[2])
    }

    /// The image's elements under the window at a position, by their place in the window; padding is left out.
    fn window(&self, row: usize, column: usize) -> Vec<(usize, u32)> {
        let [height, width, channels] = self.image;
        let mut found = Vec::new();
        for place in 0..self.kernel[0] * self.kernel[1] * channels {
            let (spot, channel) = (place / channels, place % channels);
            let inside = |position: usize, before: usize, length: usize| {
                position.checked_sub(before).filter(|position| *position < length)
            };
            let y = inside(row * self.stride[0] + spot / self.kernel[1], self.padding[0], height);
            let x = inside(column * self.stride[1] + spot % self.kernel[1], self.padding[2], width);
            if let (Some(y), Some(x)) = (y, x) {
                found.push((place, ((y * width + x) * channels + channel) as u32));
            }
        }
        found
    }
}

impl<'p> Layers<'_, 'p> {
    pub(super) fn convolution(&mut self, call: &Call<'p>) -> Result<()> {
        let step = self.step(call, 3)?;
        let config = self.config(call)?;
        let geometry = Geometry::of(&config, call.name.contains("_1d_"), call.at)?;
        let image = size(size(geometry.image[0], geometry.image[1], call.at)?, geometry.image[2], call.at)?;
        let output =
            size(size(geometry.output[0], geometry.output[1], call.at)?, geometry.output[2], call.at)?;
        self.check_len(call, "the input", self.len(step.source), image)?;
        self.check_len(call, "the output", step.target.len, output)?;
        let inputs = geometry.inputs().ok_or_else(|| Trouble::at(call.at, "too large a window"))?;
        let filters = geometry.output[2];
        let multiplication = config.part("mult_config")?;
        let accumulator = config.format("accum_t")?;
        let weights =
            self.weights(call, 2, size(inputs, filters, call.at)?, config.format("weight_t").ok())?;
        let biases = self.weights(call, 3, filters, config.format("bias_t").ok())?;
        let input = self.builder.tensor(step.source).format;
        let product = product(&multiplication, input, &weights, call.at)?;
        let resource = config.is_resource("conv_kernel")?;
        let reuse = resource.then(|| config.count_or("reuse_factor", 1)).transpose()?;
        let matrix = matrix(weights, product, (inputs, filters), reuse, accumulator, call.at)?;
        match matrix.order.clone() {
            Order::Plain => {
                let source = self.builder.shaped(step.source, geometry.image.to_vec(), call.at)?;
                let kind = convolution(&geometry, matrix, biases, accumulator);
                self.write_shaped(&step, kind, &[source], geometry.output.to_vec());
            }
            Order::Common(_) if output.saturating_mul(inputs) > MAX_UNROLLED => {
                return Err(Trouble::at(
                    call.at,
                    "too large a convolution with a saturating accumulator and a reuse factor",
                ));
            }
            Order::Common(order) => self.unrolled(&step, &geometry, &matrix, &order, (&biases, accumulator)),
            Order::Each(_) => {
                return Err(Trouble::at(
                    call.at,
                    "a reuse factor beyond the window's elements is not supported",
                ));
            }
        }
        Ok(())
    }

    /// Where the accumulator saturates and the reuse factor mixes the order of the additions: a dense layer of that
    /// order at each position. A product with padding is 0 and changes no sum, so it is left out.
    fn unrolled(
        &mut self,
        step: &Step<'_, 'p>,
        geometry: &Geometry,
        matrix: &Matrix,
        order: &[u32],
        (biases, accumulator): (&Weights, Format),
    ) {
        let input = self.builder.tensor(step.source).format;
        let mut parts = Vec::new();
        for row in 0..geometry.output[0] {
            for column in 0..geometry.output[1] {
                let window = geometry.window(row, column);
                let indices = window.iter().map(|(_, element)| *element).collect();
                let shape = vec![window.len()];
                let select = Kind::Select { indices };
                let source =
                    self.builder.push_shaped(step.name, select, &[step.source], ("window", input), shape);
                let kind = dense_at(&window, matrix, order, biases, accumulator);
                let output = (step.name, step.target.format);
                parts.push(self.builder.push_shaped(
                    step.name,
                    kind,
                    &[source],
                    output,
                    vec![matrix.outputs],
                ));
            }
        }
        self.write_shaped(step, Kind::Concatenate {}, &parts, geometry.output.to_vec());
    }
}

/// The dense layer of one position: the window's places that lie inside the image.
fn dense_at(
    window: &[(usize, u32)],
    whole: &Matrix,
    order: &[u32],
    biases: &Weights,
    accumulator: Format,
) -> Kind {
    let rows = window
        .iter()
        .flat_map(|(place, _)| &whole.weights[place * whole.outputs..(place + 1) * whole.outputs]);
    let mut inside = vec![None; order.len()];
    for (index, (place, _)) in window.iter().enumerate() {
        inside[*place] = Some(index as u32);
    }
    let order = order.iter().filter_map(|place| inside[*place as usize]).collect();
    let matrix = Matrix { weights: rows.copied().collect(), order: Order::Plain, ..*whole };
    dense(matrix, biases.clone(), accumulator, Order::Common(order))
}

fn convolution(geometry: &Geometry, matrix: Matrix, biases: Weights, accumulator: Format) -> Kind {
    Kind::Conv2d {
        weights: matrix.weights,
        weight_format: matrix.weight_format,
        biases: biases.raw,
        bias_format: biases.format,
        accumulator,
        kernel: geometry.kernel,
        stride: geometry.stride,
        padding: geometry.padding,
    }
}
