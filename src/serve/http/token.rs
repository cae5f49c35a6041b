use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use subtle::ConstantTimeEq;

use crate::serve::ServeError;

/// Shortest token, bytes.
const LEAST_BYTES: usize = 16;
/// Longest file with a token, bytes.
const MOST_BYTES: u64 = 4096;

/// What a request that changes something must carry.
pub struct Token(Vec<u8>);

impl Token {
    /// Reads the first line of `path`.
    ///
    /// # Errors
    /// When it cannot be read, or is shorter than 16 bytes, or longer than a header may be.
    pub fn load(path: &Path) -> Result<Self, ServeError> {
        let failed = |source| ServeError::Folder { path: path.to_owned(), source };
        let no = |reason: String| failed(std::io::Error::new(std::io::ErrorKind::InvalidData, reason));
        let metadata = std::fs::metadata(path).map_err(failed)?;
        if metadata.len() > MOST_BYTES {
            return Err(no(format!("{} bytes are no token", metadata.len())));
        }
        if metadata.permissions().mode() & 0o077 != 0 {
            tracing::warn!("{}: others than the owner can read the token: chmod 600", path.display());
        }
        let text = std::fs::read_to_string(path).map_err(failed)?;
        let token = text.lines().next().unwrap_or_default().trim();
        if token.len() < LEAST_BYTES {
            return Err(no(format!(
                "a token of {} bytes can be guessed, {LEAST_BYTES} are the least",
                token.len()
            )));
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(no("a token has visible ASCII characters only".to_owned()));
        }
        Ok(Self(token.as_bytes().to_vec()))
    }

    /// Whether `authorization` carries it. The time that this takes tells its length at most.
    #[must_use]
    pub fn admits(&self, authorization: Option<&[u8]>) -> bool {
        let Some((scheme, given)) = authorization.and_then(|value| value.split_at_checked("Bearer ".len()))
        else {
            return false;
        };
        scheme.eq_ignore_ascii_case(b"Bearer ") && bool::from(self.0.ct_eq(given))
    }
}

#[cfg(test)]
mod tests {
    use super::Token;

    fn loaded(text: &str) -> Result<Token, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, text).unwrap();
        Token::load(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn the_whole_token_is_needed() {
        let token = loaded("0123456789abcdef\n").unwrap();
        assert!(token.admits(Some(b"Bearer 0123456789abcdef")));
        assert!(token.admits(Some(b"bearer 0123456789abcdef")));
        let others: [&[u8]; 6] = [
            b"",
            b"Bearer",
            b"Bearer ",
            b"Bearer 0123456789abcde",
            b"Bearer 0123456789abcdeF",
            b"Basic  0123456789abcdef",
        ];
        assert!(others.into_iter().all(|other| !token.admits(Some(other))));
        assert!(!token.admits(None));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for (text, reason) in [
            ("", "0 bytes can be guessed"),
            ("short\n0123456789abcdef", "5 bytes can be guessed"),
            ("0123456789abcdef \u{7f}x", "visible ASCII"),
            (&"x".repeat(5000), "5000 bytes are no token"),
        ] {
            let error = loaded(text).err().unwrap();
            assert!(error.contains(reason), "{error}");
        }
    }
}
