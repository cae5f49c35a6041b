use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, Int32Array, StringArray, UInt8Array};
use arrow_schema::Field;

use crate::event::schema::{label_field, process_field};
use crate::event::{BATCH_ROWS, EventError, EventWriter, HardwareUnits};

/// Values that are the same for every event of a conversion.
#[derive(Clone, Debug, Default)]
pub(super) struct Constants {
    label: Option<u8>,
    process: Option<Arc<StringArray>>,
}

impl Constants {
    pub(super) fn new(label: Option<u8>, process: Option<&str>) -> Self {
        Self { label, process: process.map(|name| Arc::new(StringArray::from(vec![name]))) }
    }

    pub(super) fn fields(&self) -> Vec<Field> {
        let label = self.label.map(|_| label_field());
        label.into_iter().chain(self.process.as_ref().map(|_| process_field())).collect()
    }

    fn columns(&self, rows: usize) -> Vec<ArrayRef> {
        let label = self.label.map(|label| Arc::new(UInt8Array::from_value(label, rows)) as ArrayRef);
        let process = self.process.as_ref().map(|names| {
            let keys = Int32Array::from_value(0, rows);
            Arc::new(DictionaryArray::<Int32Type>::new(keys, names.clone())) as ArrayRef
        });
        label.into_iter().chain(process).collect()
    }
}

/// Collects rows into record batches of [`BATCH_ROWS`] events, numbering them from 0 over all inputs. The
/// bunch crossing counts events, as the sources have none.
pub(super) struct Batches {
    writer: EventWriter,
    constants: Constants,
    k: usize,
    inputs: Vec<f32>,
    integers: Option<Integers>,
}

/// Counting the inputs in hardware units.
struct Integers {
    units: HardwareUnits,
    /// Values that did not fit, by input.
    saturated: Vec<u64>,
}

impl Batches {
    pub(super) fn new(writer: EventWriter, constants: Constants, k: usize) -> Self {
        Self { writer, constants, k, inputs: Vec::with_capacity(BATCH_ROWS * k), integers: None }
    }

    /// Writes hardware integers; the inputs must be finite.
    pub(super) fn in_units(mut self, units: Option<HardwareUnits>) -> Self {
        let saturated = vec![0; self.k];
        self.integers = units.map(|units| Integers { units, saturated });
        self
    }

    /// Appends one event, which `encode` writes to the end of the vector.
    pub(super) fn push(&mut self, encode: impl FnOnce(&mut Vec<f32>)) -> Result<&[f32], EventError> {
        if self.inputs.len() >= BATCH_ROWS * self.k {
            self.flush()?;
        }
        let start = self.inputs.len();
        encode(&mut self.inputs);
        Ok(&self.inputs[start..])
    }

    /// Completes the file. Returns how many values of each input did not fit its hardware integer; nothing for physical
    /// values.
    pub(super) fn finish(mut self) -> Result<Vec<u64>, EventError> {
        self.flush()?;
        let saturated = self.integers.map_or_else(Vec::new, |integers| integers.saturated);
        self.writer.finish()?;
        Ok(saturated)
    }

    fn flush(&mut self) -> Result<(), EventError> {
        if self.inputs.is_empty() {
            return Ok(());
        }
        let rows = self.inputs.len() / self.k;
        let first = self.writer.rows();
        let numbers: Vec<u64> = (first..first + rows as u64).collect();
        let inputs = std::mem::replace(&mut self.inputs, Vec::with_capacity(BATCH_ROWS * self.k));
        let columns = self.constants.columns(rows);
        let Some(integers) = &mut self.integers else {
            return self.writer.write_events(numbers.clone(), numbers, inputs, columns);
        };
        let mut counts = Vec::with_capacity(inputs.len());
        integers.units.count(&inputs, &mut counts, &mut integers.saturated);
        self.writer.write_integers(numbers.clone(), numbers, counts, columns)
    }
}
