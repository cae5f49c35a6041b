use std::sync::Arc;

use arrow_array::{ArrayRef, UInt8Array};
use arrow_schema::{ArrowError, Field};

use crate::convert::batches::{Constants, MoreColumns};
use crate::event::schema::label_field;

/// `label`, which is each event's own where the source knows it and no other was asked for, and `process`, if asked for.
pub(super) struct TruthColumns {
    constants: Constants,
    truth: Option<Vec<u8>>,
}

impl TruthColumns {
    /// `truth`: whether the source knows the label of each event.
    pub(super) fn new(label: Option<u8>, truth: bool, process: Option<&str>) -> Self {
        let truth = (truth && label.is_none()).then(Vec::new);
        Self { constants: Constants::new(label, process), truth }
    }

    /// Appends an event.
    pub(super) fn push(&mut self, truth: Option<u8>) {
        if let Some(labels) = &mut self.truth {
            labels.extend(truth);
        }
    }
}

impl MoreColumns for TruthColumns {
    fn fields(&self) -> Vec<Field> {
        let label = self.truth.as_ref().map(|_| label_field());
        label.into_iter().chain(self.constants.fields()).collect()
    }

    fn take(&mut self, rows: usize) -> Result<Vec<ArrayRef>, ArrowError> {
        let labels = self.truth.as_mut().map(std::mem::take);
        let label = labels.map(|labels| Arc::new(UInt8Array::from(labels)) as ArrayRef);
        Ok(label.into_iter().chain(self.constants.take(rows)?).collect())
    }
}
