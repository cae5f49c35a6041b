//! Exit codes: 0 when everything asked for was done, 2 for bad usage, 1 otherwise.

use std::process::ExitCode;

/// The command line asks for something that makes no sense, as far as it can be seen before any work.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// A usage error as `anyhow` carries it.
pub fn usage(message: impl Into<String>) -> anyhow::Error {
    Usage(message.into()).into()
}

/// Prints the error, if any, as one line, and gives the exit code.
pub fn code_of(outcome: anyhow::Result<()>) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    eprintln!("error: {}", trigsieve::message::one_line(error.as_ref()));
    if error.is::<Usage>() { ExitCode::from(2) } else { ExitCode::FAILURE }
}
