//! Fixed-point programs as FPGA projects, and the proof that every one of them computes the program's bits.
//!
//! One [`Project`] holds three ways to firmware: `standalone/`, HLS C++ with the input scaling, the score and its threshold;
//! `hls4ml/`, the network between them as a QONNX model for hls4ml, with the rest of the program as C++ around it; and
//! `rtl/`, Verilog through da4ml. [`verify`](verify()) runs each of them on the same events as the
//! fixed-point engine; [`Report`] says what the firmware takes.

mod cpp;
mod emulator;
mod error;
mod events;
mod hls4ml;
mod names;
mod network;
mod part;
mod project;
mod qonnx;
mod report;
mod rtl;
mod settings;
mod standalone;
mod template;
mod tools;
mod verify;

pub use emulator::{Emulated, Emulator};
pub use error::ExportError;
pub use events::{Events, stress_rows};
pub use network::Network;
pub use part::{PARTS, Part};
pub use project::{Project, ProjectInfo};
pub use report::{Budget, Limit, Report, Resources, TensorBits, Usage, measure};
pub use settings::{LEVEL_NS, OVERHEAD_NS, Settings, Strategy, Vendor};
pub use tools::{ToolError, Tools};
pub use verify::{Mismatch, Outputs, Verification, Way, verify};
