//! Dense layers of distributed arithmetic: functions of shifts and additions that hls4ml generates with da4ml.
//!
//! Each variable of such a function is a sum of inputs times powers of two, plus a constant. Where every variable's type
//! holds every value that the inputs can give it, the function is one matrix, and that is checked here.

use std::collections::BTreeMap;

use trigsieve_fixed::{Format, Kind};

use super::Layers;
use super::dense::size;
use crate::error::{At, Result, Trouble};
use crate::network::Call;
use crate::scope::{Function, Names, variable};
use crate::token::{Kind as TokenKind, Token, partner, shown, split_commas};
use crate::types;
use crate::weights::literal;

/// Coefficients are whole multiples of 2^-POINT.
const POINT: i32 = 60;
/// Deepest nesting of an expression.
const MAX_DEPTH: usize = 32;

/// A sum of inputs times coefficients, plus a constant; all in units of 2^-POINT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Sum {
    terms: BTreeMap<usize, i128>,
    constant: i128,
}

impl Sum {
    fn plus(mut self, other: &Self) -> Option<Self> {
        for (input, coefficient) in &other.terms {
            let term = self.terms.entry(*input).or_default();
            *term = term.checked_add(*coefficient)?;
        }
        self.terms.retain(|_, coefficient| *coefficient != 0);
        self.constant = self.constant.checked_add(other.constant)?;
        Some(self)
    }

    /// Times `factor` 2^`places`; None where that is no multiple of the unit, or too large.
    fn scaled(&self, factor: i128, places: i32) -> Option<Self> {
        let one = |value: i128| {
            let value = value.checked_mul(factor)?;
            let shifted = match places {
                0.. => value
                    .checked_mul(1_i128.checked_shl(places.unsigned_abs()).filter(|power| *power > 0)?)?,
                _ => value >> places.unsigned_abs().min(127),
            };
            (places >= 0 || shifted.checked_shl(places.unsigned_abs())? == value).then_some(shifted)
        };
        let terms = self.terms.iter().map(|(input, value)| Some((*input, one(*value)?)));
        Some(Self { terms: terms.collect::<Option<_>>()?, constant: one(self.constant)? })
    }

    /// Least and greatest value over all inputs of a format, in units of 2^-(POINT + its fraction).
    fn range(&self, input: Format) -> Option<(i128, i128)> {
        let constant = shifted(self.constant, input.fraction())?;
        self.terms.values().try_fold((constant, constant), |(least, most), coefficient| {
            let ends = [coefficient.checked_mul(input.min_raw())?, coefficient.checked_mul(input.max_raw())?];
            let (low, high) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
            Some((least.checked_add(low)?, most.checked_add(high)?))
        })
    }

    /// Whether a format holds each of its values without rounding.
    fn fits(&self, input: Format, format: Format) -> Option<bool> {
        let unit = POINT + input.fraction() - format.fraction();
        let scale = |raw: i128| shifted(raw, unit);
        let (least, most) = self.range(input)?;
        let in_range = scale(format.min_raw())? <= least && most <= scale(format.max_raw())?;
        // Inputs run in steps of one, so each coefficient has to be a multiple of the format's step.
        let step = |value: i128| unit <= 0 || value.trailing_zeros() as i32 >= unit || value == 0;
        let steps = self.terms.values().all(|coefficient| step(*coefficient));
        Some(in_range && steps && step(shifted(self.constant, input.fraction())?))
    }
}

fn shifted(value: i128, places: i32) -> Option<i128> {
    match places {
        0.. => value.checked_mul(1_i128.checked_shl(places.unsigned_abs()).filter(|power| *power > 0)?),
        _ => Some(value >> places.unsigned_abs().min(127)),
    }
}

/// Runs such a function on symbols.
struct Symbols<'s, 'p> {
    names: Names<'s, 'p>,
    input: Format,
    inputs: usize,
    input_name: &'p str,
    variables: BTreeMap<&'p str, Sum>,
}

impl<'p> Layers<'_, 'p> {
    pub(super) fn shift_adds(&mut self, call: &Call<'p>) -> Result<()> {
        let step = self.step(call, 2)?;
        let names = self.names();
        let function = names.scope.functions.iter().find(|function| function.name == call.name);
        let function = function
            .ok_or_else(|| Trouble::at(call.at, format!("no function `{}` is defined", call.name)))?;
        let [(input_name, input), (output_name, output)] = &function.parameters[..] else {
            return Err(Trouble::at(function.at, "this function does not have one input and one output"));
        };
        self.check_len(call, "the input", self.len(step.source), names.length(input)?)?;
        self.check_len(call, "the output", step.target.len, names.length(output)?)?;
        let format = self.builder.tensor(step.source).format;
        let inputs = self.len(step.source);
        size(inputs, step.target.len, call.at)?;
        let mut symbols = Symbols { names, input: format, inputs, input_name, variables: BTreeMap::new() };
        let outputs = symbols.run(function, output_name, step.target.len)?;
        let kind = matrix(&outputs, inputs, format)
            .ok_or_else(|| Trouble::at(function.at, "the sums of this function do not fit into 64 bits"))?;
        self.write_shaped(&step, kind, &[step.source], vec![step.target.len]);
        if let Some(line) = self.lines.last_mut() {
            line.weights.push(self.shelf.project.place(function.at));
        }
        Ok(())
    }
}

impl<'p> Symbols<'_, 'p> {
    fn run(&mut self, function: &Function<'p>, output: &str, count: usize) -> Result<Vec<Sum>> {
        let mut outputs: Vec<Option<Sum>> = vec![None; count];
        for words in function.body.split(|token| token.is(";")).filter(|words| !words.is_empty()) {
            let equals = words.iter().position(|token| token.is("="));
            let broken = || Trouble::at(words[0].at, format!("`{}` is not understood", shown(words)));
            let (head, value) = words.split_at(equals.ok_or_else(broken)?);
            let sum = self.expression(&value[1..], 0)?;
            if head[0].is(output) {
                let index = self.index(&head[1..]).ok_or_else(broken)?;
                *outputs.get_mut(index).ok_or_else(broken)? = Some(sum);
            } else {
                let (name, declared) = variable(words).ok_or_else(broken)?;
                let format = types::format(&declared.kind, &self.names, declared.at)?;
                if sum.fits(self.input, format) != Some(true) {
                    let reason =
                        format!("{format} may not hold this sum without loss, which is not supported");
                    return Err(Trouble::at(declared.at, reason));
                }
                self.variables.insert(name, sum);
            }
        }
        let missing = outputs.iter().position(Option::is_none);
        match missing {
            Some(index) => Err(Trouble::at(function.at, format!("output {index} is never written"))),
            None => Ok(outputs.into_iter().flatten().collect()),
        }
    }

    /// `[3]`.
    fn index(&self, tokens: &[Token<'p>]) -> Option<usize> {
        let [open, index @ .., close] = tokens else { return None };
        let index = self.names.number(index).ok().filter(|_| open.is("[") && close.is("]"));
        usize::try_from(index?).ok()
    }

    /// Terms with signs between them.
    fn expression(&self, tokens: &[Token<'p>], depth: usize) -> Result<Sum> {
        let first = tokens.first().ok_or_else(|| Trouble::of_project("an expression is missing"))?;
        let too_large = || Trouble::at(first.at, "this sum has too many digits");
        if depth > MAX_DEPTH {
            return Err(Trouble::at(first.at, "this is nested too deeply"));
        }
        let (mut sum, mut sign, mut next) = (Sum::default(), 1, 0);
        while let Some(token) = tokens.get(next) {
            if token.is("-") || token.is("+") {
                sign = if token.is("-") { -sign } else { sign };
                next += 1;
                continue;
            }
            let end = next + term_length(&tokens[next..]);
            let term = self.term(&tokens[next..end], depth)?;
            sum = sum.plus(&term.scaled(sign, 0).ok_or_else(too_large)?).ok_or_else(too_large)?;
            (sign, next) = (1, end);
        }
        Ok(sum)
    }

    /// An input, a variable, a number, a bracket, or a shift of such.
    fn term(&self, tokens: &[Token<'p>], depth: usize) -> Result<Sum> {
        let at = tokens[0].at;
        let broken = || Trouble::at(at, format!("`{}` is not understood", shown(tokens)));
        if let Some(sum) = self.variables.get(tokens[0].text).filter(|_| tokens.len() == 1) {
            return Ok(sum.clone());
        }
        if tokens[0].is(self.input_name) {
            let index = self.index(&tokens[1..]).filter(|index| *index < self.inputs).ok_or_else(broken)?;
            return Ok(Sum { terms: BTreeMap::from([(index, 1 << POINT)]), constant: 0 });
        }
        if tokens[0].kind == TokenKind::Number && tokens.len() == 1 {
            return constant(literal(&tokens[0])?, at);
        }
        let open = tokens.iter().position(|token| token.is("(")).ok_or_else(broken)?;
        if partner(tokens, open) != Some(tokens.len() - 1) {
            return Err(broken());
        }
        let inner = &tokens[open + 1..tokens.len() - 1];
        let head = &tokens[..open];
        let name = head.iter().take_while(|token| !token.is("<")).last().map_or("", |token| token.text);
        match name {
            "" => self.expression(inner, depth + 1),
            "bit_shift" => {
                let template = head.iter().position(|token| token.is("<")).ok_or_else(broken)?;
                let arguments = split_commas(&head[template + 1..head.len() - 1]);
                let places = self.names.number(arguments.first().ok_or_else(broken)?)?;
                let places =
                    i32::try_from(places).ok().filter(|places| places.abs() <= POINT).ok_or_else(broken)?;
                self.expression(inner, depth + 1)?.scaled(1, places).ok_or_else(broken)
            }
            // A number in a format of its own, which holds it.
            _ => {
                let format = types::format(head, &self.names, at)?;
                let number = match inner {
                    [minus, number] if minus.is("-") => -literal(number)?,
                    [number] => literal(number)?,
                    _ => return Err(broken()),
                };
                if format.to_f64(format.assign_f64(number)) != number {
                    return Err(Trouble::at(at, format!("{format} does not hold {number}")));
                }
                constant(number, at)
            }
        }
    }
}

/// Tokens up to the next sign outside of brackets.
fn term_length(tokens: &[Token<'_>]) -> usize {
    let mut depth = 0_i32;
    for (index, token) in tokens.iter().enumerate() {
        match token.text {
            "(" | "[" | "<" => depth += 1,
            ")" | "]" | ">" => depth -= 1,
            "+" | "-" if depth == 0 && index > 0 => return index,
            _ => {}
        }
    }
    tokens.len()
}

fn constant(number: f64, at: At) -> Result<Sum> {
    let scaled = number * f64::from(POINT).exp2();
    if scaled.fract() != 0.0 || scaled.abs() >= 1e30 {
        return Err(Trouble::at(at, format!("{number} is no number of fixed point")));
    }
    Ok(Sum { terms: BTreeMap::new(), constant: scaled as i128 })
}

/// The sums as one dense layer whose accumulator loses nothing.
fn matrix(outputs: &[Sum], inputs: usize, input: Format) -> Option<Kind> {
    let coefficients = || outputs.iter().flat_map(|sum| sum.terms.values().copied());
    let (weight_format, weight_unit) = narrowest(coefficients())?;
    let (bias_format, bias_unit) = narrowest(outputs.iter().map(|sum| sum.constant))?;
    let mut weights = vec![0; inputs * outputs.len()];
    for (output, sum) in outputs.iter().enumerate() {
        for (index, coefficient) in &sum.terms {
            weights[index * outputs.len() + output] = i64::try_from(coefficient >> weight_unit).ok()?;
        }
    }
    let biases = outputs.iter().map(|sum| i64::try_from(sum.constant >> bias_unit).ok());
    let kind = Kind::Dense {
        weights,
        weight_format,
        biases: biases.collect::<Option<_>>()?,
        bias_format,
        accumulator: accumulator(outputs, input, weight_format, bias_format)?,
        order: None,
    };
    Some(kind)
}

/// The narrowest signed format that holds multiples of 2^-POINT, and how many of their low bits it drops as zeros.
fn narrowest(values: impl Iterator<Item = i128>) -> Option<(Format, u32)> {
    let (mut unit, mut bits) = (POINT as u32, 0);
    for value in values.filter(|value| *value != 0) {
        unit = unit.min(value.trailing_zeros());
        bits = bits.max(128 - value.unsigned_abs().leading_zeros());
    }
    let width = bits.saturating_sub(unit) + 1;
    let fraction = POINT - unit as i32;
    (width <= Format::MAX_WIDTH).then(|| (Format::signed(width, width as i32 - fraction), unit))
}

/// Wide enough for each partial sum.
fn accumulator(outputs: &[Sum], input: Format, weights: Format, biases: Format) -> Option<Format> {
    let mut most = 0_i128;
    for sum in outputs {
        let mut reach = shifted(sum.constant.checked_abs()?, input.fraction())?;
        for coefficient in sum.terms.values() {
            let one = coefficient.checked_abs()?.checked_mul(input.max_raw().max(-input.min_raw()))?;
            reach = reach.checked_add(one)?;
        }
        most = most.max(reach);
    }
    let fraction = (input.fraction() + weights.fraction()).max(biases.fraction());
    let bits = 128 - most.leading_zeros() as i32 + 1 - (POINT + input.fraction() - fraction);
    let width = u32::try_from(bits.max(1)).ok()?;
    (width <= Format::MAX_WIDTH).then(|| Format::signed(width, width as i32 - fraction))
}
