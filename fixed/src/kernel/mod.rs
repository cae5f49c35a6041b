//! The kernels: steps on a block of events, each event a lane, compiled for each instruction set.
//!
//! `unsafe` is here and nowhere else in this crate: loads and stores past bounds checks that were made once for a whole
//! tile, and calls of intrinsics whose instruction set was detected.

pub(crate) mod dense;
pub(crate) mod isa;
pub(crate) mod lane;
mod memory;
pub(crate) mod operation;
// Planned for instruction sets that transpose rows, which are those of x86-64.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
pub(crate) mod rows;
pub(crate) mod scalar;
pub(crate) mod squares;

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;

pub(crate) use memory::{Memory, Planes, Width};

use std::fmt;

use isa::Isa;

/// Events of a block: a plane of it is some 256 bytes, so that a network of the trigger's size stays in the L1 cache.
pub(crate) const BLOCK: usize = 64;
/// A block's events come in multiples of this, which is a whole number of tiles of every instruction set.
pub(crate) const GRAIN: usize = 32;

/// What the steps work on.
#[derive(Debug)]
pub(crate) struct Block<'a> {
    /// Every tensor.
    pub(crate) memory: &'a mut Memory,
    /// Hardware integers, event by event; empty if the events are physical values.
    pub(crate) hardware: &'a [i16],
    /// Physical values, event by event; empty if the events are hardware integers.
    pub(crate) physical: &'a [f32],
    /// Events, a multiple of [`GRAIN`], at most [`BLOCK`].
    pub(crate) lanes: usize,
    /// Rows of a later block.
    pub(crate) ahead: Ahead<'a>,
}

/// Rows that are wanted soon, brought into the cache bit by bit while there is other work.
#[derive(Debug)]
pub(crate) struct Ahead<'a> {
    rows: &'a [i16],
    /// Cache lines at a time.
    lines: usize,
}

/// Numbers of 16 bits in a cache line.
const LINE: usize = 32;

impl<'a> Ahead<'a> {
    /// To be brought in in so many `parts`.
    pub(crate) fn new(rows: &'a [i16], parts: usize) -> Self {
        Self { rows, lines: rows.len().div_ceil(LINE).div_ceil(parts.max(1)) }
    }

    #[inline(always)]
    fn fetch<I: Isa>(&mut self, isa: I) {
        let (now, later) = self.rows.split_at(self.rows.len().min(self.lines * LINE));
        now.chunks(LINE).for_each(|line| isa.prefetch(line.as_ptr()));
        self.rows = later;
    }
}

/// One thing to do with a block.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A dense layer in packed lanes.
    Dense(dense::Dense),
    /// Takes hardware integers in and scales them to packed bytes.
    ScaleRows(rows::ScaleRows),
    /// Takes hardware integers in as they are.
    DoorRows(rows::DoorRows),
    /// The sum of the squares of a packed tensor.
    Squares(squares::Squares),
    /// Dot products for their own sake.
    Spin(squares::Spin),
    /// Anything else.
    Planes(PlaneStep),
}

/// What is done a plane at a time, in loops that the compiler turns into vectors.
#[derive(Clone, Debug)]
pub(crate) enum PlaneStep {
    /// Takes the events in.
    Door(operation::Door),
    /// Packs planes for a dense layer.
    Pack(operation::Pack),
    /// An operation.
    Operation(operation::Operation),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Dense(layer) => {
                let bits = if layer.bytes { 8 } else { 16 };
                return write!(f, "dense layer of {} outputs, {bits}-bit products", layer.outputs);
            }
            Self::DoorRows(_) => "door from rows",
            Self::ScaleRows(_) => "input scaling from rows",
            Self::Squares(_) => "sum of squares",
            Self::Spin(_) => "dot products",
            Self::Planes(PlaneStep::Door(_)) => "door",
            Self::Planes(PlaneStep::Pack(_)) => "packing",
            Self::Planes(PlaneStep::Operation(operation)) => operation.what.name(),
        };
        f.write_str(name)
    }
}

#[inline(always)]
fn run<I: Isa>(isa: I, steps: &[Step], block: &mut Block) {
    assert!(block.lanes <= BLOCK && block.lanes.is_multiple_of(GRAIN), "lanes of a block");
    for step in steps {
        match step {
            Step::Dense(layer) => dense::run(isa, layer, block),
            Step::ScaleRows(scale) => isa.scale_rows(scale, block),
            Step::DoorRows(door) => isa.door_rows(door, block),
            Step::Squares(squares) => squares.run(isa, block),
            Step::Spin(spin) => spin.run(isa, block),
            Step::Planes(step) => isa.planes(step, block),
        }
    }
}

#[inline(always)]
fn run_planes(step: &PlaneStep, block: &mut Block) {
    match step {
        PlaneStep::Door(door) => door.run(block),
        PlaneStep::Pack(pack) => pack.run(block.memory, block.lanes),
        PlaneStep::Operation(operation) => operation.run(block.memory, block.lanes),
    }
}

/// Runs steps without any instruction set in particular.
pub(crate) fn run_scalar(steps: &[Step], block: &mut Block) {
    run(scalar::Scalar, steps, block);
}
