//! Standard output.

use std::io::Write as _;

use anyhow::Context as _;

/// Writes `text` and the end of a line to standard output. A reader that has seen enough, as `head` has, is no error.
pub fn print(text: impl std::fmt::Display) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    match writeln!(output, "{text}").and_then(|()| output.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome.context("standard output"),
    }
}
