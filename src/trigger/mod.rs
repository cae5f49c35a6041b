//! The trigger's decision: thresholds, the menu of paths, prescales.

mod decision;
mod menu;
#[cfg(test)]
mod tests;

pub use decision::{Decider, INVALID_BIT, PathCounter, Prescaler};
pub use menu::{Calibration, MAX_PATHS, Menu, MenuError, MenuPath, ResolvedPath};
