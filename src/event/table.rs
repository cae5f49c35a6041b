use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int16Type};
use arrow_array::{Array, FixedSizeListArray, RecordBatch, UInt64Array};
use arrow_buffer::{Buffer, ScalarBuffer};
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{FileDecoder, read_footer_length};
use arrow_ipc::{Block, Footer, root_as_footer};
use arrow_schema::{ArrowError, SchemaRef};

use super::budget::DecodeBudget;
use super::map::{WatchedMap, map_file};
use super::schema::{BUNCH_CROSSING, EVENT_ID, EventSchema, INPUTS};
use super::{ElementType, EventError, Rows, Values};
use crate::contain::contain;

/// Bytes after the footer: its length (4) and the closing magic (6).
const TRAILER_BYTES: usize = 10;

/// A mapped event file. Opening reads the footer and the batches' headers only; the rows stay in the file
/// until somebody looks at them.
#[derive(Debug)]
pub struct EventTable {
    path: PathBuf,
    arrow_schema: SchemaRef,
    schema: EventSchema,
    batches: Vec<TableBatch>,
    rows: u64,
    bytes: u64,
    zero_copy: bool,
    watched: Arc<WatchedMap>,
    map: Buffer,
}

/// One record batch of a table.
#[derive(Debug)]
pub struct TableBatch {
    first_row: u64,
    record_batch: RecordBatch,
    inputs: Inputs,
    k: usize,
}

#[derive(Debug)]
enum Inputs {
    F32(ScalarBuffer<f32>),
    I16(ScalarBuffer<i16>),
}

impl EventTable {
    /// Maps `path` and checks it against the contract. A compressed or misaligned file is decoded into memory
    /// instead, and [`EventTable::is_zero_copy`] says so.
    ///
    /// The file must not be changed in place while the table lives. Where it is cut nevertheless, missing rows read
    /// as zeros, and [`EventTable::check_intact`] says so.
    ///
    /// # Errors
    /// [`EventError`], with the file and where in it.
    pub fn open(path: &Path) -> Result<Self, EventError> {
        contain(|| Self::open_trusting(path))
            .unwrap_or_else(|reason| Err(EventError::Damaged { path: path.to_owned(), reason }))
    }

    /// [`EventTable::open`], which may panic inside Arrow where a file's message headers are damaged: the
    /// decoder slices and unwraps by them.
    fn open_trusting(path: &Path) -> Result<Self, EventError> {
        let (watched, file) = map_file(path)?;
        let footer_bytes = footer_slice(&file, path)?;
        let footer = footer_of(&footer_bytes, &file, path)?;
        let arrow_schema = schema_of(&footer, path)?;
        let schema = EventSchema::from_arrow(&arrow_schema, path)?;
        let batches = decode(&file, &footer, &arrow_schema, path)?
            .into_iter()
            .scan(0, |first_row, record_batch| {
                let first = *first_row;
                *first_row += record_batch.num_rows() as u64;
                Some(TableBatch::new(first, record_batch, &schema, path))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let rows = batches.iter().map(|batch| batch.len() as u64).sum();
        let zero_copy = batches.iter().all(|batch| batch.lies_in(&file));
        let table = Self {
            path: path.to_owned(),
            arrow_schema,
            schema,
            batches,
            rows,
            bytes: file.len() as u64,
            zero_copy,
            watched,
            map: file,
        };
        table.note_copies();
        table.check_intact()?;
        Ok(table)
    }

    fn note_copies(&self) {
        if !self.zero_copy {
            tracing::warn!(
                "{}: compressed or misaligned, so it was decoded into memory instead of mapped; \
                 rewrite it uncompressed with 64-byte alignment for speed",
                self.path.display()
            );
        }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The contract's part of the schema.
    #[must_use]
    pub fn schema(&self) -> &EventSchema {
        &self.schema
    }

    /// The whole Arrow schema, columns of other parties included.
    #[must_use]
    pub fn arrow_schema(&self) -> &SchemaRef {
        &self.arrow_schema
    }

    /// Events in the file.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.rows
    }

    /// Has the system map all of the file's pages at once, before somebody reads them; a file that was decoded needs none.
    pub fn prefault(&self) {
        if self.zero_copy {
            self.watched.prefault();
        }
    }

    /// Whether the file has no event.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Whether every row read so far was in the file. To be asked after rows were read and before what was made of
    /// them is let out; it asks the system for the file's length.
    ///
    /// # Errors
    /// [`EventError::Truncated`] when the file was cut while it was mapped.
    pub fn check_intact(&self) -> Result<(), EventError> {
        self.intact_or_truncated(self.watched.is_intact())
    }

    /// [`EventTable::check_intact`] for the hot loop: one load. A file that was cut by less than a page can pass here
    /// and fail there.
    ///
    /// # Errors
    /// [`EventError::Truncated`] when a page of the map was read that the file no longer has.
    pub fn check_pages(&self) -> Result<(), EventError> {
        self.intact_or_truncated(self.watched.has_its_pages())
    }

    fn intact_or_truncated(&self, intact: bool) -> Result<(), EventError> {
        if intact {
            return Ok(());
        }
        Err(EventError::Truncated { path: self.path.clone(), bytes: self.bytes })
    }

    /// Size of the file in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The record batches, in file order.
    #[must_use]
    pub fn batches(&self) -> &[TableBatch] {
        &self.batches
    }

    /// The mapped file.
    #[must_use]
    pub fn mapped_bytes(&self) -> &[u8] {
        &self.map
    }

    /// Whether `event_id`, `bunch_crossing` and `inputs` of every batch lie in the mapped file.
    #[must_use]
    pub fn is_zero_copy(&self) -> bool {
        self.zero_copy
    }

    /// Checks that this table is what `other` (a model or another file) wants.
    ///
    /// # Errors
    /// [`EventError::Mismatch`], with both sides' values.
    pub fn expect(&self, other: &str, encoding: &str, k: usize) -> Result<(), EventError> {
        let mismatch = |what, found: String, expected: String| EventError::Mismatch {
            path: self.path.clone(),
            what,
            found,
            other: other.to_owned(),
            expected,
        };
        if self.schema.encoding != encoding {
            let found = format!("`{}`", self.schema.encoding);
            return Err(mismatch("the encoding", found, format!("`{encoding}`")));
        }
        if self.schema.k != k {
            return Err(mismatch("the number of inputs K", self.schema.k.to_string(), k.to_string()));
        }
        Ok(())
    }

    /// Checks that hardware integers count in `steps`, those of `other`. A table of physical values fits always, and so
    /// does an input whose unit the table does not say.
    ///
    /// # Errors
    /// [`EventError::Mismatch`], with the first input that differs and both sides' units.
    pub fn expect_steps(&self, other: &str, steps: &[f64]) -> Result<(), EventError> {
        for ((name, unit), step) in self.schema.hardware_units().zip(steps) {
            let Some(unit) = unit.filter(|unit| !unit.is_step(*step)) else { continue };
            return Err(EventError::Mismatch {
                path: self.path.clone(),
                what: "the hardware unit",
                found: format!("`{unit}` for `{name}`"),
                other: other.to_owned(),
                expected: format!("steps of {step}"),
            });
        }
        Ok(())
    }
}

impl TableBatch {
    fn new(
        first_row: u64,
        record_batch: RecordBatch,
        schema: &EventSchema,
        path: &Path,
    ) -> Result<Self, EventError> {
        for column in [EVENT_ID, BUNCH_CROSSING, INPUTS] {
            refuse_nulls(&record_batch, column, first_row, path)?;
        }
        let inputs = inputs_of(&record_batch, schema, first_row, path)?;
        Ok(Self { first_row, record_batch, inputs, k: schema.k })
    }

    /// Row number of the batch's first event in its file.
    #[must_use]
    pub fn first_row(&self) -> u64 {
        self.first_row
    }

    /// Events in the batch.
    #[must_use]
    pub fn len(&self) -> usize {
        self.record_batch.num_rows()
    }

    /// Whether the batch has no event.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The Arrow batch with every column.
    #[must_use]
    pub fn record_batch(&self) -> &RecordBatch {
        &self.record_batch
    }

    /// The model inputs of all events of the batch, without a copy.
    #[must_use]
    pub fn rows(&self) -> Rows<'_> {
        let values = match &self.inputs {
            Inputs::F32(values) => Values::F32(values),
            Inputs::I16(values) => Values::I16(values),
        };
        Rows::new(values, self.k)
    }

    /// Bunch crossing of every event, 25 ns units.
    #[must_use]
    pub fn bunch_crossings(&self) -> &[u64] {
        self.column_u64(BUNCH_CROSSING)
    }

    /// Id of every event.
    #[must_use]
    pub fn event_ids(&self) -> &[u64] {
        self.column_u64(EVENT_ID)
    }

    fn column_u64(&self, name: &str) -> &[u64] {
        self.record_batch
            .column_by_name(name)
            .and_then(|column| column.as_any().downcast_ref::<UInt64Array>())
            .map_or(&[], |column| column.values())
    }

    fn lies_in(&self, file: &Buffer) -> bool {
        let inputs = match &self.inputs {
            Inputs::F32(values) => bytes_of(values),
            Inputs::I16(values) => bytes_of(values),
        };
        let columns = [inputs, bytes_of(self.event_ids()), bytes_of(self.bunch_crossings())];
        columns.iter().all(|column| column.is_empty() || contains(file, column))
    }
}

fn bytes_of<T: zerocopy::IntoBytes + zerocopy::Immutable>(values: &[T]) -> &[u8] {
    zerocopy::IntoBytes::as_bytes(values)
}

fn contains(whole: &[u8], part: &[u8]) -> bool {
    let (whole, part) = (whole.as_ptr_range(), part.as_ptr_range());
    whole.start <= part.start && part.end <= whole.end
}

/// Bytes of the footer, bounds checked against the file.
/// The schema and the record batches of any Arrow IPC file, with the limits of an event table. May panic inside Arrow
/// where the file is damaged: to be called within [`contain`].
pub(crate) fn read_batches(path: &Path) -> Result<(SchemaRef, Vec<RecordBatch>), EventError> {
    let (watched, file) = map_file(path)?;
    let footer_bytes = footer_slice(&file, path)?;
    let footer = footer_of(&footer_bytes, &file, path)?;
    let schema = schema_of(&footer, path)?;
    let batches = decode(&file, &footer, &schema, path)?;
    match watched.is_intact() {
        true => Ok((schema, batches)),
        false => Err(EventError::Truncated { path: path.to_owned(), bytes: file.len() as u64 }),
    }
}

fn footer_of<'a>(footer_bytes: &'a [u8], file: &Buffer, path: &Path) -> Result<Footer<'a>, EventError> {
    root_as_footer(footer_bytes).map_err(|error| EventError::Format {
        path: path.to_owned(),
        reason: format!("footer: {error}"),
        offset: (file.len() - TRAILER_BYTES - footer_bytes.len()) as u64,
    })
}

fn footer_slice(file: &Buffer, path: &Path) -> Result<Buffer, EventError> {
    let format = |reason: String, offset: usize| EventError::Format {
        path: path.to_owned(),
        reason,
        offset: offset as u64,
    };
    let trailer_start = file.len().checked_sub(TRAILER_BYTES).ok_or_else(|| {
        format(format!("{} bytes are too few for the closing magic; is it truncated?", file.len()), 0)
    })?;
    let trailer: [u8; TRAILER_BYTES] = file[trailer_start..]
        .try_into()
        .map_err(|_| format("the trailer is not 10 bytes".to_owned(), trailer_start))?;
    let length = read_footer_length(trailer)
        .map_err(|error| format(format!("{error}; is it truncated?"), trailer_start))?;
    let start = trailer_start.checked_sub(length).ok_or_else(|| {
        format(format!("footer of {length} bytes in a file of {}", file.len()), trailer_start)
    })?;
    Ok(file.slice_with_length(start, length))
}

fn schema_of(footer: &Footer<'_>, path: &Path) -> Result<SchemaRef, EventError> {
    let schema = footer.schema().ok_or_else(|| EventError::Format {
        path: path.to_owned(),
        reason: "the footer has no schema".to_owned(),
        offset: 0,
    })?;
    let schema = try_fb_to_schema(schema).map_err(|error| EventError::Format {
        path: path.to_owned(),
        reason: format!("schema: {error}"),
        offset: 0,
    })?;
    Ok(Arc::new(schema))
}

fn decode(
    file: &Buffer,
    footer: &Footer<'_>,
    schema: &SchemaRef,
    path: &Path,
) -> Result<Vec<RecordBatch>, EventError> {
    let mut budget = DecodeBudget::of_file(path, file.len() as u64);
    let mut decoder = FileDecoder::new(schema.clone(), footer.version());
    for (index, block) in footer.dictionaries().iter().flatten().enumerate() {
        let buffer = block_slice(file, block, index, path)?;
        budget.spend(block, &buffer)?;
        decoder.read_dictionary(block, &buffer).map_err(batch_error(path, index))?;
    }
    let mut batches = Vec::new();
    for (index, block) in footer.recordBatches().iter().flatten().enumerate() {
        let buffer = block_slice(file, block, index, path)?;
        budget.spend(block, &buffer)?;
        let batch = decoder.read_record_batch(block, &buffer).map_err(batch_error(path, index))?;
        batches.extend(batch);
    }
    Ok(batches)
}

fn batch_error(path: &Path, batch: usize) -> impl Fn(ArrowError) -> EventError + '_ {
    move |source| EventError::Batch { path: path.to_owned(), batch, source }
}

/// Bytes of a block, bounds checked: the footer of a damaged file can point anywhere.
fn block_slice(file: &Buffer, block: &Block, index: usize, path: &Path) -> Result<Buffer, EventError> {
    let range = || {
        let start = usize::try_from(block.offset()).ok()?;
        let metadata = usize::try_from(block.metaDataLength()).ok()?;
        let body = usize::try_from(block.bodyLength()).ok()?;
        let length = metadata.checked_add(body)?;
        (start.checked_add(length)? <= file.len()).then_some((start, length))
    };
    let (start, length) = range().ok_or_else(|| EventError::Format {
        path: path.to_owned(),
        reason: format!(
            "record batch {index} of {} + {} bytes leaves the file of {} bytes",
            block.metaDataLength(),
            block.bodyLength(),
            file.len()
        ),
        offset: u64::try_from(block.offset()).unwrap_or(0),
    })?;
    Ok(file.slice_with_length(start, length))
}

fn refuse_nulls(
    batch: &RecordBatch,
    column: &'static str,
    first_row: u64,
    path: &Path,
) -> Result<(), EventError> {
    let Some(array) = batch.column_by_name(column) else { return Ok(()) };
    match first_null(array.as_ref()) {
        None => Ok(()),
        Some(row) => Err(EventError::Null { path: path.to_owned(), column, row: first_row + row as u64 }),
    }
}

fn first_null(array: &dyn Array) -> Option<usize> {
    if array.null_count() == 0 {
        return None;
    }
    (0..array.len()).find(|&row| array.is_null(row))
}

fn inputs_of(
    batch: &RecordBatch,
    schema: &EventSchema,
    first_row: u64,
    path: &Path,
) -> Result<Inputs, EventError> {
    let missing = || EventError::Column {
        path: path.to_owned(),
        column: INPUTS,
        expected: format!("FixedSizeList of {} {}", schema.k, schema.element),
        found: "another layout in this batch".to_owned(),
    };
    let list: &FixedSizeListArray = batch
        .column_by_name(INPUTS)
        .and_then(|column| column.as_fixed_size_list_opt())
        .ok_or_else(missing)?;
    let range = list.offset() * schema.k..(list.offset() + list.len()) * schema.k;
    let values = list.values();
    if let Some(item) = first_null(values.as_ref()) {
        let row = first_row + (item / schema.k) as u64;
        return Err(EventError::Null { path: path.to_owned(), column: INPUTS, row });
    }
    if values.len() < range.end {
        return Err(missing());
    }
    let (start, len) = (range.start, range.len());
    match schema.element {
        ElementType::F32 => values
            .as_primitive_opt::<Float32Type>()
            .map(|values| Inputs::F32(values.values().slice(start, len)))
            .ok_or_else(missing),
        ElementType::I16 => values
            .as_primitive_opt::<Int16Type>()
            .map(|values| Inputs::I16(values.values().slice(start, len)))
            .ok_or_else(missing),
    }
}
