//! Bytes as a source file of `convert`.

use std::path::PathBuf;

use trigsieve::convert::{Conversion, EncodingChoice, LineOptions, SourceLayout, UnitsChoice};
use trigsieve::event::EventTable;

use crate::{Scratch, is_told};

/// A conversion of physical values into `encoding`, with the label 0; what is read and written comes later.
#[must_use]
pub fn conversion(layout: SourceLayout, encoding: EncodingChoice) -> Conversion {
    Conversion {
        inputs: Vec::new(),
        layout,
        lines: LineOptions::default(),
        output: PathBuf::new(),
        encoding,
        units: UnitsChoice::Physical,
        label: Some(0),
        process: None,
        force: false,
    }
}

/// Converts `bytes`. Either a table appears that has the events that were counted, or there is nothing and the error
/// names the input. Whether it was a table.
///
/// # Panics
/// When that does not hold.
pub fn convert(scratch: &Scratch, bytes: &[u8], conversion: Conversion) -> bool {
    let input = scratch.put("input", bytes);
    let output = scratch.path("output.arrow");
    let conversion = Conversion { inputs: vec![input.clone()], output: output.clone(), ..conversion };
    let taken = match conversion.plan().and_then(|plan| plan.run(|_| {})) {
        Ok(converted) => {
            let [file] = &converted.inputs[..] else { panic!("one input gives one count") };
            if let Some(counts) = &file.lines {
                assert_eq!(counts.lines, file.events + counts.not_selected + counts.bad + counts.blank);
            }
            let table = EventTable::open(&output).expect("what was converted can be read");
            assert_eq!(table.len(), file.events);
            assert!(table.is_zero_copy());
            drop(table);
            std::fs::remove_file(&output).expect("the output is there");
            true
        }
        Err(error) => is_told(&error, &input),
    };
    assert_eq!(scratch.names(), ["input"], "nothing else is left");
    taken
}
