//! The families: which networks a recipe asks for, what their loss is, and what is exported of them.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::TrainError;
use crate::model::{Head, Member};
use crate::network::Network;
use crate::parameters::{Parameters, StackShape};
use crate::preprocessing::Preprocessing;
use crate::recipe::{Body, Score, ScoreName, Svdd, SvddLoss, Vae};

/// Events as tensors.
#[derive(Clone, Debug)]
pub struct Batch {
    /// z, [N, K], without the network's saturation.
    pub inputs: Tensor<2>,
    /// Weights of reconstruction errors, [N, K]; `None` for a family without.
    pub weights: Option<Tensor<2>>,
    /// Standard normal numbers, [N, noise width]; `None` for a family without.
    pub noise: Option<Tensor<2>>,
}

/// One network of a family, and its loss.
#[derive(Clone, Debug, PartialEq)]
pub enum Objective {
    /// Mean reconstruction error.
    Autoencoder(Body),
    /// (1 - beta) reconstruction error + beta KL.
    Vae(Vae),
    /// Distance or divergence from the target.
    DeepSvdd(Svdd),
}

/// One-hot types among the inputs: as many for every object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Types {
    /// Inputs, object by object.
    pub inputs: Vec<usize>,
    /// Objects with a type.
    pub objects: usize,
}

/// An [`Objective`] on the inputs of an encoding.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    objective: Objective,
    k: usize,
    types: Option<Types>,
    type_weight: f32,
    saturation: Option<f32>,
}

impl Types {
    /// The types of an encoding, if it has any.
    ///
    /// # Errors
    /// [`TrainError::Types`] where objects have different numbers of types.
    pub fn of(preprocessing: &Preprocessing) -> Result<Option<Self>, TrainError> {
        let layout = preprocessing.layout();
        let counts: Vec<usize> = layout.typed_objects().map(|object| object.types.len()).collect();
        let Some(&first) = counts.first() else { return Ok(None) };
        if let Some(&other) = counts.iter().find(|count| **count != first) {
            return Err(TrainError::Types { first, other });
        }
        let inputs = layout.typed_objects().flat_map(|object| &object.types).copied().collect();
        Ok(Some(Self { inputs, objects: counts.len() }))
    }

    /// Types an object can have.
    #[must_use]
    pub fn kinds(&self) -> usize {
        self.inputs.len() / self.objects.max(1)
    }
}

impl Task {
    /// The task of an objective on fitted inputs.
    ///
    /// # Errors
    /// As [`Types::of`].
    pub fn new(objective: Objective, preprocessing: &Preprocessing) -> Result<Self, TrainError> {
        Ok(Self {
            objective,
            k: preprocessing.layout().inputs,
            types: Types::of(preprocessing)?,
            type_weight: preprocessing.type_weight(),
            saturation: preprocessing.saturation(),
        })
    }

    /// Shapes of the network's stacks.
    #[must_use]
    pub fn shapes(&self) -> Vec<StackShape> {
        let k = self.k;
        let stack = |input: usize, hidden: &[usize], output: usize, activation, bias| {
            let widths = [&[input], hidden, &[output]].concat();
            StackShape { widths, activation, bias }
        };
        match &self.objective {
            Objective::Autoencoder(body) => vec![stack(k, &body.hidden, k, body.activation, true)],
            Objective::Vae(vae) => {
                let activation = vae.body.activation;
                vec![
                    stack(k, &vae.body.hidden, 2 * vae.latent, activation, true),
                    stack(vae.latent, &vae.decoder_hidden, k, activation, true),
                ]
            }
            Objective::DeepSvdd(svdd) => {
                let outputs = if svdd.loss == SvddLoss::Kl { 2 } else { 1 } * svdd.output_dimension;
                vec![stack(k, &svdd.body.hidden, outputs, svdd.body.activation, svdd.bias)]
            }
        }
    }

    /// Standard normal numbers that the loss needs for an event.
    #[must_use]
    pub fn noise_width(&self) -> usize {
        if let Objective::Vae(vae) = &self.objective { vae.latent } else { 0 }
    }

    /// Whether the loss needs the weights of reconstruction errors.
    #[must_use]
    pub fn reconstructs(&self) -> bool {
        !matches!(self.objective, Objective::DeepSvdd(_))
    }

    /// The loss of every event, `[N]`.
    #[must_use]
    pub fn losses(&self, parameters: &Parameters, batch: Batch) -> Tensor<1> {
        match &self.objective {
            Objective::Autoencoder(body) => {
                let reconstruction = parameters.stack(0).forward(self.read(&batch), body.activation);
                self.reconstruction_errors(reconstruction, batch)
            }
            Objective::Vae(vae) => self.vae_losses(vae, parameters, batch),
            Objective::DeepSvdd(svdd) => {
                svdd_losses(svdd, parameters.stack(0).forward(self.read(&batch), svdd.body.activation))
            }
        }
    }

    /// What the network reads.
    fn read(&self, batch: &Batch) -> Tensor<2> {
        match self.saturation {
            Some(limit) => batch.inputs.clone().clamp(-limit, limit),
            None => batch.inputs.clone(),
        }
    }

    fn vae_losses(&self, vae: &Vae, parameters: &Parameters, batch: Batch) -> Tensor<1> {
        let activation = vae.body.activation;
        let outputs = parameters.stack(0).forward(self.read(&batch), activation);
        let [mu, log_variance] = halves(outputs);
        let log_variance = log_variance.clamp(-vae.log_variance_limit, vae.log_variance_limit);
        let latent = match &batch.noise {
            // The reparameterisation of arXiv:1312.6114, section 2.4.
            Some(noise) => mu.clone() + log_variance.clone().mul_scalar(0.5).exp() * noise.clone(),
            None => mu.clone(),
        };
        let reconstruction = parameters.stack(1).forward(latent, activation);
        let errors = self.reconstruction_errors(reconstruction, batch);
        errors.mul_scalar(1.0 - vae.beta) + divergence(mu, log_variance).mul_scalar(vae.beta)
    }

    /// Weighted squared errors and cross-entropies of types, `[N]`.
    fn reconstruction_errors(&self, reconstruction: Tensor<2>, batch: Batch) -> Tensor<1> {
        let events = batch.inputs.dims()[0];
        let entropies = self.types.as_ref().map(|types| {
            let entropies = cross_entropies(types, reconstruction.clone(), batch.inputs.clone());
            entropies.mul_scalar(self.type_weight)
        });
        let squares = (reconstruction - batch.inputs).square();
        let weighted = match batch.weights {
            Some(weights) => squares * weights,
            None => squares,
        };
        let errors = weighted.sum_dim(1).reshape([events]);
        match entropies {
            Some(entropies) => errors + entropies,
            None => errors,
        }
    }

    /// What is exported for `score`: the part of the network that it needs.
    ///
    /// # Errors
    /// [`TrainError::Burn`] when parameters cannot be read back from the device.
    pub fn member(&self, parameters: &Parameters, score: &Score) -> Result<Member, TrainError> {
        let network = |stack: usize, activation| parameters.stack(stack).to_network(activation);
        let (network, head) = match &self.objective {
            Objective::Autoencoder(body) => (network(0, body.activation)?, Head::Reconstruction),
            Objective::Vae(vae) => {
                let encoder = network(0, vae.body.activation)?;
                let head = vae_head(score.name);
                if head == Head::Reconstruction {
                    let mut layers = first_outputs(encoder, vae.latent).layers;
                    layers.extend(network(1, vae.body.activation)?.layers);
                    (Network { layers }, head)
                } else {
                    (for_head(encoder, head, vae.latent), head)
                }
            }
            Objective::DeepSvdd(svdd) => {
                let head =
                    if score.name == ScoreName::Kl { Head::KullbackLeibler } else { Head::SquaredNorm };
                let network = about_target(network(0, svdd.body.activation)?, svdd);
                (for_head(network, head, svdd.output_dimension), head)
            }
        };
        let log_variance_limit = self.log_variance_limit();
        Ok(Member { network, head, log_variance_limit, factor: 1.0 })
    }

    fn log_variance_limit(&self) -> f32 {
        match &self.objective {
            Objective::Autoencoder(_) => 0.0,
            Objective::Vae(vae) => vae.log_variance_limit as f32,
            Objective::DeepSvdd(svdd) => svdd.log_variance_limit as f32,
        }
    }
}

fn vae_head(score: ScoreName) -> Head {
    match score {
        ScoreName::Mse => Head::Reconstruction,
        ScoreName::Radius => Head::Norm,
        ScoreName::RZ => Head::RelativeSquaredNorm,
        ScoreName::Mu2 | ScoreName::Distance => Head::SquaredNorm,
        ScoreName::Kl => Head::KullbackLeibler,
    }
}

/// Leaves out ln sigma^2 where the head does not look at it.
fn for_head(network: Network, head: Head, dimension: usize) -> Network {
    if head.has_variance() { network } else { first_outputs(network, dimension) }
}

fn first_outputs(mut network: Network, outputs: usize) -> Network {
    if let Some(last) = network.layers.last_mut() {
        *last = last.columns(0..outputs);
    }
    network
}

/// Moves the target to zero, and makes ln sigma^2 of ln sigma.
fn about_target(mut network: Network, svdd: &Svdd) -> Network {
    let dimension = svdd.output_dimension;
    if let Some(last) = network.layers.last_mut() {
        last.bias[..dimension].iter_mut().for_each(|bias| *bias -= svdd.target);
        let outputs = last.outputs();
        for row in last.weights.chunks_exact_mut(outputs).chain([last.bias.as_mut_slice()]) {
            row[dimension..].iter_mut().for_each(|value| *value *= 2.0);
        }
    }
    network
}

fn svdd_losses(svdd: &Svdd, outputs: Tensor<2>) -> Tensor<1> {
    let events = outputs.dims()[0];
    match svdd.loss {
        SvddLoss::Mse => {
            let distance = outputs.sub_scalar(svdd.target).square().sum_dim(1).reshape([events]);
            distance.div_scalar(svdd.output_dimension as f64)
        }
        SvddLoss::Kl => {
            let [mu, log_sigma] = halves(outputs);
            let limit = svdd.log_variance_limit;
            divergence(mu.sub_scalar(svdd.target), log_sigma.mul_scalar(2.0).clamp(-limit, limit))
        }
    }
}

/// Divergence of N(mu, sigma^2) from N(0, 1), `[N]`: 1/2 sum (mu^2 + sigma^2 - 1 - ln sigma^2) (arXiv:1312.6114, appendix B).
fn divergence(mu: Tensor<2>, log_variance: Tensor<2>) -> Tensor<1> {
    let events = mu.dims()[0];
    let terms = mu.square() + log_variance.clone().exp() - log_variance.add_scalar(1.0);
    terms.sum_dim(1).reshape([events]).mul_scalar(0.5)
}

/// The two halves of the columns.
fn halves(outputs: Tensor<2>) -> [Tensor<2>; 2] {
    let [events, columns] = outputs.dims();
    [0, columns / 2].map(|first| outputs.clone().slice([0..events, first..first + columns / 2]))
}

/// Sum over objects of the cross-entropy of the type (arXiv:2105.14027, eq. 25), `[N]`; an absent object, all zero,
/// adds nothing.
fn cross_entropies(types: &Types, reconstruction: Tensor<2>, inputs: Tensor<2>) -> Tensor<1> {
    let events = inputs.dims()[0];
    let device: Device = inputs.device();
    let columns: Vec<i64> = types.inputs.iter().map(|&input| input as i64).collect();
    let columns = Tensor::<1, Int>::from_data(TensorData::new(columns, [types.inputs.len()]), &device);
    let shape = [events, types.objects, types.kinds()];
    let logits = reconstruction.select(1, columns.clone()).reshape(shape);
    let truth = inputs.select(1, columns).reshape(shape);
    let terms = log_softmax(logits, 2) * truth;
    terms.reshape([events, types.inputs.len()]).sum_dim(1).reshape([events]).neg()
}

/// What tells the task apart from others of its family.
impl std::fmt::Display for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.objective {
            Objective::Autoencoder(_) => f.write_str("autoencoder"),
            Objective::Vae(vae) => write!(f, "beta = {}", vae.beta),
            Objective::DeepSvdd(svdd) => write!(f, "C = {}, d = {}", svdd.target, svdd.output_dimension),
        }
    }
}
