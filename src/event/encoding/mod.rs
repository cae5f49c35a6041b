//! Named functions from physics objects to the K inputs of a model.

mod dijet;
mod l1;
mod objects;
mod particles;
mod places;
#[cfg(test)]
mod tests;

pub use self::dijet::{DijetEncoding, DijetEvent};
pub use self::l1::{L1_OBJECTS, L1_PLACES, L1Event, ObjectKind, encode_l1};
pub use self::objects::{DynamicBlocks, ObjectEncoder, ObjectEncoding};
pub use self::particles::{MAX_PARTICLES, ParticleEncoder, ParticleEncoding};
pub use self::places::{MAX_PLACES, Places};
use super::{Feature, ObjectSymbol};

/// A named function from physics objects to the K inputs of a model. The name holds every parameter, so that two
/// encodings are the same exactly when their names are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `l1_57`: MET, 4 e/gamma, 4 muons, 10 jets, each (pT GeV, eta, phi rad), in file order; an
    /// absent object is (0, 0, 0) and the eta of MET is 0. See [`encode_l1`].
    L1x57,
    /// An encoding of any number of objects with symbols.
    Objects(ObjectEncoding),
    /// An encoding of the two leading jets.
    Dijet(DijetEncoding),
    /// An encoding of particles without a kind.
    Particles(ParticleEncoding),
}

/// What one input is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputMeaning {
    /// The object that it belongs to, for example `jet0`; `object` for their number.
    pub object: String,
    /// Which quantity of the object.
    pub quantity: Quantity,
}

/// Quantity of a physics object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Transverse momentum, GeV.
    Pt,
    /// Pseudorapidity.
    Eta,
    /// Azimuth, rad.
    Phi,
    /// Energy, GeV.
    Energy,
    /// Component of the momentum along x, GeV.
    Px,
    /// Component of the momentum along y, GeV.
    Py,
    /// Component of the momentum along the beam, GeV.
    Pz,
    /// Invariant mass, GeV.
    Mass,
    /// What the mass of the heavier of two objects is above that of the lighter, GeV.
    DeltaMass,
    /// N-subjettiness (arXiv:1011.2268) of N = 1, not normalised: a sum of pT times distance, GeV.
    Tau1,
    /// N-subjettiness of N = 2, GeV.
    Tau2,
    /// N-subjettiness of N = 3, GeV.
    Tau3,
    /// tau2 / tau1.
    Tau21,
    /// Number of objects in the event.
    Count,
    /// 1 where the object is present, 0 elsewhere.
    Presence,
    /// 1 where the object has this symbol, 0 elsewhere.
    Is(ObjectSymbol),
}

/// A name that is no encoding of this build.
#[derive(Debug, thiserror::Error)]
#[error("encoding `{name}`: {reason}")]
pub struct UnknownEncoding {
    name: String,
    reason: String,
}

impl Encoding {
    /// The names that this build knows, parameters spelt out, for messages.
    #[must_use]
    pub fn known() -> String {
        [&[l1::L1_57], &objects::KNOWN[..], &dijet::KNOWN, &[particles::KNOWN]].concat().join(", ")
    }

    /// The name that files and models carry, with the parameters.
    #[must_use]
    pub fn name(self) -> String {
        self.to_string()
    }

    /// Inputs per event.
    #[must_use]
    pub fn k(self) -> usize {
        match self {
            Self::L1x57 => 3 * L1_PLACES,
            Self::Objects(encoding) => encoding.k(),
            Self::Dijet(encoding) => encoding.k(),
            Self::Particles(encoding) => encoding.k(),
        }
    }

    /// What each input is, in order.
    #[must_use]
    pub fn meanings(self) -> Vec<InputMeaning> {
        match self {
            Self::L1x57 => l1::meanings(),
            Self::Objects(encoding) => encoding.meanings(),
            Self::Dijet(encoding) => encoding.meanings(),
            Self::Particles(encoding) => encoding.meanings(),
        }
    }

    /// Name and unit of each input, in order.
    #[must_use]
    pub fn features(self) -> Vec<Feature> {
        self.meanings().iter().map(InputMeaning::feature).collect()
    }
}

/// Sorts positions by the transverse momentum of what is there, largest first; equals keep their order.
fn leading_first(order: &mut [u32], pt_gev: impl Fn(u32) -> f64) {
    // With the position as second key an unstable sort, which needs no memory, keeps the order of equals.
    order.sort_unstable_by(|a, b| pt_gev(*b).total_cmp(&pt_gev(*a)).then(a.cmp(b)));
}

impl InputMeaning {
    fn feature(&self) -> Feature {
        let (quantity, unit) = match self.quantity {
            Quantity::Pt => ("pt", "GeV"),
            Quantity::Eta => ("eta", ""),
            Quantity::Phi => ("phi", "rad"),
            Quantity::Energy => ("energy", "GeV"),
            Quantity::Px => ("px", "GeV"),
            Quantity::Py => ("py", "GeV"),
            Quantity::Pz => ("pz", "GeV"),
            Quantity::Mass => ("mass", "GeV"),
            Quantity::DeltaMass => ("deltamass", "GeV"),
            Quantity::Tau1 => ("tau1", "GeV"),
            Quantity::Tau2 => ("tau2", "GeV"),
            Quantity::Tau3 => ("tau3", "GeV"),
            Quantity::Tau21 => ("tau21", ""),
            Quantity::Count => ("count", ""),
            Quantity::Presence => ("present", ""),
            Quantity::Is(symbol) => (symbol.name(), ""),
        };
        let link = if matches!(self.quantity, Quantity::Is(_)) { "_is_" } else { "_" };
        Feature { name: format!("{}{link}{quantity}", self.object), unit: unit.to_owned() }
    }
}

impl std::str::FromStr for Encoding {
    type Err = UnknownEncoding;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        if name == l1::L1_57 {
            return Ok(Self::L1x57);
        }
        if let Some(encoding) = DijetEncoding::parse(name) {
            return Ok(Self::Dijet(encoding));
        }
        let refuse = |reason| UnknownEncoding { name: name.to_owned(), reason };
        let of_objects = objects::parse(name).map(|parsed| parsed.map(Self::Objects));
        let of_particles = || ParticleEncoding::parse(name).map(|parsed| parsed.map(Self::Particles));
        match of_objects.or_else(of_particles) {
            Some(parsed) => parsed.map_err(refuse),
            None => Err(refuse(format!("unknown, this build knows {}", Self::known()))),
        }
    }
}

impl std::fmt::Display for Encoding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::L1x57 => f.write_str(l1::L1_57),
            Self::Objects(encoding) => encoding.fmt(f),
            Self::Dijet(encoding) => encoding.fmt(f),
            Self::Particles(encoding) => encoding.fmt(f),
        }
    }
}
