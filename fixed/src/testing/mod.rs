//! For tests: random programs and rows, and where the HLS headers are.

mod deployed;
mod headers;
mod program;

pub use deployed::{deployed, deployed_of, near_deployed};
pub use headers::hls4ml;
pub use program::{program, rows_f32, rows_i16};
