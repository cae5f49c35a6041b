//! Where the tensors of a block lie.

use super::BLOCK;

/// Bytes of a vector load that does not cross a cache line.
const ALIGNMENT: usize = 64;

/// Bits of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Width {
    /// `i32`.
    Narrow,
    /// `i64`.
    Wide,
    /// `i128`.
    Widest,
}

/// A tensor element by element: each element is a plane of [`BLOCK`] lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Planes {
    /// Of the lanes.
    pub(crate) width: Width,
    /// First lane among those of this width.
    pub(crate) at: usize,
}

impl Planes {
    /// First lane of an element.
    #[inline(always)]
    pub(crate) fn plane(&self, element: usize) -> usize {
        self.at + element * BLOCK
    }
}

/// Every tensor of a block. Nothing is allocated after construction.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) narrow: Aligned<i32>,
    pub(crate) wide: Aligned<i64>,
    pub(crate) widest: Aligned<i128>,
}

/// Lanes whose first one begins a cache line.
#[derive(Debug)]
pub(crate) struct Aligned<T> {
    values: Vec<T>,
    first: usize,
}

impl Memory {
    /// Zeros.
    pub(crate) fn new(narrow: usize, wide: usize, widest: usize) -> Self {
        Self { narrow: Aligned::new(narrow), wide: Aligned::new(wide), widest: Aligned::new(widest) }
    }
}

impl<T: Copy + Default> Aligned<T> {
    fn new(lanes: usize) -> Self {
        let values = vec![T::default(); lanes + ALIGNMENT / size_of::<T>()];
        // Where the distance is not known (only const evaluation says so), alignment is a matter of speed alone.
        let first = values.as_ptr().align_offset(ALIGNMENT).min(values.len() - lanes);
        Self { values, first }
    }
}

impl<T> Aligned<T> {
    #[inline(always)]
    pub(crate) fn lanes(&self) -> &[T] {
        &self.values[self.first..]
    }

    #[inline(always)]
    pub(crate) fn lanes_mut(&mut self) -> &mut [T] {
        &mut self.values[self.first..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_begin_a_cache_line() {
        for lanes in [0, 1, 1000] {
            let memory = Memory::new(lanes, lanes, lanes);
            assert!(memory.narrow.lanes().len() >= lanes && memory.widest.lanes().len() >= lanes);
            assert!(memory.narrow.lanes().as_ptr().addr().is_multiple_of(ALIGNMENT));
            assert!(memory.wide.lanes().as_ptr().addr().is_multiple_of(ALIGNMENT));
        }
    }
}
