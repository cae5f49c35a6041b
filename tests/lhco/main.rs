//! Conversion of the LHC Olympics' layouts.

mod fixture;

use std::path::PathBuf;

use arrow_array::{Array, UInt8Array};
use fixture::{Fixture, label};
use tempfile::TempDir;
use trigsieve::convert::{
    Conversion, ConvertError, Converted, EncodingChoice, LineOptions, SourceLayout, UnitsChoice, Work,
};
use trigsieve::event::{EventTable, Values};

/// A folder for the inputs and the output of a test.
struct Scratch(TempDir);

impl Scratch {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn input(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn output(&self) -> PathBuf {
        self.0.path().join("events.arrow")
    }

    /// Files of particles or features, as their width says, to their default encoding.
    fn conversion(&self, files: &[&Fixture]) -> Conversion {
        let layout = if files[0].width > 15 { SourceLayout::Lhco } else { SourceLayout::LhcoFeatures };
        let inputs = (0..).zip(files);
        Conversion {
            inputs: inputs.map(|(at, file)| self.input(&format!("{at}.h5"), &file.bytes())).collect(),
            layout,
            lines: LineOptions::default(),
            output: self.output(),
            encoding: layout.default_encoding(),
            units: UnitsChoice::Physical,
            label: None,
            process: None,
            force: true,
        }
    }

    fn refusal(&self, file: &Fixture) -> String {
        let error = convert(self.conversion(&[file])).unwrap_err().to_string();
        assert!(error.contains("0.h5"), "{error}");
        assert!(!self.output().exists(), "a refused file left an output");
        error
    }
}

fn convert(conversion: Conversion) -> Result<Converted, ConvertError> {
    conversion.plan()?.run(|_| ())
}

fn exact(name: &str) -> EncodingChoice {
    EncodingChoice::Exact(name.parse().unwrap())
}

/// Inputs of all events, and their labels if there are any.
fn read(scratch: &Scratch) -> (Vec<f32>, Option<Vec<u8>>) {
    let table = EventTable::open(&scratch.output()).unwrap();
    let (mut inputs, mut labels) = (Vec::new(), None);
    for batch in table.batches() {
        let Values::F32(values) = batch.rows().values() else { panic!("the inputs are i16") };
        inputs.extend_from_slice(values);
        if let Some(column) = batch.record_batch().column_by_name("label") {
            let column = column.as_any().downcast_ref::<UInt8Array>().unwrap();
            assert_eq!(column.null_count(), 0);
            labels.get_or_insert_with(Vec::new).extend_from_slice(column.values());
        }
    }
    (inputs, labels)
}

#[test]
fn both_storages_give_the_events_as_they_are() {
    for make in [Fixture::features, Fixture::particles] {
        for pandas in [false, true] {
            let scratch = Scratch::new();
            let file = Fixture { pandas, ..make(7) };
            let plan = scratch.conversion(&[&file]).plan().unwrap();
            let mut done = 0;
            let work = plan.work();
            let converted = plan.run(|events| done = events).unwrap();
            assert_eq!(work, Work::Events(done));
            assert_eq!((converted.inputs[0].events, converted.inputs[0].crowded_events), (7, 0));
            let (inputs, labels) = read(&scratch);
            let width = file.width - 1;
            assert_eq!(inputs.len(), 7 * width);
            for (number, event) in inputs.chunks_exact(width).enumerate() {
                assert_eq!(event, &file.event(number)[..width], "event {number}");
            }
            assert_eq!(labels, Some((0..7).map(|number| label(number) as u8).collect()));
        }
    }
}

#[test]
fn only_events_of_the_label_that_is_asked_for_are_converted() {
    let scratch = Scratch::new();
    let files = [Fixture::features(7), Fixture::features(4)];
    for (wanted, events, others) in [(0, [5, 3], [2, 1]), (1, [2, 1], [5, 3])] {
        let asked = scratch.conversion(&[&files[0], &files[1]]);
        let plan = Conversion { label: Some(wanted), ..asked }.plan().unwrap();
        let mut done = 0;
        let work = plan.work();
        let converted = plan.run(|events| done = events).unwrap();
        assert_eq!(work, Work::Events(done));
        let found: Vec<_> = converted.inputs.iter().map(|file| (file.events, file.other_label)).collect();
        assert_eq!(found, events.into_iter().zip(others).collect::<Vec<_>>());
        let (inputs, labels) = read(&scratch);
        let expected: Vec<f32> = files
            .iter()
            .flat_map(|file| file.values.chunks_exact(file.width))
            .filter(|event| event[14] == f32::from(wanted))
            .flat_map(|event| event[..14].to_vec())
            .collect();
        assert_eq!(inputs, expected);
        assert_eq!(labels, Some(vec![wanted; events.iter().sum::<u64>() as usize]));
        let table = EventTable::open(&scratch.output()).unwrap();
        let taken: Vec<_> = table.schema().sources.iter().map(|source| source.events).collect();
        assert_eq!(taken, events, "what the table says of its sources");
    }
}

#[test]
fn files_without_the_truth_have_the_label_that_is_given() {
    let scratch = Scratch::new();
    let file = Fixture::particles(3).without_truth();
    convert(scratch.conversion(&[&file])).unwrap();
    assert_eq!(read(&scratch).1, None);
    convert(Conversion { label: Some(1), ..scratch.conversion(&[&file]) }).unwrap();
    assert_eq!(read(&scratch).1, Some(vec![1; 3]));
    let with = Fixture::particles(3);
    let error = convert(scratch.conversion(&[&with, &file])).unwrap_err().to_string();
    assert!(error.contains("1.h5") && error.contains("--label"), "{error}");
    let both = convert(Conversion { label: Some(0), ..scratch.conversion(&[&with, &file]) }).unwrap();
    assert_eq!((both.inputs[0].events, both.inputs[0].other_label, both.inputs[1].events), (2, 1, 3));
}

#[test]
fn masses_and_ratios_of_the_lighter_jet_come_first() {
    let scratch = Scratch::new();
    let mut file = Fixture::features(3);
    let jets = [[1e3, 0.0, 5.0, 500.0, 40.0, 10.0, 4.0], [-1e3, 0.0, 9.0, 80.0, 20.0, 15.0, 1.0]];
    file.values[..14].copy_from_slice(jets.as_flattened());
    file.values[15..29].copy_from_slice([jets[1], jets[0]].as_flattened());
    file.values[30..44].copy_from_slice([jets[0], [1.0; 7]].as_flattened());
    (*file.value(2, 11), *file.value(2, 12)) = (0.0, 0.0);
    let conversion = Conversion { encoding: exact("dijet_4"), ..scratch.conversion(&[&file]) };
    convert(conversion).unwrap();
    let (inputs, _) = read(&scratch);
    assert_eq!(inputs[..4], [80.0, 420.0, 0.75, 0.25]);
    assert_eq!(inputs[4..8], inputs[..4], "the order of the jets does not matter");
    assert_eq!(inputs[8..], [1.0, 499.0, 0.0, 0.25], "a jet without substructure");
}

#[test]
fn leading_particles_have_places() {
    let scratch = Scratch::new();
    let mut file = Fixture::particles(3);
    // Event 2 has five particles: its first is absent, its third leads.
    (*file.value(2, 0), *file.value(2, 6)) = (0.0, 900.0);
    let conversion = Conversion { encoding: exact("particles[objects=4]"), ..scratch.conversion(&[&file]) };
    let converted = convert(conversion).unwrap();
    assert_eq!(converted.inputs[0].crowded_events, 0);
    let (inputs, _) = read(&scratch);
    let event = file.event(2);
    let expected = [&event[6..9], &event[3..6], &event[9..12], &event[12..15]].concat();
    assert_eq!(inputs[24..], expected);
    let conversion = Conversion { encoding: exact("particles[objects=3]"), ..scratch.conversion(&[&file]) };
    assert_eq!(convert(conversion).unwrap().inputs[0].crowded_events, 2);
    let (inputs, _) = read(&scratch);
    assert_eq!(inputs[18..], expected[..9]);
}

#[test]
fn hardware_integers_count_gev_and_ratios() {
    let scratch = Scratch::new();
    let file = Fixture::features(2);
    let conversion =
        Conversion { encoding: exact("dijet_4"), units: UnitsChoice::Cms, ..scratch.conversion(&[&file]) };
    convert(conversion).unwrap();
    let table = EventTable::open(&scratch.output()).unwrap();
    let units: Vec<_> = table.schema().features.iter().map(|feature| feature.unit.as_str()).collect();
    assert_eq!(units, ["0.5 GeV", "0.5 GeV", "0.0009765625", "0.0009765625"]);
    let Values::I16(values) = table.batches()[0].rows().values() else { panic!("the inputs are f32") };
    let event = file.event(0);
    let (light, heavy) = (event[10].min(event[3]), event[10].max(event[3]));
    assert_eq!(values[..2], [(light * 2.0) as i16, ((heavy - light) * 2.0) as i16]);
}

#[test]
fn files_that_are_something_else_are_refused() {
    let scratch = Scratch::new();
    let mut file = Fixture::features(2);
    file.names = None;
    assert!(scratch.refusal(&file).contains("`columns`"));
    let mut file = Fixture { pandas: true, ..Fixture::features(2) };
    file.names.as_mut().unwrap().swap(0, 7);
    assert!(scratch.refusal(&file).contains("found pxj2"));
    let other = Fixture { pandas: true, other_type: true, ..Fixture::features(2).without_truth() };
    assert!(scratch.refusal(&other).contains("astype"), "the label would be lost");
    let mut file = Fixture::particles(2);
    *file.value(1, 2100) = 2.0;
    let error = scratch.refusal(&file);
    assert!(error.contains("events[1, 2100]") && error.contains("found 2"), "{error}");
    *file.value(1, 2100) = f32::NAN;
    assert!(scratch.refusal(&file).contains("found NaN"));
    file.width = 2101 * 2;
    assert!(scratch.refusal(&file).contains("[N, 2100] or [N, 2101]"));
    let particles = Fixture::particles(2).bytes();
    let input = scratch.input("0.h5", &particles);
    let features = Fixture::features(2);
    let conversion = Conversion { inputs: vec![input], ..scratch.conversion(&[&features]) };
    std::fs::write(&conversion.inputs[0], &particles).unwrap();
    let error = convert(conversion).unwrap_err().to_string();
    assert!(
        error.contains("expected `features`, or one frame that pandas wrote")
            && error.contains("found `events`"),
        "{error}"
    );
    let other = Conversion { encoding: exact("l1_57"), ..scratch.conversion(&[&features]) };
    let error = convert(other).unwrap_err().to_string();
    assert_eq!(error, "the encoding `l1_57` cannot be made of lhco-features events");
}

#[test]
fn values_that_are_no_numbers_are_kept_and_counted() {
    let scratch = Scratch::new();
    let mut file = Fixture::features(4);
    *file.value(2, 3) = f32::NAN;
    for encoding in ["dijet_14", "dijet_4"] {
        let conversion = Conversion { encoding: exact(encoding), ..scratch.conversion(&[&file]) };
        let converted = convert(conversion).unwrap();
        assert_eq!(converted.inputs[0].first_non_finite, Some(2), "{encoding}");
        assert_eq!(converted.inputs[0].non_finite_events, 1);
    }
    let mut file = Fixture::particles(4);
    *file.value(1, 3) = f32::NAN;
    let conversion = Conversion { encoding: exact("particles[objects=1]"), ..scratch.conversion(&[&file]) };
    assert_eq!(convert(conversion).unwrap().inputs[0].non_finite_events, 1, "it is not sorted away");
}
