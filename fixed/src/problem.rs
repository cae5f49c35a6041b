//! What is wrong with a program, and where.

use crate::Format;

/// A program that cannot be run.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ProgramError {
    /// A file of another version.
    #[error("this is version {found} of the fixed-point program format; this build reads version {expected}")]
    Version {
        /// Version of the file.
        found: u32,
        /// [`crate::program::VERSION`].
        expected: u32,
    },
    /// More than one event may cost.
    #[error("{what}: {found}, at most {most} are taken")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much there is; counting stops past the limit.
        found: usize,
        /// How much there may be.
        most: usize,
    },
    /// The door is wrong.
    #[error("the input tensor `{tensor}`: {problem}")]
    Input {
        /// Name of the input tensor.
        tensor: String,
        /// What is wrong.
        problem: Box<Problem>,
    },
    /// An operation is wrong.
    #[error("operation {operation} (layer `{layer}`, which writes tensor `{tensor}`): {problem}")]
    Operation {
        /// Its index, from 0.
        operation: usize,
        /// Its layer.
        layer: String,
        /// The tensor that it writes.
        tensor: String,
        /// What is wrong.
        problem: Box<Problem>,
    },
    /// The score is no tensor of one element.
    #[error("the score `{name}` {reason}")]
    Score {
        /// Name of the score.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// What is wrong with an operation or the door.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Problem {
    /// A name that nothing writes.
    #[error("it reads tensor `{0}`, which nothing writes")]
    Dangling(String),
    /// A tensor read before it is written.
    #[error(
        "it reads tensor `{tensor}`, which is first written by operation {writer}: a cycle, or a wrong order"
    )]
    Early {
        /// Its name.
        tensor: String,
        /// The operation that writes it.
        writer: usize,
    },
    /// Two tensors of one name.
    #[error("a tensor of this name was written before")]
    Duplicate,
    /// A tensor without a name.
    #[error("the tensor has no name")]
    Unnamed,
    /// A wrong number of inputs.
    #[error("it reads {found} tensors instead of {expected}")]
    Arity {
        /// How many it should read.
        expected: &'static str,
        /// How many it reads.
        found: usize,
    },
    /// A shape without elements, of too many axes or elements.
    #[error(
        "{what} has shape {shape:?}, not 1 to 8 lengths of at least 1 with at most {most} elements in all"
    )]
    Shape {
        /// Whose shape.
        what: &'static str,
        /// The shape.
        shape: Vec<usize>,
        /// Greatest number of elements.
        most: usize,
    },
    /// A shape that does not follow from the inputs.
    #[error("the output has shape {found:?} instead of {expected:?}")]
    OutputShape {
        /// What follows from the inputs.
        expected: Vec<usize>,
        /// What the tensor says.
        found: Vec<usize>,
    },
    /// A wrong number of numbers.
    #[error("{what}: {found} instead of {expected}")]
    Length {
        /// What is counted.
        what: &'static str,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A format outside of what is supported.
    #[error(
        "the format {0} of {1} is not supported: its width is not from 1 to 64, or its point is over 128 bits away"
    )]
    Format(Format, &'static str),
    /// A constant that its format does not hold.
    #[error("{what}: number {at} is {value}, which {format} does not hold")]
    Constant {
        /// Which list.
        what: &'static str,
        /// Index in the list.
        at: usize,
        /// The raw value.
        value: i64,
        /// Its format.
        format: Format,
    },
    /// An index past the end.
    #[error("{what}: number {at} is {index}, but there are {count}")]
    Index {
        /// Which list.
        what: &'static str,
        /// Place in the list.
        at: usize,
        /// What it says.
        index: u32,
        /// How many there are.
        count: usize,
    },
    /// An order that is no permutation.
    #[error("the order takes input {0} twice")]
    Order(u32),
    /// An exact result that 128 bits do not hold.
    #[error(
        "{what} needs {width} bits, over the 127 of the exact arithmetic: use narrower formats or closer points"
    )]
    TooWide {
        /// Which result.
        what: &'static str,
        /// Its width by the rules of the headers.
        width: i32,
    },
    /// A number outside of its range.
    #[error("{what} is {found}, not {expected}")]
    Value {
        /// Which number.
        what: &'static str,
        /// What it is.
        found: String,
        /// What it may be.
        expected: &'static str,
    },
    /// A window that does not fit into the padded image.
    #[error(
        "the window {kernel:?} with stride {stride:?} and padding {padding:?} does not fit an input of shape {shape:?} (height, width, channels)"
    )]
    Window {
        /// Shape of the input.
        shape: Vec<usize>,
        /// Height and width.
        kernel: [usize; 2],
        /// Steps.
        stride: [usize; 2],
        /// Zeros around the image.
        padding: [usize; 4],
    },
}
