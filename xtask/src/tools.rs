//! Programs of the system that the tests run.

use std::process::Command;

use anyhow::{Context, Result};

use crate::shell::Step;

/// Valgrind, which counts instructions for `tests/instructions.rs`.
pub fn valgrind() -> Result<()> {
    if Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    let needed = "valgrind is needed (Debian: apt-get install valgrind, as root)";
    Step::new("apt-get").args(&["update", "--quiet"]).run().context(needed)?;
    Step::new("apt-get").args(&["install", "--yes", "--quiet", "valgrind"]).run().context(needed)
}
