//! What an instruction set could do at most, to hold an engine against.

use crate::kernel::dense::{Dense, Finish, Pair};
use crate::kernel::{BLOCK, Block, Memory, Step};

use super::simd::Runner;
use super::{Simd, SimdError};

/// Planes of the layer that is timed: its input fits the L1 cache.
const PLANES: usize = 16;
/// Products that each sum takes, a plane each: so many that what else there is to do does not count.
const PRODUCTS: usize = 1024;

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
        let bytes = bytes && runner.shape().bytes;
        let layer = Dense {
            input: 0,
            input_lanes: PLANES * BLOCK,
            output: PLANES * BLOCK,
            output_lanes: 2 * BLOCK,
            outputs: 2,
            bytes,
            pairs: vec![Pair { end: PRODUCTS, starts: [0, 0], to: [Some(0), Some(BLOCK as u32)] }],
            places: (0..PRODUCTS).map(|at| (at % PLANES * BLOCK) as u32).collect(),
            weights: vec![[0x0102_0304, 0x0403_0201]; PRODUCTS],
            finish: Finish::Sums { unused: 0 },
        };
        let products = PRODUCTS * if bytes { 4 } else { 2 } * layer.outputs * BLOCK;
        let memory = Memory::new((PLANES + layer.outputs) * BLOCK, 0, 0);
        Ok(Self { runner, steps: [Step::Dense(layer)], memory, products })
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
