use std::io::{self, Read};

use arrow_ipc::root_as_message;

use super::budget::{CONTINUATION, batch_of, check_message};

/// An Arrow IPC stream on its way to Arrow's reader, which allocates what a compressed buffer declares before it looks at
/// its bytes, and a failed allocation aborts the process: every compressed message is looked at before it is handed on.
/// Everything else passes as it is.
pub(crate) struct CheckedStream<R> {
    input: R,
    /// Bytes to hand on, from `at` on, before any others.
    ready: Vec<u8>,
    at: usize,
    /// Bytes that pass unseen before the next message.
    unseen: u64,
    has_ended: bool,
}

impl<R: Read> CheckedStream<R> {
    /// Of `input`, from its first byte on.
    pub(crate) fn new(input: R) -> Self {
        Self { input, ready: Vec::new(), at: 0, unseen: 0, has_ended: false }
    }

    /// Gets the head of the next message ready, with the body if that is compressed. What is no message is handed on: the
    /// reader has the words for it.
    fn next_message(&mut self) -> io::Result<()> {
        self.ready.clear();
        self.at = 0;
        let Some(length) = self.take_length()? else {
            self.has_ended = true;
            return Ok(());
        };
        let start = self.ready.len();
        if self.take_bytes(length)? < length {
            self.has_ended = true;
            return Ok(());
        }
        let Ok(message) = root_as_message(&self.ready[start..]) else {
            self.has_ended = true;
            return Ok(());
        };
        let body = u64::try_from(message.bodyLength()).unwrap_or(0);
        if batch_of(&message).is_none_or(|batch| batch.compression().is_none()) {
            self.unseen = body;
            return Ok(());
        }
        let head = self.ready.len();
        self.take_bytes(body)?;
        let (head, body) = self.ready.split_at(head);
        check_message(&head[start..], body).map_err(io::Error::other)
    }

    /// The length of a message's metadata; none at the end of the stream, or where that is said to be.
    fn take_length(&mut self) -> io::Result<Option<u64>> {
        for _ in 0..2 {
            if self.take_bytes(4)? < 4 {
                return Ok(None);
            }
            let word = *self.ready.last_chunk().unwrap_or(&CONTINUATION);
            if word != CONTINUATION {
                return Ok(u64::try_from(i32::from_le_bytes(word)).ok().filter(|length| *length > 0));
            }
        }
        Ok(None)
    }

    /// Appends bytes to those that are ready; how many there were. Memory grows as they come.
    fn take_bytes(&mut self, bytes: u64) -> io::Result<u64> {
        (&mut self.input).take(bytes).read_to_end(&mut self.ready).map(|read| read as u64)
    }
}

impl<R: Read> Read for CheckedStream<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.ready.len() && self.unseen == 0 && !self.has_ended {
            self.next_message()?;
        }
        if self.at < self.ready.len() {
            let some = out.len().min(self.ready.len() - self.at);
            out[..some].copy_from_slice(&self.ready[self.at..][..some]);
            self.at += some;
            return Ok(some);
        }
        if self.has_ended {
            return self.input.read(out);
        }
        let most = usize::try_from(self.unseen).map_or(out.len(), |unseen| unseen.min(out.len()));
        let some = self.input.read(&mut out[..most])?;
        self.unseen -= some as u64;
        Ok(some)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::Arc;

    use arrow_array::{ArrayRef, RecordBatch, UInt64Array};
    use arrow_ipc::CompressionType;
    use arrow_ipc::reader::StreamReader;
    use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};

    use super::CheckedStream;

    fn stream(compression: Option<CompressionType>) -> Vec<u8> {
        let numbers: ArrayRef = Arc::new(UInt64Array::from_iter_values((0..5000).map(|number| number / 100)));
        let batch = RecordBatch::try_from_iter([("numbers", numbers)]).unwrap();
        let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
        let mut writer = StreamWriter::try_new_with_options(Vec::new(), &batch.schema(), options).unwrap();
        writer.write(&batch).unwrap();
        writer.write(&batch.slice(0, 10)).unwrap();
        writer.into_inner().unwrap()
    }

    fn rows(bytes: &[u8]) -> Result<usize, String> {
        let reader =
            StreamReader::try_new(CheckedStream::new(bytes), None).map_err(|error| error.to_string())?;
        reader.map(|batch| batch.map(|batch| batch.num_rows()).map_err(|error| error.to_string())).sum()
    }

    #[test]
    fn a_stream_passes_as_it_is() {
        for compression in [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)] {
            let mut bytes = stream(compression);
            assert_eq!(rows(&bytes), Ok(5010));
            bytes.extend(b"and what follows its end");
            for most in [bytes.len(), 0, 3, 100, 700] {
                let mut passed = Vec::new();
                CheckedStream::new(&bytes[..most]).read_to_end(&mut passed).unwrap();
                assert_eq!(passed, bytes[..most]);
            }
        }
    }

    /// Arrow would allocate what is declared, and abort.
    #[test]
    fn a_buffer_that_declares_too_much_is_an_error() {
        let mut bytes = stream(Some(CompressionType::LZ4_FRAME));
        let declared = 40_000_u64.to_le_bytes();
        let at = bytes.windows(8).position(|word| word == declared).expect("the length before the buffer");
        bytes[at..at + 8].copy_from_slice(&(1_u64 << 50).to_le_bytes());
        let error = rows(&bytes).unwrap_err();
        assert!(error.contains("declares 1125899906842624 bytes"), "{error}");
    }
}
