use std::collections::BTreeSet;

use super::{ScoreError, Scorer};
use crate::event::{ElementType, Encoding, EventTable, InputGenerator, Rows, SplitMix, Values};

/// Events of a self-test.
pub const SELF_TEST_EVENTS: usize = 1024;

/// With fewer different events than these, equal scores say nothing.
const FEWEST: usize = 16;

/// Seed of generated events: every start tries a model on the same ones.
const SEED: u64 = 1;
/// Exponents of two of the inputs of an unknown encoding: from 1/64 to 32, which no exponential overflows, nor its square.
const UNKNOWN_EXPONENTS: [f64; 2] = [-6.0, 5.0];
/// Bits of the magnitude of a hardware integer.
const INTEGER_EXPONENT: f64 = 15.0;

/// Events that a model is tried on before it decides on any, [`SELF_TEST_EVENTS`] at most.
#[derive(Clone, Debug)]
pub struct TrialEvents {
    values: OwnedValues,
    k: usize,
    /// Where they come from, for messages.
    origin: String,
}

#[derive(Clone, Debug)]
enum OwnedValues {
    F32(Vec<f32>),
    I16(Vec<i16>),
}

impl TrialEvents {
    /// The first events of `table`, copied; none of an empty one.
    #[must_use]
    pub fn of_table(table: &EventTable) -> Option<Self> {
        let batch = table.batches().iter().find(|batch| !batch.is_empty())?;
        let rows = batch.rows().slice(0, batch.len().min(SELF_TEST_EVENTS));
        let values = match rows.values() {
            Values::F32(values) => OwnedValues::F32(values.to_vec()),
            Values::I16(values) => OwnedValues::I16(values.to_vec()),
        };
        Some(Self { values, k: rows.k(), origin: table.path().display().to_string() })
    }

    /// Events made for the encoding of this name and `k` inputs, in physical units. Where this build does not know the
    /// encoding, positive numbers of any magnitude; with `has_integers`, hardware integers of any.
    #[must_use]
    pub fn generated(encoding: &str, k: usize, has_integers: bool) -> Self {
        let known = encoding.parse::<Encoding>().ok().filter(|known| known.k() == k);
        let mut random = SplitMix(SEED);
        let (values, what) = if let Some(known) = known {
            let (mut generator, mut inputs) = (InputGenerator::new(known, SEED), Vec::new());
            (0..SELF_TEST_EVENTS).for_each(|_| generator.event(&mut inputs));
            (OwnedValues::F32(inputs), "generated events")
        } else if has_integers {
            let mut integer = || (random.unit() * INTEGER_EXPONENT).exp2() * (random.unit() - 0.5).signum();
            let integers = (0..SELF_TEST_EVENTS * k).map(|_| integer() as i16);
            (OwnedValues::I16(integers.collect()), "generated integers")
        } else {
            let [low, high] = UNKNOWN_EXPONENTS;
            let numbers =
                (0..SELF_TEST_EVENTS * k).map(|_| (low + (high - low) * random.unit()).exp2() as f32);
            (OwnedValues::F32(numbers.collect()), "generated numbers")
        };
        Self { values, k, origin: format!("{what} of {encoding}") }
    }

    /// The events.
    #[must_use]
    pub fn rows(&self) -> Rows<'_> {
        let values = match &self.values {
            OwnedValues::F32(values) => Values::F32(values),
            OwnedValues::I16(values) => Values::I16(values),
        };
        Rows::new(values, self.k)
    }

    /// Element type of the inputs.
    #[must_use]
    pub fn element_type(&self) -> ElementType {
        self.rows().element_type()
    }
}

/// Scores `events` and refuses a model that says nothing about them: one whose scores are all the same although the events
/// are not, or one that gives an event with finite inputs a score that is not finite.
///
/// # Errors
/// [`ScoreError::Degenerate`], and what scoring itself fails with.
pub fn self_test(scorer: &mut dyn Scorer, model: &str, events: &TrialEvents) -> Result<(), ScoreError> {
    let rows = events.rows();
    let mut scores = vec![0.0; rows.len()];
    scorer.score(rows, &mut scores)?;
    let degenerate = |reason: String| {
        let origin = &events.origin;
        Err(ScoreError::Degenerate { model: model.to_owned(), reason: format!("{reason} of {origin}") })
    };
    let usable: Vec<usize> = (0..rows.len()).filter(|&event| is_finite(rows, event)).collect();
    if let Some(event) = usable.iter().find(|&&event| !scores[event].is_finite()) {
        return degenerate(format!("the score of event {event} is {}, with finite inputs,", scores[*event]));
    }
    let different: BTreeSet<Vec<u8>> = usable.iter().take(64).map(|&event| bytes(rows, event)).collect();
    let first = usable.first().map(|&event| scores[event]);
    if different.len() >= FEWEST && usable.iter().all(|&event| Some(scores[event]) == first) {
        return degenerate(format!(
            "the score is {} for each of the first {} events",
            scores[usable[0]],
            usable.len()
        ));
    }
    Ok(())
}

fn is_finite(rows: Rows<'_>, event: usize) -> bool {
    match rows.slice(event, 1).values() {
        Values::F32(values) => values.iter().all(|value| value.is_finite()),
        Values::I16(_) => true,
    }
}

fn bytes(rows: Rows<'_>, event: usize) -> Vec<u8> {
    match rows.slice(event, 1).values() {
        Values::F32(values) => values.iter().flat_map(|value| value.to_ne_bytes()).collect(),
        Values::I16(values) => values.iter().flat_map(|value| value.to_ne_bytes()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::{SELF_TEST_EVENTS, TrialEvents};
    use crate::event::{ElementType, Rows, Values};

    #[test]
    fn generated_events_differ_and_are_of_every_magnitude() {
        for (encoding, k, has_integers) in [("l1_57", 57, true), ("other_9", 9, false), ("other_9", 9, true)]
        {
            let events = TrialEvents::generated(encoding, k, has_integers);
            let rows: Rows<'_> = events.rows();
            assert_eq!((rows.len(), rows.k()), (SELF_TEST_EVENTS, k));
            let magnitudes: Vec<f32> = match rows.values() {
                Values::F32(values) => values.iter().map(|value| value.abs()).collect(),
                Values::I16(values) => values.iter().map(|value| f32::from(value.unsigned_abs())).collect(),
            };
            assert!(magnitudes.iter().all(|value| value.is_finite()));
            let large = if has_integers && encoding != "l1_57" { 16_000.0 } else { 25.0 };
            assert!(magnitudes.iter().any(|value| *value > large));
            assert!(magnitudes.iter().any(|value| *value < 2.0));
            let again = TrialEvents::generated(encoding, k, has_integers);
            assert_eq!(format!("{:?}", again.rows()), format!("{rows:?}"));
        }
        // A known encoding is in physical units, whatever the engine also takes.
        assert_eq!(TrialEvents::generated("l1_57", 57, true).element_type(), ElementType::F32);
    }
}
