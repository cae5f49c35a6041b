use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, DictionaryArray, Float32Array, Int32Array, ListArray, StringArray, StructArray, UInt8Array,
    UInt64Array,
};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, Field};

use super::line::EventLine;
use crate::convert::batches::{MoreColumns, label_column};
use crate::event::schema::{
    MET, MET_PHI, WEIGHT, float_field, label_field, object_fields, object_item_field, objects_field,
    process_field, source_event_id_field,
};

/// Objects in a record batch: 70 MB of them. Only files of very crowded events come to it.
const BATCH_OBJECTS: usize = 4 << 20;

/// The columns of the challenge's events beside the inputs: `label` (if asked for), `process`, `weight`, `met`, `met_phi`,
/// `objects`, `source_event_id`.
pub(super) struct ObjectColumns {
    label: Option<u8>,
    processes: Arc<StringArray>,
    process_keys: Vec<i32>,
    weights: Vec<f32>,
    met: Vec<f32>,
    met_phi: Vec<f32>,
    source_event_ids: Vec<u64>,
    objects: Objects,
}

/// The objects of all events of a batch, one after another.
struct Objects {
    /// Where each event begins, and where the last one ends.
    offsets: Vec<i32>,
    kind: Vec<u8>,
    pt: Vec<f32>,
    eta: Vec<f32>,
    phi: Vec<f32>,
    energy: Vec<f32>,
}

impl ObjectColumns {
    /// `processes` are all names that occur, as a file has one dictionary for all of its batches.
    pub(super) fn new(label: Option<u8>, processes: Vec<String>) -> Self {
        Self {
            label,
            processes: Arc::new(StringArray::from(processes)),
            process_keys: Vec::new(),
            weights: Vec::new(),
            met: Vec::new(),
            met_phi: Vec::new(),
            source_event_ids: Vec::new(),
            objects: Objects::default(),
        }
    }

    /// Appends an event; `process` is the place of its process's name.
    pub(super) fn push(&mut self, line: &EventLine, process: i32) {
        self.process_keys.push(process);
        self.weights.push(line.weight);
        self.met.push(line.event.met_gev as f32);
        self.met_phi.push(line.event.met_phi as f32);
        self.source_event_ids.push(line.source_event_id);
        self.objects.push(line);
    }
}

impl MoreColumns for ObjectColumns {
    fn fields(&self) -> Vec<Field> {
        let label = self.label.map(|_| label_field());
        let others = [
            process_field(),
            float_field(WEIGHT),
            float_field(MET),
            float_field(MET_PHI),
            objects_field(),
            source_event_id_field(),
        ];
        label.into_iter().chain(others).collect()
    }

    fn take(&mut self, rows: usize) -> Result<Vec<ArrayRef>, ArrowError> {
        let floats = |values: &mut Vec<f32>| Arc::new(Float32Array::from(std::mem::take(values))) as ArrayRef;
        let keys = Int32Array::from(std::mem::take(&mut self.process_keys));
        let processes = DictionaryArray::<Int32Type>::try_new(keys, self.processes.clone())?;
        let others = [
            Arc::new(processes) as ArrayRef,
            floats(&mut self.weights),
            floats(&mut self.met),
            floats(&mut self.met_phi),
            Arc::new(std::mem::take(&mut self.objects).into_array()?),
            Arc::new(UInt64Array::from(std::mem::take(&mut self.source_event_ids))),
        ];
        Ok(label_column(self.label, rows).into_iter().chain(others).collect())
    }

    fn is_full(&self) -> bool {
        self.objects.kind.len() >= BATCH_OBJECTS
    }
}

impl Default for Objects {
    fn default() -> Self {
        let (pt, eta, phi, energy) = Default::default();
        Self { offsets: vec![0], kind: Vec::new(), pt, eta, phi, energy }
    }
}

impl Objects {
    fn push(&mut self, line: &EventLine) {
        for object in &line.event.objects {
            self.kind.push(object.symbol.code());
            self.pt.push(object.pt_gev as f32);
            self.eta.push(object.eta as f32);
            self.phi.push(object.phi as f32);
            self.energy.push(object.energy_gev as f32);
        }
        // A batch is full long before 2^31 objects: a line has less than a million.
        self.offsets.push(i32::try_from(self.kind.len()).unwrap_or(i32::MAX));
    }

    fn into_array(self) -> Result<ListArray, ArrowError> {
        let floats = |values: Vec<f32>| Arc::new(Float32Array::from(values)) as ArrayRef;
        let values: Vec<ArrayRef> = vec![
            Arc::new(UInt8Array::from(self.kind)),
            floats(self.pt),
            floats(self.eta),
            floats(self.phi),
            floats(self.energy),
        ];
        let objects = StructArray::try_new(object_fields(), values, None)?;
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.offsets));
        ListArray::try_new(Arc::new(object_item_field()), offsets, Arc::new(objects), None)
    }
}
