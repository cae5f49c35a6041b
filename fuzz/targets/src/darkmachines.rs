//! Arbitrary text as lines of the Dark Machines challenge. The first byte chooses the encoding, the selection and what
//! happens at a bad line.

use std::sync::LazyLock;

use crate::Scratch;
use crate::conversion::{conversion, convert};
use trigsieve::convert::{
    Conversion, EncodingChoice, LineOptions, OnError, Selection, SourceLayout, UnitsChoice,
};

static SCRATCH: LazyLock<Scratch> = LazyLock::new(Scratch::new);

/// Runs the target on `bytes`; whether they were taken.
///
/// # Panics
/// When something does not hold that must.
pub fn run(bytes: &[u8]) -> bool {
    let Some((&choice, text)) = bytes.split_first() else { return false };
    let encoding = match choice % 3 {
        0 => EncodingChoice::FitStatic,
        1 => EncodingChoice::Exact("simple_ae_34".parse().expect("an encoding")),
        _ => EncodingChoice::Exact("dm_dynamic[objects=3]".parse().expect("an encoding")),
    };
    let selections = [
        None,
        Some(Selection::Chan1),
        Some(Selection::Chan2a),
        Some(Selection::Chan2b),
        Some(Selection::Chan3),
    ];
    let on_error = if choice & 0x80 == 0 { OnError::Skip } else { OnError::Fail };
    let lines = LineOptions { selection: selections[usize::from(choice / 3 % 5)], on_error };
    let units = if choice & 0x40 == 0 { UnitsChoice::Physical } else { UnitsChoice::Cms };
    let conversion = Conversion { lines, units, ..conversion(SourceLayout::DarkMachines, encoding) };
    convert(&SCRATCH, text, conversion)
}
