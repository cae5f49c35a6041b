use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

/// A Parquet file whose end is an error. The library skips fields that it does not know without looking whether they are
/// there: of a file of 700 bytes it skipped 2^31 numbers behind its end, one by one, and more in lists of such lists.
pub(super) struct Bounded {
    file: Arc<File>,
    len: u64,
}

impl Bounded {
    pub(super) fn new(file: File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self { file: Arc::new(file), len })
    }

    fn check_end(&self, start: u64, length: usize) -> Result<()> {
        if start.checked_add(length as u64).is_some_and(|end| end <= self.len) {
            return Ok(());
        }
        let what = format!("{length} bytes are declared at byte {start}, the file has {}", self.len);
        Err(ParquetError::EOF(what))
    }
}

impl Length for Bounded {
    fn len(&self) -> u64 {
        self.len
    }
}

impl ChunkReader for Bounded {
    type T = BufReader<Rest>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        self.check_end(start, 0)?;
        Ok(BufReader::new(Rest { file: self.file.clone(), offset: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        self.check_end(start, length)?;
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(bytes.into())
    }
}

/// The file from an offset on.
pub(super) struct Rest {
    file: Arc<File>,
    offset: u64,
}

impl Read for Rest {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        if read == 0 && !buffer.is_empty() {
            let what = format!("more is declared than the {} bytes of the file", self.offset);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what));
        }
        self.offset += read as u64;
        Ok(read)
    }
}
