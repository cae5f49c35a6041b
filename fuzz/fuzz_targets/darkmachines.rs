//! Arbitrary text as lines of the Dark Machines challenge. The first byte chooses the encoding, the selection and what
//! happens at a bad line.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use trigsieve::convert::{EncodingChoice, LineOptions, OnError, Selection, SourceLayout, UnitsChoice};
use trigsieve_fuzz::Scratch;
use trigsieve_fuzz::conversion::convert;

static SCRATCH: LazyLock<Scratch> = LazyLock::new(Scratch::new);

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, text)) = bytes.split_first() else { return };
    let encoding = match choice % 3 {
        0 => EncodingChoice::FitStatic,
        1 => EncodingChoice::Exact("simple_ae_34".parse().expect("an encoding")),
        _ => EncodingChoice::Exact("dm_dynamic[objects=3]".parse().expect("an encoding")),
    };
    let selections = [None, Some(Selection::Chan1), Some(Selection::Chan2a), Some(Selection::Chan2b), Some(Selection::Chan3)];
    let on_error = if choice & 0x80 == 0 { OnError::Skip } else { OnError::Fail };
    let lines = LineOptions { selection: selections[usize::from(choice / 3 % 5)], on_error };
    let units = if choice & 0x40 == 0 { UnitsChoice::Physical } else { UnitsChoice::Cms };
    convert(&SCRATCH, text, SourceLayout::DarkMachines, encoding, (lines, units));
});
