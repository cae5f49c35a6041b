use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Schema};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use trigsieve_fixed::CheckedProgram;

use super::bounded::Bounded;
use super::{CompareError, Number};
use crate::contain::contain;
use crate::event::{EventTable, read_batches};

/// Most scores of a Parquet file, whose few bytes can stand for many, unless there are more events.
const MAX_PARQUET_SCORES: u64 = 1 << 24;

/// How golden scores are to be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GoldenOptions {
    /// Name of the column; without it the file has one column, or one named `score`.
    pub column: Option<String>,
    /// The numbers are raw integers of the score's format, not its values.
    pub raw: bool,
    /// Number of events, if that is known. A Parquet file that declares more scores than that, and than 2^24, is refused.
    pub events: Option<u64>,
}

/// Scores that somebody else computed, one an event in the order of the event table.
#[derive(Clone, Debug)]
pub struct Golden {
    path: PathBuf,
    scores: GoldenScores,
}

#[derive(Clone, Debug)]
enum GoldenScores {
    Raw(Vec<i64>),
    Values(Vec<f64>),
}

impl Golden {
    /// Reads `.arrow` or `.feather` (Arrow IPC), `.parquet`, or text: one number a line, or comma-separated columns with a
    /// header.
    ///
    /// # Errors
    /// [`CompareError::Golden`], with what is wrong and where.
    pub fn read(path: &Path, options: &GoldenOptions) -> Result<Self, CompareError> {
        let extension = path.extension().and_then(|extension| extension.to_str());
        let read = || match extension {
            Some("arrow" | "feather" | "ipc") => read_arrow(path, options),
            Some("parquet") => read_parquet(path, options),
            _ => read_text(path, options),
        };
        let scores = contain(read)
            .unwrap_or_else(Err)
            .map_err(|reason| CompareError::Golden { path: path.to_owned(), reason })?;
        Ok(Self { path: path.to_owned(), scores })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Number of scores.
    #[must_use]
    pub fn len(&self) -> usize {
        self.scores.len()
    }

    /// Whether there is no score.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Checks that there is a score for every event of `table`.
    ///
    /// # Errors
    /// [`CompareError::Count`], with both numbers.
    pub fn check_count(&self, table: &EventTable) -> Result<(), CompareError> {
        if self.len() as u64 == table.len() {
            return Ok(());
        }
        Err(CompareError::Count {
            path: self.path.clone(),
            scores: self.len() as u64,
            events_path: table.path().to_owned(),
            events: table.len(),
        })
    }

    /// The scores as numbers of `program`, whose format raw integers have, or of none, where they are whole numbers.
    #[must_use]
    pub fn values(&self, program: Option<&CheckedProgram>) -> Vec<f64> {
        let value = |number: Option<Number>| number.map_or(f64::NAN, Number::to_f64);
        self.numbers(0, self.len(), program).into_iter().map(value).collect()
    }

    /// The `count` scores from `first` on.
    pub(super) fn numbers(
        &self,
        first: u64,
        count: usize,
        program: Option<&CheckedProgram>,
    ) -> Vec<Option<Number>> {
        let first = usize::try_from(first).unwrap_or(usize::MAX);
        let range = first..first.saturating_add(count);
        match &self.scores {
            GoldenScores::Values(values) => {
                let values = values.get(range).unwrap_or_default();
                values.iter().map(|value| Number::of_f64(*value)).collect()
            }
            GoldenScores::Raw(raw) => {
                let raw = raw.get(range).unwrap_or_default();
                let number = |raw: &i64| match program {
                    Some(program) => Number::of_raw((*raw).into(), program.format(program.score_tensor())),
                    None => Number::of_raw((*raw).into(), trigsieve_fixed::Format::signed(64, 64)),
                };
                raw.iter().map(|raw| Some(number(raw))).collect()
            }
        }
    }
}

impl GoldenScores {
    fn new(options: &GoldenOptions) -> Self {
        if options.raw { Self::Raw(Vec::new()) } else { Self::Values(Vec::new()) }
    }

    fn extend_by(&mut self, batch: &RecordBatch, column: usize) -> Result<(), String> {
        let array = batch.column(column);
        if matches!(array.data_type(), DataType::RunEndEncoded(..)) {
            // A few bytes of it are as many scores as they like to say.
            return Err(format!("scores of type {} are not read", array.data_type()));
        }
        let data_type = if matches!(self, Self::Raw(_)) { DataType::Int64 } else { DataType::Float64 };
        if self.is_raw() && !array.data_type().is_integer() {
            return Err(format!("raw scores are integers, the column is {}", array.data_type()));
        }
        let options = arrow_cast::CastOptions { safe: false, ..arrow_cast::CastOptions::default() };
        let cast =
            arrow_cast::cast_with_options(array, &data_type, &options).map_err(|error| error.to_string())?;
        if cast.null_count() > 0 {
            return Err("the column has nulls".to_owned());
        }
        match self {
            Self::Raw(raw) => raw.extend_from_slice(cast.as_primitive::<Int64Type>().values()),
            Self::Values(values) => values.extend_from_slice(cast.as_primitive::<Float64Type>().values()),
        }
        Ok(())
    }

    fn push(&mut self, text: &str) -> Result<(), String> {
        match self {
            Self::Raw(raw) => raw.push(text.parse().map_err(|_| format!("`{text}` is no raw integer"))?),
            Self::Values(values) => values.push(text.parse().map_err(|_| format!("`{text}` is no number"))?),
        }
        Ok(())
    }

    fn len(&self) -> usize {
        match self {
            Self::Raw(raw) => raw.len(),
            Self::Values(values) => values.len(),
        }
    }

    fn is_raw(&self) -> bool {
        matches!(self, Self::Raw(_))
    }
}

fn read_arrow(path: &Path, options: &GoldenOptions) -> Result<GoldenScores, String> {
    // Arrow's own reader of files allocates what a damaged one says.
    let (schema, batches) = read_batches(path).map_err(|error| {
        // The caller names the file.
        let (text, file) = (error.to_string(), format!("{}: ", path.display()));
        text.strip_prefix(&file).unwrap_or(&text).to_owned()
    })?;
    let column = column_of(&schema, options)?;
    let mut scores = GoldenScores::new(options);
    for batch in batches {
        scores.extend_by(&batch, column)?;
    }
    Ok(scores)
}

fn read_parquet(path: &Path, options: &GoldenOptions) -> Result<GoldenScores, String> {
    let file = File::open(path).and_then(Bounded::new).map_err(|error| error.to_string())?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| error.to_string())?;
    let declared = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(u64::MAX);
    let most = options.events.unwrap_or(0).max(MAX_PARQUET_SCORES);
    if declared > most {
        return Err(format!("{declared} rows are declared, {most} are the most that is read"));
    }
    let column = column_of(builder.schema(), options)?;
    let mut scores = GoldenScores::new(options);
    for batch in builder.build().map_err(|error| error.to_string())? {
        scores.extend_by(&batch.map_err(|error| error.to_string())?, column)?;
        if scores.len() as u64 > declared {
            return Err(format!("there are more scores than the {declared} rows that are declared"));
        }
    }
    Ok(scores)
}

fn column_of(schema: &Schema, options: &GoldenOptions) -> Result<usize, String> {
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    choose(&names, options)
}

/// The column that is asked for; else the only one, or the one named `score`.
fn choose(names: &[&str], options: &GoldenOptions) -> Result<usize, String> {
    let all = || names.join(", ");
    match &options.column {
        Some(wanted) => names
            .iter()
            .position(|name| name == wanted)
            .ok_or_else(|| format!("no column `{wanted}`; there are {}", all())),
        None if names.len() == 1 => Ok(0),
        None => names
            .iter()
            .position(|name| *name == "score")
            .ok_or_else(|| format!("which column has the scores? there are {}", all())),
    }
}

fn read_text(path: &Path, options: &GoldenOptions) -> Result<GoldenScores, String> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .from_path(path)
        .map_err(|error| error.to_string())?;
    let mut scores = GoldenScores::new(options);
    let mut column = None;
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        let at = match column {
            Some(at) => at,
            None => {
                let cells: Vec<&str> = record.iter().collect();
                // One number a line needs no header.
                let headless = cells.len() == 1 && cells[0].parse::<f64>().is_ok();
                let at = if headless { 0 } else { choose(&cells, options)? };
                column = Some(at);
                if !headless {
                    continue;
                }
                at
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        let cell = record.get(at).ok_or_else(|| format!("line {line}: no column {}", at + 1))?;
        scores.push(cell).map_err(|reason| format!("line {line}: {reason}"))?;
    }
    Ok(scores)
}
