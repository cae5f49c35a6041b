//! Which programs can be run: names, shapes, constants, widths and costs, all judged before anything is computed.

use std::collections::HashMap;
use std::ops::Deref;

use crate::Format;
use crate::arithmetic::Wide;
use crate::layer::Layer;
use crate::problem::{Problem, ProgramError};
use crate::program::{Input, Kind, Operation, Program, Tensor, VERSION};

/// Most elements of all tensors together.
pub const MAX_ELEMENTS: usize = 1 << 19;
/// Most operations.
pub const MAX_OPERATIONS: usize = 1 << 12;
/// Most constants (weights, biases, tables and so on) of all operations together.
pub const MAX_CONSTANTS: usize = 1 << 22;
/// Most products of an event.
pub const MAX_PRODUCTS: usize = 1 << 26;
const MAX_AXES: usize = 8;

/// A program that was checked: every name is resolved, every length is right, and no exact intermediate is too wide.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedProgram {
    program: Program,
    /// For each operation, the tensors that it reads: 0 is the input, i + 1 what operation i writes.
    sources: Vec<Vec<usize>>,
    score: usize,
}

impl Deref for CheckedProgram {
    type Target = Program;

    fn deref(&self) -> &Program {
        &self.program
    }
}

impl CheckedProgram {
    /// The program as written.
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The tensors that an operation reads: 0 is the input, i + 1 what operation i writes.
    #[must_use]
    pub fn sources(&self, operation: usize) -> &[usize] {
        &self.sources[operation]
    }

    /// The tensor that holds the score.
    #[must_use]
    pub const fn score_tensor(&self) -> usize {
        self.score
    }

    /// Tensor number `tensor`: 0 is the input, i + 1 what operation i writes.
    #[must_use]
    pub fn tensor_at(&self, tensor: usize) -> &Tensor {
        match tensor.checked_sub(1) {
            None => &self.program.input.tensor,
            Some(operation) => &self.program.operations[operation].output,
        }
    }

    /// Its format.
    #[must_use]
    pub fn format(&self, tensor: usize) -> Format {
        self.tensor_at(tensor).format
    }

    /// Shape of an operation's first input.
    #[must_use]
    pub fn input_shape(&self, operation: usize) -> &[usize] {
        &self.tensor_at(self.sources[operation][0]).shape
    }

    /// The number of a raw score in single precision: the nearest double's nearest.
    #[must_use]
    pub fn score_value(&self, raw: i128) -> f32 {
        self.format(self.score).to_f64(raw) as f32
    }
}

impl Program {
    /// Checks everything that can be wrong with a program short of its physics.
    ///
    /// # Errors
    /// The first thing that is wrong, with the operation, its layer and its tensor.
    pub fn check(self) -> Result<CheckedProgram, ProgramError> {
        if self.version != VERSION {
            return Err(ProgramError::Version { found: self.version, expected: VERSION });
        }
        at_most("operations", self.operations.len(), MAX_OPERATIONS)?;
        let in_input = |problem| {
            let tensor = self.input.tensor.name.clone();
            ProgramError::Input { tensor, problem: Box::new(problem) }
        };
        check_tensor(&self.input.tensor).and_then(|()| check_door(&self.input)).map_err(in_input)?;
        let sources = check_operations(&self)?;
        let score = check_score(&self)?;
        Ok(CheckedProgram { program: self, sources, score })
    }
}

/// Checks the operations in order; what each of them reads.
fn check_operations(program: &Program) -> Result<Vec<Vec<usize>>, ProgramError> {
    let mut written = HashMap::from([(program.input.tensor.name.as_str(), 0)]);
    let mut tensors = vec![&program.input.tensor];
    let mut sources = Vec::with_capacity(program.operations.len());
    let mut cost = Cost { elements: program.input.tensor.len(), constants: 0, products: 0 };
    for (at, operation) in program.operations.iter().enumerate() {
        let in_operation = |problem| ProgramError::Operation {
            operation: at,
            layer: operation.layer.clone(),
            tensor: operation.output.name.clone(),
            problem: Box::new(problem),
        };
        let reads = resolve(program, operation, &written).map_err(in_operation)?;
        let inputs: Vec<&Tensor> = reads.iter().map(|tensor| tensors[*tensor]).collect();
        check_tensor(&operation.output).map_err(in_operation)?;
        check_kind(operation, &inputs).map_err(in_operation)?;
        if written.insert(&operation.output.name, at + 1).is_some() {
            return Err(in_operation(Problem::Duplicate));
        }
        cost.add(operation, inputs[0])?;
        tensors.push(&operation.output);
        sources.push(reads);
    }
    Ok(sources)
}

fn resolve(
    program: &Program,
    operation: &Operation,
    written: &HashMap<&str, usize>,
) -> Result<Vec<usize>, Problem> {
    let read = |name: &String| {
        written.get(name.as_str()).copied().ok_or_else(|| match program.tensor(name) {
            Some((tensor, _)) => Problem::Early { tensor: name.clone(), writer: tensor - 1 },
            None => Problem::Dangling(name.clone()),
        })
    };
    operation.inputs.iter().map(read).collect()
}

fn check_score(program: &Program) -> Result<usize, ProgramError> {
    let wrong = |reason: String| ProgramError::Score { name: program.score.clone(), reason };
    let (score, tensor) =
        program.tensor(&program.score).ok_or_else(|| wrong("is a tensor that nothing writes".to_owned()))?;
    match tensor.len() {
        1 => Ok(score),
        count => Err(wrong(format!("has {count} elements instead of one"))),
    }
}

/// What an event costs so far.
struct Cost {
    elements: usize,
    constants: usize,
    products: usize,
}

impl Cost {
    fn add(&mut self, operation: &Operation, input: &Tensor) -> Result<(), ProgramError> {
        let count = operation.output.len();
        self.elements += count;
        self.constants = self.constants.saturating_add(constants(&operation.kind));
        let places = Layer::of(&operation.kind, &input.shape)
            .map_or(input.len().div_ceil(count), |layer| layer.weights.len() / layer.filters());
        self.products = self.products.saturating_add(places.saturating_mul(count));
        at_most("elements of all tensors", self.elements, MAX_ELEMENTS)?;
        at_most("constants", self.constants, MAX_CONSTANTS)?;
        at_most("products an event", self.products, MAX_PRODUCTS)
    }
}

fn constants(kind: &Kind) -> usize {
    match kind {
        Kind::Scale { offsets, shifts, .. } => offsets.len() + shifts.len(),
        Kind::Dense { weights, biases, .. } | Kind::Conv2d { weights, biases, .. } => {
            weights.len() + biases.len()
        }
        Kind::Normalise { scales, biases, .. } => scales.len() + biases.len(),
        Kind::Table { table, .. } => table.len(),
        Kind::Select { indices } => indices.len(),
        _ => 0,
    }
}

fn at_most(what: &'static str, found: usize, most: usize) -> Result<(), ProgramError> {
    if found > most { Err(ProgramError::TooLarge { what, found, most }) } else { Ok(()) }
}

fn check_tensor(tensor: &Tensor) -> Result<(), Problem> {
    if tensor.name.is_empty() {
        return Err(Problem::Unnamed);
    }
    let count = tensor.shape.iter().try_fold(1_usize, |product, length| product.checked_mul(*length));
    let axes = (1..=MAX_AXES).contains(&tensor.shape.len());
    if !axes || !count.is_some_and(|count| (1..=MAX_ELEMENTS).contains(&count)) {
        let shape = tensor.shape.clone();
        return Err(Problem::Shape { what: "the tensor", shape, most: MAX_ELEMENTS });
    }
    check_format(tensor.format, "the tensor")
}

fn check_format(format: Format, what: &'static str) -> Result<(), Problem> {
    let width = (1..=Format::MAX_WIDTH).contains(&format.width);
    let point = (-Format::MAX_POINT..=Format::MAX_POINT).contains(&format.integer);
    if width && point { Ok(()) } else { Err(Problem::Format(format, what)) }
}

fn check_door(input: &Input) -> Result<(), Problem> {
    if !(-Format::MAX_POINT..=Format::MAX_POINT).contains(&input.hardware_fraction) {
        let found = input.hardware_fraction.to_string();
        return Err(Problem::Value { what: "hardware_fraction", found, expected: "from -128 to 128" });
    }
    let Some(units) = &input.units else { return Ok(()) };
    length("units", input.tensor.len(), units.len())?;
    match units.iter().find(|unit| !(unit.is_finite() && **unit > 0.0)) {
        Some(unit) => {
            let found = unit.to_string();
            Err(Problem::Value { what: "a unit", found, expected: "a positive number" })
        }
        None => Ok(()),
    }
}

fn length(what: &'static str, expected: usize, found: usize) -> Result<(), Problem> {
    if expected == found { Ok(()) } else { Err(Problem::Length { what, expected, found }) }
}

fn arity(inputs: &[&Tensor], expected: usize) -> Result<(), Problem> {
    let expected = match expected {
        _ if inputs.len() == expected => return Ok(()),
        1 => "one",
        _ => "two",
    };
    Err(Problem::Arity { expected, found: inputs.len() })
}

fn same_shape(expected: &Tensor, output: &Tensor) -> Result<(), Problem> {
    shape(expected.shape.clone(), output)
}

fn shape(expected: Vec<usize>, output: &Tensor) -> Result<(), Problem> {
    if expected == output.shape {
        return Ok(());
    }
    Err(Problem::OutputShape { expected, found: output.shape.clone() })
}

/// Whether the constants are numbers of their format that an assignment can give.
fn check_constants(what: &'static str, values: &[i64], format: Format) -> Result<(), Problem> {
    check_format(format, what)?;
    let range = format.least()..=format.max_raw();
    match values.iter().position(|value| !range.contains(&i128::from(*value))) {
        Some(at) => Err(Problem::Constant { what, at, value: values[at], format }),
        None => Ok(()),
    }
}

fn fits(what: &'static str, wide: Wide) -> Result<(), Problem> {
    if wide.fits() { Ok(()) } else { Err(Problem::TooWide { what, width: wide.width() }) }
}

fn check_kind(operation: &Operation, inputs: &[&Tensor]) -> Result<(), Problem> {
    let out = &operation.output;
    let count = match operation.kind {
        Kind::Add {} | Kind::Subtract {} | Kind::Multiply {} | Kind::Dot { .. } => 2,
        Kind::Concatenate {} if !inputs.is_empty() => inputs.len(),
        _ => 1,
    };
    arity(inputs, count)?;
    let x = inputs[0];
    match &operation.kind {
        Kind::Scale { .. } => check_scale(&operation.kind, x, out),
        Kind::Dense { order, .. } => check_dense(&operation.kind, order.as_deref(), x, out),
        Kind::Conv2d { kernel, stride, padding, .. } => {
            let layer = Layer::of(&operation.kind, &x.shape).ok_or_else(|| Problem::Window {
                shape: x.shape.clone(),
                kernel: *kernel,
                stride: *stride,
                padding: *padding,
            })?;
            check_convolution(&layer, x, out)
        }
        Kind::Normalise { scales, scale_format, biases, bias_format } => {
            same_shape(x, out)?;
            check_constants("scales", scales, *scale_format)?;
            check_constants("biases", biases, *bias_format)?;
            length("biases", scales.len(), biases.len())?;
            if scales.is_empty() || !x.len().is_multiple_of(scales.len()) {
                let found = format!("{} for {} elements", scales.len(), x.len());
                return Err(Problem::Value { what: "the number of scales", found, expected: "a divisor" });
            }
            let product = Wide::from(x.format).times((*scale_format).into());
            fits("the scaled number", product)?;
            fits("the normalised number", product.plus((*bias_format).into()))
        }
        Kind::Relu { maximum } => {
            same_shape(x, out)?;
            match maximum.filter(|maximum| i32::try_from(*maximum).is_err()) {
                Some(maximum) => {
                    let found = maximum.to_string();
                    Err(Problem::Value { what: "the maximum", found, expected: "below 2^31" })
                }
                None => Ok(()),
            }
        }
        Kind::LeakyRelu { slope, slope_format } => {
            same_shape(x, out)?;
            check_constants("the slope", &[*slope], *slope_format)?;
            fits("the product", Wide::from(x.format).times((*slope_format).into()))
        }
        Kind::Requantise {} => length("elements of the output", x.len(), out.len()),
        Kind::Table { range, table, table_format, .. } => check_table(*range, table, *table_format, x, out),
        Kind::Add {} | Kind::Subtract {} => {
            let z = inputs[1];
            same_shape(x, out)?;
            if z.len() != 1 {
                length("elements of the second input", x.len(), z.len())?;
            }
            fits("the exact result", Wide::from(x.format).minus(z.format.into()))
        }
        Kind::Multiply {} => {
            same_shape(x, out)?;
            check_products(x, inputs[1])
        }
        Kind::Absolute {} => same_shape(x, out),
        Kind::Sum { accumulator, .. } => {
            check_format(*accumulator, "the accumulator")?;
            length("elements of the output", 1, out.len())
        }
        Kind::Dot { accumulator } => {
            check_format(*accumulator, "the accumulator")?;
            length("elements of the output", 1, out.len())?;
            check_products(x, inputs[1])
        }
        Kind::Concatenate {} => {
            let total = inputs.iter().map(|input| input.len()).sum();
            length("elements of the output", total, out.len())
        }
        Kind::Select { indices } => {
            length("indices", out.len(), indices.len())?;
            check_indices("indices", indices, x.len())
        }
    }
}

fn check_products(x: &Tensor, z: &Tensor) -> Result<(), Problem> {
    length("elements of the second input", x.len(), z.len())?;
    fits("the product", Wide::from(x.format).times(z.format.into()))
}

fn check_indices(what: &'static str, indices: &[u32], count: usize) -> Result<(), Problem> {
    match indices.iter().position(|index| *index as usize >= count) {
        Some(at) => Err(Problem::Index { what, at, index: indices[at], count }),
        None => Ok(()),
    }
}

fn check_scale(kind: &Kind, x: &Tensor, out: &Tensor) -> Result<(), Problem> {
    let Kind::Scale { offsets, offset_format, difference, shifts } = kind else { return Ok(()) };
    same_shape(x, out)?;
    length("offsets", x.len(), offsets.len())?;
    length("shifts", x.len(), shifts.len())?;
    check_constants("offsets", offsets, *offset_format)?;
    check_format(*difference, "the difference")?;
    let most = Format::MAX_WIDTH as i32;
    if let Some(shift) = shifts.iter().find(|shift| !(-most..=most).contains(*shift)) {
        return Err(Problem::Value { what: "a shift", found: shift.to_string(), expected: "from -64 to 64" });
    }
    if difference.least() != difference.min_raw() && shifts.iter().any(|shift| *shift < 0) {
        let found = difference.to_string();
        let expected = "without AP_SAT_SYM, as a shift to the left could give the value that it excludes";
        return Err(Problem::Value { what: "the format of the difference", found, expected });
    }
    fits("the difference", Wide::from(x.format).minus((*offset_format).into()))
}

fn check_weighted(layer: &Layer, places: usize, x: &Tensor) -> Result<(), Problem> {
    if layer.biases.is_empty() {
        return Err(Problem::Value {
            what: "the number of biases",
            found: "0".to_owned(),
            expected: "at least 1",
        });
    }
    let expected = places.saturating_mul(layer.biases.len());
    length("weights", expected, layer.weights.len())?;
    check_constants("weights", layer.weights, layer.weight_format)?;
    check_constants("biases", layer.biases, layer.bias_format)?;
    check_format(layer.accumulator, "the accumulator")?;
    fits("the product", Wide::from(x.format).times(layer.weight_format.into()))
}

fn check_dense(kind: &Kind, order: Option<&[u32]>, x: &Tensor, out: &Tensor) -> Result<(), Problem> {
    let Some(layer) = Layer::of(kind, &x.shape) else { return Ok(()) };
    check_weighted(&layer, x.len(), x)?;
    length("elements of the output", layer.filters(), out.len())?;
    let Some(order) = order else { return Ok(()) };
    length("numbers of the order", x.len(), order.len())?;
    check_indices("the order", order, x.len())?;
    let mut taken = vec![false; x.len()];
    match order.iter().find(|at| std::mem::replace(&mut taken[**at as usize], true)) {
        Some(twice) => Err(Problem::Order(*twice)),
        None => Ok(()),
    }
}

fn check_convolution(layer: &Layer, x: &Tensor, out: &Tensor) -> Result<(), Problem> {
    let Some(windows) = layer.windows() else { return Ok(()) };
    check_weighted(layer, windows.places(), x)?;
    let [down, across] = windows.positions();
    shape(vec![down, across, layer.filters()], out)
}

fn check_table(
    range: u32,
    table: &[i64],
    table_format: Format,
    x: &Tensor,
    out: &Tensor,
) -> Result<(), Problem> {
    same_shape(x, out)?;
    check_constants("the table", table, table_format)?;
    if !(1..=1 << 22).contains(&table.len()) {
        let found = table.len().to_string();
        return Err(Problem::Value { what: "the number of entries", found, expected: "from 1 to 2^22" });
    }
    if !(1..=1 << 30).contains(&range) {
        return Err(Problem::Value {
            what: "the range",
            found: range.to_string(),
            expected: "from 1 to 2^30",
        });
    }
    // Further down the headers' conversion of the quotient to an integer is off by one for negative numbers.
    if x.format.integer < -32 {
        let found = x.format.to_string();
        return Err(Problem::Value { what: "the input's format", found, expected: "with I of at least -32" });
    }
    Ok(())
}
