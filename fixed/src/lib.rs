//! The arithmetic of trigger firmware, bit by bit: formats, programs, and the engines that run them.
//!
//! A [`Format`] is the `ap_fixed` or `ap_ufixed` of the HLS headers; a [`Program`] is a list of operations on tensors
//! of such numbers, as `fixed.json` holds it. What an operation means is written at [`program::Kind`], in terms of one
//! primitive: [`Format`]'s *assignment* of an exact number.

pub mod format;
pub mod program;

pub use format::{Format, FormatError, Overflow, Rounding};
pub use program::{Input, Kind, Operation, Program, Tensor};
