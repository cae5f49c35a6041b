//! `fixed.json`: a network as a list of operations on fixed-point tensors.
//!
//! Every tensor is named, has a shape and a [`Format`], and is written once: by the door that takes the event in, or by
//! one operation. Elements are raw values (see [`Format`]) in row-major order; images are height, width, channels
//! (channels last). An operation reads tensors that exist before it.

use serde::{Deserialize, Serialize};

use crate::Format;

/// Version of the file format that this build writes and reads.
pub const VERSION: u32 = 1;

/// A network with everything that decides its bits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// [`VERSION`].
    pub version: u32,
    /// Name for people, usually the top function's.
    pub name: String,
    /// How an event becomes the first tensor.
    pub input: Input,
    /// In the order of execution.
    pub operations: Vec<Operation>,
    /// Name of the tensor with the anomaly score; it has one element.
    pub score: String,
}

/// The door: how an event's K inputs become the first tensor.
///
/// Hardware integers h (i16 rows): raw value of h 2^-`hardware_fraction`, assigned to the tensor's format.
/// Physical values v (f32 rows): with `units`, first h = v / unit in double precision, rounded to the nearest integer
/// (ties to even) and saturated to i16 (NaN: 0), and then as above, so that both kinds of rows give the same bits;
/// without, v itself is assigned to the tensor's format, as C++ does when a double is assigned to an `ap_fixed` (infinity
/// and NaN: a number of that sign beyond every range, whose low bits are zero).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The first tensor, K elements.
    pub tensor: Tensor,
    /// Binary places of the hardware integers; 0: they are whole numbers.
    #[serde(default)]
    pub hardware_fraction: i32,
    /// Size of a hardware integer's step in each input's physical unit, K numbers; absent: the network takes no
    /// physical units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<Vec<f64>>,
}

/// A named array of numbers of one format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tensor {
    /// Unique in the program.
    pub name: String,
    /// Lengths, slowest first.
    pub shape: Vec<usize>,
    /// Format of every element.
    pub format: Format,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// Name of the layer, for people.
    pub layer: String,
    /// Names of the tensors it reads.
    pub inputs: Vec<String>,
    /// The tensor it writes.
    pub output: Tensor,
    /// What it does; in the file `"op": {"dense": {"weights": ...}}`.
    #[serde(rename = "op")]
    pub kind: Kind,
}

/// What an operation computes.
///
/// In the formulas an arithmetic expression is exact (a rational number), and `F(e)` is the assignment of e to format
/// F: first rounding, then overflow, as in the HLS headers. `out` is the output tensor's format. Weights, biases and
/// tables are raw values of the format beside them.
///
/// Where nothing else is said, an operation reads one tensor and writes one of the same shape. A dense layer reads its
/// input's elements in order, whatever the shape, and writes as many as it has biases, in any shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Kind {
    /// The deployed trigger's input scaling, element by element: d = `difference`(x - o), y = out(d >> s).
    ///
    /// The shift is that of the headers on a number of format `difference`: for s >= 0 the s lowest bits are lost
    /// (towards minus infinity) before out rounds; for s < 0 the bits above the width are lost, whatever the overflow
    /// mode. A `difference` of `AP_SAT_SYM` with s < 0 is refused: the shift could give the value that it excludes.
    Scale {
        /// o, one an element.
        offsets: Vec<i64>,
        /// Format of the offsets.
        offset_format: Format,
        /// Format of the difference and of the shifted difference.
        difference: Format,
        /// s, one an element.
        shifts: Vec<i32>,
    },
    /// a = A(b_j); for i in order: a = A(a + A(x_i w_ij)); y_j = out(a), with A = `accumulator`.
    Dense {
        /// w_ij, input-major: element i * outputs + j.
        weights: Vec<i64>,
        /// Format of the weights.
        weight_format: Format,
        /// b_j.
        biases: Vec<i64>,
        /// Format of the biases.
        bias_format: Format,
        /// A.
        accumulator: Format,
        /// Order in which i runs, where it is not 0, 1, 2, ... (it matters where the accumulator saturates).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        order: Option<Vec<u32>>,
    },
    /// A dense layer at each position of a window that moves over an image [height, width, channels]; x_i are the
    /// window's elements in the order (row, column, channel), zero outside of the image.
    Conv2d {
        /// Weights, [kernel height, kernel width, channels, filters] row-major.
        weights: Vec<i64>,
        /// Format of the weights.
        weight_format: Format,
        /// One a filter.
        biases: Vec<i64>,
        /// Format of the biases.
        bias_format: Format,
        /// As in a dense layer.
        accumulator: Format,
        /// Height and width of the window.
        kernel: [usize; 2],
        /// Steps of the window, down and right.
        stride: [usize; 2],
        /// Zeros around the image: top, bottom, left, right.
        padding: [usize; 4],
    },
    /// y_i = out(x_i g_c + b_c), c = i mod the number of scales (batch normalisation).
    Normalise {
        /// g.
        scales: Vec<i64>,
        /// Format of the scales.
        scale_format: Format,
        /// b.
        biases: Vec<i64>,
        /// Format of the biases.
        bias_format: Format,
    },
    /// y_i = x_i > 0 ? out(min(x_i, maximum)) : 0.
    Relu {
        /// A whole number, at most 2^31 - 1; absent: no maximum.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        maximum: Option<u32>,
    },
    /// y_i = x_i > 0 ? out(x_i) : out(slope x_i).
    LeakyRelu {
        /// Raw slope.
        slope: i64,
        /// Format of the slope.
        slope_format: Format,
    },
    /// y_i = out(x_i); the shape may change, the number of elements may not.
    Requantise {},
    /// An activation by table, as hls4ml's tanh and sigmoid: n = x_i `size` / `range` towards zero, + `offset`, kept
    /// within 0 ... size - 1; y_i = out(`table[n]`). `size` is the number of entries.
    ///
    /// As in C++, n is a 32-bit integer and wraps at 2^31, both before and after `offset` is added. Where x has no bits
    /// after the binary point (W < I), the quotient is a multiple of x's step: cut towards zero to that.
    Table {
        /// Width of the interval of x that the table spans.
        range: u32,
        /// Entry of x = 0.
        offset: i32,
        /// Entries.
        table: Vec<i64>,
        /// Format of the entries.
        table_format: Format,
    },
    /// y_i = out(x_i + z_i); a second input of one element is added to each.
    Add {},
    /// y_i = out(x_i - z_i); a second input of one element is subtracted from each.
    Subtract {},
    /// y_i = out(x_i z_i); both inputs may be the same tensor, and then it is the square.
    Multiply {},
    /// y_i = out(|x_i|).
    Absolute {},
    /// The sum of a tensor's elements, assigned to A = `accumulator` at each addition, y = out(that): one element.
    ///
    /// L1 distance: subtract, absolute, sum. Squared L2 distance and sum of squares: multiply a tensor by itself, sum.
    Sum {
        /// A. Each element is assigned to it first.
        accumulator: Format,
        /// Order of the additions.
        order: SumOrder,
    },
    /// a = 0; for i in order: a = A(a + A(x_i z_i)); y = out(a), with A = `accumulator`; both inputs may be the same.
    Dot {
        /// A.
        accumulator: Format,
    },
    /// The inputs' elements one after the other, each y = out(x).
    Concatenate {},
    /// y_i = out(x_k) with k = `indices`_i.
    Select {
        /// Elements to take.
        indices: Vec<u32>,
    },
}

/// Order of the additions of a sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SumOrder {
    /// ((x_0 + x_1) + x_2) + ...
    Sequential,
    /// The sum of the first p elements plus the sum of the rest, each likewise; p is the greatest power of two less
    /// than their number.
    Tree,
}

impl Tensor {
    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Program {
    /// The tensor of this name and its place: 0 is the input, i + 1 what operation i writes.
    #[must_use]
    pub fn tensor(&self, name: &str) -> Option<(usize, &Tensor)> {
        self.tensors().enumerate().find(|(_, tensor)| tensor.name == name)
    }

    /// Every tensor in the order it is written.
    pub fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        std::iter::once(&self.input.tensor).chain(self.operations.iter().map(|operation| &operation.output))
    }

    /// Inputs an event.
    #[must_use]
    pub fn k(&self) -> usize {
        self.input.tensor.len()
    }
}
