//! Arbitrary bytes as HDF5 of the ADC2021 layout.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use trigsieve::convert::{EncodingChoice, LineOptions, SourceLayout, UnitsChoice};
use trigsieve::event::Encoding;
use trigsieve_fuzz::Scratch;
use trigsieve_fuzz::conversion::convert;

static SCRATCH: LazyLock<Scratch> = LazyLock::new(Scratch::new);

fuzz_target!(|bytes: &[u8]| {
    let encoding = EncodingChoice::Exact(Encoding::L1x57);
    let units = if bytes.len() % 2 == 0 { UnitsChoice::Physical } else { UnitsChoice::Cms };
    convert(&SCRATCH, bytes, SourceLayout::Adc2021, encoding, (LineOptions::default(), units));
});
