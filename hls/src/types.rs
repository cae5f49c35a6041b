//! Types: from a name to a fixed-point format.

use trigsieve_fixed::{Format, Rounding};

use crate::error::{At, Result, Trouble};
use crate::scope::{Names, placed};
use crate::token::{Token, partner, shown, split_commas};

/// Longest chain of typedefs; what is longer goes in a circle.
const MAX_CHAIN: usize = 32;

/// The format that a type stands for.
pub(crate) fn format<'p>(tokens: &[Token<'p>], names: &Names<'_, 'p>, at: At) -> Result<Format> {
    format_within(tokens, names, at, 0)
}

fn format_within<'p>(tokens: &[Token<'p>], names: &Names<'_, 'p>, at: At, depth: usize) -> Result<Format> {
    let at = tokens.first().map_or(at, |token| token.at);
    if depth > MAX_CHAIN {
        return Err(Trouble::at(at, "the typedefs go in a circle"));
    }
    let words: Vec<Token<'p>> = tokens.iter().filter(|token| !is_qualifier(token.text)).copied().collect();
    let open = words.iter().position(|token| token.is("<")).unwrap_or(words.len());
    let path: Vec<&str> =
        words[..open].iter().filter(|token| token.is_name()).map(|token| token.text).collect();
    let Some(name) = path.last() else {
        return Err(Trouble::at(at, format!("`{}` is no type", shown(tokens))));
    };
    if let "ap_fixed" | "ap_ufixed" | "ap_int" | "ap_uint" = *name {
        return written(name, &words, open, names, at);
    }
    if let Some(format) = native(&path) {
        return Ok(format);
    }
    let owner = path.len().checked_sub(2).and_then(|owner| names.scope.structs.get(path[owner]));
    // `space::name` and `::name` are no struct's own.
    let qualified = words[..open].iter().any(|token| token.is("::"));
    let names = Names { inner: owner.or(names.inner.filter(|_| !qualified)), ..*names };
    match names.alias(name, at)? {
        Some(alias) => format_within(&alias.meaning, &names, at, depth + 1),
        None => Err(Trouble::at(at, unknown(name))),
    }
}

fn is_qualifier(text: &str) -> bool {
    ["const", "static", "constexpr", "typename", "extern", "inline", "volatile", "&"].contains(&text)
}

fn unknown(name: &str) -> String {
    match name {
        "float" | "double" | "half" => format!("`{name}` is no fixed-point type"),
        "array" | "stream" => {
            "streams and nnet::array come of io_stream, which is not supported: generate the project with io_parallel".into()
        }
        other => format!("no typedef says what `{other}` is"),
    }
}

/// C++'s own whole numbers.
fn native(path: &[&str]) -> Option<Format> {
    let (signed, width) = match path {
        ["bool"] => (false, 1),
        ["char" | "int8_t"] => (true, 8),
        ["short" | "int16_t"] => (true, 16),
        ["int" | "int32_t"] => (true, 32),
        ["uint8_t"] => (false, 8),
        ["uint16_t"] => (false, 16),
        ["unsigned"] | ["unsigned", "int"] | ["uint32_t"] => (false, 32),
        _ => return None,
    };
    let plain =
        if signed { Format::signed(width, width as i32) } else { Format::unsigned(width, width as i32) };
    Some(Format { rounding: Rounding::TruncateToZero, ..plain })
}

/// `ap_fixed<...>` and its like, as the source has it.
fn written<'p>(
    name: &str,
    words: &[Token<'p>],
    open: usize,
    names: &Names<'_, 'p>,
    at: At,
) -> Result<Format> {
    let close =
        partner(words, open).ok_or_else(|| Trouble::at(at, format!("`{name}` without its arguments")))?;
    let mut arguments = Vec::new();
    for (index, argument) in split_commas(&words[open + 1..close]).into_iter().enumerate() {
        arguments.push(match index {
            0 | 1 => names.number(argument).map_err(|trouble| placed(trouble, at))?.to_string(),
            _ => argument.last().map_or("", |token| token.text).to_owned(),
        });
    }
    let text = format!("{name}<{}>", arguments.join(","));
    let format: Format =
        text.parse().map_err(|error: trigsieve_fixed::FormatError| Trouble::at(at, error.to_string()))?;
    // A number becomes an ap_int as in C: its fraction is dropped towards zero.
    let whole = matches!(name, "ap_int" | "ap_uint");
    Ok(Format { rounding: if whole { Rounding::TruncateToZero } else { format.rounding }, ..format })
}
