use std::path::{Path, PathBuf};
use std::sync::Arc;

use trigsieve_fixed::CheckedProgram;

use super::ModelError;

/// The fixed-point program of a bundle, after its checks; copies share it.
#[derive(Clone, Debug)]
pub struct FixedProgram {
    path: PathBuf,
    sha256: String,
    program: Arc<CheckedProgram>,
}

impl FixedProgram {
    /// Reads the JSON of `path` and checks it.
    pub(super) fn parse(path: PathBuf, bytes: &[u8], sha256: String, k: usize) -> Result<Self, ModelError> {
        let program = CheckedProgram::from_json(bytes, &path)?;
        if program.k() != k {
            let reason = format!("takes {} inputs an event, the card says {k}", program.k());
            return Err(ModelError::Graph { path, reason });
        }
        Ok(Self { path, sha256, program: Arc::new(program) })
    }

    /// Where it came from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// SHA-256 of the file, lower-case hex.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &CheckedProgram {
        &self.program
    }
}
