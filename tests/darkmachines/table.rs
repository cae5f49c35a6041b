use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int32Type, UInt8Type, UInt64Type};
use trigsieve::convert::{Selection, Work};
use trigsieve::event::TableStats;
use trigsieve::model::sha256_hex;

use crate::{EncodingChoice, Scratch, exact, rows};

const BACKGROUND: &str = "7; ttbar; 0.5; 60000; 1.5; j,50000,40000,1,-1; m-,30000,20000,0.5,0.25; e+,30000,16000,0,1\n\
                          3; ww; 2; 10000; -2; g,22000,21000,0.125,0\n\
                          9; ttbar; 0.5; 70000; 0; b,90000,80000,0,1; b,60000,50000,0,2; j,30000,25000,0,3\n";
const SIGNAL: &str =
    "0; chargino; 1; 80000; 1; j,50000,40000,1,-1; j,50000,30000,1,-1; m-,30000,20000,0.5,0.25\n";

fn floats(batch: &RecordBatch, column: &str) -> Vec<f32> {
    batch.column_by_name(column).unwrap().as_primitive::<Float32Type>().values().to_vec()
}

#[test]
fn a_table_has_the_columns_of_the_lines() {
    let scratch = Scratch::new();
    let converted = scratch.convert(BACKGROUND, "simple_ae_34").unwrap();
    let table = scratch.table();
    assert!(table.is_zero_copy());
    assert_eq!((table.len(), converted.inputs[0].events), (3, 3));
    assert_eq!((table.schema().encoding.as_str(), table.schema().k), ("simple_ae_34", 34));
    let source = &table.schema().sources[0];
    assert_eq!((source.file.as_str(), source.events), ("source.csv", 3));
    assert_eq!(source.sha256, sha256_hex(BACKGROUND.as_bytes()));

    let [batch] = table.batches() else { panic!("one batch") };
    assert_eq!((batch.event_ids(), batch.bunch_crossings()), (&[0, 1, 2][..], &[0, 1, 2][..]));
    let batch = batch.record_batch();
    let names: Vec<_> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names[3..], ["process", "weight", "met", "met_phi", "objects", "source_event_id"]);
    assert_eq!(floats(batch, "weight"), [0.5, 2.0, 0.5]);
    assert_eq!(
        (floats(batch, "met"), floats(batch, "met_phi")),
        (vec![60.0, 10.0, 70.0], vec![1.5, -2.0, 0.0])
    );
    let ids = batch.column_by_name("source_event_id").unwrap().as_primitive::<UInt64Type>();
    assert_eq!(ids.values(), &[7, 3, 9]);
    let process = batch.column_by_name("process").unwrap().as_dictionary::<Int32Type>();
    let process = process.downcast_dict::<arrow_array::StringArray>().unwrap();
    assert_eq!(process.into_iter().map(Option::unwrap).collect::<Vec<_>>(), ["ttbar", "ww", "ttbar"]);
    assert!(batch.column_by_name("label").is_none());
}

#[test]
fn objects_are_kept_in_gev_and_in_file_order() {
    let scratch = Scratch::new();
    scratch.convert(BACKGROUND, "simple_ae_34").unwrap();
    let table = scratch.table();
    let objects = table.batches()[0].record_batch().column_by_name("objects").unwrap().as_list::<i32>();
    assert_eq!(objects.value_offsets(), [0, 3, 4, 7]);
    let of = |name| objects.values().as_struct().column_by_name(name).unwrap();
    assert_eq!(of("kind").as_primitive::<UInt8Type>().values(), &[0, 4, 3, 6, 1, 1, 0]);
    for (name, expected) in [
        ("pt", [40.0, 20.0, 16.0, 21.0, 80.0, 50.0, 25.0]),
        ("eta", [1.0, 0.5, 0.0, 0.125, 0.0, 0.0, 0.0]),
        ("phi", [-1.0, 0.25, 1.0, 0.0, 1.0, 2.0, 3.0]),
        ("energy", [50.0, 30.0, 30.0, 22.0, 90.0, 60.0, 30.0]),
    ] {
        assert_eq!(of(name).as_primitive::<Float32Type>().values(), &expected, "{name}");
    }
    let kind = table.arrow_schema().field_with_name("objects").unwrap().data_type().to_string();
    assert!(kind.contains("trigsieve.kinds") && kind.contains("e-"), "{kind}");
}

#[test]
fn several_inputs_are_one_table() {
    let scratch = Scratch::new();
    let inputs = [scratch.input("a.csv", BACKGROUND), scratch.input("b.csv", SIGNAL)];
    let mut conversion = scratch.conversion(&inputs, "dm_static");
    conversion.label = Some(1);
    let plan = conversion.plan().unwrap();
    let bytes = 2 * (BACKGROUND.len() + SIGNAL.len()) as u64;
    assert_eq!(plan.work(), Work::Bytes(bytes));
    let mut last = 0;
    let converted = plan
        .run(|done| {
            assert!(done >= last);
            last = done;
        })
        .unwrap();
    assert_eq!(last, bytes, "all work is done in the end");
    let name = "dm_static[j=2,b=2,e-=0,e+=1,m-=1,m+=0,g=1]";
    assert_eq!(converted.encoding.name(), name, "the most objects of each symbol in any of the inputs");
    let table = scratch.table();
    assert_eq!(table.schema().encoding, name);
    let stats = TableStats::of(&table);
    let processes: Vec<_> =
        stats.processes.iter().map(|count| (count.value.as_str(), count.events)).collect();
    assert_eq!(processes, [("chargino", 1), ("ttbar", 2), ("ww", 1)]);
    assert_eq!((stats.labels[0].value.as_str(), stats.labels[0].events), ("1", 4));
    assert_eq!(table.schema().sources.iter().map(|source| source.events).collect::<Vec<_>>(), [3, 1]);
    let ids = table.batches().iter().flat_map(|batch| batch.event_ids());
    assert!(ids.copied().eq(0..4));
}

#[test]
fn a_fitted_layout_has_room_for_every_object() {
    let scratch = Scratch::new();
    let converted = scratch.convert(BACKGROUND, "dm_static").unwrap();
    assert_eq!(converted.encoding.name(), "dm_static[j=1,b=2,e-=0,e+=1,m-=1,m+=0,g=1]");
    assert_eq!(converted.inputs[0].crowded_events, 0);
    let rows = rows(&scratch.output());
    let present: Vec<f32> = rows.iter().map(|row| row[2..].iter().step_by(4).sum()).collect();
    assert_eq!(present, [3.0, 1.0, 3.0]);
    assert_eq!(rows[2][..6], [70.0, 0.0, 1.0, 25.0, 0.0, 3.0], "MET, then the jet");
    assert_eq!(rows[2][6..14], [1.0, 80.0, 0.0, 1.0, 1.0, 50.0, 0.0, 2.0], "the two b jets");
    assert_eq!(rows[2][14..], [0.0; 12]);
}

#[test]
fn a_layout_is_fitted_to_the_selected_events() {
    let scratch = Scratch::new();
    let input = scratch.input("a.csv", BACKGROUND);
    let mut conversion = scratch.conversion(&[input], "dm_static");
    conversion.lines.selection = Some(Selection::Chan2b);
    let none = conversion.clone().plan().unwrap().run(|_| ()).unwrap_err().to_string();
    assert!(none.contains("no event"), "HT of the two-lepton event is 40 GeV: {none}");
    conversion.inputs = vec![scratch.input("b.csv", BACKGROUND.replace("40000", "51000"))];
    let converted = conversion.plan().unwrap().run(|_| ()).unwrap();
    assert_eq!(converted.encoding.name(), "dm_static[j=1,b=0,e-=0,e+=1,m-=1,m+=0,g=0]");
    let counts = converted.inputs[0].lines.clone().unwrap();
    assert_eq!((counts.lines, converted.inputs[0].events, counts.not_selected), (3, 1, 2));
    assert_eq!(scratch.table().len(), 1);
}

#[test]
fn another_file_takes_the_layout_of_a_table() {
    let scratch = Scratch::new();
    scratch.convert(BACKGROUND, "dm_static").unwrap();
    let reference = scratch.path("background.arrow");
    std::fs::rename(scratch.output(), &reference).unwrap();
    let choice = EncodingChoice::of_reference(&reference, None).unwrap();
    assert_eq!(EncodingChoice::of_reference(&reference, Some(EncodingChoice::FitStatic)).unwrap(), choice);
    let mut conversion = scratch.conversion(&[scratch.input("signal.csv", SIGNAL)], "dm_static");
    conversion.encoding = choice;
    let converted = conversion.plan().unwrap().run(|_| ()).unwrap();
    assert_eq!(converted.encoding.name(), "dm_static[j=1,b=2,e-=0,e+=1,m-=1,m+=0,g=1]");
    assert_eq!(converted.inputs[0].crowded_events, 1, "the signal has a second jet");
    let [row] = &rows(&scratch.output())[..] else { panic!("one event") };
    assert_eq!(row[..6], [80.0, 1.0, 1.0, 40.0, 1.0, -1.0], "the leading jet");
}

#[test]
fn another_layout_is_refused_with_both_names() {
    let scratch = Scratch::new();
    scratch.convert(BACKGROUND, "dm_static").unwrap();
    for asked in ["simple_ae_34", "dm_static[j=2]", "dm_dynamic", "l1_57"] {
        let error = EncodingChoice::of_reference(&scratch.output(), Some(exact(asked))).unwrap_err();
        let asked = exact(asked).to_string();
        let found = "`dm_static[j=1,b=2,e-=0,e+=1,m-=1,m+=0,g=1]`";
        assert!(error.to_string().contains(found) && error.to_string().contains(&asked), "{error}");
    }
    scratch.convert(BACKGROUND, "dm_static").unwrap_err();
    std::fs::remove_file(scratch.output()).unwrap();
    scratch.convert(BACKGROUND, "simple_ae_34").unwrap();
    let fit = EncodingChoice::of_reference(&scratch.output(), Some(EncodingChoice::FitStatic)).unwrap_err();
    assert!(fit.to_string().contains("`simple_ae_34`") && fit.to_string().contains("`dm_static`"), "{fit}");
}

#[test]
fn an_encoding_of_other_objects_is_refused() {
    let scratch = Scratch::new();
    let error = scratch.convert(BACKGROUND, "l1_57").unwrap_err().to_string();
    assert!(error.contains("l1_57") && error.contains("darkmachines"), "{error}");
    let mut conversion = scratch.conversion(&[scratch.path("source.csv")], "dm_static");
    conversion.layout = trigsieve::convert::SourceLayout::Adc2021;
    let error = conversion.plan().err().unwrap().to_string();
    assert!(error.contains("dm_static") && error.contains("adc2021"), "{error}");
}

#[test]
fn a_name_for_the_process_replaces_those_of_the_file() {
    let scratch = Scratch::new();
    let mut conversion = scratch.conversion(&[scratch.input("a.csv", BACKGROUND)], "simple_ae_34");
    conversion.process = Some("cocktail".to_owned());
    conversion.plan().unwrap().run(|_| ()).unwrap();
    let stats = TableStats::of(&scratch.table());
    assert_eq!((stats.processes.len(), stats.processes[0].value.as_str()), (1, "cocktail"));
}

#[test]
fn crowded_events_are_counted() {
    let scratch = Scratch::new();
    let line = format!("1;p;1;2;3{}\n", ";j,1000,1000,0.5,-0.5".repeat(10_000));
    let converted = scratch.convert(&line, "dm_dynamic").unwrap();
    assert_eq!(converted.inputs[0].crowded_events, 1);
    assert_eq!(rows(&scratch.output())[0][0], 10_000.0, "the number of objects is that of the event");
    std::fs::remove_file(scratch.output()).unwrap();
    let fit = scratch.convert(format!("\n{line}"), "dm_static").unwrap_err().to_string();
    for word in ["source.csv: line 2", "10000 objects `j`", "200 places", "--encoding"] {
        assert!(fit.contains(word), "{fit}");
    }
    assert!(!scratch.output().exists());
}

#[test]
fn events_without_objects_are_events() {
    let scratch = Scratch::new();
    scratch.convert("1;p;1;2000;3\n2;p;1;4000;3;\n", "dm_dynamic[objects=1]").unwrap();
    let expected = |met: f32| [[0.0, met, 3.0].as_slice(), &[0.0; 10]].concat();
    assert_eq!(rows(&scratch.output()), [expected(2.0), expected(4.0)]);
    std::fs::remove_file(scratch.output()).unwrap();
    let nothing = scratch.convert("1;p;1;2000;3\n", "dm_static").unwrap_err().to_string();
    assert!(nothing.contains("no event with an object"), "{nothing}");
}

/// The generator selected the bundled events before they were written: the channel must select them again.
#[test]
fn the_bundled_events_are_in_their_channel() {
    let scratch = Scratch::new();
    let sample = |name: &str| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(name);
    let mut conversion = scratch.conversion(&[sample("darkmachines_background_2b.csv")], "dm_static");
    conversion.lines.selection = Some(Selection::Chan2b);
    let background = conversion.clone().plan().unwrap().run(|_| ()).unwrap();
    assert_eq!((background.inputs[0].events, background.inputs[0].crowded_events), (1026, 0));
    conversion.inputs = vec![sample("darkmachines_chargino_neutralino_2b.csv")];
    conversion.encoding = EncodingChoice::of_reference(&scratch.output(), None).unwrap();
    conversion.output = scratch.path("signal.arrow");
    let signal = conversion.clone().plan().unwrap().run(|_| ()).unwrap();
    assert_eq!((signal.inputs[0].events, signal.encoding), (300, background.encoding));
    conversion.lines.selection = Some(Selection::Chan3);
    conversion.force = true;
    let few = conversion.plan().unwrap().run(|_| ()).unwrap().inputs.remove(0);
    assert!(few.events < 100 && few.events + few.lines.unwrap().not_selected == 300);
}
