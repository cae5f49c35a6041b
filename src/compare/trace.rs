use serde::Serialize;
use trigsieve_fixed::{CheckedProgram, Interpreter};

use super::{Number, Party};
use crate::event::{EventTable, Values};

/// Every layer's numbers of one event, the two programs' side by side.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trace {
    /// By layer, in the order of the first program.
    pub layers: Vec<LayerTrace>,
}

/// One tensor.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerTrace {
    /// Name of the layer that wrote it; `input` for what came in at the door.
    pub layer: String,
    /// Name of the tensor.
    pub tensor: String,
    /// Its format in the first program.
    pub format: String,
    /// Its elements.
    pub numbers: Vec<TracedNumber>,
    /// Elements that are different numbers.
    pub differing: usize,
    /// Whether the second program has this tensor.
    pub is_shared: bool,
}

/// One element.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TracedNumber {
    /// The number of the first program.
    pub a: f64,
    /// That of the second, if it has it.
    pub b: Option<f64>,
    /// Whether the two are different numbers.
    pub differs: bool,
}

/// Runs the event in `row` of `table` through the program of `a` and, if there is one, that of `b`. Tensors are the same
/// where their layers and places in them have the same names. Nothing for a party without a program, or a row that is not
/// there.
#[must_use]
pub fn trace(a: &Party, b: Option<&Party>, table: &EventTable, row: u64) -> Option<Trace> {
    let a_program = a.program()?;
    let left = tensors(a_program, table, row)?;
    let b_program = b.and_then(Party::program);
    let right = b_program.and_then(|program| Some((program, tensors(program, table, row)?)));
    let layers = left.iter().enumerate().map(|(index, numbers)| {
        let other = right.as_ref().and_then(|(program, tensors)| {
            let place = place_of(program, a_program, index)?;
            tensors.get(place)
        });
        layer(a_program, index, numbers, other)
    });
    Some(Trace { layers: layers.collect() })
}

fn layer(
    program: &CheckedProgram,
    index: usize,
    numbers: &[Number],
    other: Option<&Vec<Number>>,
) -> LayerTrace {
    let tensor = program.tensor_at(index);
    let numbers: Vec<TracedNumber> = numbers
        .iter()
        .enumerate()
        .map(|(element, a)| {
            let b = other.and_then(|other| other.get(element));
            let differs = other.is_some() && b != Some(a);
            TracedNumber { a: a.to_f64(), b: b.map(|b| b.to_f64()), differs }
        })
        .collect();
    LayerTrace {
        layer: layer_name(program, index).to_owned(),
        tensor: tensor.name.clone(),
        format: tensor.format.to_string(),
        differing: numbers.iter().filter(|number| number.differs).count(),
        is_shared: other.is_some(),
        numbers,
    }
}

fn layer_name(program: &CheckedProgram, index: usize) -> &str {
    match index.checked_sub(1) {
        None => "input",
        Some(operation) => &program.operations[operation].layer,
    }
}

/// Where `program` has what `like` has at `index`: the tensor with the same number among those of its layer.
fn place_of(program: &CheckedProgram, like: &CheckedProgram, index: usize) -> Option<usize> {
    let layer = layer_name(like, index);
    let place_in_layer = (0..index).filter(|before| layer_name(like, *before) == layer).count();
    let count = program.operations.len() + 1;
    (0..count).filter(|place| layer_name(program, *place) == layer).nth(place_in_layer)
}

/// Every tensor of an event.
fn tensors(program: &CheckedProgram, table: &EventTable, row: u64) -> Option<Vec<Vec<Number>>> {
    let batch = table.batches().iter().rev().find(|batch| batch.first_row() <= row)?;
    let index = usize::try_from(row - batch.first_row()).ok().filter(|index| *index < batch.len())?;
    let mut interpreter = Interpreter::new(program);
    match batch.rows().slice(index, 1).values() {
        Values::I16(row) => interpreter.run_i16(row),
        Values::F32(row) => interpreter.run_f32(row),
    };
    let numbers = |(tensor, raw): (usize, &Vec<i128>)| {
        raw.iter().map(|raw| Number::of_raw(*raw, program.format(tensor))).collect()
    };
    Some(interpreter.trace().iter().enumerate().map(numbers).collect())
}
