//! Output files that are complete or absent: written beside their place, synced, then renamed.

use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::ArenaError;

/// Writes `bytes` to `path`, complete or not at all; an older file of that name is replaced.
///
/// # Errors
/// [`ArenaError::Io`] with the path; then nothing has changed under that name.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), ArenaError> {
    write(path, bytes).map_err(|source| ArenaError::io(path, source))
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = tempfile::Builder::new()
        .prefix(&format!(".{name}."))
        .suffix(".partial")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)?;
    let (mut file, temporary) = temporary.into_parts();
    file.write_all(bytes)?;
    file.sync_all()?;
    temporary.persist(path).map_err(|error| error.error)?;
    // The rename itself survives a power failure only with its folder synced.
    File::open(folder)?.sync_all()
}
