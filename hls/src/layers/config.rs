//! The configuration structs of `parameters.h`.

use trigsieve_fixed::Format;

use crate::error::{At, Result, Trouble};
use crate::scope::{Names, placed};
use crate::token::{Token, shown};
use crate::types;

/// A configuration struct, with the names that can be seen from inside.
#[derive(Clone, Copy)]
pub(crate) struct Config<'s, 'p> {
    name: &'p str,
    names: Names<'s, 'p>,
    at: At,
}

/// How a product is formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    /// x w.
    Plain,
    /// Weights of 1 bit: 0 is -1.
    WeightBinary,
    /// Weights of 2 bits: 0, -1, and whatever else is 1.
    WeightTernary,
}

impl<'s, 'p> Config<'s, 'p> {
    pub fn of(tokens: &[Token<'p>], names: Names<'s, 'p>, at: At) -> Result<Self> {
        let name = tokens.last().map_or("", |token| token.text);
        match names.scope.structs.get(name) {
            Some(found) => Ok(Self { name, names: names.inside(found), at }),
            None => Err(Trouble::at(at, format!("no struct `{}` is defined", shown(tokens)))),
        }
    }

    /// A configuration that this one names (`mult_config`); itself where it names none.
    pub fn part(&self, field: &str) -> Result<Self> {
        match self.names.own_alias(field, self.at)? {
            Some(alias) => Self::of(&alias.meaning, self.names, self.at),
            None => Ok(*self),
        }
    }

    /// A whole number; None where the struct does not have it.
    pub fn optional(&self, field: &str) -> Result<Option<i64>> {
        let Some(variable) = self.names.own_variable(field) else { return Ok(None) };
        let value = variable.value.as_deref().unwrap_or_default();
        self.names.number(value).map(Some).map_err(|trouble| placed(trouble, variable.at))
    }

    /// A count of something.
    pub fn count(&self, field: &str) -> Result<usize> {
        match self.optional(field)? {
            Some(value) => usize::try_from(value)
                .ok()
                .filter(|value| *value <= 1 << 28)
                .ok_or_else(|| Trouble::at(self.at, format!("{}::{field} is {value}", self.name))),
            None => Err(Trouble::at(self.at, format!("{} has no `{field}`", self.name))),
        }
    }

    pub fn count_or(&self, field: &str, default: usize) -> Result<usize> {
        match self.names.own_variable(field) {
            Some(_) => self.count(field),
            None => Ok(default),
        }
    }

    pub fn format(&self, field: &str) -> Result<Format> {
        match self.names.own_alias(field, self.at)? {
            Some(alias) => types::format(&alias.meaning, &self.names, self.at),
            None => Err(Trouble::at(self.at, format!("{} has no `{field}`", self.name))),
        }
    }

    /// The last word of a field's value or type: `nnet::latency` is `latency`.
    fn word(&self, field: &str) -> Result<Option<&'p str>> {
        let value = self.names.own_variable(field).and_then(|variable| variable.value.as_deref());
        if let Some(value) = value {
            return Ok(value.last().map(|token| token.text));
        }
        let alias = self.names.own_alias(field, self.at)?;
        let before_arguments = |alias: &'s crate::scope::Alias<'p>| {
            alias.meaning.iter().take_while(|token| !token.is("<")).last()
        };
        Ok(alias.and_then(before_arguments).map(|token| token.text))
    }

    /// Whether a layer's weights are kept output by output and taken in the order of the reuse factor.
    pub fn is_resource(&self, kernel: &str) -> Result<bool> {
        if let Some(kernel) = self.word(kernel)? {
            return match kernel {
                "DenseLatency" | "Conv1DLatency" | "BatchedDenseForConv1D" => Ok(false),
                "DenseResource_rf_leq_nin" | "DenseResource_rf_gt_nin_rem0" | "Conv1DResource" => Ok(true),
                other => Err(Trouble::at(
                    self.at,
                    format!("the kernel `{other}` of {} is not supported", self.name),
                )),
            };
        }
        match self.word("strategy")? {
            None | Some("latency") => Ok(false),
            Some("resource") => Ok(true),
            Some(other) => {
                Err(Trouble::at(self.at, format!("the strategy `{other}` of {} is not supported", self.name)))
            }
        }
    }

    pub fn product(&self) -> Result<Product> {
        match self.word("product")? {
            None | Some("mult") => Ok(Product::Plain),
            Some("weight_binary") => Ok(Product::WeightBinary),
            Some("weight_ternary") => Ok(Product::WeightTernary),
            Some(other) => {
                Err(Trouble::at(self.at, format!("the product `{other}` of {} is not supported", self.name)))
            }
        }
    }

    /// A constant in a format: its tokens, from inside the struct or from its definition outside.
    pub fn constant(&self, field: &str) -> Option<(&'s [Token<'p>], &'s [Token<'p>], At)> {
        let variable = self.names.own_variable(field)?;
        Some((&variable.kind, variable.value.as_deref().unwrap_or_default(), variable.at))
    }

    pub fn names(&self) -> &Names<'s, 'p> {
        &self.names
    }
}
