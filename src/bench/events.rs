use std::f64::consts::PI;
use std::path::Path;

use crate::event::{BATCH_ROWS, Encoding, EventError, EventSchema, EventWriter, HardwareUnits, Quantity};

/// Mean of the transverse momenta and energies, GeV.
const MEAN_PT_GEV: f64 = 30.0;
/// Largest pseudorapidity.
const MAX_ETA: f64 = 2.4;
/// Most objects.
const MOST_OBJECTS: f64 = 10.0;

/// Writes `events` events of `encoding` for measurements of time: every input drawn by itself, momenta and energies from an
/// exponential, half of them nothing, angles evenly. No physics, but the range of values that physics has. The same seed gives
/// the same events. With `units` they are hardware integers.
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
    let quantities: Vec<Quantity> = encoding.meanings().iter().map(|meaning| meaning.quantity).collect();
    let mut random = SplitMix(seed);
    for first in (0..events).step_by(BATCH_ROWS) {
        let numbers: Vec<u64> = (first..events.min(first + BATCH_ROWS as u64)).collect();
        let row =
            |_: &u64| quantities.iter().map(|quantity| value(*quantity, &mut random)).collect::<Vec<_>>();
        let inputs: Vec<f32> = numbers.iter().flat_map(row).collect();
        let Some(units) = units else {
            writer.write_events(numbers.clone(), numbers, inputs, Vec::new())?;
            continue;
        };
        let mut counts = Vec::with_capacity(inputs.len());
        units.count(&inputs, &mut counts, &mut vec![0; quantities.len()]);
        writer.write_integers(numbers.clone(), numbers, counts, Vec::new())?;
    }
    writer.finish()?;
    Ok(())
}

fn value(quantity: Quantity, random: &mut SplitMix) -> f32 {
    let (even, is_there) = (random.unit(), random.unit() < 0.5);
    let value = match quantity {
        Quantity::Pt | Quantity::Energy if is_there => -MEAN_PT_GEV * (1.0 - even).ln(),
        Quantity::Pt | Quantity::Energy => 0.0,
        Quantity::Eta => MAX_ETA * (2.0 * even - 1.0),
        Quantity::Phi => PI * (2.0 * even - 1.0),
        Quantity::Count => (MOST_OBJECTS * even).floor(),
        Quantity::Presence | Quantity::Is(_) => f64::from(u8::from(is_there)),
    };
    value as f32
}

/// `SplitMix64` (Steele, Lea, Flood, OOPSLA 2014).
struct SplitMix(u64);

impl SplitMix {
    /// In [0, 1), 53 bits.
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
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
