//! A trained model as export needs it.

use crate::network::Network;
use crate::preprocessing::Preprocessing;
use crate::recipe::{EnsembleRule, WORKING_POINT};

/// What a network's outputs become.
///
/// The target C of a Deep SVDD network is in its last bias, which leaves outputs f - C, so that a squared distance to C is
/// a squared norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// Outputs are zhat `[K]`; the score is the largest of [`Preprocessing::error_terms`], each divided by its divisor.
    Reconstruction,
    /// Outputs are mu `[d]`; the score is sum mu^2.
    SquaredNorm,
    /// Outputs are mu `[d]`; the score is sqrt(sum mu^2).
    Norm,
    /// Outputs are mu and ln sigma^2 `[2 d]`; the score is sum mu^2 / sigma^2.
    RelativeSquaredNorm,
    /// Outputs are mu and ln sigma^2 `[2 d]`; the score is 1/2 sum (mu^2 + sigma^2 - 1 - ln sigma^2), the divergence of
    /// N(mu, sigma^2) from N(0, 1).
    KullbackLeibler,
}

/// One network and its score.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// From network inputs.
    pub network: Network,
    /// To a score.
    pub head: Head,
    /// ln sigma^2 is kept between this and minus this, where the head looks at it.
    pub log_variance_limit: f32,
    /// Factor of this score among those of the other members; 1 where there is one member.
    pub factor: f32,
}

/// A fitted model: everything that its graphs contain.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainedModel {
    /// Name of the bundle.
    pub name: String,
    /// Name of the encoding.
    pub encoding: String,
    /// Scales and weights.
    pub preprocessing: Preprocessing,
    /// What the terms of a reconstruction error are divided by in the score; 1 where there is one term.
    pub divisors: Vec<f32>,
    /// The networks; more than one in an ensemble.
    pub members: Vec<Member>,
    /// How their scores become one.
    pub rule: EnsembleRule,
}

/// The quantile of some values, interpolated between neighbours; 1 where it is not above 0.
fn value_at(mut values: Vec<f32>, quantile: f64) -> f32 {
    values.sort_unstable_by(f32::total_cmp);
    let place = quantile * values.len().saturating_sub(1) as f64;
    let at = |place: f64| values.get(place as usize).copied().unwrap_or(1.0);
    let (below, above) = (at(place.floor()), at(place.ceil()));
    let value = below + (above - below) * place.fract() as f32;
    if value > 0.0 { value } else { 1.0 }
}

impl Head {
    /// Whether the second half of the outputs is ln sigma^2.
    #[must_use]
    pub fn has_variance(self) -> bool {
        matches!(self, Self::RelativeSquaredNorm | Self::KullbackLeibler)
    }

    /// The score of latent outputs; of a reconstruction, which needs the event, see
    /// [`Preprocessing::error_terms`].
    fn score(self, outputs: &[f32], limit: f32) -> f32 {
        let (mu, log_variance) =
            outputs.split_at(if self.has_variance() { outputs.len() / 2 } else { outputs.len() });
        let pairs = mu.iter().zip(log_variance.iter().map(|value| value.clamp(-limit, limit)));
        match self {
            Self::Reconstruction | Self::SquaredNorm => mu.iter().map(|mu| mu * mu).sum(),
            Self::Norm => mu.iter().map(|mu| mu * mu).sum::<f32>().sqrt(),
            Self::RelativeSquaredNorm => pairs.map(|(mu, log)| mu * mu / log.exp()).sum(),
            Self::KullbackLeibler => {
                0.5 * pairs.map(|(mu, log)| mu * mu + log.exp() - log - 1.0).sum::<f32>()
            }
        }
    }
}

impl TrainedModel {
    /// Inputs per event.
    #[must_use]
    pub fn k(&self) -> usize {
        self.preprocessing.layout().inputs
    }

    /// Weights of the squared errors in every term of the score, `[K]` each, divided by the term's divisor.
    #[must_use]
    pub fn term_weights(&self) -> Vec<Vec<f32>> {
        let divided =
            |(term, divisor): (&Vec<f32>, &f32)| term.iter().map(|weight| weight / divisor).collect();
        self.preprocessing.terms().iter().zip(&self.divisors).map(divided).collect()
    }

    /// What the network reads of an event.
    #[must_use]
    pub fn network_inputs(&self, row: &[f32]) -> Vec<f32> {
        let mut inputs = Vec::with_capacity(row.len());
        self.preprocessing.extend_network_inputs(row, &mut inputs);
        if let Some(limit) = self.preprocessing.saturation() {
            inputs.iter_mut().for_each(|value| *value = value.clamp(-limit, limit));
        }
        inputs
    }

    /// The score of one event in plain arithmetic: what the graphs are measured against.
    #[must_use]
    pub fn score(&self, row: &[f32]) -> f32 {
        let inputs = self.network_inputs(row);
        let scores =
            self.members.iter().map(|member| member.factor * self.member_score(member, row, &inputs));
        match self.rule {
            EnsembleRule::Mean => scores.sum::<f32>(),
            EnsembleRule::Max => scores.fold(f32::NEG_INFINITY, f32::max),
        }
    }

    fn member_score(&self, member: &Member, row: &[f32], inputs: &[f32]) -> f32 {
        let outputs = member.network.outputs(inputs);
        match member.head {
            Head::Reconstruction => {
                let terms = self.preprocessing.error_terms(row, &outputs);
                let scores = terms.iter().zip(&self.divisors).map(|(term, divisor)| term / divisor);
                scores.fold(f32::NEG_INFINITY, f32::max)
            }
            head => head.score(&outputs, member.log_variance_limit),
        }
    }

    /// Gives every term of a reconstruction error the divisor that makes it exceed 1 in an equal share of
    /// [`WORKING_POINT`] of the events in `rows`.
    pub fn normalise_terms<'r>(&mut self, rows: impl Iterator<Item = &'r [f32]>) {
        let count = self.preprocessing.terms().len();
        let Some(member) =
            self.members.first().filter(|member| count > 1 && member.head == Head::Reconstruction)
        else {
            return;
        };
        let mut terms = vec![Vec::new(); count];
        for row in rows {
            let outputs = member.network.outputs(&self.network_inputs(row));
            let errors = self.preprocessing.error_terms(row, &outputs);
            terms.iter_mut().zip(errors).for_each(|(term, error)| term.push(error));
        }
        let quantile = 1.0 - WORKING_POINT / count as f64;
        self.divisors = terms.into_iter().map(|term| value_at(term, quantile)).collect();
    }

    /// Gives every member of an ensemble the factor that makes its mean score over `rows` 1, divided by the number of
    /// members where the scores are averaged.
    pub fn normalise_members<'r>(&mut self, rows: impl Iterator<Item = &'r [f32]> + Clone) {
        if self.members.len() < 2 {
            return;
        }
        let share = if self.rule == EnsembleRule::Mean { self.members.len() as f64 } else { 1.0 };
        for index in 0..self.members.len() {
            let member = &self.members[index];
            let score = |row| f64::from(self.member_score(member, row, &self.network_inputs(row)));
            let (sum, events) =
                rows.clone().fold((0.0, 0_u32), |(sum, events), row| (sum + score(row), events + 1));
            let mean = sum / f64::from(events.max(1));
            // A member that has collapsed onto its target scores 0 everywhere and has nothing to say.
            self.members[index].factor = if mean > 0.0 { (1.0 / (mean * share)) as f32 } else { 0.0 };
        }
    }
}
