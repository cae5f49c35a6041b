//! Arbitrary bytes as HDF5 of the ADC2021 layout.

use std::sync::LazyLock;

use crate::Scratch;
use crate::conversion::{conversion, convert};
use trigsieve::convert::{Conversion, EncodingChoice, SourceLayout, UnitsChoice};
use trigsieve::event::Encoding;

static SCRATCH: LazyLock<Scratch> = LazyLock::new(Scratch::new);

/// Runs the target on `bytes`; whether they were taken.
///
/// # Panics
/// When something does not hold that must.
pub fn run(bytes: &[u8]) -> bool {
    let encoding = EncodingChoice::Exact(Encoding::L1x57);
    let units = if bytes.len().is_multiple_of(2) { UnitsChoice::Physical } else { UnitsChoice::Cms };
    convert(&SCRATCH, bytes, Conversion { units, ..conversion(SourceLayout::Adc2021, encoding) })
}
