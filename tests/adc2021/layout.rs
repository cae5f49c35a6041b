//! Sound files, and sound HDF5 of another layout.

use hdf5_pure::FileBuilder;
use trigsieve::convert::Work;
use trigsieve::event::{BATCH_ROWS, EventTable};
use trigsieve::model::sha256_hex;

use crate::fixture::{Fixture, Storage};
use crate::{Scratch, inputs};

#[test]
fn every_storage_gives_the_same_inputs() {
    let storages = [
        Storage::Contiguous,
        Storage::Chunked(16),
        Storage::Chunked(1000),
        Storage::Columns(64),
        Storage::BigEndian,
    ];
    for storage in storages {
        let fixture = Fixture::of(100, storage);
        let scratch = Scratch::new();
        let report = scratch.convert(&fixture.bytes()).unwrap();
        assert_eq!((report.len(), report[0].events, report[0].non_finite_events), (1, 100, 0));
        assert_eq!(inputs(&scratch.output()), fixture.expected(), "{storage:?}");
    }
}

#[test]
fn events_are_numbered_over_all_inputs() {
    let scratch = Scratch::new();
    let (first, second) =
        (Fixture::of(BATCH_ROWS - 10, Storage::Chunked(5000)), Fixture::of(25, Storage::Contiguous));
    let files = [scratch.input("a.h5", &first.bytes()), scratch.input("b.h5", &second.bytes())];
    let mut conversion = scratch.conversion(&files);
    (conversion.label, conversion.process) = (Some(1), Some("A_to_4l".to_owned()));
    let plan = conversion.plan().unwrap();
    let events = (BATCH_ROWS + 15) as u64;
    assert_eq!(plan.work(), Work::Events(events));
    let mut last = 0;
    plan.run(|done| {
        assert!(done > last, "progress goes back");
        last = done;
    })
    .unwrap();
    assert_eq!(last, events);

    let table = EventTable::open(&scratch.output()).unwrap();
    let lengths: Vec<_> = table.batches().iter().map(|batch| batch.len()).collect();
    assert_eq!(lengths, [BATCH_ROWS, 15], "batches run across the border of two inputs");
    let ids = table.batches().iter().flat_map(|batch| batch.event_ids());
    assert!(ids.copied().eq(0..events));
    let crossings = table.batches().iter().flat_map(|batch| batch.bunch_crossings());
    assert!(crossings.copied().eq(0..events));
    assert_eq!(inputs(&scratch.output()), [first.expected(), second.expected()].concat());
    assert_sources(&table, &files);
    let stats = trigsieve::event::TableStats::of(&table);
    assert_eq!((stats.labels[0].value.as_str(), stats.labels[0].events), ("1", events));
    assert_eq!((stats.processes[0].value.as_str(), stats.processes[0].events), ("A_to_4l", events));
}

fn assert_sources(table: &EventTable, files: &[std::path::PathBuf]) {
    let sources = &table.schema().sources;
    assert_eq!(sources.len(), files.len());
    for (source, file) in sources.iter().zip(files) {
        assert_eq!(source.file, file.file_name().unwrap().to_str().unwrap());
        assert_eq!(source.sha256, sha256_hex(&std::fs::read(file).unwrap()));
        assert!(source.converter.starts_with("trigsieve convert "));
    }
}

#[test]
fn met_has_no_eta() {
    let mut fixture = Fixture::of(10, Storage::Contiguous);
    *fixture.value(4, 0, 1) = 1.5;
    let scratch = Scratch::new();
    scratch.convert(&fixture.bytes()).unwrap();
    assert_eq!(inputs(&scratch.output())[4 * 57 + 1], 0.0);
}

#[test]
fn non_finite_values_are_kept_and_counted() {
    let mut fixture = Fixture::of(50, Storage::Chunked(7));
    *fixture.value(20, 3, 0) = f32::NAN;
    *fixture.value(31, 9, 2) = f32::INFINITY;
    *fixture.value(31, 9, 1) = f32::NEG_INFINITY;
    // The eta of MET is not an input.
    *fixture.value(5, 0, 1) = f32::NAN;
    let scratch = Scratch::new();
    let report = scratch.convert(&fixture.bytes()).unwrap();
    assert_eq!((report[0].non_finite_events, report[0].first_non_finite), (2, Some(20)));
    let (found, expected) = (inputs(&scratch.output()), fixture.expected());
    assert!(found.iter().zip(&expected).all(|(a, b)| a.to_bits() == b.to_bits()));
}

#[test]
fn a_file_without_events_makes_an_empty_table() {
    let scratch = Scratch::new();
    let report = scratch.convert(&Fixture::of(0, Storage::Contiguous).bytes()).unwrap();
    assert_eq!(report[0].events, 0);
    assert!(EventTable::open(&scratch.output()).unwrap().is_empty());
}

#[test]
fn class_codes_stand_in_for_missing_names() {
    let mut fixture = Fixture::of(10, Storage::Contiguous);
    (fixture.names, fixture.classes) = (None, None);
    let scratch = Scratch::new();
    scratch.convert(&fixture.bytes()).unwrap();
    assert_eq!(inputs(&scratch.output()), fixture.expected());
}

#[test]
fn nothing_that_tells_the_columns_is_refused() {
    let mut fixture = Fixture::of(10, Storage::Contiguous);
    fixture.names = None;
    fixture.particles.chunks_exact_mut(4).for_each(|row| row[3] = 0.0);
    let error = Scratch::new().refusal(&fixture.bytes());
    assert!(error.contains("order of the columns"), "{error}");
}

#[test]
fn other_columns_are_refused() {
    let mut fixture = Fixture::of(10, Storage::Contiguous);
    fixture.names = Some(vec!["Eta", "Pt", "Phi", "Class"]);
    let error = Scratch::new().refusal(&fixture.bytes());
    assert!(error.contains("Pt, Eta, Phi, Class") && error.contains("Eta, Pt, Phi, Class"), "{error}");
    fixture.names = Some(vec!["Pt", "Eta", "Phi"]);
    assert!(Scratch::new().refusal(&fixture.bytes()).contains("found Pt, Eta, Phi"));
}

#[test]
fn other_objects_are_refused() {
    let mut fixture = Fixture::of(10, Storage::Contiguous);
    fixture.classes = Some(vec!["MET_class_1", "Four_Mu_class_3", "Four_Ele_class_2", "Ten_Jet_class_4"]);
    let error = Scratch::new().refusal(&fixture.bytes());
    assert!(error.contains("Particles_Classes") && error.contains("met, ele, mu, jet"), "{error}");
}

#[test]
fn an_object_in_the_wrong_place_is_refused() {
    for code in [3.0, 1.5, f32::NAN] {
        let mut fixture = Fixture::of(40, Storage::Chunked(8));
        *fixture.value(33, 1, 3) = code;
        let error = Scratch::new().refusal(&fixture.bytes());
        assert!(error.contains("Particles[33, 1, 3]") && error.contains("expected 2 or 0"), "{error}");
    }
}

#[test]
fn another_data_set_is_refused() {
    let refusal = |build: &dyn Fn(&mut FileBuilder)| {
        let mut file = FileBuilder::new();
        build(&mut file);
        Scratch::new().refusal(&file.finish().unwrap())
    };
    let missing = refusal(&|file| {
        file.create_dataset("features").with_f32_data(&[1.0]).with_shape(&[1]);
    });
    assert!(missing.contains("`Particles`") && missing.contains("`features`"), "{missing}");
    let integers = refusal(&|file| {
        file.create_dataset("Particles").with_i32_data(&[1; 76]).with_shape(&[1, 19, 4]);
    });
    assert!(integers.contains("f32 or f64") && integers.contains("i32"), "{integers}");
    for shape in [&[76][..], &[1, 76], &[1, 4, 19], &[1, 19, 4, 1]] {
        let other = refusal(&|file| {
            file.create_dataset("Particles").with_f32_data(&[1.0; 76]).with_shape(shape);
        });
        assert!(other.contains("[N, 19, 4]") && other.contains(&format!("{shape:?}")), "{other}");
    }
}

#[test]
fn one_bad_input_leaves_no_output() {
    let scratch = Scratch::new();
    let good = scratch.input("good.h5", &Fixture::of(10, Storage::Contiguous).bytes());
    let bad = scratch.input("bad.h5", b"\x89HDF\r\n\x1a\n and nothing more");
    let error = scratch.conversion(&[good, bad]).plan().err().unwrap().to_string();
    assert!(error.contains("bad.h5"), "{error}");
    assert!(!scratch.output().exists());
}

#[test]
fn an_existing_output_is_replaced_only_by_force() {
    let scratch = Scratch::new();
    let fixture = Fixture::of(10, Storage::Contiguous);
    let input = scratch.input("a.h5", &fixture.bytes());
    std::fs::write(scratch.output(), "precious").unwrap();
    let error = scratch.conversion(std::slice::from_ref(&input)).plan().err().unwrap().to_string();
    assert!(error.contains("--force"), "{error}");
    assert_eq!(std::fs::read(scratch.output()).unwrap(), b"precious");

    let mut conversion = scratch.conversion(std::slice::from_ref(&input));
    conversion.force = true;
    conversion.plan().unwrap().run(|_| ()).unwrap();
    assert_eq!(inputs(&scratch.output()), fixture.expected());

    let mut onto_itself = scratch.conversion(std::slice::from_ref(&input));
    (onto_itself.force, onto_itself.output) = (true, input);
    assert!(onto_itself.plan().err().unwrap().to_string().contains("is an input"));
}
