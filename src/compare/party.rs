use trigsieve_fixed::{CheckedProgram, Interpreter};

use super::{CompareError, Number};
use crate::event::{EventTable, Rows, Values};
use crate::model::{ModelBundle, Threshold};
use crate::score::{Scorer, ScorerFactory, ScorerSpec, score_table_with};

/// Widest score that single precision holds exactly, so that the engine's own scores can be compared.
const EXACT_BITS: u32 = f32::MANTISSA_DIGITS;

/// A bundle and what runs it.
pub struct Party {
    name: String,
    factory: ScorerFactory,
    scorer: Box<dyn Scorer>,
    thresholds: Vec<Threshold>,
}

impl Party {
    /// The scorer of `spec` for `bundle`; `name` is for messages.
    ///
    /// # Errors
    /// [`CompareError::Score`] when it cannot be made.
    pub fn new(name: &str, bundle: &ModelBundle, spec: &ScorerSpec) -> Result<Self, CompareError> {
        let failed = |source| CompareError::Score { party: name.to_owned(), source };
        let factory = spec.load(bundle).map_err(failed)?;
        let scorer = factory.scorer().map_err(failed)?;
        let thresholds = bundle.card().thresholds.get(&spec.precision).cloned().unwrap_or_default();
        Ok(Self { name: name.to_owned(), factory, scorer, thresholds })
    }

    /// What the user called it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Engine, version and device.
    #[must_use]
    pub fn describe(&self) -> String {
        self.scorer.describe()
    }

    /// SHA-256 of the graph or program.
    #[must_use]
    pub fn sha256(&self) -> &str {
        self.factory.sha256()
    }

    /// The fixed-point program, if that is what runs.
    #[must_use]
    pub fn program(&self) -> Option<&CheckedProgram> {
        self.factory.program().map(|program| program.program())
    }

    /// Thresholds of the card for what runs, by background efficiency.
    #[must_use]
    pub fn thresholds(&self) -> &[Threshold] {
        &self.thresholds
    }

    /// Checks that the events of `table` are what it takes.
    ///
    /// # Errors
    /// [`CompareError::Events`], with both sides.
    pub fn check_events(&self, table: &EventTable) -> Result<(), CompareError> {
        Ok(self.factory.check_events(table)?)
    }

    /// Checks that the two make the same integers of physical values.
    ///
    /// # Errors
    /// [`CompareError::Units`], with the first input where they do not.
    pub fn check_units(&self, other: &Self) -> Result<(), CompareError> {
        let units = |party: &Self| party.program().map(|program| program.input.units.clone());
        let (Some(a), Some(b)) = (units(self), units(other)) else { return Ok(()) };
        let step = |units: &Option<Vec<f64>>, input: usize| units.as_ref().map(|units| units[input]);
        let differs = |input: &usize| step(&a, *input) != step(&b, *input);
        let text = |step: Option<f64>| step.map_or("none at all".to_owned(), |step| step.to_string());
        match (0..self.factory.k().min(other.factory.k())).find(differs) {
            None => Ok(()),
            Some(input) => Err(CompareError::Units {
                a: self.name.clone(),
                b: other.name.clone(),
                input,
                a_step: text(step(&a, input)),
                b_step: text(step(&b, input)),
            }),
        }
    }

    /// Scores every event of `table`; NaN where an input is not finite.
    ///
    /// # Errors
    /// [`CompareError::Score`].
    pub fn score(
        &mut self,
        table: &EventTable,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Vec<f32>, CompareError> {
        score_table_with(table, self.scorer.as_mut(), progress)
            .map_err(|source| CompareError::Score { party: self.name.clone(), source })
    }

    /// The exact scores of `rows`, one an event; none where an input is not finite. Nothing at all for an engine that
    /// computes in floating point.
    ///
    /// # Errors
    /// [`CompareError::Score`].
    pub fn numbers(&mut self, rows: Rows<'_>) -> Result<Option<Vec<Option<Number>>>, CompareError> {
        let Some(program) = self.factory.program() else { return Ok(None) };
        let program = program.program();
        let mut numbers = if program.format(program.score_tensor()).width <= EXACT_BITS {
            let mut scores = vec![0.0; rows.len()];
            self.scorer
                .score(rows, &mut scores)
                .map_err(|source| CompareError::Score { party: self.name.clone(), source })?;
            scores.into_iter().map(|score| Number::of_f64(score.into())).collect()
        } else {
            specification(program, rows)
        };
        if let Values::F32(values) = rows.values() {
            for (row, number) in values.chunks_exact(rows.k()).zip(&mut numbers) {
                *number = number.filter(|_| row.iter().all(|input| input.is_finite()));
            }
        }
        Ok(Some(numbers))
    }
}

/// The raw scores of a program whose score single precision does not hold.
fn specification(program: &CheckedProgram, rows: Rows<'_>) -> Vec<Option<Number>> {
    let mut interpreter = Interpreter::new(program);
    let number = |raw| Some(Number::of_raw(raw, program.format(program.score_tensor())));
    match rows.values() {
        Values::I16(values) => {
            values.chunks_exact(rows.k()).map(|row| number(interpreter.run_i16(row))).collect()
        }
        Values::F32(values) => {
            values.chunks_exact(rows.k()).map(|row| number(interpreter.run_f32(row))).collect()
        }
    }
}
