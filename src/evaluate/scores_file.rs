use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, DictionaryArray, Float32Array, Int32Array, RecordBatch, StringArray, UInt8Array, UInt64Array,
};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};

use super::{EvaluateError, Sample};
use crate::event::schema::{EVENT_ID, LABEL};
use crate::event::{EventError, EventTable, EventWriter};

/// Writes the scores of `samples` to an Arrow IPC file, one row an event in file order: `sample` (file stem), `event_id`,
/// `label` (0 for the first sample, the background; 1 for signals) and `score` f32, not finite for an invalid
/// event. Each sample comes with the table that it scored.
///
/// # Errors
/// [`EvaluateError::Scores`] when the file cannot be written; then there is none.
pub fn write_scores(path: &Path, samples: &[(&EventTable, &Sample)]) -> Result<(), EvaluateError> {
    let schema = schema();
    // One dictionary for all batches: the file format has no room for a second.
    let names: ArrayRef =
        Arc::new(StringArray::from_iter_values(samples.iter().map(|(_, sample)| &sample.name)));
    let mut writer = EventWriter::create(path, schema.clone())?;
    for (index, (table, sample)) in (0..).zip(samples) {
        for batch in table.batches() {
            let first = usize::try_from(batch.first_row()).unwrap_or(usize::MAX);
            let scores = sample.values.get(first..first + batch.len()).unwrap_or_default();
            let rows = record_batch(&schema, (&names, index), batch.event_ids(), scores)
                .map_err(|source| EventError::Write { path: path.to_owned(), source })?;
            writer.write(&rows)?;
        }
    }
    writer.finish()?;
    Ok(())
}

fn schema() -> SchemaRef {
    let names = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let fields = vec![
        Field::new("sample", names, false),
        Field::new(EVENT_ID, DataType::UInt64, false),
        Field::new(LABEL, DataType::UInt8, false),
        Field::new("score", DataType::Float32, false),
    ];
    Arc::new(Schema::new_with_metadata(fields, HashMap::new()))
}

fn record_batch(
    schema: &SchemaRef,
    (names, index): (&ArrayRef, i32),
    event_ids: &[u64],
    scores: &[f32],
) -> Result<RecordBatch, ArrowError> {
    let samples = Int32Array::from(vec![index; scores.len()]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(DictionaryArray::try_new(samples, names.clone())?),
        Arc::new(UInt64Array::from(event_ids.to_vec())),
        Arc::new(UInt8Array::from(vec![u8::from(index > 0); scores.len()])),
        Arc::new(Float32Array::from(scores.to_vec())),
    ];
    RecordBatch::try_new(schema.clone(), columns)
}
