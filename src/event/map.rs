//! Memory-mapping of event files.

use std::fs::File;
use std::path::Path;

use std::sync::Arc;

use arrow_buffer::Buffer;
use memmap2::Mmap;

use super::EventError;
use super::fault::Watch;

/// A mapped file that is watched for missing pages.
#[derive(Debug)]
pub(super) struct WatchedMap {
    // Dropped before the map, so that no slot names memory that is gone.
    watch: Watch,
    map: Mmap,
    file: File,
}

impl WatchedMap {
    /// Asks the system to map every page now, which is cheaper than a fault a page; where it cannot, nothing changes.
    pub(super) fn prefault(&self) {
        #[cfg(target_os = "linux")]
        if let Err(error) = self.map.advise(memmap2::Advice::PopulateRead) {
            tracing::debug!("pages are not mapped ahead: {error}");
        }
    }

    /// Whether every page that was read was there: a page that is not reads as zeros. One load; it does not see
    /// the zeros between the end of a cut file and the end of its last page.
    pub(super) fn has_its_pages(&self) -> bool {
        self.watch.is_intact()
    }

    /// Whether every page that was read was there and the file is still as long as it was. Asks the system.
    pub(super) fn is_intact(&self) -> bool {
        let still = |bytes: u64| bytes >= self.map.len() as u64;
        self.has_its_pages() && self.file.metadata().is_ok_and(|metadata| still(metadata.len()))
    }
}

/// Lets Arrow own a share of the map.
struct Share(Arc<WatchedMap>);

impl AsRef<[u8]> for Share {
    fn as_ref(&self) -> &[u8] {
        &self.0.map
    }
}

/// Maps `path` read-only and hands the map to Arrow as a buffer that keeps it alive.
///
/// # Errors
/// [`EventError::Io`] when the file cannot be opened or mapped, [`EventError::Format`] when it is empty.
pub(super) fn map_file(path: &Path) -> Result<(Arc<WatchedMap>, Buffer), EventError> {
    let io = |source| EventError::Io { path: path.to_owned(), source };
    // Before it is opened: opening a named pipe waits for somebody to write to it.
    if !std::fs::metadata(path).map_err(io)?.is_file() {
        return Err(io(std::io::Error::new(std::io::ErrorKind::InvalidInput, "not a regular file")));
    }
    let file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if metadata.len() == 0 {
        return Err(EventError::Format {
            path: path.to_owned(),
            reason: "the file is empty".into(),
            offset: 0,
        });
    }
    // SAFETY: the map is read-only and lives as long as the returned buffer. What the type system
    // cannot promise is that no other process rewrites the file meanwhile; event files are only ever
    // created by rename of a complete file (see `durable`), so a writer of ours never changes a file in
    // place, and the documentation of `EventTable::open` asks the same of others. A file that is cut is
    // noticed: see `fault`.
    let map = unsafe { Mmap::map(&file) }.map_err(io)?;
    let watch = Watch::new(map.as_ptr(), map.len()).map_err(io)?;
    let map = Arc::new(WatchedMap { watch, map, file });
    let buffer = Buffer::from(bytes::Bytes::from_owner(Share(Arc::clone(&map))));
    Ok((map, buffer))
}
