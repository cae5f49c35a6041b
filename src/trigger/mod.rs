//! The trigger's decision: thresholds, the menu of paths, prescales.

mod decision;
#[cfg(test)]
mod tests;

pub use decision::{Decider, INVALID_BIT, PathCounter, Prescaler};
/// stand-in
#[derive(Clone, Debug)]
pub struct ResolvedPath {
    /// n
    pub name: String,
    /// m
    pub model_index: usize,
    /// t
    pub threshold: f32,
    /// p
    pub prescale: u32,
    /// b
    pub bit: u32,
}
