//! Output files and folders that are complete or absent: written beside their place, synced, then renamed.

use std::fs::{File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::{TempDir, TempPath};

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
    /// Opens a temporary file in the folder of `path`, locked as long as it is open: see [`abandoned`].
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
        // A file system without locks: then nobody takes the file for abandoned either.
        let _ = file.try_lock();
        Ok(Self { writer: BufWriter::with_capacity(1 << 20, file), temporary, path: path.to_owned() })
    }

    /// The name the file will have.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name it has until then, in the same folder.
    #[must_use]
    pub fn temporary_path(&self) -> &Path {
        &self.temporary
    }

    /// Hands everything written so far to the system. Returns its length and the open file, so that another thread can
    /// sync it while this one goes on.
    ///
    /// # Errors
    /// When the system does not take it.
    pub fn flushed(&mut self) -> io::Result<(u64, File)> {
        self.writer.flush()?;
        let file = self.writer.get_ref().try_clone()?;
        Ok((file.metadata()?.len(), file))
    }

    /// From now on the temporary file is left when this is dropped without [`AtomicFile::commit`]: somebody knows what to
    /// make of it.
    pub fn leave_when_dropped(&mut self) {
        self.temporary.disable_cleanup(true);
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
    partials(path)?.iter().try_for_each(std::fs::remove_file)
}

/// The unfinished files that are to become `path`: of living processes, and of killed ones.
///
/// # Errors
/// When the folder cannot be read.
pub fn partials(path: &Path) -> io::Result<Vec<PathBuf>> {
    let prefix = partial_prefix(path);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder_of(path))? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(&*prefix) && name.ends_with(PARTIAL_SUFFIX) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// The unfinished files of `folder` that were to become files whose names begin with `start`, and that no living process on any
/// host is writing: their lock is free. Without those younger than `age`, whose writer may not have come to lock them.
///
/// # Errors
/// When the folder cannot be read. A file that cannot be locked is not among them.
pub fn abandoned(folder: &Path, start: &str, age: Duration) -> io::Result<Vec<PathBuf>> {
    let start = format!(".{start}");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(&start) && name.ends_with(PARTIAL_SUFFIX) && is_abandoned(&entry.path(), age) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn is_abandoned(path: &Path, age: Duration) -> bool {
    let Ok(file) = File::options().write(true).open(path) else { return false };
    let modified = file.metadata().and_then(|about| about.modified());
    let is_old = modified.is_ok_and(|time| time.elapsed().is_ok_and(|elapsed| elapsed >= age));
    is_old && file.try_lock().is_ok()
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

/// A folder that appears under its name only when [`AtomicFolder::commit`] succeeds. Dropped without it, what was put
/// into it is removed.
#[derive(Debug)]
pub struct AtomicFolder {
    staging: TempDir,
    path: PathBuf,
}

impl AtomicFolder {
    /// Makes a hidden folder beside `path`, and the folder around both if it is missing.
    ///
    /// # Errors
    /// When that folder cannot be made or written.
    pub fn create(path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder_of(path))?;
        Ok(Self { staging: hidden_folder(path)?, path: path.to_owned() })
    }

    /// Where the content goes.
    #[must_use]
    pub fn staging(&self) -> &Path {
        self.staging.path()
    }

    /// Gives the folder its name; what has the name is replaced. At no moment does a half-written folder have it, and
    /// when the folder cannot get it, the older one has it again.
    ///
    /// # Errors
    /// When a rename fails, or the folder around cannot be synced. Should the older folder not get its name back
    /// either, it is kept under the name that the error says.
    pub fn commit(self) -> io::Result<()> {
        let aside = if self.path.symlink_metadata().is_ok() { Some(Aside::of(&self.path)?) } else { None };
        if let Err(error) = std::fs::rename(self.staging.path(), &self.path) {
            return Err(aside.map_or(Ok(()), |aside| aside.put_back(&self.path)).err().unwrap_or(error));
        }
        // Renamed away: nothing is left for the temporary folder to remove.
        let _ = self.staging.keep();
        sync_folder(folder_of(&self.path))
    }
}

/// A folder that is to be replaced, moved to where nobody looks for it.
struct Aside {
    hidden: TempDir,
}

impl Aside {
    fn of(path: &Path) -> io::Result<Self> {
        let aside = Self { hidden: hidden_folder(path)? };
        std::fs::rename(path, aside.place())?;
        Ok(aside)
    }

    fn place(&self) -> PathBuf {
        self.hidden.path().join("replaced")
    }

    fn put_back(self, path: &Path) -> io::Result<()> {
        std::fs::rename(self.place(), path).map_err(|error| {
            let kept = self.hidden.keep();
            io::Error::new(error.kind(), format!("{error}; what was there is now in {}", kept.display()))
        })
    }
}

fn hidden_folder(path: &Path) -> io::Result<TempDir> {
    tempfile::Builder::new()
        .prefix(&partial_prefix(path))
        .suffix(PARTIAL_SUFFIX)
        .permissions(Permissions::from_mode(0o755))
        .tempdir_in(folder_of(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(path: &Path, text: &str) -> AtomicFolder {
        let folder = AtomicFolder::create(path).unwrap();
        std::fs::write(folder.staging().join("file"), text).unwrap();
        folder
    }

    fn entries(folder: &Path) -> usize {
        std::fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn what_was_flushed_is_on_disk_and_stays_if_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"known").unwrap();
        let (length, handle) = file.flushed().unwrap();
        handle.sync_data().unwrap();
        assert_eq!((length, std::fs::read(file.temporary_path()).unwrap()), (5, b"known".to_vec()));
        file.leave_when_dropped();
        drop(file);
        assert_eq!(partials(&path).unwrap().len(), 1);
        remove_partials(&path).unwrap();
        assert_eq!(entries(folder.path()), 0);
    }

    #[test]
    fn a_file_is_abandoned_when_nobody_has_it_open() {
        let folder = tempfile::tempdir().unwrap();
        let all = |age| abandoned(folder.path(), "a-", age).unwrap().len();
        let mut file = AtomicFile::create(&folder.path().join("a-1")).unwrap();
        let _other = AtomicFile::create(&folder.path().join("b-1")).unwrap();
        assert_eq!(all(Duration::ZERO), 0, "somebody has it open");
        file.leave_when_dropped();
        drop(file);
        assert_eq!(all(Duration::ZERO), 1);
        assert_eq!(all(Duration::from_secs(60)), 0, "it is too young to tell");
    }

    #[test]
    fn a_folder_is_there_when_it_is_committed_and_replaces_what_was() {
        let around = tempfile::tempdir().unwrap();
        let path = around.path().join("models/a");
        drop(filled(&path, "dropped"));
        assert!(!path.exists());
        for text in ["one", "two"] {
            filled(&path, text).commit().unwrap();
            assert_eq!(std::fs::read_to_string(path.join("file")).unwrap(), text);
            assert_eq!(entries(path.parent().unwrap()), 1, "nothing else is left");
        }
    }

    #[test]
    fn a_folder_that_cannot_be_replaced_stays() {
        let around = tempfile::tempdir().unwrap();
        let path = around.path().join("a");
        filled(&path, "one").commit().unwrap();
        let second = filled(&path, "two");
        // The content vanishes before it gets its name, so that the second rename fails.
        std::fs::remove_dir_all(second.staging()).unwrap();
        second.commit().unwrap_err();
        assert_eq!(std::fs::read_to_string(path.join("file")).unwrap(), "one");
        assert_eq!(entries(around.path()), 1);
    }
}
