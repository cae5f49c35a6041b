//! Named functions from physics objects to the K inputs of a model.

mod l1;
mod objects;
mod places;
#[cfg(test)]
mod tests;

pub use self::l1::{L1_OBJECTS, L1_PLACES, L1Event, ObjectKind, encode_l1};
pub use self::objects::{DynamicBlocks, ObjectEncoder, ObjectEncoding};
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
        format!("{}, {}", l1::L1_57, objects::KNOWN.join(", "))
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
        }
    }

    /// What each input is, in order.
    #[must_use]
    pub fn meanings(self) -> Vec<InputMeaning> {
        match self {
            Self::L1x57 => l1::meanings(),
            Self::Objects(encoding) => encoding.meanings(),
        }
    }

    /// Name and unit of each input, in order.
    #[must_use]
    pub fn features(self) -> Vec<Feature> {
        self.meanings().iter().map(InputMeaning::feature).collect()
    }
}

impl InputMeaning {
    fn feature(&self) -> Feature {
        let (quantity, unit) = match self.quantity {
            Quantity::Pt => ("pt", "GeV"),
            Quantity::Eta => ("eta", ""),
            Quantity::Phi => ("phi", "rad"),
            Quantity::Energy => ("energy", "GeV"),
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
        let refuse = |reason| UnknownEncoding { name: name.to_owned(), reason };
        match objects::parse(name) {
            Some(parsed) => parsed.map(Self::Objects).map_err(refuse),
            None => Err(refuse(format!("unknown, this build knows {}", Self::known()))),
        }
    }
}

impl std::fmt::Display for Encoding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::L1x57 => f.write_str(l1::L1_57),
            Self::Objects(encoding) => encoding.fmt(f),
        }
    }
}
