use std::fs::File;
use std::io::{BufRead as _, BufReader, Error, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use crate::convert::ConvertError;

/// Longest line that is read: some 90,000 objects. It bounds the memory of a file without line ends.
pub(super) const MAX_LINE_BYTES: usize = 4 << 20;

/// A text file, line by line, in bounded memory.
pub(super) struct Lines {
    path: PathBuf,
    reader: BufReader<File>,
    line: Vec<u8>,
    number: u64,
    bytes: u64,
}

/// A line without its end.
pub(super) enum Line<'a> {
    /// Its bytes.
    Text(&'a [u8]),
    /// It has more than [`MAX_LINE_BYTES`], and was passed over.
    TooLong,
}

impl Lines {
    pub(super) fn open(path: &Path) -> Result<Self, ConvertError> {
        let io = |source| ConvertError::Io { path: path.to_owned(), source };
        // Every input is read twice, which a pipe does not allow.
        if !std::fs::metadata(path).map_err(io)?.is_file() {
            return Err(io(Error::new(ErrorKind::InvalidInput, "not a regular file")));
        }
        let reader = BufReader::with_capacity(1 << 18, File::open(path).map_err(io)?);
        Ok(Self { path: path.to_owned(), reader, line: Vec::new(), number: 0, bytes: 0 })
    }

    /// Number of the last line, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Bytes read so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next line, or nothing at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<Line<'_>>, ConvertError> {
        let io = |source| ConvertError::Io { path: self.path.clone(), source };
        self.line.clear();
        let most = MAX_LINE_BYTES as u64 + 1;
        let read = (&mut self.reader).take(most).read_until(b'\n', &mut self.line).map_err(io)?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        self.bytes += read as u64;
        if self.line.last() != Some(&b'\n') && self.line.len() > MAX_LINE_BYTES {
            self.bytes += self.reader.skip_until(b'\n').map_err(io)? as u64;
            return Ok(Some(Line::TooLong));
        }
        let end = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        Ok(Some(Line::Text(end.strip_suffix(b"\r").unwrap_or(end))))
    }
}
