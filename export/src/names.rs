//! Names in C++.

use std::collections::HashSet;

use trigsieve_fixed::CheckedProgram;

/// What a tensor can't be called: words of C++, and the names that the top function uses itself.
const TAKEN: [&str; 106] = [
    "alignas",
    "alignof",
    "and",
    "asm",
    "auto",
    "bitand",
    "bitor",
    "bool",
    "break",
    "case",
    "catch",
    "char",
    "class",
    "compl",
    "concept",
    "const",
    "const_cast",
    "constexpr",
    "continue",
    "decltype",
    "default",
    "delete",
    "do",
    "double",
    "dynamic_cast",
    "else",
    "enum",
    "explicit",
    "export",
    "extern",
    "false",
    "float",
    "for",
    "friend",
    "goto",
    "if",
    "inline",
    "int",
    "long",
    "mutable",
    "namespace",
    "new",
    "noexcept",
    "not",
    "not_eq",
    "nullptr",
    "operator",
    "or",
    "or_eq",
    "private",
    "protected",
    "public",
    "register",
    "reinterpret_cast",
    "requires",
    "return",
    "short",
    "signed",
    "sizeof",
    "static",
    "static_assert",
    "static_cast",
    "struct",
    "switch",
    "template",
    "this",
    "thread_local",
    "throw",
    "true",
    "try",
    "typedef",
    "typeid",
    "typename",
    "union",
    "unsigned",
    "using",
    "virtual",
    "void",
    "volatile",
    "wchar_t",
    "while",
    "xor",
    "xor_eq",
    "and_eq",
    "main",
    "std",
    "threshold",
    "score_out",
    "accept_out",
    "trigsieve",
    "dense",
    "relu",
    "select",
    "scale",
    "table",
    "dot",
    "multiply",
    "subtract",
    "absolute",
    "requantise",
    "normalise",
    "tree_sum",
    "leaky_relu",
    "network_in",
    "network_out",
    "ap_int",
];

/// An identifier for each tensor of a program: 0 is the input, i + 1 what operation i writes.
pub fn identifiers(program: &CheckedProgram) -> Vec<String> {
    let mut taken: HashSet<String> = TAKEN.iter().map(|word| (*word).to_owned()).collect();
    program.tensors().map(|tensor| claim(&mut taken, &tensor.name)).collect()
}

fn claim(taken: &mut HashSet<String>, name: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let mut plain: String = name.chars().map(letter).collect();
    // Two underscores in a row, and one at the beginning, are the compiler's.
    while plain.contains("__") {
        plain = plain.replace("__", "_");
    }
    if !plain.starts_with(|c: char| c.is_ascii_alphabetic()) {
        plain = format!("t{plain}");
    }
    let numbered = (2..).map(|number| format!("{plain}_{number}"));
    let free = std::iter::once(plain.clone()).chain(numbered).find(|name| !taken.contains(name));
    let free = free.unwrap_or(plain);
    taken.insert(free.clone());
    free
}
