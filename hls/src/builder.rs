//! A program as it grows: tensors by name, each written once.

use std::collections::BTreeMap;

use trigsieve_fixed::{Format, Input, Kind, Operation, Program, Tensor};

use crate::error::{At, Result, Trouble};

/// Where a tensor stands: 0 is the input, i + 1 what operation i writes.
pub(crate) type Place = usize;

/// A program without its score.
#[derive(Clone, Debug)]
pub(crate) struct Builder {
    pub input: Input,
    pub operations: Vec<Operation>,
    names: BTreeMap<String, Place>,
}

impl Builder {
    pub fn new(name: &str, len: usize, format: Format, hardware_fraction: i32) -> Self {
        let tensor = Tensor { name: name.to_owned(), shape: vec![len], format };
        let names = BTreeMap::from([(name.to_owned(), 0)]);
        Self { input: Input { tensor, hardware_fraction, units: None }, operations: Vec::new(), names }
    }

    pub fn tensor(&self, place: Place) -> &Tensor {
        match place.checked_sub(1) {
            Some(operation) => &self.operations[operation].output,
            None => &self.input.tensor,
        }
    }

    /// Adds an operation whose output has the shape of its first input.
    pub fn push(&mut self, layer: &str, kind: Kind, inputs: &[Place], output: (&str, Format)) -> Place {
        let shape = self.tensor(inputs[0]).shape.clone();
        self.push_shaped(layer, kind, inputs, output, shape)
    }

    pub fn push_shaped(
        &mut self,
        layer: &str,
        kind: Kind,
        inputs: &[Place],
        (name, format): (&str, Format),
        shape: Vec<usize>,
    ) -> Place {
        let name = self.unused(name);
        let inputs = inputs.iter().map(|place| self.tensor(*place).name.clone()).collect();
        let output = Tensor { name: name.clone(), shape, format };
        self.operations.push(Operation { layer: layer.to_owned(), inputs, output, kind });
        self.names.insert(name, self.operations.len());
        self.operations.len()
    }

    /// The tensor with another shape of as many elements.
    pub fn shaped(&mut self, place: Place, shape: Vec<usize>, at: At) -> Result<Place> {
        let tensor = self.tensor(place);
        if tensor.shape == shape {
            return Ok(place);
        }
        let len = shape.iter().try_fold(1_usize, |len, one| len.checked_mul(*one));
        if len != Some(tensor.len()) {
            let reason = format!("{} elements can't be an image of {shape:?}", tensor.len());
            return Err(Trouble::at(at, reason));
        }
        let (name, format) = (tensor.name.clone(), tensor.format);
        if place == 0 && self.operations.is_empty() {
            self.input.tensor.shape = shape;
            return Ok(place);
        }
        let name = format!("{name}_image");
        Ok(self.push_shaped(&name.clone(), Kind::Requantise {}, &[place], (&name, format), shape))
    }

    fn unused(&self, name: &str) -> String {
        let taken = |name: &str| self.names.contains_key(name);
        if !taken(name) {
            return name.to_owned();
        }
        let mut others = (2_usize..).map(|n| format!("{name}_{n}"));
        others.find(|other| !taken(other)).unwrap_or_default()
    }

    pub fn finish(self, name: &str, score: Place) -> Program {
        let score = self.tensor(score).name.clone();
        Program {
            version: trigsieve_fixed::program::VERSION,
            name: name.to_owned(),
            input: self.input,
            operations: self.operations,
            score,
        }
    }
}
