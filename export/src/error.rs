use std::io;
use std::path::PathBuf;

use crate::ToolError;

/// What keeps a program from becoming firmware.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A layer that a way has no firmware for.
    #[error("layer `{layer}`: {what} is not supported by the {way} export: {why} (--ways leaves a way out)")]
    Unsupported {
        /// Name of the layer.
        layer: String,
        /// The operation or format.
        what: String,
        /// `standalone`, `hls4ml` or `rtl`.
        way: &'static str,
        /// What is, or what to do.
        why: String,
    },
    /// There is nothing that hls4ml could take.
    #[error("the program has no dense layer, so there is no network for hls4ml")]
    NoNetwork,
    /// A part that is not in the table.
    #[error("part `{part}` is none of those whose size is known: {known}")]
    Part {
        /// As given.
        part: String,
        /// Those that are.
        known: String,
    },
    /// A clock faster than the part, or than one level of logic.
    #[error("a clock of {clock_mhz} MHz can't be met: {why}")]
    Clock {
        /// As given.
        clock_mhz: f64,
        /// What stands against it.
        why: String,
    },
    /// A name that is no identifier in C++ and Verilog.
    #[error("`{0}` can't name a function and a module: letters, digits and _, beginning with a letter")]
    Name(String),
    /// A raw threshold that the score's format has not: firmware would compare with another number.
    #[error("the raw threshold {threshold} is none of the score's format {format}")]
    Threshold {
        /// As given.
        threshold: i64,
        /// The format.
        format: String,
    },
    /// A limit that is exceeded.
    #[error("over budget: {0}")]
    OverBudget(String),
    /// The budget as written.
    #[error("budget `{text}`: {why}")]
    Budget {
        /// As given.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// The folder is no export, or not of this version.
    #[error("{}: {reason}", path.display())]
    Project {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file that can't be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A tool that is missing or failed.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// The ONNX graph.
    #[error("the QONNX model: {0}")]
    Onnx(#[from] trigsieve_onnx::Error),
}

impl ExportError {
    /// For `map_err` on a file.
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
