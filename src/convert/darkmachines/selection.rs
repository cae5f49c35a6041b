use crate::event::{CollisionEvent, PhysicsObject};

/// The event selections of the Dark Machines challenge (arXiv:2105.14027, section 2.1). HT is the scalar sum of the pT
/// of the jets, with or without a b tag, that have pT > 20 GeV and |eta| < 2.8 (eq. 2.1). The channels overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Selection {
    /// HT >= 600 GeV, MET >= 200 GeV, MET / HT >= 0.2 (eq. 2.2), 4 jets with pT > 50 GeV, one of them > 200 GeV.
    Chan1,
    /// MET >= 50 GeV (eq. 2.3), 3 electrons or muons with pT > 15 GeV.
    Chan2a,
    /// MET >= 50 GeV, HT >= 50 GeV (eq. 2.4), 2 electrons or muons with pT > 15 GeV.
    Chan2b,
    /// HT >= 600 GeV, MET > 100 GeV (eq. 2.5).
    Chan3,
}

impl Selection {
    /// Whether the event is in the channel.
    #[must_use]
    pub fn passes(self, event: &CollisionEvent) -> bool {
        let met_gev = event.met_gev;
        match self {
            Self::Chan1 => {
                let ht_gev = ht_gev(event);
                ht_gev >= 600.0
                    && met_gev >= 200.0
                    && met_gev / ht_gev >= 0.2
                    && jets_above(event, 50.0) >= 4
                    && jets_above(event, 200.0) >= 1
            }
            Self::Chan2a => met_gev >= 50.0 && leptons_above_15_gev(event) >= 3,
            Self::Chan2b => met_gev >= 50.0 && leptons_above_15_gev(event) >= 2 && ht_gev(event) >= 50.0,
            Self::Chan3 => met_gev > 100.0 && ht_gev(event) >= 600.0,
        }
    }
}

impl std::fmt::Display for Selection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Chan1 => "chan1",
            Self::Chan2a => "chan2a",
            Self::Chan2b => "chan2b",
            Self::Chan3 => "chan3",
        })
    }
}

fn ht_gev(event: &CollisionEvent) -> f64 {
    let counts =
        |object: &&PhysicsObject| object.symbol.is_jet() && object.pt_gev > 20.0 && object.eta.abs() < 2.8;
    event.objects.iter().filter(counts).map(|jet| jet.pt_gev).sum()
}

fn jets_above(event: &CollisionEvent, pt_gev: f64) -> usize {
    event.objects.iter().filter(|object| object.symbol.is_jet() && object.pt_gev > pt_gev).count()
}

fn leptons_above_15_gev(event: &CollisionEvent) -> usize {
    event.objects.iter().filter(|object| object.symbol.is_light_lepton() && object.pt_gev > 15.0).count()
}
