use trigsieve_onnx::{Attribute, Error, TensorData, Value};

use super::ScoreGraph;
use crate::family::Types;
use crate::model::Head;

/// What a reconstruction is compared with.
pub struct Truth {
    /// What it should be, [N, K].
    pub values: Value,
    /// Weight of each squared error in every term of the score, `[K]` each, divided by the term's divisor.
    pub terms: Vec<Vec<f32>>,
}

impl ScoreGraph<'_> {
    /// ln sigma^2 within the limits of the training.
    pub fn limited(&mut self, log_variance: &Value, limit: f32) -> Result<Value, Error> {
        let least = self.constant("least_log_variance", &[], TensorData::F32(vec![-limit]))?;
        let greatest = self.constant("greatest_log_variance", &[], TensorData::F32(vec![limit]))?;
        self.node("Clip", &[log_variance, &least, &greatest], "limited_log_variance")
    }

    /// The score of latent outputs, mu and, where the head looks at it, ln sigma^2.
    pub fn latent_score(
        &mut self,
        head: Head,
        mu: &Value,
        log_variance: Option<&Value>,
        name: &str,
    ) -> Result<Value, Error> {
        let squares = self.node("Mul", &[mu, mu], "squared_mu")?;
        match (head, log_variance) {
            (Head::Norm, _) => {
                let sum = self.sum(&squares, "squared_radius")?;
                self.node("Sqrt", &[&sum], name)
            }
            (Head::RelativeSquaredNorm, Some(log_variance)) => {
                let variance = self.node("Exp", &[log_variance], "variance")?;
                let terms = self.node("Div", &[&squares, &variance], "relative_squares")?;
                self.sum(&terms, name)
            }
            (Head::KullbackLeibler, Some(log_variance)) => {
                let variance = self.node("Exp", &[log_variance], "variance")?;
                let sum = self.node("Add", &[&squares, &variance], "second_moment")?;
                let terms = self.node("Sub", &[&sum, log_variance], "divergence_terms")?;
                let one = self.constant("unit_variance", &[], TensorData::F32(vec![1.0]))?;
                let terms = self.node("Sub", &[&terms, &one], "divergences")?;
                let total = self.sum(&terms, "twice_divergence")?;
                let half = self.constant("half", &[], TensorData::F32(vec![0.5]))?;
                self.node("Mul", &[&total, &half], name)
            }
            _ => self.sum(&squares, name),
        }
    }

    /// The score of a reconstruction.
    pub fn reconstruction_score(
        &mut self,
        reconstruction: &Value,
        truth: &Truth,
        name: &str,
    ) -> Result<Value, Error> {
        let types = Types::of(&self.model.preprocessing).ok().flatten();
        let squared = if types.is_some() { "squared_error_sum" } else { name };
        let errors = self.squared_errors(reconstruction, truth, squared)?;
        let Some(types) = types else { return Ok(errors) };
        let entropy = self.cross_entropy(&types, reconstruction)?;
        self.node("Add", &[&errors, &entropy], name)
    }

    /// The largest of the terms.
    fn squared_errors(&mut self, reconstruction: &Value, truth: &Truth, name: &str) -> Result<Value, Error> {
        let error = self.node("Sub", &[reconstruction, &truth.values], "error")?;
        let squared = self.node("Mul", &[&error, &error], "squared_error")?;
        if let [weight] = truth.terms.as_slice() {
            return self.weighted_sum(&squared, weight, "", name);
        }
        let mut terms = Vec::with_capacity(truth.terms.len());
        for (index, weight) in truth.terms.iter().enumerate() {
            terms.push(self.weighted_sum(&squared, weight, &index.to_string(), &format!("term{index}"))?);
        }
        self.node("Max", &terms.iter().collect::<Vec<_>>(), name)
    }

    /// Weighted sum of squared errors, `[N]`, of present objects where absent ones are masked.
    fn weighted_sum(
        &mut self,
        squared: &Value,
        weight: &[f32],
        suffix: &str,
        name: &str,
    ) -> Result<Value, Error> {
        let k = self.model.k();
        let named = |text: &str| format!("{text}{suffix}");
        if !self.model.preprocessing.masking() {
            let weights = TensorData::F32(weight.to_vec());
            let weights = self.constant(&named("error_weights"), &[k, 1], weights)?;
            let total = self.node("MatMul", &[squared, &weights], &named("weighted_error"))?;
            let axes = self.column_axis()?;
            return self.node("Squeeze", &[&total, &axes], name);
        }
        let objects = &self.model.preprocessing.layout().objects;
        let columns = objects.len();
        let mut weights = vec![0.0; k * columns];
        for (place, object) in objects.iter().enumerate() {
            object.continuous().for_each(|input| weights[input * columns + place] = weight[input]);
        }
        let weights = TensorData::F32(weights);
        let weights = self.constant(&named("error_weights"), &[k, columns], weights)?;
        let present = self.inputs.present(&mut self.builder, &self.model.preprocessing)?;
        let by_object = self.node("MatMul", &[squared, &weights], &named("object_error"))?;
        let masked = self.node("Mul", &[&by_object, &present], &named("present_error"))?;
        self.sum(&masked, name)
    }

    /// Weighted sum of the cross-entropies of the objects' types, `[N]`. The truth is the physical input itself.
    fn cross_entropy(&mut self, types: &Types, reconstruction: &Value) -> Result<Value, Error> {
        let (k, columns) = (self.model.k(), types.inputs.len());
        let mut select = vec![0.0; k * columns];
        for (place, input) in types.inputs.iter().enumerate() {
            select[input * columns + place] = 1.0;
        }
        let select = self.constant("select_types", &[k, columns], TensorData::F32(select))?;
        let logits = self.node("MatMul", &[reconstruction, &select], "type_logits")?;
        let by_object = [-1, types.objects as i64, types.kinds() as i64];
        let by_object = self.constant("by_object", &[3], TensorData::I64(by_object.to_vec()))?;
        let logits = self.node("Reshape", &[&logits, &by_object], "object_logits")?;
        let axis = vec![Attribute::int("axis", 2)];
        let logarithms = self.node_with("LogSoftmax", &[&logits], "log_probabilities", axis)?;
        let flat = self.constant("flat", &[2], TensorData::I64(vec![-1, columns as i64]))?;
        let logarithms = self.node("Reshape", &[&logarithms, &flat], "flat_log_probabilities")?;
        let physical = self.inputs.physical.clone();
        let truth = self.node("MatMul", &[&physical, &select], "types")?;
        let terms = self.node("Mul", &[&truth, &logarithms], "type_log_likelihood")?;
        let total = self.sum(&terms, "log_likelihood")?;
        let weight = vec![-self.model.preprocessing.type_weight()];
        let weight = self.constant("type_weight", &[], TensorData::F32(weight))?;
        self.node("Mul", &[&total, &weight], "cross_entropy")
    }

    /// Sum over columns, `[N]`.
    fn sum(&mut self, values: &Value, name: &str) -> Result<Value, Error> {
        let axes = self.column_axis()?;
        self.node_with("ReduceSum", &[values, &axes], name, vec![Attribute::int("keepdims", 0)])
    }

    /// The axis of columns, a constant that all sums of the graph share.
    fn column_axis(&mut self) -> Result<Value, Error> {
        if let Some(axis) = &self.axis {
            return Ok(axis.clone());
        }
        let axis = self.builder.constant("column_axis", &[1], TensorData::I64(vec![1]))?;
        self.axis = Some(axis.clone());
        Ok(axis)
    }
}
