use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, Int16Array, RecordBatch, UInt64Array};
use arrow_ipc::MetadataVersion;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use arrow_schema::{ArrowError, DataType, Field, SchemaRef};

use super::EventError;
use crate::durable::AtomicFile;

/// Events in a record batch of the files we write: a power of two, so that batches of scoring never straddle
/// two of them, and small enough to stream.
pub const BATCH_ROWS: usize = 65_536;

/// Where the Arrow IPC stream begins in a file of [`EventWriter`]: after the magic, padded. The footer, which makes it a
/// file, comes last, so that an unfinished file is a readable stream.
pub const STREAM_OFFSET: u64 = ALIGNMENT as u64;

/// Buffers of the files we write begin at multiples of this.
const ALIGNMENT: usize = 64;

/// Writes an event table: uncompressed Arrow IPC with 64-byte alignment, so that it maps. The file appears
/// under its name when [`EventWriter::finish`] succeeds.
pub struct EventWriter {
    writer: FileWriter<AtomicFile>,
    schema: SchemaRef,
    rows: u64,
}

impl EventWriter {
    /// Begins a file at `path`.
    ///
    /// # Errors
    /// [`EventError::Io`] when the folder cannot be written.
    pub fn create(path: &Path, schema: SchemaRef) -> Result<Self, EventError> {
        let file =
            AtomicFile::create(path).map_err(|source| EventError::Io { path: path.to_owned(), source })?;
        let writer = ipc_options()
            .and_then(|options| FileWriter::try_new_with_options(file, &schema, options))
            .map_err(|source| EventError::Write { path: path.to_owned(), source })?;
        Ok(Self { writer, schema, rows: 0 })
    }

    /// The name the file will have.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.writer.get_ref().path()
    }

    /// The Arrow schema of the file.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Events written so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Appends a batch of the file's schema.
    ///
    /// # Errors
    /// [`EventError::Write`], for example on a full disk.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), EventError> {
        self.writer.write(batch).map_err(|source| self.write_error(source))?;
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Appends events given as plain vectors: `inputs` is row-major. `extra` are the columns after `inputs`.
    ///
    /// # Errors
    /// As [`EventWriter::write`], and when the lengths do not fit the schema.
    pub fn write_events(
        &mut self,
        event_ids: Vec<u64>,
        bunch_crossings: Vec<u64>,
        inputs: Vec<f32>,
        extra: Vec<ArrayRef>,
    ) -> Result<(), EventError> {
        let inputs = Arc::new(Float32Array::from(inputs));
        self.write_columns(event_ids, bunch_crossings, inputs, extra)
    }

    /// [`EventWriter::write_events`] for hardware integers.
    ///
    /// # Errors
    /// As [`EventWriter::write_events`].
    pub fn write_integers(
        &mut self,
        event_ids: Vec<u64>,
        bunch_crossings: Vec<u64>,
        inputs: Vec<i16>,
        extra: Vec<ArrayRef>,
    ) -> Result<(), EventError> {
        let inputs = Arc::new(Int16Array::from(inputs));
        self.write_columns(event_ids, bunch_crossings, inputs, extra)
    }

    fn write_columns(
        &mut self,
        event_ids: Vec<u64>,
        bunch_crossings: Vec<u64>,
        inputs: ArrayRef,
        extra: Vec<ArrayRef>,
    ) -> Result<(), EventError> {
        let batch = batch_of(&self.schema, event_ids, bunch_crossings, inputs, extra)
            .map_err(|source| self.write_error(source))?;
        self.write(&batch)
    }

    /// Adds a key to the metadata of the footer, which is written last.
    pub fn write_metadata(&mut self, key: &str, value: &str) {
        self.writer.write_metadata(key, value);
    }

    /// Hands everything written so far to the system: its length in bytes, and the open file for another thread to sync.
    /// What lies in it from [`STREAM_OFFSET`] on is an Arrow IPC stream.
    ///
    /// # Errors
    /// [`EventError::Io`].
    pub fn flushed(&mut self) -> Result<(u64, File), EventError> {
        let file = self.writer.get_mut();
        file.flushed().map_err(|source| EventError::Io { path: file.path().to_owned(), source })
    }

    /// The unfinished file itself: see [`AtomicFile`].
    pub fn file(&mut self) -> &mut AtomicFile {
        self.writer.get_mut()
    }

    /// Writes the footer, syncs, and gives the file its name. Returns the number of events.
    ///
    /// # Errors
    /// [`EventError::Write`] or [`EventError::Io`]; then there is no file.
    pub fn finish(mut self) -> Result<u64, EventError> {
        self.writer.finish().map_err(|source| self.write_error(source))?;
        let path = self.writer.get_ref().path().to_owned();
        let file =
            self.writer.into_inner().map_err(|source| EventError::Write { path: path.clone(), source })?;
        file.commit().map_err(|source| EventError::Io { path, source })?;
        Ok(self.rows)
    }

    fn write_error(&self, source: ArrowError) -> EventError {
        EventError::Write { path: self.writer.get_ref().path().to_owned(), source }
    }
}

fn ipc_options() -> Result<IpcWriteOptions, ArrowError> {
    IpcWriteOptions::try_new(ALIGNMENT, false, MetadataVersion::V5)
}

fn batch_of(
    schema: &SchemaRef,
    event_ids: Vec<u64>,
    bunch_crossings: Vec<u64>,
    inputs: ArrayRef,
    extra: Vec<ArrayRef>,
) -> Result<RecordBatch, ArrowError> {
    let inputs = inputs_array(schema.field(2), inputs)?;
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(UInt64Array::from(event_ids)),
        Arc::new(UInt64Array::from(bunch_crossings)),
        Arc::new(inputs),
    ];
    columns.extend(extra);
    RecordBatch::try_new(schema.clone(), columns)
}

fn inputs_array(field: &Field, inputs: ArrayRef) -> Result<FixedSizeListArray, ArrowError> {
    let DataType::FixedSizeList(item, k) = field.data_type() else {
        return Err(ArrowError::SchemaError(format!("`{}` is not a FixedSizeList", field.name())));
    };
    FixedSizeListArray::try_new(item.clone(), *k, inputs, None)
}
