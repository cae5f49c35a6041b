use std::f64::consts::PI;

use super::{Encoding, Quantity};

/// Mean of inputs in GeV, where they are not nothing.
const MEAN_PT_GEV: f64 = 30.0;
/// Largest pseudorapidity.
const MAX_ETA: f64 = 2.4;
/// Most objects.
const MOST_OBJECTS: f64 = 10.0;

/// Draws inputs for measurements and trials: every one by itself, momenta, energies and masses from an exponential, half of
/// them nothing (components of momenta: of the other sign), angles and ratios evenly. No physics, but the range of values
/// that physics has. The same seed gives the same events.
#[derive(Clone, Debug)]
pub struct InputGenerator {
    quantities: Vec<Quantity>,
    random: SplitMix,
}

impl InputGenerator {
    /// Inputs of `encoding`.
    #[must_use]
    pub fn new(encoding: Encoding, seed: u64) -> Self {
        let quantities = encoding.meanings().iter().map(|meaning| meaning.quantity).collect();
        Self { quantities, random: SplitMix(seed) }
    }

    /// Appends the K inputs of the next event, in physical units.
    pub fn event(&mut self, inputs: &mut Vec<f32>) {
        let random = &mut self.random;
        inputs.extend(self.quantities.iter().map(|quantity| value(*quantity, random)));
    }
}

fn value(quantity: Quantity, random: &mut SplitMix) -> f32 {
    let (even, is_there) = (random.unit(), random.unit() < 0.5);
    let exponential = -MEAN_PT_GEV * (1.0 - even).ln();
    let value = match quantity {
        Quantity::Pt
        | Quantity::Energy
        | Quantity::Mass
        | Quantity::DeltaMass
        | Quantity::Tau1
        | Quantity::Tau2
        | Quantity::Tau3 => exponential * f64::from(u8::from(is_there)),
        Quantity::Px | Quantity::Py | Quantity::Pz if is_there => exponential,
        Quantity::Px | Quantity::Py | Quantity::Pz => -exponential,
        Quantity::Tau21 => even,
        Quantity::Eta => MAX_ETA * (2.0 * even - 1.0),
        Quantity::Phi => PI * (2.0 * even - 1.0),
        Quantity::Count => (MOST_OBJECTS * even).floor(),
        Quantity::Presence | Quantity::Is(_) => f64::from(u8::from(is_there)),
    };
    value as f32
}

/// `SplitMix64` (Steele, Lea, Flood, OOPSLA 2014).
#[derive(Clone, Debug)]
pub(crate) struct SplitMix(pub(crate) u64);

impl SplitMix {
    /// In [0, 1), 53 bits.
    pub(crate) fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}
