use super::Feature;

/// Kind of a physics object at the trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// Missing transverse momentum: its eta is undefined and stays 0.
    Met,
    /// Electron or photon.
    EGamma,
    /// Muon.
    Muon,
    /// Jet.
    Jet,
}

impl ObjectKind {
    /// Prefix of the feature names.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::EGamma => "egamma",
            Self::Muon => "muon",
            Self::Jet => "jet",
        }
    }
}

/// The objects of the L1 encodings in their order: kind and number of places.
/// This is the order of the ADC2021 data set (arXiv:2107.02157).
pub const L1_OBJECTS: [(ObjectKind, usize); 4] =
    [(ObjectKind::Met, 1), (ObjectKind::EGamma, 4), (ObjectKind::Muon, 4), (ObjectKind::Jet, 10)];

/// Objects of an event in the L1 encodings.
pub const L1_PLACES: usize = 19;

/// pT (GeV), eta and phi (rad) of the objects of an event, in the order of [`L1_OBJECTS`]; an absent object is
/// all zero.
pub type L1Event = [[f32; 3]; L1_PLACES];

/// A named, versioned function from physics objects to the K inputs of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `l1_57`: MET, 4 e/gamma, 4 muons, 10 jets, each (pT GeV, eta, phi rad), in file order; an
    /// absent object is (0, 0, 0) and the eta of MET is 0.
    L1x57,
}

/// A name that is no encoding of this build.
#[derive(Debug, thiserror::Error)]
#[error("unknown encoding `{name}`: this build knows {known}")]
pub struct UnknownEncoding {
    name: String,
    known: String,
}

impl Encoding {
    /// Every encoding of this build.
    pub const ALL: [Encoding; 1] = [Encoding::L1x57];

    /// The name that files and models carry.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::L1x57 => "l1_57",
        }
    }

    /// Inputs per event.
    #[must_use]
    pub fn k(self) -> usize {
        match self {
            Self::L1x57 => 57,
        }
    }

    /// Appends the K inputs of an event.
    pub fn encode(self, objects: &L1Event, inputs: &mut Vec<f32>) {
        match self {
            Self::L1x57 => {
                let start = inputs.len();
                inputs.extend_from_slice(objects.as_flattened());
                inputs[start + 1] = 0.0;
            }
        }
    }

    /// Name and unit of each input, in order.
    #[must_use]
    pub fn features(self) -> Vec<Feature> {
        match self {
            Self::L1x57 => l1_features(),
        }
    }
}

impl std::str::FromStr for Encoding {
    type Err = UnknownEncoding;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|encoding| encoding.name() == name).ok_or_else(|| UnknownEncoding {
            name: name.to_owned(),
            known: Self::ALL.map(Self::name).join(", "),
        })
    }
}

impl std::fmt::Display for Encoding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

fn l1_features() -> Vec<Feature> {
    let mut features = Vec::with_capacity(57);
    for (kind, places) in L1_OBJECTS {
        for place in 0..places {
            let object = if places == 1 { kind.name().to_owned() } else { format!("{}{place}", kind.name()) };
            for (quantity, unit) in [("pt", "GeV"), ("eta", ""), ("phi", "rad")] {
                features.push(Feature { name: format!("{object}_{quantity}"), unit: unit.to_owned() });
            }
        }
    }
    features
}
