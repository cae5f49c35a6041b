//! C++ of operations: types, constants and calls of `operations.h`.

use std::fmt::Write as _;

use trigsieve_fixed::{CheckedProgram, Kind, Operation, program::SumOrder};

use crate::ExportError;
use crate::names::identifiers;

/// Writes parts of one program.
pub struct Emitter<'a> {
    program: &'a CheckedProgram,
    names: Vec<String>,
    /// Which export, for messages.
    way: &'static str,
}

/// An array of raw integers.
struct Constant {
    name: String,
    values: Vec<i64>,
}

/// Numbers in a line.
const ROW: usize = 24;

impl<'a> Emitter<'a> {
    pub fn new(program: &'a CheckedProgram, way: &'static str) -> Self {
        Self { program, names: identifiers(program), way }
    }

    /// Identifier of a tensor.
    pub fn name(&self, tensor: usize) -> &str {
        &self.names[tensor]
    }

    /// Type of each tensor in these.
    pub fn types(&self, tensors: impl IntoIterator<Item = usize>) -> String {
        let one = |tensor: usize| {
            let (name, tensor) = (self.name(tensor), self.program.tensor_at(tensor));
            format!("typedef {} {name}_t; // {} of them\n", tensor.format, tensor.len())
        };
        tensors.into_iter().map(one).collect()
    }

    /// Declarations of the tensors, each in registers of its own.
    pub fn arrays(&self, tensors: impl IntoIterator<Item = usize>) -> String {
        let one = |tensor: usize| {
            let (name, count) = (self.name(tensor), self.program.tensor_at(tensor).len());
            format!(
                "    {name}_t {name}[{count}];\n#pragma HLS ARRAY_PARTITION variable={name} complete dim=0\n"
            )
        };
        tensors.into_iter().map(one).collect()
    }

    /// Weights, biases, tables and so on as raw integers.
    pub fn constants(&self, operations: &[usize]) -> String {
        operations.iter().flat_map(|at| self.constants_of(*at)).map(|constant| constant.to_string()).collect()
    }

    /// The orders of additions that are not from the first input to the last.
    pub fn orders(&self, operations: &[usize]) -> String {
        let one = |at: &usize| match &self.program.operations[*at].kind {
            Kind::Dense { order: Some(order), .. } => {
                let constant = Constant {
                    name: "order".to_owned(),
                    values: order.iter().map(|i| i64::from(*i)).collect(),
                };
                let name = self.name(at + 1);
                format!(
                    "struct {name}_order {{\n    static int at(int step) {{\n        static {constant}        return order[step];\n    }}\n}};\n"
                )
            }
            _ => String::new(),
        };
        operations.iter().map(one).collect()
    }

    /// The calls, one an operation.
    ///
    /// # Errors
    /// [`ExportError::Unsupported`].
    pub fn calls(&self, operations: &[usize]) -> Result<String, ExportError> {
        let mut text = String::new();
        for at in operations {
            // Writing to a string does not fail.
            let _ = write!(text, "{}", self.call(*at)?);
        }
        Ok(text)
    }

    fn constants_of(&self, at: usize) -> Vec<Constant> {
        let named = |suffix: &str, values: Vec<i64>| Constant {
            name: format!("{}_{suffix}", self.name(at + 1)),
            values,
        };
        match &self.program.operations[at].kind {
            Kind::Scale { offsets, shifts, .. } => vec![
                named("offsets", offsets.clone()),
                named("shifts", shifts.iter().map(|shift| i64::from(*shift)).collect()),
            ],
            Kind::Dense { weights, biases, .. } => {
                vec![named("weights", weights.clone()), named("biases", biases.clone())]
            }
            Kind::Normalise { scales, biases, .. } => {
                vec![named("scales", scales.clone()), named("biases", biases.clone())]
            }
            Kind::Table { table, .. } => vec![named("entries", table.clone())],
            Kind::Select { indices } => {
                vec![named("indices", indices.iter().map(|index| i64::from(*index)).collect())]
            }
            _ => Vec::new(),
        }
    }

    fn call(&self, at: usize) -> Result<String, ExportError> {
        let operation = &self.program.operations[at];
        let sources = self.program.sources(at);
        let y = self.name(at + 1);
        let x = self.name(sources[0]);
        let z = sources.get(1).map_or("", |tensor| self.name(*tensor));
        let n = self.program.tensor_at(sources[0]).len();
        let m = operation.output.len();
        let second = sources.get(1).map_or(0, |tensor| self.program.tensor_at(*tensor).len());
        let call = match &operation.kind {
            Kind::Scale { offset_format, difference, .. } => {
                format!("scale<{n}, {difference}, {offset_format}>({x}, {y}_offsets, {y}_shifts, {y})")
            }
            Kind::Dense { weight_format, bias_format, accumulator, order, .. } => {
                let order =
                    if order.is_some() { format!("{y}_order") } else { "trigsieve::in_order".to_owned() };
                format!(
                    "dense<{n}, {m}, {accumulator}, {weight_format}, {bias_format}, {order}>({x}, {y}_weights, {y}_biases, {y})"
                )
            }
            Kind::Normalise { scales, scale_format, bias_format, .. } => {
                let count = scales.len();
                format!(
                    "normalise<{n}, {count}, {scale_format}, {bias_format}>({x}, {y}_scales, {y}_biases, {y})"
                )
            }
            Kind::Relu { maximum: None } => format!("relu<{n}>({x}, {y})"),
            Kind::Relu { maximum: Some(maximum) } => format!("relu_max<{n}, {maximum}>({x}, {y})"),
            Kind::LeakyRelu { slope, slope_format } => {
                format!("leaky_relu<{n}, {slope_format}>({x}, {slope}LL, {y})")
            }
            Kind::Requantise {} => format!("requantise<{n}>({x}, {y})"),
            Kind::Table { range, offset, table, table_format } => {
                let size = table.len();
                format!("table<{n}, {size}, {range}, {offset}, {table_format}>({x}, {y}_entries, {y})")
            }
            Kind::Add {} => format!("add<{n}, {second}>({x}, {z}, {y})"),
            Kind::Subtract {} => format!("subtract<{n}, {second}>({x}, {z}, {y})"),
            Kind::Multiply {} => format!("multiply<{n}>({x}, {z}, {y})"),
            Kind::Absolute {} => format!("absolute<{n}>({x}, {y})"),
            Kind::Sum { accumulator, order } => {
                let sum = if *order == SumOrder::Tree { "tree_sum" } else { "sum" };
                format!("{sum}<{n}, {accumulator}>({x}, {y})")
            }
            Kind::Dot { accumulator } => format!("dot<{n}, {accumulator}>({x}, {z}, {y})"),
            Kind::Select { .. } => format!("select<{m}>({x}, {y}_indices, {y})"),
            Kind::Concatenate {} => return Ok(self.concatenate(sources, y)),
            Kind::Conv2d { .. } => return Err(self.unsupported(operation, "a convolution")),
        };
        Ok(format!("    trigsieve::{call}; // {}\n", one_line(&operation.layer)))
    }

    fn concatenate(&self, sources: &[usize], y: &str) -> String {
        let mut first = 0;
        let mut text = String::new();
        for tensor in sources {
            let count = self.program.tensor_at(*tensor).len();
            let _ =
                writeln!(text, "    trigsieve::requantise<{count}>({}, {y} + {first});", self.name(*tensor));
            first += count;
        }
        text
    }

    fn unsupported(&self, operation: &Operation, what: &str) -> ExportError {
        ExportError::Unsupported {
            layer: operation.layer.clone(),
            what: what.to_owned(),
            way: self.way,
            why: "dense layers, activations, tables and arithmetic are".to_owned(),
        }
    }
}

/// Text that can't end a comment.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || c == '\\' { ' ' } else { c }).collect()
}

impl std::fmt::Display for Constant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, values } = self;
        let kind = self.kind();
        writeln!(f, "const {kind} {name}[{}] = {{", values.len())?;
        for row in values.chunks(ROW) {
            let row: Vec<String> = row.iter().map(|value| literal(*value)).collect();
            writeln!(f, "    {},", row.join(", "))?;
        }
        writeln!(f, "}};")
    }
}

impl Constant {
    /// The narrowest type for all of its numbers.
    fn kind(&self) -> &'static str {
        let fits = |low: i64, high: i64| self.values.iter().all(|value| (low..=high).contains(value));
        if fits(i8::MIN.into(), i8::MAX.into()) {
            "signed char"
        } else if fits(i16::MIN.into(), i16::MAX.into()) {
            "short"
        } else if fits(i32::MIN.into(), i32::MAX.into()) {
            "int"
        } else {
            "long long"
        }
    }
}

/// The least number has no literal of its own.
fn literal(value: i64) -> String {
    match value {
        i64::MIN => format!("{}LL - 1", i64::MIN + 1),
        _ if i32::try_from(value).is_ok() => value.to_string(),
        _ => format!("{value}LL"),
    }
}
