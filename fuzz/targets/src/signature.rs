//! Arbitrary text as a minisign key, a signature by it and the card that is signed, each ended by a zero byte.

use std::sync::LazyLock;

use trigsieve::model::{ModelBundle, VerifyKey};

use crate::{Scratch, is_told};

static SCRATCH: LazyLock<Scratch> = LazyLock::new(Scratch::new);

/// Runs the target on `bytes`; whether the card was signed.
///
/// # Panics
/// When a card is taken that would not be taken without a signature, or an error names no file.
pub fn run(bytes: &[u8]) -> bool {
    let mut parts = bytes.splitn(3, |byte| *byte == 0);
    let [key, signature, card] = [(); 3].map(|()| parts.next().unwrap_or_default());
    let key = SCRATCH.put("key.pub", key);
    SCRATCH.put("model.toml.minisig", signature);
    let card = SCRATCH.put("model.toml", card);
    let folder = card.parent().expect("a file is in a folder");
    let opened = match VerifyKey::load(&key) {
        Ok(key) => ModelBundle::open_signed(folder, Some(&key)),
        Err(error) => return is_told(&error, &key),
    };
    match opened {
        Ok(signed) => {
            let unsigned = ModelBundle::open(folder).expect("a signature asks for more, not for less");
            assert_eq!(signed.card().name, unsigned.card().name);
            true
        }
        Err(error) => is_told(&error, &card),
    }
}
