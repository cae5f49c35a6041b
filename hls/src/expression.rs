//! Constant integer expressions: sizes, template arguments, the fields of configurations.

use std::cell::Cell;

use crate::error::{At, Result, Trouble};
use crate::token::{Kind, Token, partner, shown, split_commas};

/// Deepest nesting of names and brackets; what is deeper goes in a circle.
const MAX_DEPTH: usize = 64;
/// Most numbers and names that one expression may come to; names that double each other would never end.
const MAX_STEPS: u32 = 100_000;

/// What the names of an expression stand for.
pub(crate) trait Constants<'p> {
    /// The expression behind a name (`config2::n_in` is the path `["config2", "n_in"]`).
    fn tokens(&self, path: &[&str]) -> Option<Vec<Token<'p>>>;

    /// `defined(NAME)`.
    fn is_defined(&self, _name: &str) -> bool {
        false
    }

    /// The value of a name that stands for nothing.
    fn missing(&self) -> Option<i64> {
        None
    }
}

/// The value of an expression.
pub(crate) fn evaluate<'p>(tokens: &[Token<'p>], names: &dyn Constants<'p>) -> Result<i64> {
    evaluate_within(tokens, &Context { names, steps: Cell::new(0) }, 0)
}

/// What all nested expressions share.
struct Context<'t, 'p> {
    names: &'t dyn Constants<'p>,
    steps: Cell<u32>,
}

fn evaluate_within<'p>(tokens: &[Token<'p>], context: &Context<'_, 'p>, depth: usize) -> Result<i64> {
    let first = tokens.first().ok_or_else(|| Trouble::of_project("a number is missing"))?;
    if depth > MAX_DEPTH {
        return Err(Trouble::at(first.at, "this goes in a circle"));
    }
    let mut reader = Reader { tokens, next: 0, context, depth };
    let value = reader.choice()?;
    match reader.peek() {
        None => Ok(value),
        Some(token) => Err(Trouble::at(token.at, format!("`{}` is no constant whole number", shown(tokens)))),
    }
}

struct Reader<'t, 'p> {
    tokens: &'t [Token<'p>],
    next: usize,
    context: &'t Context<'t, 'p>,
    depth: usize,
}

/// Binary operators from loose to tight.
const LEVELS: [&[&str]; 8] = [
    &["||"],
    &["&&"],
    &["==", "!="],
    &["<", ">", "<=", ">="],
    &["<<", ">>"],
    &["+", "-"],
    &["*", "/", "%"],
    &[],
];

impl<'t, 'p> Reader<'t, 'p> {
    fn peek(&self) -> Option<&'t Token<'p>> {
        self.tokens.get(self.next)
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.peek().is_some_and(|token| token.is(text));
        self.next += usize::from(found);
        found
    }

    fn here(&self) -> At {
        self.peek().unwrap_or(&self.tokens[self.tokens.len() - 1]).at
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= MAX_DEPTH {
            return Err(Trouble::at(self.here(), "this goes in a circle, or is nested too deeply"));
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn choice(&mut self) -> Result<i64> {
        let condition = self.binary(0)?;
        if !self.take("?") {
            return Ok(condition);
        }
        let yes = self.nested(Self::choice)?;
        if !self.take(":") {
            return Err(Trouble::at(self.here(), "a `:` is missing"));
        }
        let no = self.nested(Self::choice)?;
        Ok(if condition != 0 { yes } else { no })
    }

    fn binary(&mut self, level: usize) -> Result<i64> {
        if level + 1 == LEVELS.len() {
            return self.unary();
        }
        let mut left = self.binary(level + 1)?;
        while let Some((operator, at)) = self.operator(level) {
            let right = self.binary(level + 1)?;
            left = apply(operator, left, right)
                .ok_or_else(|| Trouble::at(at, format!("{left} {operator} {right} has no value")))?;
        }
        Ok(left)
    }

    /// Two `>` in a row are a shift here; the lexer keeps them apart for templates.
    fn operator(&mut self, level: usize) -> Option<(&'static str, At)> {
        let token = self.peek()?;
        let doubled =
            token.is(">") && self.tokens.get(self.next + 1).is_some_and(|next| next.is(">") && next.glued);
        let text = if doubled { ">>" } else { token.text };
        let found = LEVELS[level].iter().find(|operator| **operator == text)?;
        self.next += 1 + usize::from(doubled);
        Some((found, token.at))
    }

    fn unary(&mut self) -> Result<i64> {
        if self.take("-") {
            let value = self.nested(Self::unary)?;
            return value.checked_neg().ok_or_else(|| Trouble::at(self.here(), "too large a number"));
        }
        if self.take("+") {
            return self.nested(Self::unary);
        }
        if self.take("!") {
            return Ok(i64::from(self.nested(Self::unary)? == 0));
        }
        self.primary()
    }

    fn primary(&mut self) -> Result<i64> {
        let at = self.here();
        self.context.steps.set(self.context.steps.get() + 1);
        if self.context.steps.get() > MAX_STEPS {
            return Err(Trouble::at(at, "too long an expression"));
        }
        let token = *self.peek().ok_or_else(|| Trouble::at(at, "a number is missing"))?;
        if token.is("(") {
            let close = self.close()?;
            let inner = &self.tokens[self.next + 1..close];
            self.next = close + 1;
            return evaluate_within(inner, self.context, self.depth + 1);
        }
        match token.kind {
            Kind::Number => {
                self.next += 1;
                whole_number(token)
            }
            Kind::Name => self.name(token),
            _ => Err(Trouble::at(at, format!("`{}` is no constant whole number", token.text))),
        }
    }

    fn close(&self) -> Result<usize> {
        partner(self.tokens, self.next).ok_or_else(|| Trouble::at(self.here(), "this bracket is not closed"))
    }

    fn name(&mut self, first: Token<'p>) -> Result<i64> {
        let path = self.path();
        match *path {
            ["true"] => return Ok(1),
            ["false"] => return Ok(0),
            ["defined"] => return self.defined(first),
            ["DIV_ROUNDUP" | "MIN" | "MAX"] if self.peek().is_some_and(|token| token.is("(")) => {
                return self.helper(first);
            }
            _ => {}
        }
        match self.context.names.tokens(&path) {
            Some(tokens) => evaluate_within(&tokens, self.context, self.depth + 1),
            None => self.context.names.missing().ok_or_else(|| {
                Trouble::at(first.at, format!("`{}` is no constant that is defined here", path.join("::")))
            }),
        }
    }

    fn path(&mut self) -> Vec<&'p str> {
        let mut path = Vec::new();
        while let Some(token) = self.peek().filter(|token| token.is_name()) {
            path.push(token.text);
            self.next += 1;
            if !self.take("::") {
                break;
            }
        }
        path
    }

    fn defined(&mut self, first: Token<'p>) -> Result<i64> {
        let bracket = self.take("(");
        let name = *self.peek().ok_or_else(|| Trouble::at(first.at, "a name is missing"))?;
        self.next += 1;
        if bracket && !self.take(")") {
            return Err(Trouble::at(first.at, "this bracket is not closed"));
        }
        Ok(i64::from(self.context.names.is_defined(name.text)))
    }

    /// The macros of hls4ml's own headers.
    fn helper(&mut self, name: Token<'p>) -> Result<i64> {
        let close = self.close()?;
        let arguments = split_commas(&self.tokens[self.next + 1..close]);
        self.next = close + 1;
        let [first, second] = *arguments else {
            return Err(Trouble::at(name.at, format!("{} takes two numbers", name.text)));
        };
        let first = evaluate_within(first, self.context, self.depth + 1)?;
        let second = evaluate_within(second, self.context, self.depth + 1)?;
        let value = match name.text {
            "MIN" => Some(first.min(second)),
            "MAX" => Some(first.max(second)),
            _ => first
                .checked_add(second)
                .and_then(|sum| sum.checked_sub(1))
                .and_then(|sum| sum.checked_div(second)),
        };
        value.ok_or_else(|| Trouble::at(name.at, format!("{}({first}, {second}) has no value", name.text)))
    }
}

fn apply(operator: &str, left: i64, right: i64) -> Option<i64> {
    match operator {
        "||" => Some(i64::from(left != 0 || right != 0)),
        "&&" => Some(i64::from(left != 0 && right != 0)),
        "==" => Some(i64::from(left == right)),
        "!=" => Some(i64::from(left != right)),
        "<" => Some(i64::from(left < right)),
        ">" => Some(i64::from(left > right)),
        "<=" => Some(i64::from(left <= right)),
        ">=" => Some(i64::from(left >= right)),
        "<<" => (0..62).contains(&right).then(|| left.checked_mul(1 << right)).flatten(),
        ">>" => (0..62).contains(&right).then(|| left >> right),
        "+" => left.checked_add(right),
        "-" => left.checked_sub(right),
        "*" => left.checked_mul(right),
        "/" => left.checked_div(right),
        _ => left.checked_rem(right),
    }
}

fn whole_number(token: Token<'_>) -> Result<i64> {
    let text = token.text.trim_end_matches(['u', 'U', 'l', 'L']);
    let value = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => i64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    value.map_err(|_| Trouble::at(token.at, format!("`{}` is no whole number in range", token.text)))
}
