//! What a sound file may look like.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float32Array, Int16Array, RecordBatch, UInt64Array};
use arrow_ipc::CompressionType;
use arrow_schema::{DataType, Field};
use trigsieve::event::schema::{KEY_ENCODING, KEY_FEATURES, KEY_SCHEMA, MAX_INPUTS};
use trigsieve::event::{
    BATCH_ROWS, ElementType, Encoding, EventSchema, EventTable, EventWriter, TableStats, Values,
};

use crate::write::{self, K, batch, changed, file, full_file, options, plain_file, plain_schema, values};
use crate::{Scratch, inputs};

fn ids(table: &EventTable) -> Vec<u64> {
    table.batches().iter().flat_map(|batch| batch.event_ids().to_vec()).collect()
}

#[track_caller]
fn assert_same_events(table: &EventTable, rows: std::ops::Range<u64>) {
    assert_eq!(table.len(), rows.end - rows.start);
    assert_eq!(ids(table), rows.clone().collect::<Vec<_>>());
    assert_eq!(inputs(table), values(rows));
}

#[track_caller]
fn refused(bytes: &[u8], words: &[&str]) {
    let scratch = Scratch::new();
    let error = scratch.open(bytes).unwrap_err().to_string();
    let path = scratch.path().display().to_string();
    for word in words.iter().copied().chain([path.as_str()]) {
        assert!(error.contains(word), "{word:?} is not in {error:?}");
    }
}

#[test]
fn more_inputs_than_any_event_has_are_refused() {
    let scratch = Scratch::new();
    for (k, is_taken) in [(MAX_INPUTS, true), (MAX_INPUTS + 1, false), (i32::MAX as usize, false)] {
        let schema = EventSchema { k, features: Vec::new(), ..write::schema() };
        EventWriter::create(&scratch.path(), schema.to_arrow([])).unwrap().finish().unwrap();
        match EventTable::open(&scratch.path()) {
            Ok(table) => assert!(is_taken && table.schema().k == k, "{k}"),
            Err(error) => assert!(!is_taken && error.to_string().contains("K from 1 to 65536"), "{error}"),
        }
    }
}

#[test]
fn what_the_writer_writes_comes_back() {
    let scratch = Scratch::new();
    let schema = EventSchema::of(Encoding::L1x57, write::schema().sources);
    let events = BATCH_ROWS + 5;
    let all: Vec<f32> = (0..events * 57).map(|value| value as f32).collect();
    let mut writer = EventWriter::create(&scratch.path(), schema.to_arrow([])).unwrap();
    for (first, len) in [(0, BATCH_ROWS), (BATCH_ROWS, 5)] {
        let numbers: Vec<u64> = (first as u64..(first + len) as u64).collect();
        let rows = all[first * 57..(first + len) * 57].to_vec();
        writer.write_events(numbers.clone(), numbers, rows, vec![]).unwrap();
    }
    assert!(!scratch.path().exists(), "the file must not appear before it is complete");
    assert_eq!(writer.finish().unwrap(), events as u64);

    let table = EventTable::open(&scratch.path()).unwrap();
    assert_eq!(table.schema(), &schema);
    assert_eq!(table.batches().len(), 2);
    assert_eq!(table.batches()[1].first_row(), BATCH_ROWS as u64);
    assert_eq!(inputs(&table), all);
    assert!(table.is_zero_copy());
}

#[test]
fn no_column_leaves_the_map() {
    let scratch = Scratch::new();
    let table = scratch.open(&plain_file()).unwrap();
    let map = table.mapped_bytes().as_ptr_range();
    assert!(table.is_zero_copy());
    for batch in table.batches() {
        let Values::F32(rows) = batch.rows().values() else { panic!() };
        let columns = [
            rows.as_ptr_range().start.cast::<u8>()..rows.as_ptr_range().end.cast(),
            batch.event_ids().as_ptr_range().start.cast()..batch.event_ids().as_ptr_range().end.cast(),
            batch.bunch_crossings().as_ptr_range().start.cast()
                ..batch.bunch_crossings().as_ptr_range().end.cast(),
        ];
        assert!(columns.iter().all(|column| map.start <= column.start && column.end <= map.end));
    }
}

#[test]
fn a_compressed_file_is_decoded() {
    for codec in [CompressionType::LZ4_FRAME, CompressionType::ZSTD] {
        let schema = plain_schema();
        let bytes =
            file(&schema, &[batch(&schema, 0..4000), batch(&schema, 4000..4100)], options(64, Some(codec)));
        let table = Scratch::new().open(&bytes).unwrap();
        assert_same_events(&table, 0..4100);
        assert!(!table.is_zero_copy(), "{codec:?}");
    }
}

#[test]
fn eight_byte_alignment_is_enough_to_map() {
    let schema = plain_schema();
    let table = Scratch::new().open(&file(&schema, &[batch(&schema, 0..5)], options(8, None))).unwrap();
    assert_same_events(&table, 0..5);
    assert!(table.is_zero_copy());
}

#[test]
fn a_misaligned_file_is_copied() {
    for shift in [1, 4] {
        let table = Scratch::new().open(&shifted(&plain_file(), shift)).unwrap();
        assert_same_events(&table, 0..7);
        assert!(!table.is_zero_copy(), "shifted by {shift}");
    }
}

/// Moves everything behind the opening magic, and the offsets of the blocks in the footer with it.
fn shifted(bytes: &[u8], shift: usize) -> Vec<u8> {
    let mut moved = bytes.to_vec();
    for (place, offset) in crate::damage::block_places(bytes) {
        moved[place..place + 8].copy_from_slice(&(offset + shift as i64).to_le_bytes());
    }
    moved.splice(8..8, std::iter::repeat_n(0, shift));
    moved
}

#[test]
fn a_file_without_events_is_a_table() {
    let schema = plain_schema();
    for batches in [vec![], vec![batch(&schema, 0..0)]] {
        let table = Scratch::new().open(&file(&schema, &batches, options(64, None))).unwrap();
        assert!(table.is_empty());
        let stats = TableStats::of(&table);
        assert_eq!((stats.features.len(), stats.features[0].mean), (K, None));
    }
}

#[test]
fn a_slice_of_a_batch_keeps_its_events() {
    let schema = plain_schema();
    let slice = batch(&schema, 0..100).slice(30, 40);
    let table = Scratch::new().open(&file(&schema, &[slice], options(64, None))).unwrap();
    assert_same_events(&table, 30..70);
}

#[test]
fn labels_and_processes_are_counted() {
    let table = Scratch::new().open(&full_file(None)).unwrap();
    let stats = TableStats::of(&table);
    let list = |counts: &[trigsieve::event::ColumnCount]| {
        counts.iter().map(|count| format!("{}: {}", count.value, count.events)).collect::<Vec<_>>()
    };
    assert_eq!(list(&stats.labels), ["0: 4", "1: 3"]);
    assert_eq!(list(&stats.processes), ["A_to_4l: 3", "ttbar: 4"]);
}

#[test]
fn statistics_keep_non_finite_values_apart() {
    let schema = plain_schema();
    let mut rows = values(0..4);
    rows.splice(0..6, [f32::NAN, 0.0, f32::INFINITY, 3.0, f32::NEG_INFINITY, 5.0]);
    let mut columns = batch(&schema, 0..4).columns().to_vec();
    columns[2] = write::list(Arc::new(Float32Array::from(rows)), &schema);
    let bytes = file(&schema, &[RecordBatch::try_new(schema.clone(), columns).unwrap()], options(64, None));
    let stats = TableStats::of(&Scratch::new().open(&bytes).unwrap()).features;
    assert_eq!((stats[0].nan, stats[0].infinite, stats[0].finite), (1, 0, 3));
    assert_eq!((stats[0].min, stats[0].mean, stats[0].max), (Some(3.0), Some(53.0 / 3.0), Some(30.0)));
    assert_eq!((stats[1].infinite, stats[1].zero_fraction), (1, Some(0.25)));
    assert_eq!((stats[2].infinite, stats[2].mean), (1, Some((5.0 + 22.0 + 32.0) / 3.0)));
}

#[test]
fn hardware_integers_are_rows_too() {
    let mut toy = write::schema();
    toy.element = ElementType::I16;
    let schema = toy.to_arrow([]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(UInt64Array::from(vec![0, 1])),
        Arc::new(UInt64Array::from(vec![0, 1])),
        write::list(Arc::new(Int16Array::from(vec![-5, 0, 7, 32767, -32768, 1])), &schema),
    ];
    let bytes = file(&schema, &[RecordBatch::try_new(schema.clone(), columns).unwrap()], options(64, None));
    let table = Scratch::new().open(&bytes).unwrap();
    assert_eq!(table.schema().element, ElementType::I16);
    let Values::I16(rows) = table.batches()[0].rows().values() else { panic!() };
    assert_eq!(rows, [-5, 0, 7, 32767, -32768, 1]);
    assert!(table.is_zero_copy());
    assert_eq!(TableStats::of(&table).features[1].min, Some(-32768.0));
}

#[test]
fn a_wrong_schema_is_refused_with_both_sides() {
    let empty = |schema| file(&schema, &[], options(64, None));
    let metadata = |key: &'static str, value: &'static str| {
        empty(changed(|_, metadata| drop(metadata.insert(key.to_owned(), value.to_owned()))))
    };
    refused(&metadata(KEY_SCHEMA, "7"), &["version 1", "version 7"]);
    refused(&metadata(KEY_FEATURES, r#"[{"name":"met_pt","unit":"GeV"}]"#), &["3 features", "1 features"]);
    refused(&metadata(KEY_FEATURES, "{"), &[KEY_FEATURES, "JSON"]);
    for key in [KEY_SCHEMA, KEY_ENCODING] {
        refused(&empty(changed(|_, metadata| drop(metadata.remove(key)))), &[key, "no such key"]);
    }
    let retyped = |index: usize, data_type: DataType| {
        empty(changed(|fields, _| fields[index] = Field::new(fields[index].name().clone(), data_type, false)))
    };
    refused(&retyped(0, DataType::Int64), &["event_id", "UInt64", "Int64"]);
    refused(&retyped(1, DataType::Float64), &["bunch_crossing", "UInt64", "Float64"]);
    refused(&retyped(2, DataType::Float32), &["inputs", "FixedSizeList of K", "Float32"]);
    let doubles = DataType::FixedSizeList(Arc::new(Field::new("item", DataType::Float64, false)), 3);
    refused(&retyped(2, doubles), &["inputs", "Float32 or Int16", "Float64"]);
    for (index, name) in ["event_id", "bunch_crossing", "inputs"].into_iter().enumerate() {
        let bytes = empty(changed(|fields, _| drop(fields.remove(index))));
        refused(&bytes, &[name, "no such column"]);
    }
    let extra =
        |name: &'static str| empty(changed(|fields, _| fields.push(Field::new(name, DataType::Utf8, true))));
    refused(&extra("label"), &["label", "UInt8", "Utf8"]);
    refused(&extra("weight"), &["weight", "Float32", "Utf8"]);
    refused(&extra("process"), &["process", "dictionary of Utf8", "found Utf8"]);
}

#[test]
fn a_table_for_another_model_is_refused_with_both_sides() {
    let table = Scratch::new().open(&plain_file()).unwrap();
    assert!(table.expect("model a", "toy_3", 3).is_ok());
    let encoding = table.expect("model a", "l1_57", 3).unwrap_err().to_string();
    assert!(["toy_3", "l1_57", "model a"].iter().all(|word| encoding.contains(word)), "{encoding}");
    let k = table.expect("model a", "toy_3", 57).unwrap_err().to_string();
    assert!(["K is 3", "has 57", "model a"].iter().all(|word| k.contains(word)), "{k}");
}

#[test]
fn a_null_is_refused_with_its_row() {
    let nullable = changed(|fields, _| {
        let item = Field::new("item", DataType::Float32, true);
        fields[0] = Field::new("event_id", DataType::UInt64, true);
        fields[2] = Field::new("inputs", DataType::FixedSizeList(Arc::new(item), 3), true);
    });
    let sound = batch(&nullable, 0..4);
    let with = |index: usize, column: ArrayRef| {
        let mut columns = batch(&nullable, 4..6).columns().to_vec();
        columns[index] = column;
        let batch = RecordBatch::try_new(nullable.clone(), columns).unwrap();
        file(&nullable, &[sound.clone(), batch], options(64, None))
    };
    let ids = Arc::new(UInt64Array::from(vec![Some(4), None]));
    refused(&with(0, ids), &["event_id", "null in row 5"]);
    let mut items: Vec<Option<f32>> = values(4..6).into_iter().map(Some).collect();
    items[1] = None;
    let items = write::list(Arc::new(Float32Array::from(items)), &nullable);
    assert_eq!(items.null_count(), 0);
    refused(&with(2, items), &["inputs", "null in row 4"]);
}
