//! Whether numbers below [`f32::MIN_POSITIVE`] are still numbers on this thread.
//!
//! A processor can be told to take them for zero (FTZ and DAZ of x86-64's MXCSR, FZ of AArch64's FPCR), and a library
//! compiled with fast mathematics tells it so for the whole thread: comparisons with a threshold would then differ
//! from thread to thread.

use std::hint::black_box;

/// Whether results and operands that are denormal keep their value.
pub(super) fn are_kept() -> bool {
    let kept_as_result = black_box(f32::MIN_POSITIVE) * black_box(0.5) > 0.0;
    let kept_as_operand = black_box(f32::from_bits(1)) > black_box(0.0);
    kept_as_result && kept_as_operand
}
