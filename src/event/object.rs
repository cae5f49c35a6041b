/// What a physics object was reconstructed as: the symbols of the Dark Machines challenge (arXiv:2105.14027,
/// table 1). The discriminant is the `kind` in the event table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ObjectSymbol {
    /// `j`: jet without a b tag.
    Jet,
    /// `b`: jet with a b tag.
    BJet,
    /// `e-`.
    Electron,
    /// `e+`.
    Positron,
    /// `m-`.
    Muon,
    /// `m+`.
    Antimuon,
    /// `g`.
    Photon,
}

impl ObjectSymbol {
    /// Every symbol, in the order of the paper's table, which is also that of the codes.
    pub const ALL: [Self; 7] =
        [Self::Jet, Self::BJet, Self::Electron, Self::Positron, Self::Muon, Self::Antimuon, Self::Photon];

    /// The symbol as the challenge's files write it.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Jet => "j",
            Self::BJet => "b",
            Self::Electron => "e-",
            Self::Positron => "e+",
            Self::Muon => "m-",
            Self::Antimuon => "m+",
            Self::Photon => "g",
        }
    }

    /// The object of a symbol.
    #[must_use]
    pub fn from_symbol(symbol: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|object| object.symbol().as_bytes() == symbol)
    }

    /// Prefix of the feature names.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Jet => "jet",
            Self::BJet => "bjet",
            Self::Electron => "electron",
            Self::Positron => "positron",
            Self::Muon => "muon",
            Self::Antimuon => "antimuon",
            Self::Photon => "photon",
        }
    }

    /// The `kind` of the event table, 0 to 6.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// A jet, with or without a b tag.
    #[must_use]
    pub fn is_jet(self) -> bool {
        matches!(self, Self::Jet | Self::BJet)
    }

    /// An electron or a muon of either charge.
    #[must_use]
    pub fn is_light_lepton(self) -> bool {
        matches!(self, Self::Electron | Self::Positron | Self::Muon | Self::Antimuon)
    }
}

/// A reconstructed object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PhysicsObject {
    /// What it is.
    pub symbol: ObjectSymbol,
    /// Transverse momentum in GeV.
    pub pt_gev: f64,
    /// Pseudorapidity.
    pub eta: f64,
    /// Azimuth in rad.
    pub phi: f64,
    /// Energy in GeV.
    pub energy_gev: f64,
}

/// A collision as physics objects, however many. In double precision, because selections cut on it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CollisionEvent {
    /// Missing transverse momentum in GeV.
    pub met_gev: f64,
    /// Its azimuth in rad.
    pub met_phi: f64,
    /// The objects, in any order.
    pub objects: Vec<PhysicsObject>,
}
