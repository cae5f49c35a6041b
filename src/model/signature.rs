//! Signatures of bundles: minisign's, of the card, which has the SHA-256 of every other file.

use std::path::{Path, PathBuf};

use minisign_verify::{PublicKey, Signature};

use super::ModelError;
use super::bundle::read_bounded;

/// The signature of a bundle's card, beside it.
pub const SIGNATURE_FILE: &str = "model.toml.minisig";

/// A signature or a public key has a few hundred bytes, most of them comments.
pub(crate) const MAX_SIGNATURE_BYTES: u64 = 64 << 10;

/// A public key whose owner an operator trusts to sign bundles.
#[derive(Clone, Debug)]
pub struct VerifyKey {
    key: PublicKey,
    path: PathBuf,
}

impl VerifyKey {
    /// Reads a public key as `minisign -G` writes it.
    ///
    /// # Errors
    /// [`ModelError::Io`], or [`ModelError::Signature`] when it is none.
    pub fn load(path: &Path) -> Result<Self, ModelError> {
        let refused = |reason: String| ModelError::Signature { path: path.to_owned(), reason };
        let text = text(path)?;
        let key = PublicKey::decode(text.trim_end())
            .map_err(|error| refused(format!("not a public key of minisign: {error}")))?;
        Ok(Self { key, path: path.to_owned() })
    }

    /// Checks that [`SIGNATURE_FILE`] beside the card `signed` is a signature of `bytes` by this key.
    pub(super) fn check(&self, signed: &Path, bytes: &[u8]) -> Result<(), ModelError> {
        let path = signed.with_file_name(SIGNATURE_FILE);
        let refused = |reason: String| ModelError::Signature { path: path.clone(), reason };
        let signature = Signature::decode(&text(&path)?)
            .map_err(|error| refused(format!("not a signature of minisign: {error}")))?;
        self.key.verify(bytes, &signature, false).map_err(|error| {
            refused(format!(
                "not a signature of {} by the key {}: {error}",
                signed.display(),
                self.path.display()
            ))
        })
    }
}

fn text(path: &Path) -> Result<String, ModelError> {
    let bytes = read_bounded(path, MAX_SIGNATURE_BYTES)?;
    String::from_utf8(bytes)
        .map_err(|_| ModelError::Signature { path: path.to_owned(), reason: "not text".into() })
}
