//! What is in a fixed-point program.

use serde::Serialize;
use trigsieve::model::ModelBundle;
use trigsieve_fixed::{CheckedProgram, Format, Kind, Operation, Ranges, Tensor};

use crate::cli::text::{facts, numbers};

/// The report, in the form of its JSON.
#[derive(Serialize)]
pub struct ProgramReport {
    name: String,
    input: TensorReport,
    /// Step of the hardware integers in each input's unit, if the program takes physical values by them.
    units: Option<Vec<f64>>,
    layers: Vec<LayerReport>,
    multiplications: usize,
    nonzero_weights: usize,
    weights: usize,
    /// Where a format can overflow, by interval arithmetic over everything that the door lets in.
    overflows: Vec<String>,
    error: Option<String>,
}

#[derive(Serialize, Default)]
struct TensorReport {
    name: String,
    shape: Vec<usize>,
    format: String,
}

#[derive(Serialize)]
struct LayerReport {
    layer: String,
    operation: String,
    output: TensorReport,
    weight_format: Option<String>,
    accumulator: Option<String>,
    /// Least and greatest number that the output can take.
    range: [f64; 2],
    /// Whether it is proven that no accumulator loses a bit, saturates or wraps.
    accumulates_exactly: bool,
    multiplications: usize,
    nonzero_weights: usize,
    weights: usize,
}

/// The numbers that an operation multiplies with.
struct Constants<'a> {
    weights: &'a [i64],
    format: Option<Format>,
    accumulator: Option<Format>,
}

impl ProgramReport {
    pub fn of(bundle: &ModelBundle) -> Self {
        match bundle.program() {
            Ok(program) => Self::of_program(program.program()),
            Err(error) => Self::unusable(error.to_string()),
        }
    }

    fn of_program(program: &CheckedProgram) -> Self {
        let ranges = Ranges::of(program);
        let layer = |(index, operation)| LayerReport::of(program, &ranges, index, operation);
        let layers: Vec<LayerReport> = program.operations.iter().enumerate().map(layer).collect();
        Self {
            name: program.name.clone(),
            input: TensorReport::of(&program.input.tensor),
            units: program.input.units.clone(),
            multiplications: layers.iter().map(|layer| layer.multiplications).sum(),
            nonzero_weights: layers.iter().map(|layer| layer.nonzero_weights).sum(),
            weights: layers.iter().map(|layer| layer.weights).sum(),
            layers,
            overflows: ranges.findings().iter().map(ToString::to_string).collect(),
            error: None,
        }
    }

    fn unusable(error: String) -> Self {
        Self {
            name: String::new(),
            input: TensorReport::default(),
            units: None,
            layers: Vec::new(),
            multiplications: 0,
            nonzero_weights: 0,
            weights: 0,
            overflows: Vec::new(),
            error: Some(error),
        }
    }

    /// Why the program cannot be used, if so.
    pub fn error(&self) -> Option<&String> {
        self.error.as_ref()
    }

    /// One line for the overview.
    pub fn line(&self) -> String {
        if let Some(error) = &self.error {
            return format!("unusable: {error}");
        }
        let door = match &self.units {
            Some(_) => "hardware integers, or physical values counted in them",
            None => "hardware integers, or physical values as they are",
        };
        format!(
            "{}: {} of {}, {door}\n{} multiplications an event, {} of {} weights are not zero",
            self.name,
            self.input.format,
            self.input.shape(),
            self.multiplications,
            self.nonzero_weights,
            self.weights
        )
    }

    /// The layers, and what can overflow.
    pub fn table(&self) -> String {
        let layers = self.layer_table();
        let overflows = match self.overflows.as_slice() {
            [] => "no format can overflow, whatever comes in".to_owned(),
            overflows => overflows.join("\n"),
        };
        format!("{layers}\n\n{}", facts([("overflow", overflows)]))
    }

    fn layer_table(&self) -> String {
        let header = [
            "layer",
            "operation",
            "output",
            "format",
            "weights",
            "accumulator",
            "output from",
            "to",
            "exact",
            "not zero",
            "products",
        ];
        numbers(&header, 6, self.layers.iter().map(LayerReport::row))
    }
}

impl TensorReport {
    fn of(tensor: &Tensor) -> Self {
        Self { name: tensor.name.clone(), shape: tensor.shape.clone(), format: tensor.format.to_string() }
    }

    fn shape(&self) -> String {
        self.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ")
    }
}

impl LayerReport {
    fn of(program: &CheckedProgram, ranges: &Ranges, index: usize, operation: &Operation) -> Self {
        let constants = Constants::of(&operation.kind);
        let text = |format: Option<Format>| format.map(|format| format.to_string());
        Self {
            layer: operation.layer.clone(),
            operation: name(&operation.kind),
            output: TensorReport::of(&operation.output),
            weight_format: text(constants.format),
            accumulator: text(constants.accumulator),
            range: range(ranges, index, operation),
            accumulates_exactly: ranges.exact(index),
            multiplications: multiplications(program, index, operation),
            nonzero_weights: constants.weights.iter().filter(|weight| **weight != 0).count(),
            weights: constants.weights.len(),
        }
    }

    fn row(&self) -> Vec<String> {
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        vec![
            self.layer.clone(),
            self.operation.clone(),
            self.output.shape(),
            self.output.format.clone(),
            or_dash(&self.weight_format),
            or_dash(&self.accumulator),
            self.range[0].to_string(),
            self.range[1].to_string(),
            if self.accumulates_exactly { "yes" } else { "no" }.to_owned(),
            format!("{}/{}", self.nonzero_weights, self.weights),
            self.multiplications.to_string(),
        ]
    }
}

impl<'a> Constants<'a> {
    fn of(kind: &'a Kind) -> Self {
        let (weights, format, accumulator): (&[i64], _, _) = match kind {
            Kind::Dense { weights, weight_format, accumulator, .. }
            | Kind::Conv2d { weights, weight_format, accumulator, .. } => {
                (weights, Some(*weight_format), Some(*accumulator))
            }
            Kind::Normalise { scales, scale_format, .. } => (scales, Some(*scale_format), None),
            Kind::Sum { accumulator, .. } | Kind::Dot { accumulator } => (&[], None, Some(*accumulator)),
            _ => (&[], None, None),
        };
        Self { weights, format, accumulator }
    }
}

/// What the elements of an operation's output can be.
fn range(ranges: &Ranges, index: usize, operation: &Operation) -> [f64; 2] {
    let elements = ranges.tensor(index + 1);
    let least = elements.iter().map(|element| element.least).min();
    let most = elements.iter().map(|element| element.most).max();
    [least, most].map(|raw| operation.output.format.to_f64(raw.unwrap_or(0)))
}

/// Products that an event costs.
fn multiplications(program: &CheckedProgram, index: usize, operation: &Operation) -> usize {
    let outputs = operation.output.len();
    match &operation.kind {
        Kind::Dense { weights, .. } => weights.len(),
        Kind::Conv2d { weights, biases, .. } => weights.len() * (outputs / biases.len().max(1)),
        Kind::Normalise { .. } | Kind::Multiply {} | Kind::LeakyRelu { .. } => outputs,
        Kind::Dot { .. } => program.input_shape(index).iter().product(),
        _ => 0,
    }
}

/// The operation's name in the file.
fn name(kind: &Kind) -> String {
    let json = serde_json::to_value(kind).unwrap_or_default();
    json.as_object().and_then(|object| object.keys().next().cloned()).unwrap_or_default()
}
