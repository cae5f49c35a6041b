//! ONNX graphs of a trained model: `inputs` [N, K] in physical units, `score` `[N]`.
//!
//! A graph for a trigger-size network spends its time in passes over [N, K], not in arithmetic, so the score is
//! arranged to need few of them. The presence of objects comes from one small product with a 0/1 matrix
//! [K, objects]; the weights of the errors are the entries of another. Selecting columns by `Gather` or `Slice`
//! measured slower in ONNX Runtime, as did masking in [N, K].
//!
//! Not finite inputs: a reconstruction error subtracts the input itself, whatever the network's ReLUs make
//! of a NaN, and masking multiplies instead of selecting. So an event with a NaN or infinite input has a reconstruction
//! score that is NaN or infinite, also where the object is absent or the input has no meaning. A score of latent
//! outputs makes no such promise; the engine looks at the inputs themselves.
//!
//! Names: `dense<i>` and `hidden<i>` are what layer i writes before and after its activation; `reconstruction`, `mu` and
//! `log_variance` are the outputs of the last. In an ensemble all of them begin with `member<i>_`.

mod combination;
mod float;
mod head;
mod inputs;
mod int8;

use trigsieve_onnx::{Attribute, Dimension, Error, GraphBuilder, ModelInfo, TensorData, Value};

use crate::model::{Head, TrainedModel};
use crate::network::Activation;
use crate::recipe::EnsembleRule;

pub use combination::{EfficiencyTable, combination_graph};
pub use float::float_graph;
pub use int8::int8_graph;

use inputs::Inputs;

const BATCH: Dimension = Dimension::Symbol("N");

/// A graph under construction, and the prefix of the names of the member being written.
struct ScoreGraph<'a> {
    builder: GraphBuilder,
    model: &'a TrainedModel,
    inputs: Inputs,
    /// Constant of the axis that sums run over.
    axis: Option<Value>,
    prefix: String,
}

impl<'a> ScoreGraph<'a> {
    fn new(model: &'a TrainedModel) -> Result<Self, Error> {
        let mut builder = GraphBuilder::new(&model.name);
        let inputs = Inputs::new(&mut builder, model.k())?;
        Ok(Self { builder, model, inputs, axis: None, prefix: String::new() })
    }

    fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn constant(&mut self, name: &str, shape: &[usize], data: TensorData) -> Result<Value, Error> {
        let name = self.name(name);
        self.builder.constant(&name, shape, data)
    }

    fn node(&mut self, operator: &str, inputs: &[&Value], output: &str) -> Result<Value, Error> {
        self.node_with(operator, inputs, output, vec![])
    }

    fn node_with(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        output: &str,
        attributes: Vec<Attribute>,
    ) -> Result<Value, Error> {
        let name = self.name(output);
        self.builder.node(operator, inputs, &name, attributes)
    }

    /// A hidden layer's activation.
    fn activation(&mut self, values: Value, activation: Activation, index: usize) -> Result<Value, Error> {
        let (operator, attributes) = match activation {
            Activation::Linear => return Ok(values),
            Activation::Relu => ("Relu", vec![]),
            Activation::Tanh => ("Tanh", vec![]),
            Activation::Elu => ("Elu", vec![Attribute::float("alpha", 1.0)]),
            Activation::LeakyRelu { slope } => ("LeakyRelu", vec![Attribute::float("alpha", slope)]),
        };
        self.node_with(operator, &[&values], &format!("hidden{index}"), attributes)
    }

    /// What the last layer writes, by the head.
    fn output_name(&self, head: Head) -> &'static str {
        if head == Head::Reconstruction { "reconstruction" } else { "mu" }
    }

    /// Writes every member with `member`, which gives its score under the name it is given, joins the scores and
    /// ends the graph.
    fn finish(
        mut self,
        mut member: impl FnMut(&mut Self, usize, &str) -> Result<Value, Error>,
    ) -> Result<Vec<u8>, Error> {
        let members = self.model.members.len();
        let score = if members == 1 {
            member(&mut self, 0, "score")?
        } else {
            let mut scores = Vec::with_capacity(members);
            for index in 0..members {
                self.prefix = format!("member{index}_");
                let score = member(&mut self, index, "score")?;
                let factor = TensorData::F32(vec![self.model.members[index].factor]);
                let factor = self.constant("factor", &[], factor)?;
                scores.push(self.node("Mul", &[&score, &factor], "scaled_score")?);
            }
            self.prefix.clear();
            let operator = match self.model.rule {
                EnsembleRule::Mean => "Sum",
                EnsembleRule::Max => "Max",
            };
            self.node(operator, &scores.iter().collect::<Vec<_>>(), "score")?
        };
        self.builder.output(&score, trigsieve_onnx::ElementType::F32, &[BATCH])?;
        self.builder.finish(&information(&self.model.encoding, self.model.k()))
    }
}

fn dimension(size: usize) -> Dimension {
    // A network wider than u32 does not fit any memory.
    Dimension::Size(u32::try_from(size).unwrap_or(u32::MAX))
}

fn information(encoding: &str, k: usize) -> ModelInfo {
    let documentation = format!(
        "Anomaly score of collision events, larger is more anomalous. inputs: [N, {k}] in the encoding {encoding}, \
         physical units (pT in GeV, phi in rad). score: [N]."
    );
    let metadata = vec![("encoding".to_owned(), encoding.to_owned())];
    ModelInfo { producer_version: env!("CARGO_PKG_VERSION").to_owned(), documentation, metadata }
}
