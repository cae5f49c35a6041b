//! Declarations: typedefs, constants, arrays, structs and functions of a translation unit, whatever namespace they
//! stand in.

use std::collections::BTreeMap;

use crate::error::{At, Result, Trouble};
use crate::expression::{Constants, evaluate};
use crate::preprocess::Unit;
use crate::token::{Token, partner, shown, split_commas};

/// A type under another name.
#[derive(Clone, Debug)]
pub(crate) struct Alias<'p> {
    pub meaning: Vec<Token<'p>>,
}

/// A constant, a variable or an array.
#[derive(Clone, Debug)]
pub(crate) struct Variable<'p> {
    pub at: At,
    pub kind: Vec<Token<'p>>,
    /// The expressions between its square brackets.
    pub lengths: Vec<Vec<Token<'p>>>,
    /// What it is set to; a list with its braces.
    pub value: Option<Vec<Token<'p>>>,
}

/// A struct or class: its bases' names and what it declares.
#[derive(Clone, Debug, Default)]
pub(crate) struct Struct<'p> {
    pub bases: Vec<&'p str>,
    pub scope: Scope<'p>,
}

/// A function with a body.
#[derive(Clone, Debug)]
pub(crate) struct Function<'p> {
    pub at: At,
    pub name: &'p str,
    pub returns: Vec<Token<'p>>,
    pub parameters: Vec<(&'p str, Variable<'p>)>,
    pub body: Vec<Token<'p>>,
    pub is_template: bool,
}

/// What is declared.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope<'p> {
    pub aliases: BTreeMap<&'p str, Vec<Alias<'p>>>,
    pub variables: BTreeMap<&'p str, Vec<Variable<'p>>>,
    pub structs: BTreeMap<&'p str, Struct<'p>>,
    pub functions: Vec<Function<'p>>,
}

/// Deepest nesting of structs.
const MAX_NESTING: usize = 8;

impl<'p> Scope<'p> {
    /// The declarations of a translation unit.
    pub fn of(unit: &Unit<'p>) -> Result<Self> {
        let mut scope = Self::default();
        Reader { tokens: &unit.tokens, next: 0, nesting: 0 }.declarations(&mut scope)?;
        Ok(scope)
    }
}

struct Reader<'t, 'p> {
    tokens: &'t [Token<'p>],
    next: usize,
    nesting: usize,
}

impl<'t, 'p> Reader<'t, 'p> {
    fn declarations(&mut self, scope: &mut Scope<'p>) -> Result<()> {
        let mut is_template = false;
        while let Some(token) = self.tokens.get(self.next) {
            let was_template = std::mem::take(&mut is_template);
            match token.text {
                "namespace" => self.namespace(),
                "using" => self.using(scope)?,
                "typedef" => self.typedef(scope)?,
                "template" => {
                    self.next = self.after_partner(self.next + 1)?;
                    is_template = true;
                }
                "struct" | "class" => self.aggregate(scope, was_template)?,
                "enum" | "friend" => self.skip_statement()?,
                "public" | "private" | "protected" => self.next += 2,
                "extern" if self.tokens.get(self.next + 1).is_some_and(|next| next.text == "\"C\"") => {
                    self.next += 2;
                    self.next += usize::from(self.is_at("{"));
                }
                ";" | "}" => self.next += 1,
                _ => self.declaration(scope, was_template)?,
            }
        }
        Ok(())
    }

    fn is_at(&self, text: &str) -> bool {
        self.tokens.get(self.next).is_some_and(|token| token.is(text))
    }

    fn after_partner(&self, open: usize) -> Result<usize> {
        let at = self.tokens.get(open).unwrap_or(&self.tokens[self.tokens.len() - 1]).at;
        partner(self.tokens, open).map(|close| close + 1).ok_or_else(|| Trouble::at(at, "this is not closed"))
    }

    /// Only its braces are passed over: what stands inside counts as outside.
    fn namespace(&mut self) {
        while self.tokens.get(self.next).is_some_and(|token| !token.is("{") && !token.is(";")) {
            self.next += 1;
        }
        self.next += 1;
    }

    /// To the first `;` outside of brackets: the tokens before it.
    fn statement(&mut self) -> Result<&'t [Token<'p>]> {
        let start = self.next;
        while let Some(token) = self.tokens.get(self.next) {
            match token.text {
                ";" => {
                    self.next += 1;
                    return Ok(&self.tokens[start..self.next - 1]);
                }
                "(" | "[" | "{" => self.next = self.after_partner(self.next)?,
                _ => self.next += 1,
            }
        }
        Err(Trouble::at(self.tokens[start].at, "a `;` is missing after this"))
    }

    fn skip_statement(&mut self) -> Result<()> {
        self.statement().map(|_| ())
    }

    fn using(&mut self, scope: &mut Scope<'p>) -> Result<()> {
        let words = self.statement()?;
        if let [_, name, equals, meaning @ ..] = words
            && equals.is("=")
        {
            scope.aliases.entry(name.text).or_default().push(Alias { meaning: meaning.to_vec() });
        }
        Ok(())
    }

    fn typedef(&mut self, scope: &mut Scope<'p>) -> Result<()> {
        let words = self.statement()?;
        if let [_, meaning @ .., name] = words
            && name.is_name()
            && !meaning.is_empty()
        {
            scope.aliases.entry(name.text).or_default().push(Alias { meaning: meaning.to_vec() });
        }
        Ok(())
    }

    fn aggregate(&mut self, scope: &mut Scope<'p>, is_template: bool) -> Result<()> {
        let start = self.next;
        let mut head = start;
        while self.tokens.get(head).is_some_and(|token| !["{", ";", "(", "="].contains(&token.text)) {
            head += 1;
        }
        if !self.tokens.get(head).is_some_and(|token| token.is("{")) {
            return self.skip_statement();
        }
        let close = self.after_partner(head)? - 1;
        let words = &self.tokens[start + 1..head];
        self.next = close + 1;
        let Some(name) = words.first().filter(|name| name.is_name()) else { return Ok(()) };
        if is_template {
            return Ok(());
        }
        if self.nesting >= MAX_NESTING {
            return Err(Trouble::at(name.at, "structs are nested too deeply"));
        }
        let bases = words.iter().skip_while(|token| !token.is(":")).filter(|token| token.is_name());
        let mut inner = Scope::default();
        Reader { tokens: &self.tokens[head + 1..close], next: 0, nesting: self.nesting + 1 }
            .declarations(&mut inner)?;
        let found = Struct { bases: bases.map(|base| base.text).collect(), scope: inner };
        scope.structs.insert(name.text, found);
        Ok(())
    }

    /// A function, a constant, a variable or an array.
    fn declaration(&mut self, scope: &mut Scope<'p>, is_template: bool) -> Result<()> {
        let start = self.next;
        while let Some(token) = self.tokens.get(self.next) {
            match token.text {
                ";" | "=" => return self.variable(scope, start),
                "(" => return self.function(scope, start, is_template),
                "{" => {
                    self.next = self.after_partner(self.next)?;
                    return Ok(());
                }
                "}" => return Ok(()),
                "[" => self.next = self.after_partner(self.next)?,
                _ => self.next += 1,
            }
        }
        Ok(())
    }

    fn variable(&mut self, scope: &mut Scope<'p>, start: usize) -> Result<()> {
        self.next = start;
        let words = self.statement()?;
        if let Some((name, variable)) = variable(words) {
            scope.variables.entry(name).or_default().push(variable);
        } else if let Some((owner, name, variable)) = member(words) {
            let owner = scope.structs.entry(owner).or_default();
            owner.scope.variables.entry(name).or_default().push(variable);
        }
        Ok(())
    }

    fn function(&mut self, scope: &mut Scope<'p>, start: usize, is_template: bool) -> Result<()> {
        let open = self.next;
        let close = self.after_partner(open)? - 1;
        self.next = close + 1;
        while self.tokens.get(self.next).is_some_and(|token| !["{", ";", "}"].contains(&token.text)) {
            self.next += 1;
        }
        if !self.is_at("{") {
            self.next += usize::from(self.is_at(";"));
            return Ok(());
        }
        let body = self.next;
        self.next = self.after_partner(body)?;
        let head = &self.tokens[start..open];
        let Some((name, returns)) = head.split_last().filter(|(name, _)| name.is_name()) else {
            return Ok(());
        };
        let parameters = split_commas(&self.tokens[open + 1..close]);
        scope.functions.push(Function {
            at: name.at,
            name: name.text,
            returns: returns.to_vec(),
            parameters: parameters.into_iter().filter_map(variable).collect(),
            body: self.tokens[body + 1..self.next - 1].to_vec(),
            is_template,
        });
        Ok(())
    }
}

/// `TYPE NAME[LENGTH]... = VALUE`, without its `;`.
pub(crate) fn variable<'p>(words: &[Token<'p>]) -> Option<(&'p str, Variable<'p>)> {
    let equals = words.iter().position(|token| token.is("=")).unwrap_or(words.len());
    let (head, value) = words.split_at(equals);
    let bracket = head.iter().position(|token| token.is("[")).unwrap_or(head.len());
    let (declared, mut brackets) = head.split_at(bracket);
    let (name, kind) = declared.split_last().filter(|(name, kind)| name.is_name() && !kind.is_empty())?;
    if kind.last().is_some_and(|token| token.is("::")) {
        return None;
    }
    let mut lengths = Vec::new();
    while !brackets.is_empty() {
        let close = partner(brackets, 0)?;
        lengths.push(brackets[1..close].to_vec());
        brackets = &brackets[close + 1..];
    }
    let value = value.split_first().map(|(_, value)| value.to_vec());
    Some((name.text, Variable { at: name.at, kind: kind.to_vec(), lengths, value }))
}

/// `TYPE OWNER::NAME = VALUE`: the definition of a struct's member outside of the struct.
fn member<'p>(words: &[Token<'p>]) -> Option<(&'p str, &'p str, Variable<'p>)> {
    let colons = words.iter().take_while(|token| !token.is("=")).collect::<Vec<_>>();
    let colons = colons.iter().rposition(|token| token.is("::"))?;
    let owner = words[..colons].last().filter(|owner| owner.is_name())?;
    let mut plain = words[..colons - 1].to_vec();
    plain.extend_from_slice(&words[colons + 1..]);
    variable(&plain).map(|(name, variable)| (owner.text, name, variable))
}

/// The names that a place in the source can see: a struct's (with its bases'), then everyone's.
#[derive(Clone, Copy)]
pub(crate) struct Names<'s, 'p> {
    pub unit: &'s Unit<'p>,
    pub scope: &'s Scope<'p>,
    pub inner: Option<&'s Struct<'p>>,
}

fn with_value<'s, 'p>(found: &'s Vec<Variable<'p>>) -> Option<&'s Variable<'p>> {
    found.iter().find(|one| one.value.is_some()).or_else(|| found.first())
}

/// Longest array, of weights too.
const MAX_LENGTH: usize = 1 << 22;

/// Longest chain of bases.
const MAX_BASES: usize = 16;

impl<'s, 'p> Names<'s, 'p> {
    pub fn of(unit: &'s Unit<'p>, scope: &'s Scope<'p>) -> Self {
        Self { unit, scope, inner: None }
    }

    /// As seen from inside a struct.
    pub fn inside(self, inner: &'s Struct<'p>) -> Self {
        Self { inner: Some(inner), ..self }
    }

    pub fn number(&self, tokens: &[Token<'p>]) -> Result<i64> {
        evaluate(tokens, self)
    }

    /// The length of an array.
    pub fn length(&self, variable: &Variable<'p>) -> Result<usize> {
        let mut length = 1_usize;
        for tokens in &variable.lengths {
            let one = if tokens.is_empty() {
                -1
            } else {
                self.number(tokens).map_err(|t| placed(t, variable.at))?
            };
            length = usize::try_from(one)
                .ok()
                .and_then(|one| length.checked_mul(one))
                .filter(|length| *length <= MAX_LENGTH)
                .ok_or_else(|| Trouble::at(variable.at, "this length is no length"))?;
        }
        Ok(length)
    }

    /// The structs that a name is looked for in: the inner one, then its bases.
    fn chain(&self) -> Vec<&'s Struct<'p>> {
        let mut chain: Vec<&'s Struct<'p>> = self.inner.into_iter().collect();
        let mut next = 0;
        while next < chain.len() && chain.len() < MAX_BASES {
            let bases = chain[next].bases.iter();
            chain.extend(bases.filter_map(|base| self.scope.structs.get(base)));
            next += 1;
        }
        chain
    }

    pub fn alias(&self, name: &str, at: At) -> Result<Option<&'s Alias<'p>>> {
        let inner = self.chain().into_iter().find_map(|one| one.scope.aliases.get(name));
        Self::one_alias(name, at, inner.or_else(|| self.scope.aliases.get(name)))
    }

    /// An alias of the inner struct or its bases, as `CONFIG_T::name` finds it.
    pub fn own_alias(&self, name: &str, at: At) -> Result<Option<&'s Alias<'p>>> {
        Self::one_alias(name, at, self.chain().into_iter().find_map(|one| one.scope.aliases.get(name)))
    }

    fn one_alias(name: &str, at: At, found: Option<&'s Vec<Alias<'p>>>) -> Result<Option<&'s Alias<'p>>> {
        let Some(found) = found else { return Ok(None) };
        let texts = |alias: &Alias<'p>| shown(&alias.meaning);
        match found.iter().find(|other| texts(other) != texts(&found[0])) {
            Some(other) => {
                let two = format!("`{name}` is `{}` and also `{}`", texts(&found[0]), texts(other));
                Err(Trouble::at(at, two))
            }
            None => Ok(found.first()),
        }
    }

    /// A constant or an array; the declaration with a value where there are several.
    pub fn variable(&self, name: &str) -> Option<&'s Variable<'p>> {
        self.own_variable(name).or_else(|| self.scope.variables.get(name).and_then(with_value))
    }

    /// A constant of the inner struct or its bases.
    pub fn own_variable(&self, name: &str) -> Option<&'s Variable<'p>> {
        self.chain().into_iter().find_map(|one| one.scope.variables.get(name)).and_then(with_value)
    }
}

impl<'p> Constants<'p> for Names<'_, 'p> {
    fn tokens(&self, path: &[&str]) -> Option<Vec<Token<'p>>> {
        let name = path.last()?;
        let owner = path.len().checked_sub(2).and_then(|owner| self.scope.structs.get(path[owner]));
        let names = owner.map_or(*self, |owner| self.inside(owner));
        if let Some(value) = names.variable(name).and_then(|one| one.value.clone()) {
            return Some(value);
        }
        self.unit.macros.get(name).cloned().filter(|body| !body.is_empty())
    }
}

/// An error that has no place yet gets this one.
pub(crate) fn placed(trouble: Trouble, at: At) -> Trouble {
    Trouble { at: trouble.at.or(Some(at)), ..trouble }
}
