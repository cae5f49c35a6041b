use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::durable::AtomicFile;
use crate::event::{EventError, EventWriter};
use crate::pipeline::PipelineError;

/// File format of the tagged events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum OutputFormat {
    /// Arrow IPC, uncompressed: maps, and is an event table again.
    #[default]
    Arrow,
    /// Parquet, zstd: small.
    Parquet,
}

impl OutputFormat {
    /// File name of the tagged events.
    #[must_use]
    pub fn file(self) -> &'static str {
        match self {
            Self::Arrow => "tagged.arrow",
            Self::Parquet => "tagged.parquet",
        }
    }
}

/// Writes tagged events in either format; the file appears when [`TaggedWriter::finish`] succeeds.
pub enum TaggedWriter {
    /// Arrow IPC.
    Arrow(Box<EventWriter>),
    /// Parquet.
    Parquet {
        /// The encoder.
        writer: Box<ArrowWriter<AtomicFile>>,
        /// For messages.
        path: PathBuf,
    },
}

impl TaggedWriter {
    /// Begins a file at `path`.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn create(format: OutputFormat, path: &Path, schema: SchemaRef) -> Result<Self, PipelineError> {
        if format == OutputFormat::Arrow {
            return Ok(Self::Arrow(Box::new(EventWriter::create(path, schema)?)));
        }
        let io = |source| EventError::Io { path: path.to_owned(), source };
        let file = AtomicFile::create(path).map_err(io)?;
        let properties = parquet_properties(&schema);
        let writer =
            ArrowWriter::try_new(file, schema, Some(properties)).map_err(|e| parquet_error(path, e))?;
        Ok(Self::Parquet { writer: Box::new(writer), path: path.to_owned() })
    }

    /// Appends events.
    ///
    /// # Errors
    /// For example on a full disk.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), PipelineError> {
        match self {
            Self::Arrow(writer) => Ok(writer.write(batch)?),
            Self::Parquet { writer, path } => writer.write(batch).map_err(|e| parquet_error(path, e)),
        }
    }

    /// Completes the file.
    ///
    /// # Errors
    /// When it cannot be completed; then there is no file.
    pub fn finish(self) -> Result<(), PipelineError> {
        match self {
            Self::Arrow(writer) => {
                writer.finish()?;
            }
            Self::Parquet { writer, path } => {
                let file = writer.into_inner().map_err(|error| parquet_error(&path, error))?;
                file.commit().map_err(|source| EventError::Io { path, source })?;
            }
        }
        Ok(())
    }
}

/// Dictionaries where there are few values, text and labels: of measured numbers nearly each is another, and looking for it
/// among those before takes longer than all the rest. Nobody looks for events by the extremes of all their inputs together.
fn parquet_properties(schema: &Schema) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_dictionary_enabled(false);
    for field in schema.fields() {
        if matches!(field.data_type(), DataType::FixedSizeList(..)) {
            let items = vec![field.name().clone(), "list".to_owned(), "item".to_owned()];
            properties =
                properties.set_column_statistics_enabled(ColumnPath::new(items), EnabledStatistics::None);
        }
        if matches!(field.data_type(), DataType::Dictionary(..) | DataType::Utf8 | DataType::UInt8) {
            let column = ColumnPath::from(field.name().as_str());
            properties = properties.set_column_dictionary_enabled(column, true);
        }
    }
    properties.build()
}

fn parquet_error(path: &Path, error: parquet::errors::ParquetError) -> PipelineError {
    PipelineError::Output(format!("{}: {error}", path.display()))
}
