//! The trigger's decision: thresholds and how they are found, the menu of paths, prescales.

mod calibrate;
mod decision;
mod menu;
#[cfg(test)]
mod tests;

pub use calibrate::{CalibrationError, RateCut, calibrate, card_thresholds};
pub use decision::{Decider, FLOAT_BAND, INVALID_BIT, PathCounter, Prescaler};
pub use menu::{Calibration, MAX_PATHS, Menu, MenuError, MenuPath, ResolvedPath};
