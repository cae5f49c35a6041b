//! Scales of the inputs and weights of their errors, fitted on training background.

use trigsieve::event::Encoding;

use crate::TrainError;
use crate::data::EventMatrix;
use crate::layout::{ObjectInputs, objects_of};
use crate::recipe::{PtTransform, Recipe};

/// From physical inputs x to network inputs z, and the weights of the score.
///
/// z_j = g_j(x_j) / r_j, where g is the recipe's function of pT, or the identity for eta and phi, and r_j is the
/// root mean square of g_j over the training events in which the object is present. There is no offset: an absent
/// object, all zero, stays exactly zero. An input without meaning (eta of missing transverse momentum) has z = 0.
///
/// The score of an event is sum_j m_j w_j (zhat_j - z_j)^2, with m_j = 1 where the object of input j is present
/// (pT > 0) and 0 elsewhere, and w_j = q_j / (O f_j^a): f the fraction of training events with the object, a the
/// recipe's `occupancy_exponent`, q = 1 for pT and `angle_weight` for angles, O the number of objects.
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocessing {
    objects: Vec<ObjectInputs>,
    pt: PtTransform,
    scale: Vec<f32>,
    weight: Vec<f32>,
}

impl Preprocessing {
    /// Fits scales and weights.
    ///
    /// # Errors
    /// [`TrainError::ConstantInputs`] names every input that has no spread.
    pub fn fit(recipe: &Recipe, encoding: Encoding, training: &EventMatrix) -> Result<Self, TrainError> {
        let objects = objects_of(encoding);
        let mut moments = Moments::new(training.k());
        for row in training.iter() {
            moments.add(row, &objects, recipe.preprocessing.pt);
        }
        let constant = moments.constant_inputs(&objects);
        if !constant.is_empty() {
            let features = encoding.features();
            let names = constant.iter().map(|&input| features[input].name.clone()).collect::<Vec<_>>();
            return Err(TrainError::ConstantInputs { events: training.len(), inputs: names.join(", ") });
        }
        Ok(moments.preprocessing(recipe, objects, training.len()))
    }

    /// The objects, in the order of the encoding.
    #[must_use]
    pub fn objects(&self) -> &[ObjectInputs] {
        &self.objects
    }

    /// Function of the transverse momenta.
    #[must_use]
    pub fn pt(&self) -> PtTransform {
        self.pt
    }

    /// 1 / r_j, `[K]`; 0 for an input without meaning.
    #[must_use]
    pub fn scale(&self) -> &[f32] {
        &self.scale
    }

    /// w_j, `[K]`; 0 for an input without meaning.
    #[must_use]
    pub fn weight(&self) -> &[f32] {
        &self.weight
    }

    /// Appends the network inputs of an event.
    pub fn extend_network_inputs(&self, row: &[f32], inputs: &mut Vec<f32>) {
        let start = inputs.len();
        inputs.extend(row.iter().zip(&self.scale).map(|(value, scale)| value * scale));
        if self.pt != PtTransform::Linear {
            for object in &self.objects {
                inputs[start + object.pt] = transform(self.pt, row[object.pt]) * self.scale[object.pt];
            }
        }
    }

    /// Appends the weights m_j w_j of an event.
    pub fn extend_weights(&self, row: &[f32], weights: &mut Vec<f32>) {
        let start = weights.len();
        weights.extend_from_slice(&self.weight);
        for object in self.objects.iter().filter(|object| !is_present(object, row)) {
            inputs_of(object).for_each(|input| weights[start + input] = 0.0);
        }
    }
}

fn inputs_of(object: &ObjectInputs) -> impl Iterator<Item = usize> {
    [Some(object.pt), object.eta, Some(object.phi)].into_iter().flatten()
}

fn is_present(object: &ObjectInputs, row: &[f32]) -> bool {
    row[object.pt] > 0.0
}

fn transform(pt: PtTransform, value: f32) -> f32 {
    match pt {
        PtTransform::Linear => value,
        // Not ln_1p: ONNX has no such operator, and the graph must compute the same.
        PtTransform::Log1p { scale_gev } => (value * scale_gev.recip() + 1.0).ln(),
    }
}

/// Sums over the events in which an input's object is present.
struct Moments {
    present: Vec<u64>,
    squares: Vec<f64>,
    least: Vec<f32>,
    greatest: Vec<f32>,
}

impl Moments {
    fn new(k: usize) -> Self {
        Self {
            present: vec![0; k],
            squares: vec![0.0; k],
            least: vec![f32::INFINITY; k],
            greatest: vec![f32::NEG_INFINITY; k],
        }
    }

    fn add(&mut self, row: &[f32], objects: &[ObjectInputs], pt: PtTransform) {
        for object in objects.iter().filter(|object| is_present(object, row)) {
            self.add_input(object.pt, transform(pt, row[object.pt]));
            object.eta.into_iter().chain([object.phi]).for_each(|input| self.add_input(input, row[input]));
        }
    }

    fn add_input(&mut self, input: usize, value: f32) {
        self.present[input] += 1;
        self.squares[input] += f64::from(value) * f64::from(value);
        self.least[input] = self.least[input].min(value);
        self.greatest[input] = self.greatest[input].max(value);
    }

    fn constant_inputs(&self, objects: &[ObjectInputs]) -> Vec<usize> {
        // Never present: least stays above greatest. NaN (a pT below the domain of the logarithm) compares false.
        let varies = |&input: &usize| self.least[input] < self.greatest[input];
        objects.iter().flat_map(inputs_of).filter(|input| !varies(input)).collect()
    }

    fn preprocessing(self, recipe: &Recipe, objects: Vec<ObjectInputs>, events: usize) -> Preprocessing {
        let mut scale = vec![0.0; self.squares.len()];
        let mut weight = vec![0.0; self.squares.len()];
        for object in &objects {
            let occupancy = self.present[object.pt] as f64 / events as f64;
            let share = occupancy.powf(-recipe.score.occupancy_exponent) / objects.len() as f64;
            for input in inputs_of(object) {
                let relative = if input == object.pt { 1.0 } else { recipe.score.angle_weight };
                scale[input] = (self.squares[input] / self.present[input] as f64).sqrt().recip() as f32;
                weight[input] = (relative * share) as f32;
            }
        }
        Preprocessing { objects, pt: recipe.preprocessing.pt, scale, weight }
    }
}
