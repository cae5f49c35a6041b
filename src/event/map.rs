//! Memory-mapping of event files: the one place of this module tree with `unsafe`.

use std::fs::File;
use std::path::Path;

use arrow_buffer::Buffer;
use memmap2::Mmap;

use super::EventError;

/// Maps `path` read-only and hands the map to Arrow as a buffer that keeps it alive.
///
/// # Errors
/// [`EventError::Io`] when the file cannot be opened or mapped, [`EventError::Format`] when it is empty.
pub(super) fn map_file(path: &Path) -> Result<Buffer, EventError> {
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
    // cannot promise is that no other process truncates or rewrites the file meanwhile; event files
    // are only ever created by rename of a complete file (see `durable`), so a writer of ours never
    // changes a file in place, and the documentation of `EventTable::open` asks the same of others.
    let map = unsafe { Mmap::map(&file) }.map_err(io)?;
    Ok(Buffer::from(bytes_of(map)))
}

fn bytes_of(map: Mmap) -> bytes::Bytes {
    bytes::Bytes::from_owner(map)
}
