//! Output files that are complete or absent: written beside their place, synced, then renamed.

use std::fs::{File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempPath;

/// A file that appears under its name only when [`AtomicFile::commit`] succeeds. Dropped without it,
/// the temporary file is removed.
#[derive(Debug)]
pub struct AtomicFile {
    /// The file alone: the temporary's own `Write` would put its name into every error, and nobody knows that name.
    writer: BufWriter<File>,
    temporary: TempPath,
    path: PathBuf,
}

impl AtomicFile {
    /// Opens a temporary file in the folder of `path`.
    ///
    /// # Errors
    /// When the folder does not exist or cannot be written.
    pub fn create(path: &Path) -> io::Result<Self> {
        let temporary = tempfile::Builder::new()
            .prefix(&partial_prefix(path))
            .suffix(PARTIAL_SUFFIX)
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder_of(path))?;
        let (file, temporary) = temporary.into_parts();
        Ok(Self { writer: BufWriter::with_capacity(1 << 20, file), temporary, path: path.to_owned() })
    }

    /// The name the file will have.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Flushes, syncs and renames; an older file of that name is replaced.
    ///
    /// # Errors
    /// When any of the steps fails, in which case nothing has appeared under the name.
    pub fn commit(mut self) -> io::Result<()> {
        self.writer.flush()?;
        self.writer.get_ref().sync_all()?;
        self.temporary.persist(&self.path).map_err(|error| error.error)?;
        sync_folder(folder_of(&self.path))
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Writes `bytes` to `path`, complete or not at all.
///
/// # Errors
/// As [`AtomicFile::create`] and [`AtomicFile::commit`].
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes)?;
    file.commit()
}

/// Removes what killed processes left of `path`. The caller must know that no living one is writing it.
///
/// # Errors
/// When the folder cannot be read or a file cannot be removed.
pub fn remove_partials(path: &Path) -> io::Result<()> {
    let prefix = partial_prefix(path);
    for entry in std::fs::read_dir(folder_of(path))? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(&*prefix) && name.ends_with(PARTIAL_SUFFIX) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// End of the name of an unfinished file.
const PARTIAL_SUFFIX: &str = ".partial";

/// Start of the name of an unfinished file: hidden, and it says what the file was to become.
fn partial_prefix(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    format!(".{}.", name.to_string_lossy())
}

/// Makes a rename in `folder` survive a power failure.
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
