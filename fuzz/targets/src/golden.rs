//! Arbitrary bytes as golden scores: text, Arrow or Parquet, as the first byte says.

use std::sync::LazyLock;

use crate::{Scratch, is_told};
use trigsieve::compare::{Golden, GoldenOptions};

static SCRATCH: LazyLock<Scratch> = LazyLock::new(Scratch::new);

/// Runs the target on `bytes`; whether they were taken.
///
/// # Panics
/// When something does not hold that must.
pub fn run(bytes: &[u8]) -> bool {
    let Some((&choice, content)) = bytes.split_first() else { return false };
    let path =
        SCRATCH.put(["golden.csv", "golden.arrow", "golden.parquet"][usize::from(choice % 3)], content);
    let column = (choice & 0x40 != 0).then(|| "score".to_owned());
    let options = GoldenOptions { column, raw: choice & 0x80 != 0, events: None };
    match Golden::read(&path, &options) {
        Ok(golden) => {
            let events = golden.len();
            assert_eq!(golden.is_empty(), events == 0);
            true
        }
        Err(error) => is_told(&error, &path),
    }
}
