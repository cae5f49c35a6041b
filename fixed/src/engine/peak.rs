//! What an instruction set could do at most, to hold an engine against.

use crate::kernel::squares::Spin;
use crate::kernel::{Ahead, Block, GRAIN, Memory, Step};

use super::simd::Runner;
use super::{Simd, SimdError};

/// Rounds of products between two looks at anything else.
const ROUNDS: usize = 1 << 12;

/// An instruction set's dot products at full tilt, from register to register.
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
        let each = if bytes { 4 } else { 2 };
        let products = ROUNDS * Spin::CHAINS * runner.shape().lanes * each;
        let steps = [Step::Spin(Spin { bytes, rounds: ROUNDS })];
        Ok(Self { runner, steps, memory: Memory::new(Spin::CHAINS * GRAIN, 0, 0), products })
    }

    /// Multiplies so many times; the multiply-accumulates of that.
    pub fn run(&mut self, times: usize) -> usize {
        for _ in 0..times {
            let mut block = Block {
                memory: &mut self.memory,
                hardware: &[],
                physical: &[],
                lanes: GRAIN,
                ahead: Ahead::new(&[], 1),
            };
            self.runner.run(&self.steps, &mut block);
        }
        times * self.products
    }
}
