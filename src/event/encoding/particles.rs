use super::places::digits;
use super::{InputMeaning, Quantity, leading_first};

/// Most particles of an event in the LHC Olympics' files, and so in an encoding.
pub const MAX_PARTICLES: u16 = 700;

/// The name with its parameter, for messages.
pub(super) const KNOWN: &str = "particles[objects=N]";

/// `particles[objects=N]`: (pT GeV, eta, phi rad) of each of the N leading particles by pT; those of the same pT keep their
/// order. A place without a particle is all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParticleEncoding(u16);

impl ParticleEncoding {
    /// Every particle that an event may have.
    pub const ALL: Self = Self(MAX_PARTICLES);

    /// So many leading particles; `None` for none, or for more than [`MAX_PARTICLES`].
    #[must_use]
    pub fn new(particles: u16) -> Option<Self> {
        (1..=MAX_PARTICLES).contains(&particles).then_some(Self(particles))
    }

    /// Inputs per event.
    #[must_use]
    pub fn k(self) -> usize {
        3 * usize::from(self.0)
    }

    /// What each input is, in order.
    pub(super) fn meanings(self) -> Vec<InputMeaning> {
        let of = |particle: u16| {
            [Quantity::Pt, Quantity::Eta, Quantity::Phi]
                .map(|quantity| InputMeaning { object: format!("particle{particle}"), quantity })
        };
        (0..self.0).flat_map(of).collect()
    }

    pub(super) fn parse(name: &str) -> Option<Result<Self, String>> {
        let parameters = name.strip_prefix("particles")?;
        let number = parameters.strip_prefix("[objects=").and_then(|rest| rest.strip_suffix(']'));
        let encoding = number.and_then(digits).and_then(Self::new);
        Some(encoding.ok_or_else(|| format!("it is not {KNOWN} with N from 1 to {MAX_PARTICLES}")))
    }
}

impl std::fmt::Display for ParticleEncoding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "particles[objects={}]", self.0)
    }
}

/// Encodes events one after another, without an allocation once it has seen the largest.
#[derive(Clone, Debug)]
pub struct ParticleEncoder {
    encoding: ParticleEncoding,
    /// Positions of the particles, leading first.
    order: Vec<u32>,
}

impl ParticleEncoder {
    /// An encoder.
    #[must_use]
    pub fn new(encoding: ParticleEncoding) -> Self {
        Self { encoding, order: Vec::new() }
    }

    /// Appends the K inputs of an event of these particles, (pT GeV, eta, phi rad) each; those whose pT is 0 are absent.
    /// Returns how many found no place.
    pub fn encode(&mut self, particles: &[[f32; 3]], inputs: &mut Vec<f32>) -> usize {
        let end = inputs.len() + self.encoding.k();
        let pt = |position: u32| particles[position as usize][0];
        self.order.clear();
        self.order.extend((0..).take(particles.len()).filter(|position| pt(*position) != 0.0));
        leading_first(&mut self.order, |position| pt(position).into());
        let places = usize::from(self.encoding.0);
        let leading = self.order.iter().take(places);
        inputs.extend(leading.flat_map(|position| particles[*position as usize]));
        inputs.resize(end, 0.0);
        self.order.len().saturating_sub(places)
    }
}
