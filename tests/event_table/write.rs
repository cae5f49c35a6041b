//! Event tables of three inputs, written by arrow-rs in every way that a producer may choose.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, DictionaryArray, FixedSizeListArray, Float32Array, RecordBatch, StringArray, UInt8Array,
    UInt64Array,
};
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use arrow_ipc::{CompressionType, MetadataVersion};
use arrow_schema::{Field, Schema, SchemaRef};
use trigsieve::event::schema::{label_field, process_field};
use trigsieve::event::{ElementType, EventSchema, Feature, Source};

pub const K: usize = 3;

pub fn schema() -> EventSchema {
    let feature = |name: &str, unit: &str| Feature { name: name.to_owned(), unit: unit.to_owned() };
    EventSchema {
        encoding: "toy_3".to_owned(),
        k: K,
        element: ElementType::F32,
        features: vec![feature("met_pt", "GeV"), feature("met_eta", ""), feature("met_phi", "rad")],
        sources: vec![Source {
            file: "toy.h5".to_owned(),
            converter: "test".to_owned(),
            sha256: "0".repeat(64),
            events: 7,
        }],
    }
}

/// `event_id`, `bunch_crossing` and `inputs` only.
pub fn plain_schema() -> SchemaRef {
    schema().to_arrow([])
}

/// With `label` and `process`.
pub fn full_schema() -> SchemaRef {
    schema().to_arrow([label_field(), process_field()])
}

pub fn values(rows: std::ops::Range<u64>) -> Vec<f32> {
    rows.flat_map(|row| (0..K as u64).map(move |input| (row * 10 + input) as f32)).collect()
}

pub fn list(values: ArrayRef, schema: &Schema) -> ArrayRef {
    let arrow_schema::DataType::FixedSizeList(item, k) = schema.field(2).data_type() else { panic!() };
    Arc::new(FixedSizeListArray::try_new(item.clone(), *k, values, None).unwrap())
}

/// The events `rows`, with `label` and `process` where the schema has them.
pub fn batch(schema: &SchemaRef, rows: std::ops::Range<u64>) -> RecordBatch {
    let ids: Vec<u64> = rows.clone().collect();
    let crossings: Vec<u64> = rows.clone().map(|row| 100 + row).collect();
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(UInt64Array::from(ids)),
        Arc::new(UInt64Array::from(crossings)),
        list(Arc::new(Float32Array::from(values(rows.clone()))), schema),
    ];
    if schema.fields().len() > 3 {
        columns.push(Arc::new(UInt8Array::from_iter_values(rows.clone().map(|row| (row % 2) as u8))));
        columns.push(Arc::new(processes(rows)));
    }
    RecordBatch::try_new(schema.clone(), columns).unwrap()
}

fn processes(rows: std::ops::Range<u64>) -> DictionaryArray<arrow_array::types::Int32Type> {
    let names = Arc::new(StringArray::from(vec!["ttbar", "A_to_4l"]));
    DictionaryArray::new(rows.map(|row| (row % 3 == 0) as i32).collect(), names)
}

pub fn options(alignment: usize, compression: Option<CompressionType>) -> IpcWriteOptions {
    let options = IpcWriteOptions::try_new(alignment, false, MetadataVersion::V5).unwrap();
    options.try_with_compression(compression).unwrap()
}

pub fn file(schema: &SchemaRef, batches: &[RecordBatch], options: IpcWriteOptions) -> Vec<u8> {
    let mut writer = FileWriter::try_new_with_options(Vec::new(), schema, options).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

/// Batches of 4 and 3 events, uncompressed and aligned.
pub fn plain_file() -> Vec<u8> {
    let schema = plain_schema();
    file(&schema, &[batch(&schema, 0..4), batch(&schema, 4..7)], options(64, None))
}

/// The same with `label` and `process`, compressed or not.
pub fn full_file(compression: Option<CompressionType>) -> Vec<u8> {
    let schema = full_schema();
    file(&schema, &[batch(&schema, 0..4), batch(&schema, 4..7)], options(64, compression))
}

/// A schema like [`plain_schema`] whose metadata or fields were changed.
pub fn changed(change: impl FnOnce(&mut Vec<Field>, &mut arrow_schema::Metadata)) -> SchemaRef {
    let schema = plain_schema();
    let mut fields: Vec<Field> = schema.fields().iter().map(|field| field.as_ref().clone()).collect();
    let mut metadata = schema.metadata().clone();
    change(&mut fields, &mut metadata);
    Arc::new(Schema::new_with_metadata(fields, metadata))
}
