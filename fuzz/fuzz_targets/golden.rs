//! Arbitrary bytes as golden scores: text, Arrow or Parquet, as the first byte says.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use trigsieve::compare::{Golden, GoldenOptions};
use trigsieve_fuzz::{Scratch, is_told};

static SCRATCH: LazyLock<Scratch> = LazyLock::new(Scratch::new);

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, content)) = bytes.split_first() else { return };
    let path = SCRATCH.put(["golden.csv", "golden.arrow", "golden.parquet"][usize::from(choice % 3)], content);
    let column = (choice & 0x40 != 0).then(|| "score".to_owned());
    let options = GoldenOptions { column, raw: choice & 0x80 != 0 };
    match Golden::read(&path, &options) {
        Ok(golden) => assert_eq!(golden.is_empty(), golden.len() == 0),
        Err(error) => is_told(&error, &path),
    }
});
