//! What an instruction set could do at most, to hold an engine against.

use crate::kernel::dense::{Dense, Finish, Tile};
use crate::kernel::{BLOCK, Block, Memory, Step};

use super::simd::Runner;
use super::{Simd, SimdError};

/// Places of the layer that is timed: its input fits the L1 cache, and its sums are stored once in so many additions.
const PLACES: usize = 64;

/// An instruction set's dot products at full tilt, operands in the L1 cache.
#[derive(Debug)]
pub struct Peak {
    runner: Runner,
    steps: [Step; 1],
    memory: Memory,
    products: usize,
}

impl Peak {
    /// Dot products of bytes, or else of 16-bit numbers; also where no one instruction takes bytes.
    ///
    /// # Errors
    /// When the CPU lacks the instruction set.
    pub fn new(simd: Simd, bytes: bool) -> Result<Self, SimdError> {
        let runner = Runner::require(simd)?;
        let shape = runner.shape();
        let bytes = bytes && shape.bytes;
        let outputs = shape.tile;
        let layer = Dense {
            input: 0,
            input_lanes: PLACES * BLOCK,
            output: PLACES * BLOCK,
            output_lanes: outputs * BLOCK,
            bytes,
            tiles: vec![Tile { first: 0, count: outputs, place: 0, places: PLACES, weight: 0 }],
            places: (0..PLACES).map(|place| (place * BLOCK) as u32).collect(),
            weights: vec![0x0102_0304; PLACES * outputs],
            starts: vec![0; outputs],
            finish: Finish::Sums { unused: 0 },
        };
        let steps = [Step::Dense(layer)];
        let memory = Memory::new((PLACES + outputs) * BLOCK, 0, 0);
        let products = PLACES * if bytes { 4 } else { 2 } * outputs * BLOCK;
        Ok(Self { runner, steps, memory, products })
    }

    /// Runs a layer on so many blocks; the multiply-accumulates of that.
    pub fn run(&mut self, blocks: usize) -> usize {
        for _ in 0..blocks {
            let mut block = Block { memory: &mut self.memory, hardware: &[], physical: &[], lanes: BLOCK };
            self.runner.run(&self.steps, &mut block);
        }
        blocks * self.products
    }
}
