//! Numbers of weights: from an array in a header, or from a text file.

use trigsieve_fixed::Format;

use crate::error::{At, Result, Trouble};
use crate::project::Project;
use crate::scope::{Names, Variable};
use crate::token::{Kind, Token};
use crate::types;

/// Weights as raw values of their format, and where they come from.
#[derive(Clone, Debug)]
pub(crate) struct Weights {
    pub raw: Vec<i64>,
    pub format: Format,
    pub place: String,
}

/// Where weights are looked for.
#[derive(Clone, Copy)]
pub(crate) struct Shelf<'s, 'p> {
    pub project: &'p Project,
    pub names: Names<'s, 'p>,
}

impl<'p> Shelf<'_, 'p> {
    /// The weights called `name`, which must be `count` numbers. `wanted` is their format where no header says it.
    pub fn weights(&self, name: &Token<'p>, count: usize, wanted: Option<Format>) -> Result<Weights> {
        if let Some(variable) = self.names.variable(name.text)
            && variable.value.is_some()
        {
            return self.array(variable, name.text, count);
        }
        let declared = match self.names.variable(name.text) {
            Some(variable) => Some(types::format(&variable.kind, &self.names, variable.at)?),
            None => wanted,
        };
        let format =
            declared.ok_or_else(|| Trouble::at(name.at, format!("no array `{}` is defined", name.text)))?;
        match self.text_file(name.text) {
            Some(file) => self.text(file, format, count),
            None => {
                let reason =
                    format!("the weights `{0}` are in no header, and there is no {0}.txt", name.text);
                Err(Trouble::at(name.at, reason))
            }
        }
    }

    fn array(&self, variable: &Variable<'p>, name: &str, count: usize) -> Result<Weights> {
        let format = types::format(&variable.kind, &self.names, variable.at)?;
        let value = variable.value.as_deref().unwrap_or_default();
        let raw = numbers(value, format)?;
        check_count(name, raw.len(), count, variable.at)?;
        if !variable.lengths.iter().any(Vec::is_empty) {
            let declared = self.names.length(variable)?;
            if declared != count {
                let reason = format!("`{name}` has {declared} numbers where the layer takes {count}");
                return Err(Trouble::at(variable.at, reason));
            }
        }
        Ok(Weights { raw, format, place: self.project.place(variable.at) })
    }

    /// `NAME.txt`, nearest to the top of the project.
    fn text_file(&self, name: &str) -> Option<usize> {
        let wanted = format!("{name}.txt");
        let matching = |path: &str| path.rsplit('/').next() == Some(wanted.as_str());
        let files = self.project.files().filter(|(_, path)| matching(path));
        files.min_by_key(|(_, path)| path.len()).map(|(file, _)| file)
    }

    fn text(&self, file: usize, format: Format, count: usize) -> Result<Weights> {
        let mut raw = Vec::new();
        let mut last = 1;
        for (line, text) in (1..).zip(self.project.text(file).lines()) {
            for word in text.split([',', ' ', '\t']).filter(|word| !word.is_empty()) {
                let at = At { file, line };
                let number: f64 =
                    word.parse().map_err(|_| Trouble::at(at, format!("`{word}` is no number")))?;
                raw.push(raw_of(number, format, at)?);
                last = line;
            }
        }
        check_count(self.project.path(file), raw.len(), count, At { file, line: last })?;
        Ok(Weights { raw, format, place: self.project.path(file).to_owned() })
    }
}

fn check_count(name: &str, found: usize, wanted: usize, at: At) -> Result<()> {
    if found == wanted {
        return Ok(());
    }
    let few = if found < wanted { "few" } else { "many" };
    Err(Trouble::at(at, format!("`{name}` holds too {few} numbers: {found}, where the layer takes {wanted}")))
}

/// The numbers of `{...}`, as raw values; inner braces are passed over.
pub(crate) fn numbers(tokens: &[Token<'_>], format: Format) -> Result<Vec<i64>> {
    let mut raw = Vec::new();
    let mut sign = 1.0;
    for token in tokens {
        match token.text {
            "{" | "}" | "," | "+" => {}
            "-" => sign = -sign,
            _ => {
                raw.push(raw_of(sign * literal(token)?, format, token.at)?);
                sign = 1.0;
            }
        }
    }
    Ok(raw)
}

/// The double that a literal is in C++.
pub(crate) fn literal(token: &Token<'_>) -> Result<f64> {
    let wrong = || Trouble::at(token.at, format!("`{}` is no number", token.text));
    if token.kind != Kind::Number || token.text.starts_with("0x") || token.text.starts_with("0X") {
        return Err(wrong());
    }
    let text = token.text.trim_end_matches(['u', 'U', 'l', 'L', 'f', 'F']);
    if token.text.ends_with(['f', 'F']) {
        return text.parse::<f32>().map(f64::from).map_err(|_| wrong());
    }
    text.parse().map_err(|_| wrong())
}

/// The raw value of a number in a format. Formats of 64 unsigned bits do not fit where programs keep raw values.
pub(crate) fn raw_of(number: f64, format: Format, at: At) -> Result<i64> {
    if !number.is_finite() {
        return Err(Trouble::at(at, format!("`{number}` is no finite number")));
    }
    let raw = format.assign_f64(number);
    i64::try_from(raw)
        .map_err(|_| Trouble::at(at, format!("{number} in {format} is a number of over 63 bits")))
}
