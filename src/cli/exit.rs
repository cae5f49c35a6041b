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
    eprintln!("error: {}", one_line(&causes(&error)));
    if error.is::<Usage>() { ExitCode::from(2) } else { ExitCode::FAILURE }
}

/// The error and its causes. Library errors say their cause in their own text, others leave it to the chain.
fn causes(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| match text.as_str() {
        "" => cause,
        said if said.contains(&cause) => text,
        said => format!("{said}: {cause}"),
    })
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::causes;

    #[derive(Debug, thiserror::Error)]
    #[error("out.arrow: {source}")]
    struct Outer {
        source: std::io::Error,
    }

    #[test]
    fn a_cause_is_said_once() {
        let source = std::io::Error::other("disk full");
        let error = Err::<(), _>(Outer { source }).context("tagged events").unwrap_err();
        assert_eq!(causes(&error), "tagged events: out.arrow: disk full");
    }
}
