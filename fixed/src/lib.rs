//! The arithmetic of trigger firmware, bit by bit: formats, programs, and the engines that run them.
//!
//! A [`Format`] is the `ap_fixed` or `ap_ufixed` of the HLS headers; a [`Program`] is a list of operations on tensors
//! of such numbers, as `fixed.json` holds it. What an operation means is written at [`program::Kind`], in terms of one
//! primitive: [`Format`]'s *assignment* of an exact number.

pub mod arithmetic;
pub mod check;
pub mod engine;
pub mod file;
pub mod format;
pub mod interpreter;
pub mod interval;
mod kernel;
pub mod layer;
pub mod problem;
pub mod program;
pub mod ranges;
#[cfg(feature = "testing")]
pub mod testing;
pub mod window;

pub use arithmetic::{Exact, Wide};
pub use check::CheckedProgram;
pub use engine::{Engine, Simd, SimdError};
pub use file::FileError;
pub use format::{Format, FormatError, Overflow, Rounding};
pub use interpreter::Interpreter;
pub use interval::Interval;
pub use layer::Layer;
pub use problem::{Problem, ProgramError};
pub use program::{Input, Kind, Operation, Program, Tensor};
pub use ranges::Ranges;
