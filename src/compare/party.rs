use trigsieve_fixed::{CheckedProgram, Engine, Format};

use super::{CompareError, Number};
use crate::event::{EventTable, Rows, Values};
use crate::model::{ModelBundle, Threshold};
use crate::score::{Scorer, ScorerFactory, ScorerSpec, score_table_with};

/// A bundle and what runs it.
pub struct Party {
    name: String,
    factory: ScorerFactory,
    scorer: Box<dyn Scorer>,
    /// The same program once more, for its raw scores: single precision would round them.
    exact: Option<Engine>,
    thresholds: Vec<Threshold>,
}

impl Party {
    /// The scorer of `spec` for `bundle`; `name` is for messages.
    ///
    /// # Errors
    /// [`CompareError::Score`] when it cannot be made.
    pub fn new(name: &str, bundle: &ModelBundle, spec: &ScorerSpec) -> Result<Self, CompareError> {
        let failed = |source| CompareError::Score { party: name.to_owned(), source: Box::new(source) };
        let factory = spec.load(bundle).map_err(failed)?;
        let scorer = factory.scorer().map_err(failed)?;
        let exact = factory.program().map(|program| Engine::new(program.program(), spec.simd)).transpose();
        let exact = exact.map_err(|error| failed(error.into()))?;
        let thresholds = bundle.card().thresholds.get(&spec.precision).cloned().unwrap_or_default();
        Ok(Self { name: name.to_owned(), factory, scorer, exact, thresholds })
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
            .map_err(|source| CompareError::Score { party: self.name.clone(), source: Box::new(source) })
    }

    /// The exact scores of `rows`, one an event; none where an input is not finite. Nothing at all for an engine that
    /// computes in floating point.
    ///
    /// # Panics
    /// When there are not K inputs an event, as [`Party::check_events`] finds out.
    pub fn numbers(&mut self, rows: Rows<'_>) -> Option<Vec<Option<Number>>> {
        let (program, engine) = self.factory.program().zip(self.exact.as_mut())?;
        let format = program.program().format(program.program().score_tensor());
        let mut raw = vec![0; rows.len()];
        match rows.values() {
            Values::I16(values) => engine.score_raw_i16(values, &mut raw),
            Values::F32(values) => engine.score_raw_f32(values, &mut raw),
        }
        let number = |raw: &i64| Some(Number::of_raw(value_of(*raw, format), format));
        let mut numbers: Vec<Option<Number>> = raw.iter().map(number).collect();
        if let Values::F32(values) = rows.values() {
            for (row, number) in values.chunks_exact(rows.k()).zip(&mut numbers) {
                *number = number.filter(|_| row.iter().all(|input| input.is_finite()));
            }
        }
        Some(numbers)
    }
}

/// The engine gives unsigned scores of 64 bits in two's complement.
fn value_of(raw: i64, format: Format) -> i128 {
    if format.signed { raw.into() } else { (raw as u64).into() }
}
