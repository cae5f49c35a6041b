//! Errors as people read them.

use std::error::Error;

/// An error and its causes in one line. The library's errors say their cause in their own text, others leave it to
/// the chain: either way it is said once.
#[must_use]
pub fn one_line(error: &(dyn Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |&error| error.source());
    let text = chain.map(ToString::to_string).fold(String::new(), |text, cause| match text.as_str() {
        "" => cause,
        said if said.contains(&cause) => text,
        said => format!("{said}: {cause}"),
    });
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[derive(Debug, thiserror::Error)]
    #[error("out.arrow: {source}")]
    struct Repeats {
        source: std::io::Error,
    }

    #[derive(Debug, thiserror::Error)]
    #[error("tagged events")]
    struct Leaves {
        source: Repeats,
    }

    #[test]
    fn a_cause_is_said_once() {
        let error = Leaves { source: Repeats { source: std::io::Error::other("disk\n  full\n") } };
        assert_eq!(one_line(&error), "tagged events: out.arrow: disk; full");
    }
}
