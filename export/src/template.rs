//! Text files with places to fill in: `@NAME@`.

/// Fills every place; what is left of the form `@WORD@` would be a mistake of this crate, which the tests find.
pub fn filled(template: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(template.to_owned(), |text, (place, value)| text.replace(&format!("@{place}@"), value))
}
