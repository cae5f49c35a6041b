//! C++ in pieces.

use logos::Logos;

use crate::error::At;

/// What a piece is.
#[derive(Logos, Clone, Copy, Debug, PartialEq, Eq)]
#[logos(skip r"[ \t\r\n\x0b\x0c]+")]
#[logos(skip(r"//[^\n]*", allow_greedy = true))]
#[logos(skip r"/\*[^*]*\*+([^/*][^*]*\*+)*/")]
pub(crate) enum Kind {
    /// `#...` to the end of the line, with the lines that a backslash joins to it.
    #[regex(r"#([^\n\\]|\\\r?\n|\\[^\n])*")]
    Directive,
    #[regex(r"[A-Za-z_][A-Za-z0-9_]*")]
    Name,
    #[regex(r"(0[xX][0-9a-fA-F]+|[0-9]+\.?[0-9]*([eE][+-]?[0-9]+)?|\.[0-9]+([eE][+-]?[0-9]+)?)[uUlLfF]*")]
    Number,
    #[regex(r#""([^"\\\n]|\\.)*"|'([^'\\\n]|\\.)*'"#)]
    Text,
    #[regex(r"::|->|\+\+|--|\+=|-=|\*=|/=|==|!=|<=|>=|&&|\|\||<<|[^\sA-Za-z0-9_]", priority = 1)]
    Mark,
}

/// A piece, where it stands, and whether it follows the one before without a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'p> {
    pub kind: Kind,
    pub text: &'p str,
    pub at: At,
    pub glued: bool,
}

impl Token<'_> {
    pub fn is(&self, text: &str) -> bool {
        self.text == text && self.kind != Kind::Text
    }

    pub fn is_name(&self) -> bool {
        self.kind == Kind::Name
    }
}

/// The pieces of a text whose first line is `at`. What is no C++ is a mark of its own, and fails where it is read.
pub(crate) fn tokens(text: &str, at: At) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let (mut line, mut counted, mut end) = (at.line, 0, 0);
    for (kind, span) in Kind::lexer(text).spanned() {
        line += text[counted..span.start].bytes().filter(|byte| *byte == b'\n').count() as u32;
        counted = span.start;
        found.push(Token {
            kind: kind.unwrap_or(Kind::Mark),
            text: &text[span.clone()],
            at: At { file: at.file, line },
            glued: span.start == end && end > 0,
        });
        end = span.end;
    }
    found
}

/// Tokens as they would be written, for messages.
pub(crate) fn shown(tokens: &[Token<'_>]) -> String {
    let mut text = String::new();
    for token in tokens {
        let tight = |c: char| !c.is_alphanumeric() && c != '_';
        if !text.is_empty() && !token.glued && !text.ends_with(tight) && !token.text.starts_with(tight) {
            text.push(' ');
        }
        text.push_str(token.text);
        if text.len() > 100 {
            return text + " ...";
        }
    }
    text
}

/// The index of the closing partner of the bracket at `open`: of `(`, `[`, `{` or a template's `<`.
pub(crate) fn partner(tokens: &[Token<'_>], open: usize) -> Option<usize> {
    let (opening, closing) = match tokens.get(open)?.text {
        "(" => ("(", ")"),
        "[" => ("[", "]"),
        "{" => ("{", "}"),
        "<" => ("<", ">"),
        _ => return None,
    };
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        if token.is(opening) {
            depth += 1;
        } else if token.is(closing) {
            depth -= 1;
            if depth == 0 {
                return Some(index);
            }
        } else if opening == "<" && (token.is(";") || token.is("{")) {
            return None;
        }
    }
    None
}

/// Pieces between commas that stand in no bracket.
pub(crate) fn split_commas<'t, 'p>(tokens: &'t [Token<'p>]) -> Vec<&'t [Token<'p>]> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_i32, 0);
    for (index, token) in tokens.iter().enumerate() {
        match token.text {
            "(" | "[" | "{" | "<" => depth += 1,
            ")" | "]" | "}" | ">" => depth -= 1,
            "," if depth == 0 => {
                parts.push(&tokens[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    if start < tokens.len() || !parts.is_empty() {
        parts.push(&tokens[start..]);
    }
    parts
}
