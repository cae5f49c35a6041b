//! The kernels: steps on a block of events, each event a lane, compiled for each instruction set.
//!
//! `unsafe` is here and nowhere else in this crate: loads and stores past bounds checks that were made once for a whole
//! tile, and calls of intrinsics whose instruction set was detected.

pub(crate) mod dense;
pub(crate) mod isa;
pub(crate) mod lane;
mod memory;
pub(crate) mod operation;
pub(crate) mod scalar;
pub(crate) mod scale;

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;

pub(crate) use memory::{Memory, Planes, Width};

use isa::Isa;

/// Events of a block: a plane of it is some 512 bytes, so that a network of the trigger's size stays in the L1 cache.
pub(crate) const BLOCK: usize = 128;
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
}

/// One thing to do with a block.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A dense layer in packed lanes.
    Dense(dense::Dense),
    /// Takes hardware integers in and scales them to packed bytes.
    ScaleRows(scale::ScaleRows),
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

#[inline(always)]
fn run<I: Isa>(isa: I, steps: &[Step], block: &mut Block) {
    assert!(block.lanes <= BLOCK && block.lanes.is_multiple_of(GRAIN), "lanes of a block");
    for step in steps {
        match step {
            Step::Dense(layer) => dense::run(isa, layer, block.memory.narrow.lanes_mut(), block.lanes),
            Step::ScaleRows(scale) => isa.scale_rows(scale, block),
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
