//! Background events in memory, split into training and validation.

use std::path::Path;

use trigsieve::event::{Encoding, EventTable, Feature, Rows, TableBatch, Values};
use trigsieve::model::{DataSource, sha256_of_file};

use crate::TrainError;
use crate::fixed::Door;
use crate::recipe::{Data, Network, Recipe, STATIC};

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

    /// The numbers, event by event.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The numbers, event by event, to be changed in place.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
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
    /// Full name of the encoding.
    pub encoding: String,
    /// Name and unit of each of the K inputs.
    pub features: Vec<Feature>,
}

impl Split {
    /// The same events, counted at a door.
    #[must_use]
    pub fn counted(mut self, door: &Door) -> Self {
        door.count(self.training.values_mut());
        door.count(self.validation.values_mut());
        self
    }
}

/// Reads a recipe's event tables and splits off the end for validation.
///
/// # Errors
/// A table that cannot be read, has another encoding or another K than the first, hardware integers, inputs that are
/// not finite, and fewer events than one batch or than a validation needs.
pub fn load(recipe: &Recipe, data_folder: &Path) -> Result<Split, TrainError> {
    let mut values = Vec::new();
    let mut sources = Vec::new();
    let mut first: Option<Inputs> = None;
    for file in &recipe.data.files {
        let path = data_folder.join(file);
        let table = EventTable::open(&path)?;
        let inputs = inputs_of(&table, &recipe.data, first.as_ref())?;
        sources.push(append_table(&table, &inputs.features, &mut values)?);
        first = Some(inputs);
    }
    let Inputs { encoding, features } = first.unwrap_or_default();
    let (training, validation) = split(values, features.len().max(1), &recipe.data);
    let batch = if matches!(recipe.network, Network::Combination(_)) { 0 } else { recipe.training.batch };
    require("training", training.len(), batch.max(1), "one batch of training.batch events")?;
    require("validation", validation.len(), MIN_VALIDATION_EVENTS, "early stopping and thresholds")?;
    Ok(Split { training, validation, sources, encoding, features })
}

/// The events of a table with these inputs.
///
/// # Errors
/// A table that cannot be read, hardware integers, inputs that are not finite.
pub fn read(table: &EventTable, features: &[Feature]) -> Result<EventMatrix, TrainError> {
    let mut values = Vec::new();
    append_table(table, features, &mut values)?;
    Ok(EventMatrix::new(values, features.len()))
}

/// What a table says of its inputs.
#[derive(Default)]
struct Inputs {
    encoding: String,
    features: Vec<Feature>,
}

/// The inputs of a table; those of the first one, where there is one, are what the others must have.
fn inputs_of(table: &EventTable, data: &Data, first: Option<&Inputs>) -> Result<Inputs, TrainError> {
    let schema = table.schema();
    let encoding = match first {
        Some(first) => first.encoding.clone(),
        None => wanted_encoding(&data.encoding, &schema.encoding),
    };
    // The name decides K, so that a table of another K is refused before its names are looked at.
    let known = encoding.parse::<Encoding>().map(Encoding::features).unwrap_or_default();
    table.expect("the recipe", &encoding, known.len())?;
    let features = if schema.features.is_empty() { known } else { schema.features.clone() };
    if first.is_some_and(|first| first.features != features) {
        return Err(TrainError::Features { path: table.path().to_owned() });
    }
    Ok(Inputs { encoding, features })
}

/// The full name of the encoding: a recipe may leave out its parameters.
fn wanted_encoding(recipe: &str, table: &str) -> String {
    let sizes = table.strip_prefix(STATIC).is_some_and(|sizes| sizes.starts_with('['));
    match recipe.parse::<Encoding>() {
        Ok(encoding) => encoding.name(),
        Err(_) if recipe == STATIC && sizes => table.to_owned(),
        Err(_) => recipe.to_owned(),
    }
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

fn append_table(
    table: &EventTable,
    features: &[Feature],
    values: &mut Vec<f32>,
) -> Result<DataSource, TrainError> {
    let path = table.path();
    for batch in table.batches() {
        append_batch(batch, features, path, values)?;
    }
    table.check_intact()?;
    let file = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let sha256 = sha256_of_file(path).map_err(|source| TrainError::Io { path: path.to_owned(), source })?;
    Ok(DataSource { file, sha256, events: table.len() })
}

fn append_batch(
    batch: &TableBatch,
    features: &[Feature],
    path: &Path,
    values: &mut Vec<f32>,
) -> Result<(), TrainError> {
    let Values::F32(inputs) = batch.rows().values() else {
        return Err(TrainError::IntegerInputs { path: path.to_owned() });
    };
    if let Some(at) = inputs.iter().position(|value| !value.is_finite()) {
        let (row, column) = (at / features.len(), at % features.len());
        return Err(TrainError::NonFiniteInput {
            path: path.to_owned(),
            row: batch.first_row() + row as u64,
            input: features[column].name.clone(),
            value: inputs[at],
        });
    }
    values.extend_from_slice(inputs);
    Ok(())
}
