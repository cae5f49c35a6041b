//! Arbitrary bytes as the checkpoint of a training, with the head and the checksum that they need to be looked at.

use std::sync::LazyLock;

use trigsieve::model::sha256_hex;
use trigsieve_train::checkpoint::Checkpoints;

use crate::{Scratch, is_told};

static SCRATCH: LazyLock<Scratch> = LazyLock::new(Scratch::new);

/// First line of the file.
const MAGIC: &[u8] = b"trigsieve-train checkpoint 1\n";

/// Recipe of the seed.
const RECIPE: &str = "recipe";

/// Runs the target on `bytes`; whether they were a checkpoint of a training of the recipe `RECIPE` on no events.
///
/// # Panics
/// When an error names no file.
pub fn run(bytes: &[u8]) -> bool {
    let hex = sha256_hex(bytes);
    let digest = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"));
    let file = [MAGIC, &digest.collect::<Vec<u8>>(), bytes].concat();
    let checkpoints = Checkpoints::new(&SCRATCH.path("bundle"), None);
    SCRATCH.put("bundle.checkpoint", &file);
    match checkpoints.load(RECIPE, &[]) {
        Ok(Some(checkpoint)) => {
            let numbers = checkpoint.finished.iter().map(|finished| finished.parameters.unpack());
            let _: usize = numbers.map(|tensors| tensors.len()).sum();
            true
        }
        Ok(None) => panic!("the checkpoint is there"),
        Err(error) => is_told(&error, checkpoints.path()),
    }
}
