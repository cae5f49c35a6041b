use super::{InputMeaning, Quantity};

/// The names, for messages.
pub(super) const KNOWN: [&str; 2] = ["dijet_14", "dijet_4"];

/// Numbers of a jet in [`DijetEvent`].
const JET_NUMBERS: usize = 7;

/// The two leading jets of an event, leading first: of each the momentum (px, py, pz), the mass, and the N-subjettinesses
/// tau1, tau2 and tau3 (sums of pT times distance, not normalised), all in GeV. These are the columns of the LHC Olympics' features
/// (arXiv:2101.08320) in their order.
pub type DijetEvent = [f32; 2 * JET_NUMBERS];

/// An encoding of the two leading jets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DijetEncoding {
    /// `dijet_14`: all numbers of [`DijetEvent`] as they are.
    All,
    /// `dijet_4`: the mass of the lighter jet, what the heavier one has more (GeV), and tau2 / tau1 of the lighter and of the
    /// heavier: what searches for a resonance give to their networks (arXiv:2001.04990, arXiv:2109.00546). The mass of
    /// both together, in which they look for a bump, is not among them. The ratio of a jet with tau1 = 0 is 0.
    Masses,
}

impl DijetEncoding {
    /// Inputs per event.
    #[must_use]
    pub fn k(self) -> usize {
        match self {
            Self::All => 2 * JET_NUMBERS,
            Self::Masses => 4,
        }
    }

    /// Appends the K inputs of an event.
    pub fn encode(self, event: &DijetEvent, inputs: &mut Vec<f32>) {
        match self {
            Self::All => inputs.extend_from_slice(event),
            Self::Masses => inputs.extend_from_slice(&masses(event)),
        }
    }

    /// What each input is, in order.
    pub(super) fn meanings(self) -> Vec<InputMeaning> {
        use Quantity::{DeltaMass, Mass, Px, Py, Pz, Tau1, Tau2, Tau3, Tau21};
        let of = |object: &str, quantity| InputMeaning { object: object.to_owned(), quantity };
        match self {
            Self::All => {
                let numbers = [Px, Py, Pz, Mass, Tau1, Tau2, Tau3];
                ["jet0", "jet1"].iter().flat_map(|jet| numbers.map(|number| of(jet, number))).collect()
            }
            Self::Masses => vec![
                of("light_jet", Mass),
                of("jets", DeltaMass),
                of("light_jet", Tau21),
                of("heavy_jet", Tau21),
            ],
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        [Self::All, Self::Masses].into_iter().find(|encoding| encoding.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::All => KNOWN[0],
            Self::Masses => KNOWN[1],
        }
    }
}

impl std::fmt::Display for DijetEncoding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

fn masses(event: &DijetEvent) -> [f32; 4] {
    let (jet0, jet1) = event.split_at(JET_NUMBERS);
    let (light, heavy) = if jet1[3] < jet0[3] { (jet1, jet0) } else { (jet0, jet1) };
    [light[3], heavy[3] - light[3], ratio(light), ratio(heavy)]
}

/// tau2 / tau1; a tau1 that is not a number gives none either.
fn ratio(jet: &[f32]) -> f32 {
    if jet[4] == 0.0 { 0.0 } else { jet[5] / jet[4] }
}
