use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::StringDictionaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, Float32Array, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use arrow_select::interleave::interleave;

use serde::{Deserialize, Serialize};

use super::{Census, Checkpoint, Checkpoints, TaggedWriter};
use crate::pipeline::{DecidedBlock, PipelineError, Sink};
use crate::source::EventSet;
use crate::trigger::{INVALID_BIT, PathCounter, Prescaler};

/// `decision`, u32: one bit a trigger path, bit 31 for invalid events.
pub const DECISION: &str = "decision";
/// `latency_ns`, u32: from scheduled arrival to decision; unpaced, the service time of the batch.
pub const LATENCY_NS: &str = "latency_ns";

/// Events that are written at once.
const FLUSH_EVENTS: usize = 16_384;

/// The schema of tagged events: every column of the input, `score_<model>` f32 each, `decision` and `latency_ns`.
/// Tagged events can be replayed again: what this run finds then takes the place of columns of the same names, while
/// the scores of other models stay. Dictionary columns of text get 32-bit keys, so that the files' dictionaries fit into one.
#[must_use]
pub fn tagged_schema(input: &Schema, models: &[String]) -> SchemaRef {
    let scores = models.iter().map(|model| Field::new(format!("score_{model}"), DataType::Float32, false));
    let results = [DECISION, LATENCY_NS].map(|name| Field::new(name, DataType::UInt32, false));
    let found: Vec<Field> = scores.chain(results).collect();
    let stays = |field: &&Arc<Field>| found.iter().all(|result| result.name() != field.name());
    let kept = input.fields().iter().filter(stays).map(|field| output_field(field));
    let fields: Vec<Field> = kept.chain(found.iter().cloned()).collect();
    Arc::new(Schema::new_with_metadata(fields, input.metadata().clone()))
}

/// The sink of a replay: applies the prescales and writes the accepted events in event order.
pub struct TaggedEvents<'a> {
    set: &'a EventSet,
    prescaler: Prescaler,
    writer: TaggedWriter,
    schema: SchemaRef,
    /// The columns that are kept of the input, each with all entries of its dictionary if it has one: the file format
    /// has one dictionary a column.
    dictionaries: Vec<(usize, Option<StringArray>)>,
    models: usize,
    pending: Pending,
    seen: Seen,
    /// What the writer has taken.
    handed: Census,
    next_sequence: u64,
    /// Whether no block was missing so far: only then do the counts say how far the input was gone through.
    contiguous: bool,
    checkpoints: Option<Checkpoints>,
}

/// What reached the sink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Events of the blocks.
    pub events: u64,
    /// Events in the blocks: they pass a path before prescales, or are invalid.
    pub kept: u64,
    /// Of those, invalid ones.
    pub invalid: u64,
}

/// What a sink has counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagged {
    /// Counts of the paths.
    pub paths: Vec<PathCounter>,
    /// What came in.
    pub seen: Seen,
    /// What was handed to the file.
    pub handed: Census,
}

/// Accepted events whose rows still lie in the input.
#[derive(Default)]
struct Pending {
    places: Vec<(usize, usize)>,
    decisions: Vec<u32>,
    latencies_ns: Vec<u32>,
    scores: Vec<f32>,
}

impl<'a> TaggedEvents<'a> {
    /// A sink for events of `set`, scored by `models` models; `schema` is [`tagged_schema`]'s.
    ///
    /// # Errors
    /// When a dictionary column of the input cannot be read.
    pub fn new(
        set: &'a EventSet,
        prescaler: Prescaler,
        writer: TaggedWriter,
        schema: SchemaRef,
        models: usize,
    ) -> Result<Self, PipelineError> {
        let kept = &schema.fields()[..schema.fields().len() - models - 2];
        let columns = kept.iter().map(|field| input_column(set, field.name())).collect::<Result<Vec<_>, _>>();
        let columns = columns.map_err(arrow_error)?;
        let dictionaries = columns
            .into_iter()
            .map(|column| Ok((column, all_entries(set, column)?)))
            .collect::<Result<_, _>>()
            .map_err(arrow_error)?;
        Ok(Self {
            set,
            prescaler,
            writer,
            schema,
            dictionaries,
            models,
            pending: Pending::default(),
            seen: Seen::default(),
            handed: Census::default(),
            next_sequence: 0,
            contiguous: true,
            checkpoints: None,
        })
    }

    /// Has checkpoints written from now on.
    #[must_use]
    pub fn with_checkpoints(mut self, checkpoints: Checkpoints) -> Self {
        self.checkpoints = Some(checkpoints);
        self
    }

    /// Goes on from an earlier part of the run, whose events are copied from its file.
    ///
    /// # Errors
    /// When that file cannot be read as far as `from` says, or does not hold what `from` counted.
    pub fn resumed(mut self, from: &Checkpoint, file: &Path) -> Result<Self, PipelineError> {
        let TaggedWriter::Arrow(writer) = &mut self.writer else {
            return Err(PipelineError::Output("only Arrow IPC files can be continued".into()));
        };
        self.handed = from.copy_events(file, writer)?;
        self.seen = from.seen;
        self.prescaler = Prescaler::resumed(from.paths.clone());
        Ok(self)
    }

    /// Writes a last checkpoint, of everything that came in, from which an interrupted run can go on.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn pause(&mut self) -> Result<(), PipelineError> {
        if self.contiguous { self.checkpoint().and_then(|()| self.end_checkpoint()) } else { Ok(()) }
    }

    /// Writes what is pending and completes the file. The counts come also where that fails; then there is no file, or,
    /// of a run that can be resumed, the unfinished one of the last checkpoint.
    pub fn finish(mut self) -> (Tagged, Result<(), PipelineError>) {
        let flushed = self.flush();
        let outcome = flushed.and(self.end_checkpoint());
        let tagged = self.tagged();
        (tagged, outcome.and_then(|()| self.writer.finish()))
    }

    fn tagged(&self) -> Tagged {
        Tagged { paths: self.prescaler.counters().to_vec(), seen: self.seen, handed: self.handed.clone() }
    }

    /// What was decided so far goes to the file, and word of it to a checkpoint.
    fn checkpoint(&mut self) -> Result<(), PipelineError> {
        self.flush()?;
        let tagged = self.tagged();
        match (&mut self.checkpoints, &mut self.writer) {
            (Some(checkpoints), TaggedWriter::Arrow(writer)) => checkpoints.begin(writer, tagged),
            _ => Ok(()),
        }
    }

    /// Waits for a checkpoint that is being written; from the first that counts on, the unfinished file stays where it is.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn end_checkpoint(&mut self) -> Result<(), PipelineError> {
        match (&mut self.checkpoints, &mut self.writer) {
            (Some(checkpoints), TaggedWriter::Arrow(writer)) => checkpoints.end(writer),
            _ => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<(), PipelineError> {
        if self.pending.places.is_empty() {
            return Ok(());
        }
        let batch = self.batch().map_err(arrow_error)?;
        self.set.check_all_intact()?;
        self.writer.write(&batch)?;
        self.handed.add(&batch).map_err(arrow_error)?;
        self.pending.places.clear();
        Ok(())
    }

    /// The pending events as a record batch; empties the vectors that become columns.
    fn batch(&mut self) -> Result<RecordBatch, ArrowError> {
        let mut columns = Vec::with_capacity(self.schema.fields().len());
        for (column, dictionary) in &self.dictionaries {
            columns.push(gather(self.set, *column, dictionary.as_ref(), &self.pending.places)?);
        }
        let scores = std::mem::take(&mut self.pending.scores);
        for model in 0..self.models {
            let of_model = scores.iter().skip(model).step_by(self.models).copied();
            columns.push(Arc::new(Float32Array::from_iter_values(of_model)) as ArrayRef);
        }
        columns.push(Arc::new(UInt32Array::from(std::mem::take(&mut self.pending.decisions))));
        columns.push(Arc::new(UInt32Array::from(std::mem::take(&mut self.pending.latencies_ns))));
        RecordBatch::try_new(self.schema.clone(), columns)
    }
}

impl Sink for TaggedEvents<'_> {
    fn accept(&mut self, block: &DecidedBlock) -> Result<(), PipelineError> {
        if self.contiguous && self.checkpoints.as_ref().is_some_and(Checkpoints::is_due) {
            self.checkpoint()?;
        }
        self.contiguous &= block.sequence == self.next_sequence;
        self.next_sequence = block.sequence + block.places;
        for event in block.accepted() {
            self.seen.kept += 1;
            self.seen.invalid += u64::from(event.decision == INVALID_BIT);
            let decision = self.prescaler.apply(event.decision);
            if decision == 0 {
                continue;
            }
            self.pending.places.push((block.run.batch as usize, event.row as usize));
            self.pending.decisions.push(decision);
            self.pending.latencies_ns.push(event.latency_ns);
            self.pending.scores.extend_from_slice(event.scores);
        }
        self.seen.events += u64::from(block.run.len);
        if self.pending.places.len() >= FLUSH_EVENTS { self.flush() } else { Ok(()) }
    }
}

fn arrow_error(error: ArrowError) -> PipelineError {
    PipelineError::Output(format!("tagged events: {error}"))
}

/// Where the files of `set`, which have the same columns, have this one.
fn input_column(set: &EventSet, name: &str) -> Result<usize, ArrowError> {
    set.tables().first().map_or(Ok(0), |table| table.arrow_schema().index_of(name))
}

fn output_field(field: &Field) -> Field {
    if is_text_dictionary(field.data_type()) {
        return field.clone().with_data_type(text_dictionary());
    }
    field.clone()
}

fn text_dictionary() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

fn is_text_dictionary(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Dictionary(_, value) if matches!(**value, DataType::Utf8 | DataType::LargeUtf8))
}

/// The events at `places` (record batch, row) of one input column.
fn gather(
    set: &EventSet,
    column: usize,
    dictionary: Option<&StringArray>,
    places: &[(usize, usize)],
) -> Result<ArrayRef, ArrowError> {
    let arrays: Vec<&dyn Array> =
        set.batches().map(|batch| batch.record_batch().column(column).as_ref()).collect();
    let gathered = interleave(&arrays, places)?;
    match dictionary {
        None => Ok(gathered),
        Some(entries) => rekey(&gathered, entries),
    }
}

/// Every entry of the dictionaries of a column, in order of appearance; none for other columns.
fn all_entries(set: &EventSet, column: usize) -> Result<Option<StringArray>, ArrowError> {
    let mut entries: Vec<String> = Vec::new();
    let mut last: Option<ArrayRef> = None;
    for batch in set.batches() {
        let array = batch.record_batch().column(column);
        if !is_text_dictionary(array.data_type()) {
            return Ok(None);
        }
        let values = array.as_any_dictionary().values();
        if last.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, values)) {
            continue;
        }
        let text = arrow_cast::cast(values, &DataType::Utf8)?;
        for entry in text.as_string::<i32>().iter().flatten() {
            if !entries.iter().any(|seen| seen == entry) {
                entries.push(entry.to_owned());
            }
        }
        last = Some(values.clone());
    }
    Ok(last.map(|_| StringArray::from(entries)))
}

fn rekey(array: &ArrayRef, entries: &StringArray) -> Result<ArrayRef, ArrowError> {
    let text = arrow_cast::cast(array, &DataType::Utf8)?;
    let mut builder = StringDictionaryBuilder::<Int32Type>::new_with_dictionary(array.len(), entries)?;
    for entry in text.as_string::<i32>() {
        match entry {
            Some(entry) => builder.append_value(entry),
            None => builder.append_null(),
        }
    }
    Ok(Arc::new(builder.finish()))
}
