//! The virtual environment `.venv` with pinned wheels: ONNX Runtime for the engine, the rest for the tests.

use std::path::Path;

use anyhow::{Context, Result};

use crate::shell::Step;

const PYTHON: &str = ".venv/bin/python";

/// ONNX Runtime alone, which is all that the engine needs.
pub fn runtime() -> Result<()> {
    install("requirements.txt")
}

/// Everything that the tests compare with.
pub fn everything() -> Result<()> {
    runtime()?;
    install("tests/python/requirements.txt")?;
    install("samples/generator/requirements.txt")
}

/// A command of the environment's Python.
pub fn python(args: &[&str]) -> Step {
    Step::new(PYTHON).args(args)
}

/// Installs a requirements file once: a stamp with its content says that it is done.
fn install(requirements: &str) -> Result<()> {
    if !Path::new(PYTHON).exists() {
        Step::new("python3")
            .args(&["-m", "venv", ".venv"])
            .run()
            .context("Python 3.11 with its venv module is needed (Debian: python3 and python3-venv)")?;
    }
    let wanted = std::fs::read(requirements).with_context(|| requirements.to_owned())?;
    let stamp = format!(".venv/{}.installed", requirements.replace('/', "-"));
    if std::fs::read(&stamp).is_ok_and(|done| done == wanted) {
        return Ok(());
    }
    python(&["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements]).run()?;
    std::fs::write(&stamp, wanted).with_context(|| stamp)
}
