//! The top function: its buffers and the calls in its body.

use std::collections::{BTreeMap, BTreeSet};

use trigsieve_fixed::Format;
use trigsieve_fixed::check::MAX_ELEMENTS;

use crate::error::{At, Result, Trouble};
use crate::scope::{Function, Names, Variable, placed, variable};
use crate::token::{Token, partner, shown, split_commas};
use crate::types;

/// A call: `nnet::dense<input_t, layer2_t, config2>(x, layer2_out, w2, b2);`.
#[derive(Clone, Debug)]
pub(crate) struct Call<'p> {
    pub at: At,
    pub space: &'p str,
    pub name: &'p str,
    pub types: Vec<Vec<Token<'p>>>,
    pub arguments: Vec<Vec<Token<'p>>>,
}

/// An array of the top function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Buffer {
    pub format: Format,
    pub len: usize,
    pub at: At,
}

/// The top function as written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Network<'p> {
    /// Parameters first, in order.
    pub parameters: Vec<&'p str>,
    pub buffers: BTreeMap<&'p str, Buffer>,
    /// Other names of buffers.
    pub aliases: BTreeMap<&'p str, &'p str>,
    pub calls: Vec<Call<'p>>,
}

/// Functions of hls4ml's headers that are no layers.
const HELPERS: [&str; 10] = [
    "load_weights_from_txt",
    "load_compressed_weights_from_txt",
    "load_exponential_weights_from_txt",
    "convert_data",
    "convert_data_back",
    "copy_data",
    "fill_zero",
    "print_result",
    "save_layer_output",
    "init_trace",
];

/// Whether a function is a network: it is no template, and calls a layer of hls4ml.
pub(crate) fn is_network(function: &Function<'_>) -> bool {
    !function.is_template && !function.parameters.is_empty() && layer_calls(&function.body) > 0
}

/// Calls of layers in a run of tokens.
pub(crate) fn layer_calls(tokens: &[Token<'_>]) -> usize {
    let helpers: BTreeSet<&str> = HELPERS.into();
    let is_layer = |window: &&[Token<'_>]| {
        let [space, colons, name, open] = *window else { return false };
        let known = space.is("nnet") && !name.text.starts_with("Op_") && name.text != "reduce";
        let generated = name.text.starts_with("dense_da_") || name.text.starts_with("einsum_dense_da_");
        space.is_name()
            && colons.is("::")
            && (known || generated)
            && open.is("<")
            && !helpers.contains(name.text)
    };
    tokens.windows(4).filter(is_layer).count()
}

/// Reads a top function.
pub(crate) fn network<'p>(function: &Function<'p>, names: &Names<'_, 'p>) -> Result<Network<'p>> {
    let mut network = Network::default();
    if let Some(stream) = function.body.iter().find(|token| token.is("stream")) {
        return Err(Trouble::at(stream.at, "a stream: only projects of io_parallel can be imported"));
    }
    for (name, variable) in &function.parameters {
        network.declare(name, variable, names)?;
        network.parameters.push(name);
    }
    let mut rest = &function.body[..];
    while !rest.is_empty() {
        rest = network.statement(rest, names)?;
    }
    Ok(network)
}

impl<'p> Network<'p> {
    /// The buffer behind a name.
    pub fn resolve(&self, name: &'p str) -> &'p str {
        let mut name = name;
        for _ in 0..self.aliases.len() {
            match self.aliases.get(name) {
                Some(other) => name = other,
                None => break,
            }
        }
        name
    }

    fn declare(&mut self, name: &'p str, variable: &Variable<'p>, names: &Names<'_, 'p>) -> Result<()> {
        let format = types::format(&variable.kind, names, variable.at).map_err(|t| placed(t, variable.at))?;
        let buffer = Buffer { format, len: names.length(variable)?, at: variable.at };
        if buffer.len > MAX_ELEMENTS {
            return Err(Trouble::at(
                variable.at,
                format!("`{name}` is too long: at most {MAX_ELEMENTS} elements are taken"),
            ));
        }
        match self.buffers.insert(name, buffer) {
            Some(_) => Err(Trouble::at(variable.at, format!("`{name}` is declared twice"))),
            None => Ok(()),
        }
    }

    fn statement<'t>(&mut self, tokens: &'t [Token<'p>], names: &Names<'_, 'p>) -> Result<&'t [Token<'p>]> {
        let first = tokens[0];
        if first.is(";") {
            return Ok(&tokens[1..]);
        }
        if first.is("if") {
            return skip_block(tokens);
        }
        let end = tokens.iter().position(|token| token.is(";"));
        let end = end.ok_or_else(|| Trouble::at(first.at, "a `;` is missing after this"))?;
        let words = &tokens[..end];
        if let Some(call) = call(words)? {
            if !HELPERS.contains(&call.name) {
                self.calls.push(call);
            }
        } else if let Some((name, target)) = alias(words) {
            self.aliases.insert(name, target);
        } else if let Some((name, variable)) = variable(words)
            && !first.is("static")
        {
            self.declare(name, &variable, names)?;
        } else if !first.is("static") {
            return Err(Trouble::at(
                first.at,
                format!("`{}` in the network is not understood", shown(words)),
            ));
        }
        Ok(&tokens[end + 1..])
    }
}

/// `if (...) {...}`: loads weights in generated code. Layers that run on a condition are refused.
fn skip_block<'t, 'p>(tokens: &'t [Token<'p>]) -> Result<&'t [Token<'p>]> {
    let at = tokens[0].at;
    let broken = || Trouble::at(at, "this `if` is not understood");
    let close = partner(tokens, 1).ok_or_else(broken)?;
    if !tokens.get(close + 1).is_some_and(|token| token.is("{")) {
        return Err(broken());
    }
    let end = partner(tokens, close + 1).ok_or_else(broken)?;
    if layer_calls(&tokens[close..end]) > 0 {
        return Err(Trouble::at(at, "a layer that runs on a condition is not supported"));
    }
    Ok(&tokens[end + 1..])
}

/// `auto& a = b`.
fn alias<'p>(words: &[Token<'p>]) -> Option<(&'p str, &'p str)> {
    match words {
        [auto, and, name, equals, target] if auto.is("auto") && and.is("&") && equals.is("=") => {
            Some((name.text, target.text))
        }
        _ => None,
    }
}

/// `a::b::name<types>(arguments)`; no other shape is a call.
pub(crate) fn call<'p>(words: &[Token<'p>]) -> Result<Option<Call<'p>>> {
    let mut head = 0;
    while words.get(head).is_some_and(|token| token.is_name() || token.is("::")) {
        head += 1;
    }
    let Some(open) = words.get(head).filter(|_| head > 0) else { return Ok(None) };
    let (types, open_at) = if open.is("<") {
        let Some(close) = partner(words, head) else { return Ok(None) };
        (owned(split_commas(&words[head + 1..close])), close + 1)
    } else {
        (Vec::new(), head)
    };
    if !words.get(open_at).is_some_and(|token| token.is("(")) {
        return Ok(None);
    }
    let name = words[head - 1];
    let close = partner(words, open_at).ok_or_else(|| Trouble::at(name.at, "this call is not closed"))?;
    if close + 1 != words.len() || head.is_multiple_of(2) {
        return Ok(None);
    }
    let space = if head > 2 { words[head - 3].text } else { "" };
    let arguments = owned(split_commas(&words[open_at + 1..close]));
    Ok(Some(Call { at: name.at, space, name: name.text, types, arguments }))
}

fn owned<'p>(parts: Vec<&[Token<'p>]>) -> Vec<Vec<Token<'p>>> {
    parts.into_iter().map(<[Token<'p>]>::to_vec).collect()
}
