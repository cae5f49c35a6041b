//! What can be wrong with a model file or a graph under construction.

/// Why a model was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file holds more bytes than [`crate::MAX_MODEL_BYTES`].
    #[error("model has {bytes} bytes, more than the limit of {limit}")]
    TooLarge {
        /// Size of the file.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The bytes are not a protobuf message of the ONNX layout, or it is nested too deeply.
    #[error("not an ONNX model: {0}")]
    Decode(#[from] prost::DecodeError),
    /// The model has no graph. An empty file and most non-ONNX protobuf files end here.
    #[error("not an ONNX model: it has no graph")]
    NoGraph,
    /// The model does not say which version of the default operator set it uses.
    #[error("model imports no version of the default operator set (ai.onnx)")]
    NoOpset,
    /// A graph input or output is a sequence, a map, or has no type.
    #[error("graph {side} `{name}` is not a tensor")]
    NotATensor {
        /// `input` or `output`.
        side: &'static str,
        /// The value's name.
        name: String,
    },
    /// A dimension is negative, or a product of dimensions overflows.
    #[error("`{name}` has an impossible shape {dims:?}")]
    Shape {
        /// Name of the tensor or value.
        name: String,
        /// The dimensions as they are in the file.
        dims: Vec<i64>,
    },
    /// A tensor's data lies in another file, which is never opened: such a path may lead anywhere.
    #[error("tensor `{tensor}` keeps its data in an external file; save the model with its data inside")]
    ExternalData {
        /// The tensor's name.
        tensor: String,
    },
    /// A graph input or output does not even say how many axes it has.
    #[error("`{name}` has no shape; run ONNX shape inference over the model and save it")]
    NoShape {
        /// Name of the value.
        name: String,
    },
    /// The model needs operators outside the default domain.
    #[error("model imports the operator domain `{domain}`; only the default domain (ai.onnx) runs")]
    OtherDomain {
        /// The domain.
        domain: String,
    },
    /// The model uses a part of ONNX that trigsieve's engines do not run.
    #[error("model has {what}, which trigsieve does not run")]
    Unsupported {
        /// The part.
        what: &'static str,
    },
    /// Two values of a graph under construction have the same name.
    #[error("graph has two values named `{name}`")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// A model that becomes part of a graph wants an input that is not given, or has no such output.
    #[error("model has an input that nothing is given for, or no output, named `{name}`")]
    NoValue {
        /// The name.
        name: String,
    },
    /// A value of a graph under construction has no reader and is no output.
    #[error("graph value `{name}` is never used")]
    Unused {
        /// The name.
        name: String,
    },
    /// A tensor's data does not fill its shape.
    #[error("tensor `{name}` has {values} values for the shape {shape:?}")]
    TensorSize {
        /// The tensor's name.
        name: String,
        /// Number of values given.
        values: usize,
        /// The shape.
        shape: Vec<usize>,
    },
}
