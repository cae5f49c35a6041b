//! Layers: from a call in the top function to operations of a program.

mod activation;
mod config;
mod convolution;
mod dense;
mod merge;
mod shift_adds;

pub(crate) use activation::exact;

use std::collections::BTreeMap;

use trigsieve_fixed::{Format, Kind};

use crate::builder::{Builder, Place};
use crate::error::{Result, Trouble};
use crate::network::{Buffer, Call, Network};
use crate::scope::Names;
use crate::token::{Token, shown};
use crate::types;
use crate::weights::{Shelf, Weights};

use config::Config;

/// Operations that may come of one layer; more would be no trigger's network.
const MAX_OPERATIONS: usize = 100_000;

/// A layer that was recognised.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub layer: String,
    pub place: String,
    pub weights: Vec<String>,
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.layer)?;
        if self.weights.is_empty() {
            return Ok(());
        }
        write!(f, " ({})", self.weights.join(", "))
    }
}

/// What the calls do with an array.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Uses {
    pub read: bool,
    pub written: bool,
}

/// What the calls of a network do with an array.
pub(crate) fn uses(network: &Network<'_>, name: &str) -> Uses {
    let mut uses = Uses::default();
    for call in &network.calls {
        for (index, argument) in call.arguments.iter().enumerate() {
            if matches!(&argument[..], [one] if network.resolve(one.text) == name) {
                let target = target(call.name);
                uses.written |= index == target;
                uses.read |= index < target;
            }
        }
    }
    uses
}

/// Which argument of a layer is its output; those before it are inputs, those after it weights.
fn target(layer: &str) -> usize {
    let second = ["leaky_relu", "prelu", "thresholded_relu", "elu", "dot1d"];
    let merges = ["add", "subtract", "multiply", "average", "maximum", "minimum"];
    let two = second.contains(&layer) || merges.contains(&layer) || layer.starts_with("concatenate");
    if two { 2 } else { 1 }
}

/// The layers of a network on their way into a program.
pub(crate) struct Layers<'s, 'p> {
    pub shelf: Shelf<'s, 'p>,
    pub network: &'s Network<'p>,
    pub builder: Builder,
    pub places: BTreeMap<&'p str, Place>,
    pub lines: Vec<Line>,
}

/// A call with what most layers need of it: where it reads, where it writes.
struct Step<'c, 'p> {
    call: &'c Call<'p>,
    source: Place,
    name: &'p str,
    target: Buffer,
}

impl<'s, 'p> Layers<'s, 'p> {
    /// Runs through the calls in order.
    pub fn run(&mut self) -> Result<()> {
        for call in &self.network.calls {
            self.lines.push(Line {
                layer: call.name.to_owned(),
                place: self.shelf.project.place(call.at),
                weights: Vec::new(),
            });
            self.layer(call)?;
            if self.builder.operations.len() > MAX_OPERATIONS {
                return Err(Trouble::at(
                    call.at,
                    format!("this comes to more than {MAX_OPERATIONS} operations"),
                ));
            }
        }
        Ok(())
    }

    fn layer(&mut self, call: &Call<'p>) -> Result<()> {
        if call.name.starts_with("dense_da_") {
            return self.shift_adds(call);
        }
        if call.space != "nnet" {
            return Err(Trouble::at(call.at, format!("`{}` is no function of hls4ml", call.name)));
        }
        match call.name {
            "dense" => self.dense(call),
            "conv_1d_cl" | "pointwise_conv_1d_cl" | "conv_2d_cl" | "pointwise_conv_2d_cl" => {
                self.convolution(call)
            }
            "normalize" => self.normalise(call),
            "linear" => self.linear(call),
            "relu" | "relu1" | "relu6" | "relu_max" => self.relu(call),
            "leaky_relu" => self.leaky_relu(call),
            "tanh" | "sigmoid" | "softplus" | "softsign" => self.table(call),
            "hard_sigmoid" | "hard_tanh" => self.hard(call),
            "add" | "subtract" | "multiply" => self.merge(call),
            "dot1d" => self.dot(call),
            "concatenate1d" | "concatenate2d" | "concatenate3d" => self.concatenate(call),
            other => Err(Trouble::at(
                call.at,
                format!(
                    "the layer nnet::{other} is not supported; known are dense, conv_1d_cl, conv_2d_cl and their pointwise \
                     forms, normalize, linear, relu, relu1, relu6, relu_max, leaky_relu, tanh, sigmoid, softplus, softsign, \
                     hard_tanh, hard_sigmoid, add, subtract, multiply, dot1d, concatenate1d, 2d, 3d"
                ),
            )),
        }
    }

    fn names(&self) -> Names<'s, 'p> {
        self.shelf.names
    }

    /// A call with `types` template arguments, whose first argument is the input.
    fn step<'c>(&self, call: &'c Call<'p>, types: usize) -> Result<Step<'c, 'p>> {
        if call.types.len() != types {
            let reason =
                format!("nnet::{} has {types} template arguments, not {}", call.name, call.types.len());
            return Err(Trouble::at(call.at, reason));
        }
        let source = self.source(call, 0)?;
        let (name, target) = self.target(call, target(call.name))?;
        Ok(Step { call, source, name, target })
    }

    fn argument<'c>(&self, call: &'c Call<'p>, index: usize) -> Result<&'c [Token<'p>]> {
        let argument = call.arguments.get(index).filter(|argument| !argument.is_empty());
        argument.map(Vec::as_slice).ok_or_else(|| {
            Trouble::at(call.at, format!("argument {} of {} is missing", index + 1, call.name))
        })
    }

    /// An argument that is one name.
    fn named<'c>(&self, call: &'c Call<'p>, index: usize) -> Result<&'c Token<'p>> {
        match self.argument(call, index)? {
            [name] if name.is_name() => Ok(name),
            other => Err(Trouble::at(call.at, format!("`{}` is not the name of an array", shown(other)))),
        }
    }

    fn buffer(&self, call: &Call<'p>, index: usize) -> Result<(&'p str, Buffer)> {
        let name = self.network.resolve(self.named(call, index)?.text);
        match self.network.buffers.get(name) {
            Some(buffer) => Ok((name, *buffer)),
            None => Err(Trouble::at(call.at, format!("no array `{name}` is declared"))),
        }
    }

    fn source(&self, call: &Call<'p>, index: usize) -> Result<Place> {
        let (name, buffer) = self.buffer(call, index)?;
        let place = self.places.get(name).copied();
        let place = place.ok_or_else(|| {
            Trouble::at(call.at, format!("{} reads `{name}`, which nothing has written before", call.name))
        })?;
        self.check_type(call, index.min(1), buffer.format, name)?;
        Ok(place)
    }

    fn target(&self, call: &Call<'p>, index: usize) -> Result<(&'p str, Buffer)> {
        let (name, buffer) = self.buffer(call, index)?;
        if self.places.contains_key(name) {
            return Err(Trouble::at(
                call.at,
                format!("{} writes `{name}`, which has been written before", call.name),
            ));
        }
        if buffer.len == 0 {
            return Err(Trouble::at(buffer.at, format!("`{name}` has no element")));
        }
        Ok((name, buffer))
    }

    /// The first template arguments are the types of the inputs; C++ does not convert arrays.
    fn check_type(&self, call: &Call<'p>, index: usize, format: Format, name: &str) -> Result<()> {
        let Some(tokens) = call.types.get(index) else { return Ok(()) };
        let wanted = types::format(tokens, &self.names(), call.at)?;
        if wanted == format {
            return Ok(());
        }
        Err(Trouble::at(call.at, format!("{} takes {wanted}, but `{name}` holds {format}", call.name)))
    }

    fn config(&self, call: &Call<'p>) -> Result<Config<'s, 'p>> {
        let tokens = call.types.last().ok_or_else(|| Trouble::at(call.at, "the configuration is missing"))?;
        Config::of(tokens, self.names(), call.at)
    }

    fn len(&self, place: Place) -> usize {
        self.builder.tensor(place).len()
    }

    /// What a layer's configuration says of a length has to be what the array has.
    fn check_len(&self, call: &Call<'p>, what: &str, found: usize, wanted: usize) -> Result<()> {
        if found == wanted {
            return Ok(());
        }
        Err(Trouble::at(
            call.at,
            format!("{what} has {found} elements where the configuration says {wanted}"),
        ))
    }

    fn weights(
        &mut self,
        call: &Call<'p>,
        index: usize,
        count: usize,
        format: Option<Format>,
    ) -> Result<Weights> {
        let name = *self.named(call, index)?;
        let weights = self.shelf.weights(&name, count, format)?;
        if let Some(line) = self.lines.last_mut() {
            line.weights.push(weights.place.clone());
        }
        Ok(weights)
    }

    /// An operation that writes a step's output, in the shape of its input where the lengths agree.
    fn write(&mut self, step: &Step<'_, 'p>, kind: Kind, inputs: &[Place]) {
        let shape = match self.len(inputs[0]) == step.target.len {
            true => self.builder.tensor(inputs[0]).shape.clone(),
            false => vec![step.target.len],
        };
        self.write_shaped(step, kind, inputs, shape);
    }

    fn write_shaped(&mut self, step: &Step<'_, 'p>, kind: Kind, inputs: &[Place], shape: Vec<usize>) {
        let output = (step.name, step.target.format);
        let place = self.builder.push_shaped(step.name, kind, inputs, output, shape);
        self.places.insert(step.name, place);
    }
}
