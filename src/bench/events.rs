use std::path::Path;

use crate::event::{
    BATCH_ROWS, Encoding, EventError, EventSchema, EventWriter, HardwareUnits, InputGenerator,
};

/// Writes `events` events of `encoding` for measurements of time, as [`InputGenerator`] draws them. The same seed gives the
/// same events. With `units` they are hardware integers.
///
/// # Errors
/// [`EventError`] when the file cannot be written.
pub fn generate_events(
    path: &Path,
    encoding: Encoding,
    units: Option<&HardwareUnits>,
    events: u64,
    seed: u64,
) -> Result<(), EventError> {
    let mut schema = EventSchema::of(encoding, Vec::new());
    if let Some(units) = units {
        schema = schema.in_hardware_units(units);
    }
    let mut writer = EventWriter::create(path, schema.to_arrow([]))?;
    let mut generator = InputGenerator::new(encoding, seed);
    for first in (0..events).step_by(BATCH_ROWS) {
        let numbers: Vec<u64> = (first..events.min(first + BATCH_ROWS as u64)).collect();
        let mut inputs = Vec::with_capacity(numbers.len() * encoding.k());
        numbers.iter().for_each(|_| generator.event(&mut inputs));
        let Some(units) = units else {
            writer.write_events(numbers.clone(), numbers, inputs, Vec::new())?;
            continue;
        };
        let mut counts = Vec::with_capacity(inputs.len());
        units.count(&inputs, &mut counts, &mut vec![0; encoding.k()]);
        writer.write_integers(numbers.clone(), numbers, counts, Vec::new())?;
    }
    writer.finish()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::generate_events;
    use crate::event::{Encoding, EventTable, HardwareUnits, Values};

    #[test]
    fn generated_events_are_a_table_and_repeat() {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str, units: Option<&HardwareUnits>, seed| {
            let path = folder.path().join(name);
            generate_events(&path, Encoding::L1x57, units, 70_000, seed).unwrap();
            EventTable::open(&path).unwrap()
        };
        let [one, same, other] = [("a", 1), ("b", 1), ("c", 2)].map(|(name, seed)| make(name, None, seed));
        assert_eq!(one.len(), 70_000);
        let floats = |table: &EventTable| match table.batches()[1].rows().values() {
            Values::F32(values) => values.to_vec(),
            Values::I16(_) => panic!("floats were asked for"),
        };
        assert_eq!(floats(&one), floats(&same));
        assert_ne!(floats(&one), floats(&other));
        assert!(floats(&one).iter().all(|value| value.is_finite()));
        let absent = floats(&one).iter().filter(|value| **value == 0.0).count() as f64;
        assert!((0.12..0.22).contains(&(absent / floats(&one).len() as f64)), "half of the momenta");
        let integers = make("d", Some(&HardwareUnits::cms(Encoding::L1x57)), 1);
        assert!(matches!(integers.batches()[0].rows().values(), Values::I16(_)));
    }
}
