//! Arbitrary bytes as an event table: no panic, no fault, no huge allocation, and the rows that it claims are there.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use trigsieve::event::{EventTable, Values};
use trigsieve_fuzz::{Scratch, is_told};

static SCRATCH: LazyLock<Scratch> = LazyLock::new(Scratch::new);

fuzz_target!(|bytes: &[u8]| {
    let path = SCRATCH.put("events.arrow", bytes);
    match EventTable::open(&path) {
        Ok(table) => is_whole(&table),
        Err(error) => is_told(&error, &path),
    }
});

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
