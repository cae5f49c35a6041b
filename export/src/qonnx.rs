//! The network as a QONNX model: dense layers as MatMul and Add, ReLU, and a `Quant` node wherever a number is rounded.

use trigsieve_fixed::{CheckedProgram, Format, Kind, Overflow, Ranges, Rounding};
use trigsieve_onnx::{Attribute, Dimension, ElementType, GraphBuilder, ModelInfo, TensorData, Value};

use crate::{ExportError, Network};

/// Domain of the Quant operator.
const DOMAIN: &str = "qonnx.custom_op.general";

/// A model and how its layers have to be made.
pub struct Model {
    /// The `.onnx` file.
    pub bytes: Vec<u8>,
    /// Accumulator of each dense layer.
    pub accumulators: Vec<Format>,
}

struct Builder<'a> {
    program: &'a CheckedProgram,
    ranges: Ranges,
    graph: GraphBuilder,
    /// The network's last tensor, which keeps its own format whatever is lost or not.
    output: usize,
}

/// Builds the model.
pub fn model(program: &CheckedProgram, network: &Network, name: &str) -> Result<Model, ExportError> {
    let (ranges, graph) = (Ranges::of(program), GraphBuilder::new(name));
    let mut builder = Builder { program, ranges, graph, output: network.output };
    let input = program.tensor_at(network.input);
    let shape = [Dimension::Size(1), size(input.len())];
    let x = builder.graph.input("x", ElementType::F32, &shape)?;
    let mut value = builder.quant(&x, "x_quantised", input.format, Rounding::RoundConvergent)?;
    let mut accumulators = Vec::new();
    for at in &network.operations {
        if let Kind::Dense { accumulator, .. } = &program.operations[*at].kind {
            accumulators.push(*accumulator);
        }
        value = builder.operation(*at, &value)?;
    }
    let outputs = program.tensor_at(network.output).len();
    builder.graph.output(&value, ElementType::F32, &[Dimension::Size(1), size(outputs)])?;
    let info = ModelInfo {
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        documentation: format!("Network of {name} between the scaled inputs and the score."),
        metadata: Vec::new(),
    };
    Ok(Model { bytes: builder.graph.finish(&info)?, accumulators })
}

fn size(count: usize) -> Dimension {
    // The checker of programs allows 2^19 elements.
    Dimension::Size(count as u32)
}

impl Builder<'_> {
    fn operation(&mut self, at: usize, x: &Value) -> Result<Value, ExportError> {
        let program = self.program;
        let operation = &program.operations[at];
        let name = format!("layer{at}");
        let value = match &operation.kind {
            Kind::Dense { weights, weight_format, biases, bias_format, .. } => {
                let inputs = weights.len() / biases.len();
                let weights = self.constant(
                    &format!("{name}_weights"),
                    &[inputs, biases.len()],
                    weights,
                    *weight_format,
                )?;
                let biases =
                    self.constant(&format!("{name}_biases"), &[biases.len()], biases, *bias_format)?;
                let product =
                    self.graph.node("MatMul", &[x, &weights], &format!("{name}_product"), vec![])?;
                self.graph.node("Add", &[&product, &biases], &format!("{name}_sum"), vec![])?
            }
            Kind::Relu { .. } => self.graph.node("Relu", &[x], &format!("{name}_relu"), vec![])?,
            _ => x.clone(),
        };
        let format = operation.output.format;
        let proof = &self.ranges.proof(at);
        let exact = proof.output_keeps_bits && proof.output_in_range;
        match rounding_mode(format.rounding).filter(|_| format.overflow == Overflow::Saturate) {
            // A number that nothing is lost of needs no node, and hls4ml finds a format for it.
            _ if exact && at + 1 != self.output => Ok(value),
            Some(_) => self.quant(&value, &format!("{name}_quantised"), format, format.rounding),
            None if exact => {
                self.quant(&value, &format!("{name}_quantised"), format, Rounding::RoundConvergent)
            }
            None => Err(ExportError::Unsupported {
                layer: operation.layer.clone(),
                what: format!("the result {format}"),
                way: "hls4ml",
                why: "QONNX saturates (AP_SAT) and rounds by AP_RND_CONV or AP_TRN, or nothing may be lost"
                    .to_owned(),
            }),
        }
    }

    fn constant(
        &mut self,
        name: &str,
        shape: &[usize],
        raw: &[i64],
        format: Format,
    ) -> Result<Value, ExportError> {
        let numbers: Vec<f32> = raw.iter().map(|raw| format.to_f64((*raw).into()) as f32).collect();
        let exact = raw.iter().all(|raw| raw.unsigned_abs() < 1 << 24);
        if !exact {
            return Err(ExportError::Unsupported {
                layer: name.to_owned(),
                what: format!("a constant of {format}"),
                way: "hls4ml",
                why: "single precision holds 24 bits".to_owned(),
            });
        }
        let constant = self.graph.constant(name, shape, TensorData::F32(numbers))?;
        self.quant(&constant, &format!("{name}_quantised"), format, Rounding::RoundConvergent)
    }

    fn quant(
        &mut self,
        x: &Value,
        name: &str,
        format: Format,
        rounding: Rounding,
    ) -> Result<Value, ExportError> {
        let mut scalar = |what: &str, value: f32| {
            self.graph.constant(&format!("{name}_{what}"), &[], TensorData::F32(vec![value]))
        };
        let scale = scalar("scale", (-format.fraction() as f32).exp2())?;
        let zero = scalar("zero_point", 0.0)?;
        let bits = scalar("bits", format.width as f32)?;
        let attributes = vec![
            Attribute::int("signed", i64::from(format.signed)),
            Attribute::int("narrow", 0),
            Attribute::text("rounding_mode", rounding_mode(rounding).unwrap_or("ROUND")),
        ];
        Ok(self.graph.custom_node(DOMAIN, "Quant", &[x, &scale, &zero, &bits], name, attributes)?)
    }
}

/// QONNX's name of a rounding, where it has one.
fn rounding_mode(rounding: Rounding) -> Option<&'static str> {
    match rounding {
        Rounding::RoundConvergent => Some("ROUND"),
        Rounding::Truncate => Some("FLOOR"),
        _ => None,
    }
}
