//! Output files that are complete or absent, with this crate's error.

use std::path::Path;

use crate::ArenaError;

/// Writes `bytes` to `path`, complete or not at all; an older file of that name is replaced.
///
/// # Errors
/// [`ArenaError::Io`] with the path; then nothing has changed under that name.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), ArenaError> {
    trigsieve_files::durable::write_atomically(path, bytes).map_err(|source| ArenaError::io(path, source))
}
