//! SVG plots: ROC curves, significance improvement, score distributions, latency percentiles, throughput.
//!
//! Each is 800 pixels wide, names its axes and units, keeps its legend outside of the data, and uses the
//! colour-blind-safe palette of Okabe and Ito. Text is left to the viewer's fonts, so nothing needs to be
//! installed to draw one.

mod axis;
mod error;
mod frame;
mod latency;
mod roc;
mod scores;
mod significance;
#[cfg(test)]
mod tests;
mod throughput;

pub use error::PlotError;
pub use latency::latency;
pub use roc::roc;
pub use scores::scores;
pub use significance::significance;
pub use throughput::{ThroughputPoint, throughput};
