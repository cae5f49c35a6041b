//! The preprocessor: one file with everything that it includes, as one run of tokens.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{At, Result, Trouble};
use crate::expression::{Constants, evaluate};
use crate::project::{Project, is_library};
use crate::token::{Kind, Token, tokens};

/// Deepest chain of includes.
const MAX_INCLUDES: usize = 64;

/// hls4ml writes the weights into the headers for synthesis, and loads them from text files otherwise.
const DEFINED: &str = "__SYNTHESIS__";

/// A translation unit: its tokens, its `#define`s of one name, and the files it is made of.
#[derive(Debug, Default)]
pub(crate) struct Unit<'p> {
    pub tokens: Vec<Token<'p>>,
    pub macros: BTreeMap<&'p str, Vec<Token<'p>>>,
    pub files: BTreeSet<usize>,
}

/// Reads a file and what it includes from the project.
pub(crate) fn preprocess(project: &Project, file: usize) -> Result<Unit<'_>> {
    let mut preprocessor = Preprocessor { project, unit: Unit::default() };
    preprocessor.unit.macros.insert(DEFINED, Vec::new());
    preprocessor.file(file, 0)?;
    Ok(preprocessor.unit)
}

struct Preprocessor<'p> {
    project: &'p Project,
    unit: Unit<'p>,
}

/// An `#if` that is open: whether the text here counts, whether a branch has counted, whether the text around does.
struct Branch {
    at: At,
    active: bool,
    taken: bool,
    outer: bool,
}

impl<'p> Preprocessor<'p> {
    fn file(&mut self, file: usize, depth: usize) -> Result<()> {
        if depth > MAX_INCLUDES || !self.unit.files.insert(file) {
            return Ok(());
        }
        let mut branches: Vec<Branch> = Vec::new();
        for token in tokens(self.project.text(file), At { file, line: 1 }) {
            let active = branches.last().is_none_or(|branch| branch.active);
            if token.kind == Kind::Directive {
                self.directive(token, active, &mut branches, depth)?;
            } else if active {
                self.unit.tokens.push(token);
            }
        }
        match branches.last() {
            Some(branch) => Err(Trouble::at(branch.at, "this #if has no #endif")),
            None => Ok(()),
        }
    }

    fn directive(
        &mut self,
        token: Token<'p>,
        active: bool,
        branches: &mut Vec<Branch>,
        depth: usize,
    ) -> Result<()> {
        let words = tokens(&token.text[1..], token.at);
        let Some((name, rest)) = words.split_first() else { return Ok(()) };
        match name.text {
            "if" | "ifdef" | "ifndef" => {
                let holds = active && self.condition(name, rest)?;
                branches.push(Branch { at: token.at, active: holds, taken: holds, outer: active });
            }
            "elif" | "else" => {
                let branch =
                    branches.last().ok_or_else(|| Trouble::at(token.at, "there is no #if to this"))?;
                let open = branch.outer && !branch.taken;
                let holds = open && (name.text == "else" || self.condition(name, rest)?);
                if let Some(branch) = branches.last_mut() {
                    branch.active = holds;
                    branch.taken |= holds;
                }
            }
            "endif" => {
                branches.pop().ok_or_else(|| Trouble::at(token.at, "there is no #if to this"))?;
            }
            "define" if active => self.define(rest),
            "undef" if active => {
                if let Some(name) = rest.first() {
                    self.unit.macros.remove(name.text);
                }
            }
            "include" if active => self.include(token.at, rest, depth)?,
            _ => {}
        }
        Ok(())
    }

    fn condition(&self, directive: &Token<'p>, rest: &[Token<'p>]) -> Result<bool> {
        let defined = |token: &Token<'_>| self.unit.macros.contains_key(token.text);
        match directive.text {
            "ifdef" => Ok(rest.first().is_some_and(defined)),
            "ifndef" => Ok(!rest.first().is_some_and(defined)),
            _ => Ok(evaluate(rest, &Macros(&self.unit.macros))? != 0),
        }
    }

    /// Macros with arguments are not kept: what the generated code uses of them is known to `expression`.
    fn define(&mut self, rest: &[Token<'p>]) {
        let Some((name, body)) = rest.split_first() else { return };
        if !body.first().is_some_and(|first| first.is("(") && first.glued) {
            self.unit.macros.insert(name.text, body.to_vec());
        }
    }

    /// What is not in the project (the vendor's headers) or has a known meaning is passed over.
    fn include(&mut self, at: At, rest: &[Token<'p>], depth: usize) -> Result<()> {
        let Some(name) = rest.first().filter(|token| token.kind == Kind::Text) else { return Ok(()) };
        let name = name.text.trim_matches('"');
        match self.project.included(at.file, name) {
            Some(file) if !is_library(self.project.path(file)) => self.file(file, depth + 1),
            _ => Ok(()),
        }
    }
}

/// Names in the condition of an `#if`: what is no macro is 0.
struct Macros<'m, 'p>(&'m BTreeMap<&'p str, Vec<Token<'p>>>);

impl<'p> Constants<'p> for Macros<'_, 'p> {
    fn tokens(&self, path: &[&str]) -> Option<Vec<Token<'p>>> {
        self.0.get(*path.last()?).cloned().filter(|body| !body.is_empty())
    }

    fn is_defined(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn missing(&self) -> Option<i64> {
        Some(0)
    }
}
