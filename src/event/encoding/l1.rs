use super::{InputMeaning, Quantity};

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

/// Name of the encoding.
pub(super) const L1_57: &str = "l1_57";

/// Appends the 57 inputs of an event in the encoding `l1_57`.
pub fn encode_l1(objects: &L1Event, inputs: &mut Vec<f32>) {
    let start = inputs.len();
    inputs.extend_from_slice(objects.as_flattened());
    inputs[start + 1] = 0.0;
}

pub(super) fn meanings() -> Vec<InputMeaning> {
    let mut meanings = Vec::with_capacity(3 * L1_PLACES);
    for (kind, places) in L1_OBJECTS {
        for place in 0..places {
            let object = if places == 1 { kind.name().to_owned() } else { format!("{}{place}", kind.name()) };
            let quantities = [Quantity::Pt, Quantity::Eta, Quantity::Phi];
            meanings.extend(quantities.map(|quantity| InputMeaning { object: object.clone(), quantity }));
        }
    }
    meanings
}
