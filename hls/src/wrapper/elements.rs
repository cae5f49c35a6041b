//! The body of a loop over elements: differences, shifts, products and sums become operations on whole arrays.

use std::collections::BTreeMap;

use trigsieve_fixed::arithmetic::Wide;
use trigsieve_fixed::program::SumOrder;
use trigsieve_fixed::{Format, Kind, Overflow, Rounding};

use super::{Content, Local, Machine};
use crate::builder::{Builder, Place};
use crate::error::{At, Result, Trouble};
use crate::layers::exact;
use crate::scope::{placed, variable};
use crate::token::{Token, partner, shown};
use crate::types;
use crate::weights::numbers;

/// Deepest nesting of brackets.
const MAX_DEPTH: usize = 16;

/// What an element is computed from.
#[derive(Clone, Debug)]
enum Value {
    /// An element of an array.
    Element(usize),
    /// An element of a table of constants.
    Constant {
        raw: Vec<i64>,
        format: Format,
    },
    /// Assigned to a format.
    Assigned(Format, Box<Value>),
    Binary(char, Box<Value>, Box<Value>),
}

struct Loop<'m, 'a, 's, 'p> {
    machine: &'m mut Machine<'a, 's, 'p>,
    index: &'m str,
    count: usize,
    local: &'m Local<'p>,
    values: BTreeMap<&'p str, Value>,
}

/// Runs a loop's body for all `count` elements at once.
pub(super) fn run<'p>(
    machine: &mut Machine<'_, '_, 'p>,
    body: &[Token<'p>],
    index: &str,
    count: usize,
    local: &Local<'p>,
) -> Result<()> {
    let mut each = Loop { machine, index, count, local, values: BTreeMap::new() };
    for words in body.split(|token| token.is(";")).filter(|words| !words.is_empty()) {
        each.statement(words)?;
    }
    Ok(())
}

impl<'p> Loop<'_, '_, '_, 'p> {
    fn statement(&mut self, words: &[Token<'p>]) -> Result<()> {
        let at = words[0].at;
        let unknown = || Trouble::at(at, format!("`{}` around the network is not understood", shown(words)));
        if let [name, plus, value @ ..] = words
            && plus.is("+=")
        {
            let slot = self.machine.slot(name, self.local)?;
            let value = self.value(value, 0)?;
            return self.accumulate(slot, &value, at);
        }
        let equals = words.iter().position(|token| token.is("=")).ok_or_else(unknown)?;
        let value = self.value(&words[equals + 1..], 0)?;
        let target = &words[..equals];
        if let [name, open, index, close] = target
            && open.is("[")
            && index.is(self.index)
            && close.is("]")
        {
            let slot = self.machine.slot(name, self.local)?;
            return self.store(slot, &value, at);
        }
        let (name, declared) =
            variable(words).filter(|(_, declared)| declared.lengths.is_empty()).ok_or_else(unknown)?;
        let format = types::format(&declared.kind, &self.machine.names, at)?;
        self.values.insert(name, Value::Assigned(format, Box::new(value)));
        Ok(())
    }

    fn store(&mut self, slot: usize, value: &Value, at: At) -> Result<()> {
        let (len, name, format) = {
            let slot = &self.machine.slots[slot];
            (slot.len, slot.name.clone(), slot.format)
        };
        if len != self.count {
            return Err(Trouble::at(
                at,
                format!("the loop writes {} of the {len} elements of `{name}`", self.count),
            ));
        }
        let place = self.lower(value, format, &name, at)?;
        self.machine.slots[slot].content = Content::Tensor(place);
        Ok(())
    }

    /// `sum += x[i]`, from zero: one element after the other.
    fn accumulate(&mut self, slot: usize, value: &Value, at: At) -> Result<()> {
        let (name, accumulator, content) = {
            let slot = &self.machine.slots[slot];
            (slot.name.clone(), slot.format, slot.content)
        };
        if content != Content::Zero {
            return Err(Trouble::at(at, format!("the sum `{name}` has to start at 0 right before its loop")));
        }
        let format = self.format(value, at)?;
        if !adds_alike(accumulator, format) {
            let reason = format!(
                "a running sum in {accumulator} of terms of {format}, which it may not hold, is not supported"
            );
            return Err(Trouble::at(at, reason));
        }
        let terms = self.lower(value, format, &format!("{name}_terms"), at)?;
        let kind = Kind::Sum { accumulator, order: SumOrder::Sequential };
        let place =
            self.machine.builder(at)?.push_shaped(&name, kind, &[terms], (&name, accumulator), vec![1]);
        self.machine.slots[slot].content = Content::Tensor(place);
        Ok(())
    }

    /// Shifts, then sums, then products: C++'s order, from loose to tight.
    fn value(&mut self, words: &[Token<'p>], depth: usize) -> Result<Value> {
        let at = words.first().map(|token| token.at);
        let at = at.ok_or_else(|| Trouble::of_project("an expression is missing"))?;
        if depth > MAX_DEPTH {
            return Err(Trouble::at(at, "this is nested too deeply"));
        }
        for operators in [&['>'][..], &['+', '-'], &['*']] {
            let Some((place, operator)) = last_operator(words, operators) else { continue };
            let left = place - usize::from(operator == '>');
            let left = self.value(&words[..left], depth + 1)?;
            let right = self.value(&words[place + 1..], depth + 1)?;
            return Ok(Value::Binary(operator, Box::new(left), Box::new(right)));
        }
        self.primary(words, at, depth)
    }

    fn primary(&mut self, words: &[Token<'p>], at: At, depth: usize) -> Result<Value> {
        let unknown = || Trouble::at(at, format!("`{}` around the network is not understood", shown(words)));
        if let [name] = words
            && let Some(value) = self.values.get(name.text)
        {
            return Ok(value.clone());
        }
        if let [path @ .., name, open, index, close] = words
            && open.is("[")
            && index.is(self.index)
            && close.is("]")
            && name.is_name()
            && path.iter().all(|token| token.is_name() || token.is("::"))
        {
            return self.element(name);
        }
        let open = words.iter().position(|token| token.is("(")).ok_or_else(unknown)?;
        if partner(words, open) != Some(words.len() - 1) {
            return Err(unknown());
        }
        let inner = &words[open + 1..words.len() - 1];
        match &words[..open] {
            [] => self.value(inner, depth + 1),
            // std::any_cast<T>(x[i]) of an element that has the type T.
            head if head.iter().any(|token| token.is("any_cast")) => self.value(inner, depth + 1),
            _ => Err(unknown()),
        }
    }

    fn element(&mut self, name: &Token<'p>) -> Result<Value> {
        let known = self.local.contains_key(name.text)
            || self.machine.members.contains_key(name.text)
            || self.machine.class.scope.variables.contains_key(name.text);
        if known {
            return self.machine.slot(name, self.local).map(Value::Element);
        }
        let names = self.machine.names;
        let Some(table) = names.variable(name.text).filter(|table| table.value.is_some()) else {
            return Err(Trouble::at(name.at, format!("`{}` is declared nowhere", name.text)));
        };
        let format = types::format(&table.kind, &names, table.at).map_err(|t| placed(t, table.at))?;
        let raw = numbers(table.value.as_deref().unwrap_or_default(), format)?;
        if raw.len() != self.count {
            let reason = format!("`{}` holds {} numbers where {} are used", name.text, raw.len(), self.count);
            return Err(Trouble::at(table.at, reason));
        }
        Ok(Value::Constant { raw, format })
    }

    /// The format of a value; an exact one where it is an expression.
    fn format(&self, value: &Value, at: At) -> Result<Format> {
        match value {
            Value::Element(slot) => Ok(self.machine.slots[*slot].format),
            Value::Constant { format, .. } | Value::Assigned(format, _) => Ok(*format),
            Value::Binary('>', left, _) => self.format(left, at),
            Value::Binary(operator, left, right) => {
                let (left, right) = (Wide::from(self.format(left, at)?), self.format(right, at)?.into());
                let wide = match operator {
                    '+' => left.plus(right),
                    '-' => left.minus(right),
                    _ => left.times(right),
                };
                exact(wide, at)
            }
        }
    }

    /// The tensor of a value that is assigned to a format.
    fn lower(&mut self, value: &Value, format: Format, name: &str, at: At) -> Result<Place> {
        match value {
            Value::Assigned(own, inner) if *own == format => self.lower(inner, format, name, at),
            Value::Element(_) | Value::Assigned(..) => {
                let place = self.operand(value, name, at)?;
                let builder = self.machine.builder(at)?;
                Ok(requantised(builder, place, format, name))
            }
            Value::Binary('>', shifted, places) => self.scale(shifted, Some(places), format, name, at),
            Value::Binary('-', _, right) if matches!(**right, Value::Constant { .. }) => {
                self.scale(value, None, format, name, at)
            }
            Value::Binary(operator, left, right) => {
                let kind = match operator {
                    '+' => Kind::Add {},
                    '-' => Kind::Subtract {},
                    _ => Kind::Multiply {},
                };
                let inputs = [self.operand(left, name, at)?, self.operand(right, name, at)?];
                Ok(self.machine.builder(at)?.push(name, kind, &inputs, (name, format)))
            }
            Value::Constant { .. } => Err(Trouble::at(at, "constants alone are no input of a network")),
        }
    }

    /// A value as a tensor of its own format.
    fn operand(&mut self, value: &Value, name: &str, at: At) -> Result<Place> {
        let Value::Element(slot) = value else {
            let format = self.format(value, at)?;
            return self.lower(value, format, &format!("{name}_part"), at);
        };
        let slot = self.machine.slots[*slot].clone();
        match slot.content {
            Content::Tensor(place) if slot.len == self.count => Ok(place),
            Content::Event => Ok(self.event(slot.format)),
            _ => Err(Trouble::at(
                at,
                format!("`{}` is read before it is written, or has another length", slot.name),
            )),
        }
    }

    /// The first array that the event is read into is the door.
    fn event(&mut self, format: Format) -> Place {
        let fraction = self.machine.hardware_fraction;
        let count = self.count;
        self.machine.builder.get_or_insert_with(|| Builder::new("inputs", count, format, fraction));
        0
    }

    /// `(x - offset) >> shift`, where the difference may be assigned to a format before it is shifted.
    fn scale(
        &mut self,
        difference: &Value,
        shifts: Option<&Value>,
        format: Format,
        name: &str,
        at: At,
    ) -> Result<Place> {
        let mut difference_format = self.format(difference, at)?;
        let inner = match difference {
            Value::Assigned(_, inner) => inner,
            other => other,
        };
        let (x, offsets, offset_format) = match inner {
            Value::Binary('-', x, offsets) => match &**offsets {
                Value::Constant { raw, format } => (&**x, raw.clone(), *format),
                _ => return Err(Trouble::at(at, "a shift of anything but x - constant is not supported")),
            },
            other => (other, vec![0; self.count], Format::signed(1, 1)),
        };
        let shifts = match shifts {
            None => {
                difference_format = format;
                vec![0; self.count]
            }
            Some(Value::Constant { raw, format }) => whole_numbers(raw, *format, at)?,
            Some(_) => return Err(Trouble::at(at, "a shift by anything but constants is not supported")),
        };
        let place = self.operand(x, name, at)?;
        let kind = Kind::Scale { offsets, offset_format, difference: difference_format, shifts };
        Ok(self.machine.builder(at)?.push(name, kind, &[place], (name, format)))
    }
}

/// Whether a term may be assigned to the sum's format before it is added: C++ assigns only what comes of the addition.
fn adds_alike(sum: Format, term: Format) -> bool {
    let additive = matches!(sum.rounding, Rounding::Truncate | Rounding::Round);
    let held = |raw: i128| sum.exact(sum.assign(term.exact(raw))) == term.exact(raw);
    let without_rounding = term.fraction() <= sum.fraction();
    let in_range = held(term.min_raw()) && held(term.max_raw());
    if sum.overflow == Overflow::Wrap { additive || without_rounding } else { without_rounding && in_range }
}

/// Shifts are whole numbers: their fraction is dropped towards zero.
fn whole_numbers(raw: &[i64], format: Format, at: At) -> Result<Vec<i32>> {
    let one = |raw: &i64| {
        let number = format.to_f64(i128::from(*raw)).trunc();
        (number.abs() <= 64.0).then_some(number as i32)
    };
    let all: Option<Vec<i32>> = raw.iter().map(one).collect();
    all.ok_or_else(|| Trouble::at(at, "a shift by more than 64 places is not supported"))
}

fn requantised(builder: &mut Builder, place: Place, format: Format, name: &str) -> Place {
    if builder.tensor(place).format == format {
        return place;
    }
    builder.push(name, Kind::Requantise {}, &[place], (name, format))
}

/// The last of some operators outside of brackets, where it stands between two values. A shift is two `>`: the second.
fn last_operator(words: &[Token<'_>], operators: &[char]) -> Option<(usize, char)> {
    let (mut depth, mut found) = (0_i32, None);
    for (index, token) in words.iter().enumerate() {
        match token.text {
            "(" | "[" => depth += 1,
            ")" | "]" => depth -= 1,
            ">" if depth == 0
                && operators == ['>']
                && index > 1
                && token.glued
                && words[index - 1].is(">") =>
            {
                found = Some((index, '>'));
            }
            text if depth == 0 && index > 0 && text.len() == 1 && operators != ['>'] => {
                if let Some(operator) = operators.iter().find(|operator| text.starts_with(**operator)) {
                    found = Some((index, *operator));
                }
            }
            _ => {}
        }
    }
    found
}
