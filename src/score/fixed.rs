use trigsieve_fixed::{Engine, Simd};

use super::{ScoreError, Scorer, check_shape};
use crate::event::{Rows, Values};
use crate::model::FixedProgram;

/// Scores in the firmware's own arithmetic: integers in, integers throughout, and every bit as in the hardware.
pub struct FixedScorer {
    engine: Engine,
}

impl FixedScorer {
    /// A scorer of `program` for an instruction set, or the best that the processor has.
    ///
    /// # Errors
    /// [`ScoreError::Simd`] when the processor has not the instruction set.
    pub fn new(program: &FixedProgram, simd: Option<Simd>) -> Result<Self, ScoreError> {
        Ok(Self { engine: Engine::new(program.program(), simd)? })
    }
}

impl Scorer for FixedScorer {
    fn score(&mut self, rows: Rows<'_>, scores: &mut [f32]) -> Result<(), ScoreError> {
        check_shape(rows, self.engine.k(), scores)?;
        match rows.values() {
            Values::I16(values) => self.engine.score_i16(values, scores),
            Values::F32(values) => self.engine.score_f32(values, scores),
        }
        Ok(())
    }

    fn describe(&self) -> String {
        let lines = self.engine.describe();
        let (first, layers) = lines.split_once('\n').unwrap_or((&lines, ""));
        format!("fixed ({first}; {})", layers.replace('\n', "; "))
    }
}
