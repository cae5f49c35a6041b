//! Arbitrary bytes as HDF5 of the LHC Olympics. The first byte chooses particles or features, the encoding, the label and the
//! units.

use std::sync::LazyLock;

use crate::Scratch;
use crate::conversion::{conversion, convert};
use trigsieve::convert::{Conversion, EncodingChoice, SourceLayout, UnitsChoice};
use trigsieve::event::{DijetEncoding, Encoding, ParticleEncoding};

static SCRATCH: LazyLock<Scratch> = LazyLock::new(Scratch::new);

/// Runs the target on `bytes`; whether they were taken.
///
/// # Panics
/// When something does not hold that must.
pub fn run(bytes: &[u8]) -> bool {
    let Some((&choice, bytes)) = bytes.split_first() else { return false };
    let few = ParticleEncoding::new(3).expect("there are more places");
    let (layout, encoding) = match choice % 4 {
        0 => (SourceLayout::LhcoFeatures, Encoding::Dijet(DijetEncoding::All)),
        1 => (SourceLayout::LhcoFeatures, Encoding::Dijet(DijetEncoding::Masses)),
        2 => (SourceLayout::Lhco, Encoding::Particles(few)),
        _ => (SourceLayout::Lhco, Encoding::Particles(ParticleEncoding::ALL)),
    };
    let label = [None, Some(0), Some(1)][usize::from(choice / 4 % 3)];
    let units = if choice & 0x80 == 0 { UnitsChoice::Physical } else { UnitsChoice::Cms };
    let conversion = Conversion { units, label, ..conversion(layout, EncodingChoice::Exact(encoding)) };
    convert(&SCRATCH, bytes, conversion)
}
