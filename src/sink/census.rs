use std::fs::File;
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_schema::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::{Deserialize, Serialize};

use super::{DECISION, OutputFormat};
use crate::contain::contain;
use crate::event::EventTable;
use crate::pipeline::PipelineError;

/// Tagged events counted by their decisions: as they were handed to a file, or as they are found in one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Census {
    /// Events.
    pub rows: u64,
    /// Events whose decision has the bit, by bit.
    pub by_bit: [u64; u32::BITS as usize],
}

impl Census {
    /// Adds the events of a batch that has the column `decision`.
    ///
    /// # Errors
    /// When it has none, or it is no `u32`.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let column =
            batch.column_by_name(DECISION).and_then(|column| column.as_primitive_opt::<UInt32Type>());
        let decisions =
            column.ok_or_else(|| ArrowError::SchemaError(format!("no u32 column `{DECISION}`")))?;
        self.rows += decisions.len() as u64;
        for decision in decisions.values() {
            for (bit, events) in self.by_bit.iter_mut().enumerate() {
                *events += u64::from(decision >> bit & 1);
            }
        }
        Ok(())
    }

    /// Counts what a file holds, read anew.
    ///
    /// # Errors
    /// When the file cannot be read as what it should be.
    pub fn of_file(path: &Path, format: OutputFormat) -> Result<Self, PipelineError> {
        let mut census = Self::default();
        match format {
            OutputFormat::Arrow => {
                for batch in EventTable::open(path)?.batches() {
                    census.add(batch.record_batch()).map_err(|error| unreadable(path, error))?;
                }
            }
            OutputFormat::Parquet => contain(|| census.add_parquet(path))
                .map_err(|reason| unreadable(path, reason))?
                .map_err(|error| unreadable(path, error))?,
        }
        Ok(census)
    }

    fn add_parquet(&mut self, path: &Path) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let file = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
        let decision = ProjectionMask::columns(file.parquet_schema(), [DECISION]);
        for batch in file.with_projection(decision).build()? {
            self.add(&batch?)?;
        }
        Ok(())
    }
}

fn unreadable(path: &Path, reason: impl std::fmt::Display) -> PipelineError {
    PipelineError::Output(format!("{}: cannot be read back: {reason}", path.display()))
}
