//! The virtual environments with pinned wheels: `.venv` has ONNX Runtime for the engine and what the tests compare with,
//! `.venv-hls4ml` the generator of firmware and its headers, whose wheels do not go with the others.

use std::path::Path;

use anyhow::{Context, Result};

use crate::shell::Step;

const PYTHON: &str = ".venv/bin/python";
const HLS4ML: &str = ".venv-hls4ml";

/// ONNX Runtime alone, which is all that the engine needs.
pub fn runtime() -> Result<()> {
    install("requirements.txt")
}

/// Everything that the tests compare with.
pub fn everything() -> Result<()> {
    runtime()?;
    install("tests/python/requirements.txt")?;
    install("samples/generator/requirements.txt")?;
    hls4ml()
}

/// hls4ml; the tests that need it make the same environment where they run without this.
pub fn hls4ml() -> Result<()> {
    let stamp = format!("{HLS4ML}/installed");
    install_into(HLS4ML, "hls/tests/requirements.txt", &stamp)
}

/// A command of the environment's Python.
pub fn python(args: &[&str]) -> Step {
    Step::new(PYTHON).args(args)
}

/// Installs a requirements file once.
fn install(requirements: &str) -> Result<()> {
    let stamp = format!(".venv/{}.installed", requirements.replace('/', "-"));
    install_into(".venv", requirements, &stamp)
}

/// A stamp with the requirements' content says that they are installed.
fn install_into(environment: &str, requirements: &str, stamp: &str) -> Result<()> {
    let python = format!("{environment}/bin/python");
    if !Path::new(&python).exists() {
        Step::new("python3")
            .args(&["-m", "venv", environment])
            .run()
            .context("Python 3.11 with its venv module is needed (Debian: python3 and python3-venv)")?;
    }
    let wanted = std::fs::read(requirements).with_context(|| requirements.to_owned())?;
    if std::fs::read(stamp).is_ok_and(|done| done == wanted) {
        return Ok(());
    }
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements];
    Step::new(&python).args(&pip).run()?;
    std::fs::write(stamp, wanted).with_context(|| stamp.to_owned())
}
