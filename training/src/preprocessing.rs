//! Scales of the inputs and weights of their errors, fitted on training background.

use trigsieve::event::Feature;

use crate::TrainError;
use crate::data::EventMatrix;
use crate::fixed::Door;
use crate::layout::{Layout, ObjectInputs};
use crate::recipe::{ConstantInputs, PtTransform, Recipe, Scaling, Term};

/// From physical inputs x to network inputs z, and the weights of reconstruction errors.
///
/// z_j = (g_j(x_j) - a_j) / b_j, where g is the recipe's function for inputs in GeV and the identity for others. With
/// [`Scaling::Rms`] a is 0 and b the root mean square of g over the training events in which the object is present, so
/// that an absent object, all zero, stays exactly zero. With [`Scaling::Standardise`] they are mean and standard
/// deviation over all training events. A one-hot type is left as it is. An input without meaning (eta of missing
/// transverse momentum), or a constant one that is to be ignored, has z = 0.
///
/// Rms and standard deviation are then divided by the recipe's input weights: f^-`input_occupancy_exponent` of the
/// object, and `input_angle_weight` for angles.
///
/// A term of the reconstruction error of an event is sum_j m_j w_j (zhat_j - z_j)^2. With masking, m_j = 1 where the object of
/// input j is present and 0 elsewhere, and w_j = q_j / (O f_j^a): f the fraction of training events with the object, a the
/// recipe's `occupancy_exponent`, q = `angle_weight` for angles, `count_weight` for counts and 1 for others, O the number of objects. Without
/// masking, m_j = 1 and w_j = q_j / (J f_j^a) with the number J of inputs that have an error, so that a = 0 and q = 1 give the
/// mean squared error.
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocessing {
    layout: Layout,
    pt: PtTransform,
    masking: bool,
    scale: Vec<f32>,
    offset: Vec<f32>,
    weight: Vec<f32>,
    terms: Vec<Vec<f32>>,
    saturation: Option<f32>,
    type_weight: f32,
}

impl Preprocessing {
    /// Fits scales and weights.
    ///
    /// # Errors
    /// [`TrainError::ConstantInputs`] names every input that has no spread, unless the recipe ignores them.
    pub fn fit(recipe: &Recipe, features: &[Feature], training: &EventMatrix) -> Result<Self, TrainError> {
        let layout = Layout::of(features);
        check_groups(recipe, &layout)?;
        let mut moments = Moments::new(&layout, recipe.preprocessing.scaling == Scaling::Rms);
        for row in training.iter() {
            moments.add(row, &layout, recipe.preprocessing.pt);
        }
        let constant = moments.constant_inputs(&layout);
        if !constant.is_empty() && recipe.preprocessing.constant_inputs == ConstantInputs::Refuse {
            let names = constant.iter().map(|&input| features[input].name.clone()).collect::<Vec<_>>();
            return Err(TrainError::ConstantInputs { events: training.len(), inputs: names.join(", ") });
        }
        Ok(moments.preprocessing(recipe, layout, &constant))
    }

    /// What the inputs are.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Function of the inputs in GeV.
    #[must_use]
    pub fn pt(&self) -> PtTransform {
        self.pt
    }

    /// Whether errors of absent objects are left out.
    #[must_use]
    pub fn masking(&self) -> bool {
        self.masking
    }

    /// 1 / b_j, `[K]`; 0 for an input without meaning.
    #[must_use]
    pub fn scale(&self) -> &[f32] {
        &self.scale
    }

    /// -a_j / b_j, `[K]`.
    #[must_use]
    pub fn offset(&self) -> &[f32] {
        &self.offset
    }

    /// w_j, `[K]`: the sum of the terms' weights; 0 for an input without meaning and for types.
    #[must_use]
    pub fn weight(&self) -> &[f32] {
        &self.weight
    }

    /// w_j of every term of the score, `[K]` each.
    #[must_use]
    pub fn terms(&self) -> &[Vec<f32>] {
        &self.terms
    }

    /// What the network reads lies within this and minus this.
    #[must_use]
    pub fn saturation(&self) -> Option<f32> {
        self.saturation
    }

    /// Weight of the cross-entropy of one object's type; 0 in encodings without types.
    #[must_use]
    pub fn type_weight(&self) -> f32 {
        self.type_weight
    }

    /// The same for rows as a door counts them: to its network inputs, with the weights of their errors.
    #[must_use]
    pub fn in_hardware_units(&self, door: &Door) -> Self {
        let step = |input: usize| (-f64::from(door.shifts()[input])).exp2();
        let inputs = 0..self.layout.inputs;
        let scale = |input: usize| if door.used()[input] { step(input) as f32 } else { 0.0 };
        let offset = |input: usize| (-(door.offsets()[input] as f64) * step(input)) as f32;
        let weights = |weights: &Vec<f32>| -> Vec<f32> {
            let factors = weights.iter().zip(door.factor());
            factors.map(|(weight, factor)| (f64::from(*weight) / factor.powi(2)) as f32).collect()
        };
        Self {
            pt: PtTransform::Linear,
            scale: inputs.clone().map(scale).collect(),
            offset: inputs.map(offset).collect(),
            weight: weights(&self.weight),
            terms: self.terms.iter().map(weights).collect(),
            saturation: None,
            ..self.clone()
        }
    }

    /// The same with every network input divided by a number, and the weights of errors multiplied by its square.
    ///
    /// Inputs that saturate are not to be divided: the limit is that of all.
    #[must_use]
    pub fn divided(&self, divisors: &[f32]) -> Self {
        let divided = |values: &[f32]| values.iter().zip(divisors).map(|(value, by)| value / by).collect();
        let weighted =
            |weights: &[f32]| weights.iter().zip(divisors).map(|(weight, by)| weight * by * by).collect();
        Self {
            scale: divided(&self.scale),
            offset: divided(&self.offset),
            weight: weighted(&self.weight),
            terms: self.terms.iter().map(|term| weighted(term)).collect(),
            ..self.clone()
        }
    }

    /// Appends the network inputs of an event.
    pub fn extend_network_inputs(&self, row: &[f32], inputs: &mut Vec<f32>) {
        let start = inputs.len();
        let linear = row.iter().zip(&self.scale).zip(&self.offset);
        inputs.extend(linear.map(|((value, scale), offset)| value * scale + offset));
        if self.pt != PtTransform::Linear {
            for &input in &self.layout.energies {
                inputs[start + input] =
                    transform(self.pt, row[input]) * self.scale[input] + self.offset[input];
            }
        }
    }

    /// Appends the weights m_j w_j of an event.
    pub fn extend_weights(&self, row: &[f32], weights: &mut Vec<f32>) {
        let start = weights.len();
        weights.extend_from_slice(&self.weight);
        if self.masking {
            for object in self.layout.objects.iter().filter(|object| !object.is_present(row)) {
                object.continuous().for_each(|input| weights[start + input] = 0.0);
            }
        }
    }

    /// The terms of the reconstruction error of one event, as the graphs compute them: sums of squared errors; the
    /// first one has the cross-entropies.
    #[must_use]
    pub fn error_terms(&self, row: &[f32], reconstruction: &[f32]) -> Vec<f32> {
        let (mut truth, mut present) = (Vec::new(), Vec::new());
        self.extend_network_inputs(row, &mut truth);
        self.extend_weights(row, &mut present);
        let squares = reconstruction.iter().zip(&truth).zip(&present);
        // A weight of 0 in all terms is one in each.
        let squares =
            squares.map(
                |((found, truth), weight)| {
                    if *weight == 0.0 { (found - truth) * 0.0 } else { (found - truth).powi(2) }
                },
            );
        let squares: Vec<f32> = squares.collect();
        let sum =
            |weight: &Vec<f32>| squares.iter().zip(weight).map(|(square, weight)| square * weight).sum();
        let mut terms: Vec<f32> = self.terms.iter().map(sum).collect();
        let entropies = self.layout.typed_objects().map(|object| cross_entropy(object, row, reconstruction));
        terms[0] += self.type_weight * entropies.sum::<f32>();
        terms
    }
}

/// Every group that the recipe names has objects.
fn check_groups(recipe: &Recipe, layout: &Layout) -> Result<(), TrainError> {
    let terms = recipe.score.terms.iter().flat_map(|term| &term.objects);
    let named = terms.chain(recipe.preprocessing.input_occupancy_exponent.groups());
    let known = |group: &&String| layout.objects.iter().any(|object| object.is_of(group));
    match named.into_iter().find(|group| !known(group)) {
        None if recipe.score.terms.len() > 1 && layout.typed_objects().next().is_some() => {
            Err(TrainError::TypedTerms)
        }
        None => Ok(()),
        Some(group) => {
            let objects = layout.objects.iter().map(|object| object.name.clone()).collect::<Vec<_>>();
            Err(TrainError::Group { group: group.clone(), objects: objects.join(", ") })
        }
    }
}

/// q of an input.
fn relative_weight(object: &ObjectInputs, input: usize, term: &Term) -> f64 {
    if object.angles.contains(&input) {
        term.angle_weight
    } else if object.counts.contains(&input) {
        term.count_weight
    } else {
        1.0
    }
}

/// Cross-entropy of an object's type, with the reconstruction as logits; 0 for an absent object.
fn cross_entropy(object: &ObjectInputs, row: &[f32], logits: &[f32]) -> f32 {
    let largest = object.types.iter().map(|&input| logits[input]).fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = object.types.iter().map(|&input| (logits[input] - largest).exp()).sum();
    object.types.iter().map(|&input| row[input] * (largest + sum.ln() - logits[input])).sum()
}

fn transform(pt: PtTransform, value: f32) -> f32 {
    match pt {
        PtTransform::Linear => value,
        // Not ln_1p: ONNX has no such operator, and the graph must compute the same.
        PtTransform::Log1p { scale_gev } => (value * scale_gev.recip() + 1.0).ln(),
    }
}

/// Sums over training events.
struct Moments {
    /// Whether an input counts only in events in which its object is present.
    present_only: bool,
    is_energy: Vec<bool>,
    events: u64,
    /// Events with the object, by object.
    occupied: Vec<u64>,
    count: Vec<u64>,
    sum: Vec<f64>,
    squares: Vec<f64>,
    least: Vec<f32>,
    greatest: Vec<f32>,
}

impl Moments {
    fn new(layout: &Layout, present_only: bool) -> Self {
        let k = layout.inputs;
        Self {
            present_only,
            is_energy: (0..k).map(|input| layout.energies.contains(&input)).collect(),
            events: 0,
            occupied: vec![0; k],
            count: vec![0; k],
            sum: vec![0.0; k],
            squares: vec![0.0; k],
            least: vec![f32::INFINITY; k],
            greatest: vec![f32::NEG_INFINITY; k],
        }
    }

    fn add(&mut self, row: &[f32], layout: &Layout, pt: PtTransform) {
        self.events += 1;
        for (place, object) in layout.objects.iter().enumerate() {
            let present = object.is_present(row);
            self.occupied[place] += u64::from(present);
            if present || !self.present_only {
                for input in object.continuous() {
                    let energy = self.is_energy[input];
                    self.add_input(input, if energy { transform(pt, row[input]) } else { row[input] });
                }
            }
        }
    }

    fn add_input(&mut self, input: usize, value: f32) {
        self.count[input] += 1;
        self.sum[input] += f64::from(value);
        self.squares[input] += f64::from(value) * f64::from(value);
        self.least[input] = self.least[input].min(value);
        self.greatest[input] = self.greatest[input].max(value);
    }

    fn constant_inputs(&self, layout: &Layout) -> Vec<usize> {
        // A flag that is 1 wherever its object is present has no spread there, but a scale.
        let is_flag = |object: &ObjectInputs, input| {
            self.present_only && object.presence == Some(input) && !self.is_energy[input]
        };
        let inputs = layout.objects.iter().flat_map(|object| {
            object.continuous().filter(move |&input| !is_flag(object, input) || self.count[input] == 0)
        });
        // Never present: least stays above greatest. NaN (a pT below the domain of the logarithm) compares false.
        let varies = |&input: &usize| self.least[input] < self.greatest[input];
        inputs.filter(|input| !varies(input)).collect()
    }

    /// Scale and offset of an input.
    fn linear_map(&self, input: usize, scaling: Scaling) -> (f64, f64) {
        let count = self.count[input] as f64;
        let (mean, square) = (self.sum[input] / count, self.squares[input] / count);
        match scaling {
            Scaling::None => (1.0, 0.0),
            Scaling::Rms => (square.sqrt().recip(), 0.0),
            Scaling::Standardise => {
                let scale = (square - mean * mean).sqrt().recip();
                (scale, -mean * scale)
            }
        }
    }

    fn preprocessing(self, recipe: &Recipe, layout: Layout, constant: &[usize]) -> Preprocessing {
        let (mut scale, mut offset) = (vec![0.0; layout.inputs], vec![0.0; layout.inputs]);
        for (place, object) in layout.objects.iter().enumerate() {
            let exponent = recipe.preprocessing.input_occupancy_exponent.of(object);
            let rarity = self.occupancy(place).powf(-exponent);
            for input in object.continuous().filter(|input| !constant.contains(input)) {
                let (factor, shift) = self.linear_map(input, recipe.preprocessing.scaling);
                let angle = object.angles.contains(&input);
                let weight = if angle { recipe.preprocessing.input_angle_weight } else { 1.0 } * rarity;
                (scale[input], offset[input]) = ((factor * weight) as f32, (shift * weight) as f32);
            }
            object.types.iter().for_each(|&input| scale[input] = 1.0);
        }
        let terms: Vec<Vec<f64>> =
            recipe.score.terms.iter().map(|term| self.term(term, recipe, &layout, constant)).collect();
        let weight = |input: usize| terms.iter().map(|term| term[input]).sum::<f64>() as f32;
        let typed = layout.typed_objects().count();
        let type_weight = if typed == 0 { 0.0 } else { recipe.score.category_weight / typed as f64 };
        Preprocessing {
            pt: recipe.preprocessing.pt,
            masking: recipe.score.masking,
            saturation: recipe.preprocessing.saturation.map(|limit| limit as f32),
            weight: (0..layout.inputs).map(weight).collect(),
            terms: terms.iter().map(|term| term.iter().map(|weight| *weight as f32).collect()).collect(),
            layout,
            scale,
            offset,
            type_weight: type_weight as f32,
        }
    }

    /// Weights of a term, `[K]`.
    fn term(&self, term: &Term, recipe: &Recipe, layout: &Layout, constant: &[usize]) -> Vec<f64> {
        let mut weight = vec![0.0; layout.inputs];
        let used = |input: &usize| !constant.contains(input);
        let errors: usize =
            layout.objects.iter().map(|object| object.continuous().filter(used).count()).sum();
        let shares = if recipe.score.masking { layout.objects.len() } else { errors } as f64;
        for (place, object) in layout.objects.iter().enumerate().filter(|(_, object)| term.has(object)) {
            let share = self.occupancy(place).powf(-term.occupancy_exponent) / shares;
            for input in object.continuous().filter(used) {
                weight[input] = relative_weight(object, input, term) * share;
            }
        }
        weight
    }

    /// Fraction of the events with an object.
    fn occupancy(&self, place: usize) -> f64 {
        self.occupied[place] as f64 / self.events as f64
    }
}
