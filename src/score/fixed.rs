use trigsieve_fixed::Interpreter;

use super::{ScoreError, Scorer, check_shape};
use crate::event::{Rows, Values};
use crate::model::FixedProgram;

/// Scores in the firmware's own arithmetic: integers in, integers throughout, and every bit as in the hardware.
pub struct FixedScorer {
    program: FixedProgram,
}

impl FixedScorer {
    /// A scorer of `program`.
    #[must_use]
    pub fn new(program: &FixedProgram) -> Self {
        Self { program: program.clone() }
    }
}

impl Scorer for FixedScorer {
    fn score(&mut self, rows: Rows<'_>, scores: &mut [f32]) -> Result<(), ScoreError> {
        let program = self.program.program();
        check_shape(rows, program.k(), scores)?;
        let mut interpreter = Interpreter::new(program);
        match rows.values() {
            Values::I16(values) => {
                for (row, score) in values.chunks_exact(rows.k()).zip(scores) {
                    let raw = interpreter.run_i16(row);
                    *score = interpreter.score_value(raw);
                }
            }
            Values::F32(values) => {
                for (row, score) in values.chunks_exact(rows.k()).zip(scores) {
                    let raw = interpreter.run_f32(row);
                    *score = interpreter.score_value(raw);
                }
            }
        }
        Ok(())
    }

    fn describe(&self) -> String {
        "fixed (interpreter)".to_owned()
    }
}
