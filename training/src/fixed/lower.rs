//! A trained model as a fixed-point program.

use trigsieve_fixed::program::{SumOrder, VERSION};
use trigsieve_fixed::{CheckedProgram, Format, Input, Kind, Operation, Program, Ranges, Tensor};

use super::network::{FixedDense, holding};
use super::{FixedModel, FixedScore};
use crate::TrainError;
use crate::layout::Layout;
use crate::model::Head;
use crate::recipe::saturating;

/// Format of hardware integers.
const HARDWARE: Format = Format::signed(16, 16);

/// Whether an object is present.
const FLAG: Format = Format::unsigned(1, 1);

/// Entries of a table, and the width of the interval of ln sigma^2 that it spans around 0.
const TABLE: (usize, u32) = (1024, 16);

/// Entries of a table of 1 / sigma^2 or sigma^2: at most e^8.
const VARIANCE: Format = Format::unsigned(22, 12);

/// Bits of the roots of weights.
const ROOT_BITS: u32 = 16;

/// The program of a model: the door, the network, and the score.
///
/// Tensors: `inputs` (K), `counts` (K) where there is a table of logarithms, `network_inputs` (K), `dense<i>` and `hidden<i>` of layer i, `reconstruction` or `mu`, `score` (1).
///
/// # Errors
/// [`TrainError::Program`] when the formats are wider than the program's arithmetic; [`TrainError::Fixed`] when an
/// accumulator of the recipe can overflow, with the layer and its range.
pub fn lower(model: &FixedModel) -> Result<CheckedProgram, TrainError> {
    let mut builder = Builder::new(model);
    let counts = builder.count();
    let outputs = builder.network(&counts);
    let score = builder.score(&counts, &outputs);
    builder.finish(score)
}

/// A tensor that was written.
#[derive(Clone, Debug)]
struct Written {
    name: String,
    length: usize,
    format: Format,
}

struct Builder<'a> {
    model: &'a FixedModel,
    operations: Vec<Operation>,
}

impl<'a> Builder<'a> {
    fn new(model: &'a FixedModel) -> Self {
        Self { model, operations: Vec::new() }
    }

    fn door(&self) -> Written {
        Written { name: "inputs".to_owned(), length: self.model.door.units().len(), format: HARDWARE }
    }

    fn write(
        &mut self,
        kind: Kind,
        inputs: &[&Written],
        name: &str,
        (length, format): (usize, Format),
    ) -> Written {
        let output = Tensor { name: name.to_owned(), shape: vec![length], format };
        let inputs = inputs.iter().map(|input| input.name.clone()).collect();
        self.operations.push(Operation { layer: name.to_owned(), inputs, output, kind });
        Written { name: name.to_owned(), length, format }
    }

    /// What the door of the program lets in, with logarithms where there is a table.
    fn count(&mut self) -> Written {
        let door = self.door();
        let Some(logarithms) = self.model.door.logarithms() else { return door };
        let energies = logarithms.inputs.iter().map(|input| *input as u32).collect();
        let energies = self.select(&door, energies, "energies");
        let table: Vec<i64> = logarithms.table.iter().map(|entry| i64::from(*entry)).collect();
        // As many entries as the interval is wide: the index is the count.
        let kind = Kind::Table { range: table.len() as u32, offset: 0, table, table_format: HARDWARE };
        let found = self.write(kind, &[&energies], "logarithms", (energies.length, HARDWARE));
        let all = (door.length + found.length, HARDWARE);
        let all = self.write(Kind::Concatenate {}, &[&door, &found], "inputs_and_logarithms", all);
        let place = |input: usize| {
            let logarithm = logarithms.inputs.iter().position(|other| *other == input);
            logarithm.map_or(input, |place| door.length + place) as u32
        };
        self.select(&all, (0..door.length).map(place).collect(), "counts")
    }

    /// Layers; what the last one writes.
    fn network(&mut self, door: &Written) -> Written {
        let network = &self.model.network;
        let scaled = (door.length, network.input);
        let mut values = self.write(self.model.door.operation(), &[door], "network_inputs", scaled);
        let last = network.layers.len().saturating_sub(1);
        for (index, layer) in network.layers.iter().enumerate() {
            values = if index == last {
                let name = if self.model.head == Head::Reconstruction { "reconstruction" } else { "mu" };
                self.dense(layer, &values, name, layer.formats.output)
            } else {
                self.hidden(layer, &values, index)
            };
        }
        values
    }

    fn hidden(&mut self, layer: &FixedDense, values: &Written, index: usize) -> Written {
        if !layer.relu {
            return self.dense(layer, values, &format!("dense{index}"), layer.formats.output);
        }
        let accumulator = self.accumulator(layer, values);
        let sums = self.dense(layer, values, &format!("dense{index}"), accumulator);
        let output = (sums.length, layer.formats.output);
        self.write(Kind::Relu { maximum: None }, &[&sums], &format!("hidden{index}"), output)
    }

    fn accumulator(&self, layer: &FixedDense, values: &Written) -> Format {
        self.model.accumulator.unwrap_or_else(|| layer.accumulator(&values.format))
    }

    fn dense(&mut self, layer: &FixedDense, values: &Written, name: &str, format: Format) -> Written {
        let kind = Kind::Dense {
            weights: layer.weights.clone(),
            weight_format: layer.formats.weights,
            biases: layer.biases.clone(),
            bias_format: layer.formats.biases,
            accumulator: self.accumulator(layer, values),
            order: None,
        };
        self.write(kind, &[values], name, (layer.biases.len(), format))
    }

    /// One score of what the last layer writes.
    fn score(&mut self, counts: &Written, outputs: &Written) -> Written {
        match (self.model.head, &self.model.score) {
            (Head::Reconstruction, FixedScore::Reconstruction { .. }) => {
                self.reconstruction_score(counts, outputs)
            }
            (Head::RelativeSquaredNorm, _) => self.relative_squared_norm(outputs),
            (Head::KullbackLeibler, _) => self.divergence(outputs),
            _ => self.sum_of_squares(outputs, "score"),
        }
    }

    fn sum_of_squares(&mut self, values: &Written, name: &str) -> Written {
        let square = (values.format.min_raw()).pow(2);
        let sum = holding(square * values.length as i128, 2 * values.format.fraction());
        self.write(Kind::Dot { accumulator: sum }, &[values, values], name, (1, sum))
    }

    fn sum(&mut self, values: &Written, name: &str) -> Written {
        let bound = values.format.max_raw().max(-values.format.min_raw());
        let sum = holding(bound * values.length as i128, values.format.fraction());
        let kind = Kind::Sum { accumulator: sum, order: SumOrder::Sequential };
        self.write(kind, &[values], name, (1, sum))
    }

    /// A sum or difference of two, in the narrowest format that holds it.
    fn join(&mut self, kind: Kind, left: &Written, right: &Written, name: &str) -> Written {
        let fraction = left.format.fraction().max(right.format.fraction());
        let bound = |of: &Written| {
            (-of.format.min_raw()).max(of.format.max_raw()) << (fraction - of.format.fraction())
        };
        let format = holding(bound(left) + bound(right), fraction);
        self.write(kind, &[left, right], name, (left.length, format))
    }

    fn select(&mut self, values: &Written, indices: Vec<u32>, name: &str) -> Written {
        let length = indices.len();
        self.write(Kind::Select { indices }, &[values], name, (length, values.format))
    }

    /// mu and ln sigma^2, or ln sigma where the network has that.
    fn halves(&mut self, outputs: &Written) -> (Written, Written) {
        let half = (outputs.length / 2) as u32;
        let mu = self.select(outputs, (0..half).collect(), "mean");
        (mu, self.select(outputs, (half..2 * half).collect(), "log_variance"))
    }

    /// sum mu^2 / sigma^2.
    fn relative_squared_norm(&mut self, outputs: &Written) -> Written {
        let (mu, log) = self.halves(outputs);
        let inverse = self.table(&log, "inverse_variance", |log| (-log).exp());
        let squares = self.squares(&mu);
        let bits = squares.format.width + inverse.format.width;
        let format = Format::unsigned(bits, squares.format.integer + inverse.format.integer);
        let terms = self.write(Kind::Multiply {}, &[&squares, &inverse], "terms", (mu.length, format));
        self.sum(&terms, "score")
    }

    /// Twice the divergence, sum (mu^2 + sigma^2 - 1 - ln sigma^2).
    fn divergence(&mut self, outputs: &Written) -> Written {
        let (mu, log) = self.halves(outputs);
        let spread = self.table(&log, "variance_terms", |log| log.exp() - 1.0 - log);
        let squares = self.sum_of_squares(&mu, "squared_radius");
        let spread = self.sum(&spread, "variance_term");
        self.join(Kind::Add {}, &squares, &spread, "score")
    }

    fn squares(&mut self, values: &Written) -> Written {
        let format = Format::unsigned(2 * values.format.width, 2 * values.format.integer);
        self.write(Kind::Multiply {}, &[values, values], "squares", (values.length, format))
    }

    /// A function of ln sigma^2 of what the network has in its place, tabulated at the middle of each interval.
    fn table(&mut self, log: &Written, name: &str, function: impl Fn(f64) -> f64) -> Written {
        let (entries, range) = TABLE;
        let offset = (entries / 2) as i32;
        let (factor, limit) = (self.model.log_factor, self.model.log_variance_limit);
        let entry = |index: usize| {
            let steps = f64::from(index as i32 - offset);
            // The quotient is cut towards zero, so that the entry of 0 is that of both neighbours.
            let middle = steps + 0.5 * steps.partial_cmp(&0.0).map_or(0.0, |order| f64::from(order as i8));
            let log = factor * middle * f64::from(range) / entries as f64;
            let value = function(log.clamp(-limit, limit));
            saturating(VARIANCE).assign_f64(value) as i64
        };
        let table = (0..entries).map(entry).collect();
        let kind = Kind::Table { range, offset, table, table_format: VARIANCE };
        self.write(kind, &[log], name, (log.length, VARIANCE))
    }

    /// The largest of weighted sums of squared errors of present objects.
    fn reconstruction_score(&mut self, counts: &Written, reconstruction: &Written) -> Written {
        let FixedScore::Reconstruction { roots, target, error, term, .. } = &self.model.score else {
            return reconstruction.clone();
        };
        let k = counts.length;
        let truth = self.write(self.model.door.operation(), &[counts], "targets", (k, *target));
        let mut errors = self.write(Kind::Subtract {}, &[reconstruction, &truth], "errors", (k, *error));
        if self.model.door.preprocessing().masking() {
            let present = self.present(counts);
            errors = self.write(Kind::Multiply {}, &[&errors, &present], "present_errors", (k, *error));
        }
        let count = roots.len();
        let name = |index: usize, text: &str| match count {
            1 if text == "sum" => "score".to_owned(),
            1 => text.to_owned(),
            _ => format!("{text}{index}"),
        };
        let mut largest: Option<Written> = None;
        for (index, roots) in roots.iter().enumerate() {
            let weighted = self.weighted(&errors, roots, *term, &|text| name(index, text));
            let sum = self.sum_of_squares(&weighted, &name(index, "sum"));
            let last = index + 1 == count;
            largest = Some(match largest {
                None => sum,
                Some(largest) => self.maximum(&largest, &sum, if last { "score" } else { "largest" }, index),
            });
        }
        largest.unwrap_or(errors)
    }

    /// max(a, b) = b + max(a - b, 0).
    fn maximum(&mut self, left: &Written, right: &Written, name: &str, index: usize) -> Written {
        // Neither of two numbers that are not negative is exceeded by their difference or their maximum.
        let fraction = left.format.fraction().max(right.format.fraction());
        let bound = |of: &Written| of.format.max_raw() << (fraction - of.format.fraction());
        let result = (1, holding(bound(left).max(bound(right)), fraction));
        let difference = self.write(Kind::Subtract {}, &[left, right], &format!("difference{index}"), result);
        let excess =
            self.write(Kind::Relu { maximum: None }, &[&difference], &format!("excess{index}"), result);
        let name = if name == "score" { name.to_owned() } else { format!("{name}{index}") };
        self.write(Kind::Add {}, &[right, &excess], &name, result)
    }

    /// 1 for every input whose object is present, else 0.
    fn present(&mut self, counts: &Written) -> Written {
        let layout = self.model.door.preprocessing().layout();
        let presence = presence(layout);
        let indices = presence.iter().map(|input| input.unwrap_or(0) as u32).collect();
        let deciding = self.select(counts, indices, "presence");
        let flags = (counts.length, FLAG);
        let present = self.write(Kind::Relu { maximum: Some(1) }, &[&deciding], "present", flags);
        if presence.iter().all(Option::is_some) {
            return present;
        }
        let always = |input: &Option<usize>| i64::from(input.is_none());
        let kind = Kind::Normalise {
            scales: presence.iter().map(|input| 1 - always(input)).collect(),
            scale_format: FLAG,
            biases: presence.iter().map(always).collect(),
            bias_format: FLAG,
        };
        self.write(kind, &[&present], "present_or_always", flags)
    }

    /// Errors times the roots of their weights; errors of weight 0 are left out.
    fn weighted(
        &mut self,
        errors: &Written,
        roots: &[f64],
        term: Format,
        name: &dyn Fn(&str) -> String,
    ) -> Written {
        let counted: Vec<u32> = (0..roots.len()).filter(|&j| roots[j] > 0.0).map(|j| j as u32).collect();
        let roots: Vec<f64> = roots.iter().copied().filter(|root| *root > 0.0).collect();
        let errors = self.select(errors, counted, &name("counted"));
        let largest = roots.iter().copied().fold(0.0, f64::max);
        let integer = if largest > 0.0 { largest.log2().floor() as i32 + 1 } else { 0 };
        let scale_format = saturating(Format::unsigned(ROOT_BITS, integer));
        let scales = roots.iter().map(|root| scale_format.assign_f64(*root) as i64).collect();
        let kind = Kind::Normalise { scales, scale_format, biases: vec![0; roots.len()], bias_format: FLAG };
        self.write(kind, &[&errors], &name("weighted"), (roots.len(), term))
    }

    fn finish(self, score: Written) -> Result<CheckedProgram, TrainError> {
        let door = &self.model.door;
        let tensor = Tensor { name: "inputs".to_owned(), shape: vec![door.units().len()], format: HARDWARE };
        let program = Program {
            version: VERSION,
            name: self.model.name.clone(),
            input: Input { tensor, hardware_fraction: 0, units: Some(door.units().to_vec()) },
            operations: self.operations,
            score: score.name,
        };
        let program = program.check()?;
        prove(&program)?;
        Ok(program)
    }
}

/// Refuses a program in which an accumulator can overflow or lose a bit.
fn prove(program: &CheckedProgram) -> Result<(), TrainError> {
    let ranges = Ranges::of(program);
    for (index, operation) in program.operations.iter().enumerate() {
        if ranges.exact(index) {
            continue;
        }
        let lost = || format!("layer `{}`: its accumulator loses bits after the point", operation.layer);
        let finding = ranges.findings().iter().find(|finding| finding.operation == index);
        let reason = finding.map_or_else(lost, ToString::to_string);
        let reason = format!("{reason}; leave out fixed.accumulator or widen it");
        return Err(TrainError::Fixed { reason });
    }
    Ok(())
}

/// The input that decides whether the object of an input is present; `None`: it always is. What belongs to no object has
/// no error, so that any input will do.
fn presence(layout: &Layout) -> Vec<Option<usize>> {
    let mut presence = vec![Some(0); layout.inputs];
    for object in &layout.objects {
        object.continuous().for_each(|input| presence[input] = object.presence);
    }
    presence
}
