//! ONNX graphs of a trained model: `inputs` [N, K] in physical units, `score` `[N]`.
//!
//! A graph for a trigger-size network spends its time in passes over [N, K], not in arithmetic, so the score is
//! arranged to need few of them. The presence of objects comes from one small product with a 0/1 matrix
//! [K, objects]; the weights of the errors are the entries of another. Selecting columns by `Gather` or `Slice`
//! measured slower in ONNX Runtime, as did masking in [N, K].
//!
//! Not finite inputs: the reconstruction error subtracts the input itself, whatever the network's ReLUs make
//! of a NaN, and masking multiplies instead of selecting. So an event with a NaN or infinite input has a score that
//! is NaN or infinite, also where the object is absent or the input has no meaning.

mod float;
mod int8;

use trigsieve_onnx::{Attribute, Dimension, ElementType, Error, GraphBuilder, ModelInfo, TensorData, Value};

use crate::model::TrainedModel;
use crate::preprocessing::Preprocessing;
use crate::recipe::PtTransform;

pub use float::float_graph;
pub use int8::int8_graph;

const BATCH: Dimension = Dimension::Symbol("N");

/// The parts that the float and the int8 graph share.
struct ScoreGraph<'a> {
    builder: GraphBuilder,
    preprocessing: &'a Preprocessing,
    k: usize,
    inputs: Value,
    /// pT of every object, [N, objects]; divided by the logarithm's scale where there is one.
    momenta: Value,
}

impl<'a> ScoreGraph<'a> {
    fn new(model: &'a TrainedModel) -> Result<Self, Error> {
        let preprocessing = &model.preprocessing;
        let k = preprocessing.scale().len();
        let mut builder = GraphBuilder::new(&model.name);
        let inputs = builder.input("inputs", ElementType::F32, &[BATCH, dimension(k)])?;
        let factor = match preprocessing.pt() {
            PtTransform::Linear => 1.0,
            PtTransform::Log1p { scale_gev } => scale_gev.recip(),
        };
        let objects = preprocessing.objects();
        let mut select = vec![0.0; k * objects.len()];
        for (place, object) in objects.iter().enumerate() {
            select[object.pt * objects.len() + place] = factor;
        }
        let select = builder.constant("select_pt", &[k, objects.len()], TensorData::F32(select))?;
        let momenta = builder.node("MatMul", &[&inputs, &select], "momenta", vec![])?;
        Ok(Self { builder, preprocessing, k, inputs, momenta })
    }

    /// Network inputs z, [N, K].
    fn network_inputs(&mut self) -> Result<Value, Error> {
        let mut scale = self.preprocessing.scale().to_vec();
        let PtTransform::Log1p { .. } = self.preprocessing.pt() else {
            return self.scaled("network_inputs", scale);
        };
        let objects = self.preprocessing.objects();
        let mut place_pt = vec![0.0; objects.len() * self.k];
        for (place, object) in objects.iter().enumerate() {
            place_pt[place * self.k + object.pt] = std::mem::take(&mut scale[object.pt]);
        }
        let angles = self.scaled("scaled_angles", scale)?;
        let builder = &mut self.builder;
        let one = builder.constant("one", &[], TensorData::F32(vec![1.0]))?;
        let shifted = builder.node("Add", &[&self.momenta, &one], "momenta_plus_one", vec![])?;
        let logarithms = builder.node("Log", &[&shifted], "log_momenta", vec![])?;
        let place_pt = builder.constant("place_pt", &[objects.len(), self.k], TensorData::F32(place_pt))?;
        let momenta = builder.node("MatMul", &[&logarithms, &place_pt], "scaled_momenta", vec![])?;
        builder.node("Add", &[&angles, &momenta], "network_inputs", vec![])
    }

    fn scaled(&mut self, name: &str, scale: Vec<f32>) -> Result<Value, Error> {
        let scale = self.builder.constant("input_scale", &[self.k], TensorData::F32(scale))?;
        self.builder.node("Mul", &[&self.inputs, &scale], name, vec![])
    }

    /// The score from a reconstruction and what it should be, [N, K] both, with the weight of each error; ends
    /// the graph.
    fn finish(
        mut self,
        model: &TrainedModel,
        reconstruction: &Value,
        truth: &Value,
        weight: &[f32],
    ) -> Result<Vec<u8>, Error> {
        let objects = self.preprocessing.objects();
        let mut weights = vec![0.0; self.k * objects.len()];
        for (place, object) in objects.iter().enumerate() {
            for input in object.eta.into_iter().chain([object.pt, object.phi]) {
                weights[input * objects.len() + place] = weight[input];
            }
        }
        let b = &mut self.builder;
        let weights = b.constant("error_weights", &[self.k, objects.len()], TensorData::F32(weights))?;
        let axes = b.constant("object_axis", &[1], TensorData::I64(vec![1]))?;
        // Not Sign, which gives 1 for 0 in rten 0.27.
        let zero = b.constant("zero", &[], TensorData::F32(vec![0.0]))?;
        let is_present = b.node("Greater", &[&self.momenta, &zero], "is_present", vec![])?;
        let to_float = vec![Attribute::int("to", i64::from(ElementType::F32.code()))];
        let present = b.node("Cast", &[&is_present], "present", to_float)?;
        let error = b.node("Sub", &[reconstruction, truth], "error", vec![])?;
        let squared = b.node("Mul", &[&error, &error], "squared_error", vec![])?;
        let by_object = b.node("MatMul", &[&squared, &weights], "object_error", vec![])?;
        let masked = b.node("Mul", &[&by_object, &present], "present_error", vec![])?;
        let keep = vec![Attribute::int("keepdims", 0)];
        let score = b.node("ReduceSum", &[&masked, &axes], "score", keep)?;
        b.output(&score, ElementType::F32, &[BATCH])?;
        self.builder.finish(&information(model))
    }
}

fn dimension(size: usize) -> Dimension {
    // A network wider than u32 does not fit any memory.
    Dimension::Size(u32::try_from(size).unwrap_or(u32::MAX))
}

fn information(model: &TrainedModel) -> ModelInfo {
    let encoding = model.encoding.name();
    let documentation = format!(
        "Anomaly score of collision events, larger is more anomalous. inputs: [N, {}] in the encoding {encoding}, \
         physical units (pT in GeV, phi in rad). score: [N].",
        model.encoding.k()
    );
    let metadata = vec![("encoding".to_owned(), encoding)];
    ModelInfo { producer_version: env!("CARGO_PKG_VERSION").to_owned(), documentation, metadata }
}
