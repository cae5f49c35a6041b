//! The part of the ONNX format that trigsieve reads and writes.
//!
//! - [`ModelSummary`] reads what a model file contains, from bytes that nobody has vouched for. The engine asks it
//!   before any runtime sees the file, and refuses external data and everything else it would not run.
//! - [`GraphBuilder`] writes graphs, at an operator set and file version that ONNX Runtime 1.20 still loads.
//! - [`proto`] holds the messages themselves.
//!
//! ONNX file format and operators: <https://github.com/onnx/onnx/tree/main/docs>.

#![forbid(unsafe_code)]

mod builder;
mod element;
mod error;
pub mod proto;
mod summary;

pub use builder::{
    Attribute, Dimension, GraphBuilder, IR_VERSION, ModelInfo, OPSET_VERSION, TensorData, Value,
};
pub use element::ElementType;
pub use error::Error;
pub use summary::{MAX_MODEL_BYTES, ModelSummary, ValueSummary};
