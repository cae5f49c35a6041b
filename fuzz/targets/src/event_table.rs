//! Arbitrary bytes as an event table: no panic, no fault, no huge allocation, and the rows that it claims are there.

use std::sync::LazyLock;

use crate::{Scratch, is_told};
use trigsieve::event::{EventTable, Values};

static SCRATCH: LazyLock<Scratch> = LazyLock::new(Scratch::new);

/// Runs the target on `bytes`; whether they were taken.
///
/// # Panics
/// When something does not hold that must.
pub fn run(bytes: &[u8]) -> bool {
    let path = SCRATCH.put("events.arrow", bytes);
    match EventTable::open(&path) {
        Ok(table) => {
            is_whole(&table);
            true
        }
        Err(error) => is_told(&error, &path),
    }
}

fn is_whole(table: &EventTable) {
    let k = table.schema().k;
    let mut rows = 0;
    for batch in table.batches() {
        assert_eq!(batch.first_row(), rows);
        rows += batch.len() as u64;
        assert_eq!(batch.event_ids().len(), batch.len());
        assert_eq!(batch.bunch_crossings().len(), batch.len());
        let values = match batch.rows().values() {
            // Every value is looked at, so that one outside of the file is found.
            Values::F32(values) => (values.len(), values.iter().filter(|value| value.is_nan()).count()),
            Values::I16(values) => (values.len(), values.iter().filter(|value| **value == 0).count()),
        };
        assert_eq!(values.0, k * batch.len());
    }
    assert_eq!(rows, table.len());
    table.check_intact().expect("nobody has cut the file");
}
