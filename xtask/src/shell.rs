//! Running commands, aloud.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// A command that is shown before it runs.
pub struct Step(Command);

impl Step {
    /// A command of the project's root.
    pub fn new(program: impl AsRef<Path>) -> Self {
        Self(Command::new(program.as_ref()))
    }

    /// Adds arguments.
    pub fn args(mut self, args: &[&str]) -> Self {
        self.0.args(args);
        self
    }

    /// Runs it in this folder.
    pub fn folder(mut self, folder: &Path) -> Self {
        self.0.current_dir(folder);
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.0.env(key, value);
        self
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// When it cannot be started or fails.
    pub fn run(mut self) -> Result<()> {
        let shown = self.shown();
        println!("\n$ {shown}");
        let status = self.0.status().with_context(|| format!("cannot start `{shown}`"))?;
        if !status.success() {
            bail!("`{shown}` failed: {status}");
        }
        Ok(())
    }

    fn shown(&self) -> String {
        let words = std::iter::once(self.0.get_program()).chain(self.0.get_args());
        words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
    }
}

/// A cargo command, with the cargo that runs this.
pub fn cargo(args: &[&str]) -> Step {
    Step::new(std::env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from)).args(args)
}

/// The built engine.
pub fn trigsieve(args: &[&str]) -> Step {
    Step::new("target/release/trigsieve").args(args)
}

/// The workspace's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(1).map(Path::to_owned).unwrap_or_default()
}
