//! Conversion into hardware integers.

use trigsieve::convert::{ConvertError, UnitsChoice};
use trigsieve::event::{ElementType, Encoding, EventTable, HardwareUnits, Values};

use crate::Scratch;
use crate::fixture::{Fixture, Storage};

#[test]
fn inputs_are_counted_in_the_global_triggers_units() {
    let mut fixture = Fixture::of(300, Storage::Chunked(70));
    // Beyond 0.5 GeV times 32767, twice, and a negative eta.
    (*fixture.value(3, 0, 0), *fixture.value(250, 10, 0)) = (20_000.0, 16_384.0);
    *fixture.value(7, 9, 1) = -1.0;
    let scratch = Scratch::new();
    let input = scratch.input("source.h5", &fixture.bytes());
    let mut conversion = scratch.conversion(&[input]);
    conversion.units = UnitsChoice::Cms;
    let converted = conversion.plan().unwrap().run(|_| ()).unwrap();
    let touched: Vec<_> = converted.saturated.iter().enumerate().filter(|(_, count)| **count > 0).collect();
    assert_eq!(touched, [(0, &1), (30, &1)]);

    let table = EventTable::open(&scratch.output()).unwrap();
    assert_eq!((table.schema().element, table.is_zero_copy()), (ElementType::I16, true));
    let steps = HardwareUnits::cms(Encoding::L1x57).steps();
    let count =
        |(value, step): (&f32, &f64)| (f64::from(*value) / step).round_ties_even().min(32_767.0) as i16;
    let expected: Vec<i16> = fixture
        .expected()
        .chunks(57)
        .flat_map(|row| row.iter().zip(&steps).map(count).collect::<Vec<_>>())
        .collect();
    let found = table.batches().iter().flat_map(|batch| match batch.rows().values() {
        Values::I16(values) => values.to_vec(),
        Values::F32(_) => panic!("the inputs are f32"),
    });
    assert_eq!(found.collect::<Vec<_>>(), expected);
    assert!(table.expect_steps("the model", &steps).is_ok());
    let error = table.expect_steps("the model", &vec![0.5; 57]).unwrap_err().to_string();
    assert!(error.contains("`0.0435` for `met_eta`") && error.contains("steps of 0.5"), "{error}");
}

#[test]
fn integers_cannot_mark_an_event_as_invalid() {
    let mut fixture = Fixture::of(50, Storage::Contiguous);
    *fixture.value(20, 3, 0) = f32::NAN;
    let scratch = Scratch::new();
    let input = scratch.input("source.h5", &fixture.bytes());
    let mut conversion = scratch.conversion(&[input]);
    conversion.units = UnitsChoice::Cms;
    let error = conversion.plan().unwrap().run(|_| ()).unwrap_err();
    assert!(matches!(error, ConvertError::NotFinite { row: 20, .. }), "{error}");
    assert!(!scratch.output().exists());
}

#[test]
fn a_bad_file_of_units_is_refused_before_anything_is_read() {
    let scratch = Scratch::new();
    let input = scratch.input("source.h5", &Fixture::of(5, Storage::Contiguous).bytes());
    for (text, word) in
        [("[[unit]]\nfeatures = \"met_*\"\nstep = 1\n", "`egamma0_pt`"), ("step = 1\n", "step")]
    {
        let units = scratch.input("units.toml", text.as_bytes());
        let mut conversion = scratch.conversion(std::slice::from_ref(&input));
        conversion.units = UnitsChoice::File(units);
        let error = conversion.plan().err().unwrap().to_string();
        assert!(error.contains(word) && error.contains("units.toml"), "{error}");
    }
}
