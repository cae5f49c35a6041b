//! Background events in memory, split into training and validation.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use sha2::{Digest, Sha256};
use trigsieve::event::{Encoding, EventTable, Rows, TableBatch, Values};
use trigsieve::model::DataSource;

use crate::TrainError;
use crate::recipe::{Data, Recipe};

/// Fewest events on which a validation loss and a threshold mean anything.
const MIN_VALIDATION_EVENTS: usize = 100;

/// Rows of model inputs, [N, K] row-major, in physical units.
#[derive(Clone, Debug, PartialEq)]
pub struct EventMatrix {
    values: Vec<f32>,
    k: usize,
}

impl EventMatrix {
    /// Rows of `k` inputs; a last row that is not complete is left out.
    #[must_use]
    pub fn new(mut values: Vec<f32>, k: usize) -> Self {
        let k = k.max(1);
        values.truncate(values.len() / k * k);
        Self { values, k }
    }

    /// Number of events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len() / self.k
    }

    /// Whether there is no event.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Inputs per event.
    #[must_use]
    pub fn k(&self) -> usize {
        self.k
    }

    /// Inputs of one event.
    ///
    /// # Panics
    /// When there is no such event.
    #[must_use]
    pub fn row(&self, event: usize) -> &[f32] {
        &self.values[event * self.k..][..self.k]
    }

    /// All events, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.k)
    }

    /// The events as the engine's scorers take them.
    #[must_use]
    pub fn rows(&self) -> Rows<'_> {
        Rows::new(Values::F32(&self.values), self.k)
    }
}

/// The events of a training.
#[derive(Clone, Debug)]
pub struct Split {
    /// Events the weights are fitted to.
    pub training: EventMatrix,
    /// Events that decide when to stop and where the thresholds lie.
    pub validation: EventMatrix,
    /// The files, in order.
    pub sources: Vec<DataSource>,
}

/// Reads a recipe's event tables and splits off the end for validation.
///
/// # Errors
/// A table that cannot be read or has another encoding, hardware integers, inputs that are not finite, and
/// fewer events than one batch or than a validation needs.
pub fn load(recipe: &Recipe, encoding: Encoding, data_folder: &Path) -> Result<Split, TrainError> {
    let mut values = Vec::new();
    let mut sources = Vec::new();
    for file in &recipe.data.files {
        sources.push(append_table(&data_folder.join(file), encoding, &mut values)?);
    }
    let (training, validation) = split(values, encoding.k(), &recipe.data);
    require("training", training.len(), recipe.training.batch, "one batch")?;
    require("validation", validation.len(), MIN_VALIDATION_EVENTS, "early stopping and thresholds")?;
    Ok(Split { training, validation, sources })
}

fn require(split: &'static str, events: usize, needed: usize, why: &'static str) -> Result<(), TrainError> {
    if events < needed {
        return Err(TrainError::TooFewEvents { split, events, needed, why });
    }
    Ok(())
}

fn split(mut values: Vec<f32>, k: usize, data: &Data) -> (EventMatrix, EventMatrix) {
    let events = values.len() / k;
    let validation = (events as f64 * data.validation_fraction).round() as usize;
    let tail = values.split_off((events - validation.min(events)) * k);
    (EventMatrix::new(values, k), EventMatrix::new(tail, k))
}

fn append_table(path: &Path, encoding: Encoding, values: &mut Vec<f32>) -> Result<DataSource, TrainError> {
    let table = EventTable::open(path)?;
    table.expect("the recipe", &encoding.name(), encoding.k())?;
    for batch in table.batches() {
        append_batch(batch, encoding, path, values)?;
    }
    let file = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    Ok(DataSource { file, sha256: sha256_of(path)?, events: table.len() })
}

fn append_batch(
    batch: &TableBatch,
    encoding: Encoding,
    path: &Path,
    values: &mut Vec<f32>,
) -> Result<(), TrainError> {
    let Values::F32(inputs) = batch.rows().values() else {
        return Err(TrainError::IntegerInputs { path: path.to_owned() });
    };
    if let Some(at) = inputs.iter().position(|value| !value.is_finite()) {
        let (row, column) = (at / encoding.k(), at % encoding.k());
        return Err(TrainError::NonFiniteInput {
            path: path.to_owned(),
            row: batch.first_row() + row as u64,
            input: encoding.features()[column].name.clone(),
            value: inputs[at],
        });
    }
    values.extend_from_slice(inputs);
    Ok(())
}

fn sha256_of(path: &Path) -> Result<String, TrainError> {
    let io = |source| TrainError::Io { path: path.to_owned(), source };
    let mut file = BufReader::with_capacity(1 << 20, File::open(path).map_err(io)?);
    let mut hash = Sha256::new();
    loop {
        let bytes = file.fill_buf().map_err(io)?;
        if bytes.is_empty() {
            break;
        }
        hash.update(bytes);
        let read = bytes.len();
        file.consume(read);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
