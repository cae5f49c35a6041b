use std::io::{ErrorKind, Read};

use zerocopy::{FromBytes, IntoBytes};

use crate::header::HEADER_BYTES;
use crate::{Element, FrameError, Header, Limits, ReadError, Rows};

const WORD: usize = size_of::<u64>();
/// Memory taken for a payload before any of it has come; then as much again as has come.
const READ_BYTES: usize = 1 << 20;

/// Memory for a frame, aligned so that ids and rows can be looked at where they were received. Meant to be used again.
#[derive(Debug, Default)]
pub struct FrameBuffer {
    words: Vec<u64>,
}

impl FrameBuffer {
    /// Room for a frame of `bytes`, header included; grows if it must. What is in it is undefined, but never other memory's.
    pub fn space(&mut self, bytes: usize) -> &mut [u8] {
        let words = bytes.div_ceil(WORD);
        if self.words.len() < words {
            self.words.resize(words, 0);
        }
        &mut self.words.as_mut_bytes()[..bytes]
    }

    /// Bytes that it has taken.
    #[must_use]
    pub fn capacity_bytes(&self) -> usize {
        self.words.capacity() * WORD
    }

    fn bytes(&self) -> &[u8] {
        self.words.as_bytes()
    }
}

/// A frame whose header, length and checksums have been checked.
#[derive(Debug)]
pub struct Frame {
    buffer: FrameBuffer,
    header: Header,
}

impl Frame {
    /// Reads the next frame of a stream into `buffer`; none at the end of the stream.
    ///
    /// # Errors
    /// [`ReadError`]; a stream that ends within a frame is [`FrameError::Short`].
    pub fn read(
        stream: &mut impl Read,
        mut buffer: FrameBuffer,
        limits: &Limits,
    ) -> Result<Option<Self>, ReadError> {
        let mut head = [0; HEADER_BYTES];
        match fill(stream, &mut head)? {
            0 => return Ok(None),
            HEADER_BYTES => {}
            found => return Err(FrameError::Short { found, expected: HEADER_BYTES }.into()),
        }
        let header = Header::parse(&head, limits)?;
        let expected = HEADER_BYTES + header.payload_bytes as usize;
        buffer.space(HEADER_BYTES).copy_from_slice(&head);
        let mut filled = HEADER_BYTES;
        // A promise of many bytes takes no memory until they come.
        while filled < expected {
            let next = expected.min(filled + READ_BYTES.max(filled));
            let read = fill(stream, &mut buffer.space(next)[filled..])?;
            filled += read;
            if filled < next {
                return Err(FrameError::Short { found: filled, expected }.into());
            }
        }
        Ok(Some(Self::checked(buffer, header)?))
    }

    /// The frame that `len` bytes of `buffer` are, as a datagram or a message brings them: one frame, nothing else.
    ///
    /// # Errors
    /// [`FrameError`], with the buffer for the next one.
    pub fn of_message(
        buffer: FrameBuffer,
        len: usize,
        limits: &Limits,
    ) -> Result<Self, (FrameBuffer, FrameError)> {
        match check_message(&buffer.bytes()[..len], limits) {
            Ok(header) => Ok(Self { buffer, header }),
            Err(error) => Err((buffer, error)),
        }
    }

    fn checked(buffer: FrameBuffer, header: Header) -> Result<Self, FrameError> {
        let payload = &buffer.bytes()[HEADER_BYTES..][..header.payload_bytes as usize];
        check_payload(&header, payload)?;
        Ok(Self { buffer, header })
    }

    /// What the header says.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Header and payload, as they were sent.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.buffer.bytes()[..HEADER_BYTES + self.header.payload_bytes as usize]
    }

    /// Memory that it takes, which may be more than its bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.buffer.capacity_bytes()
    }

    /// The memory, for another frame.
    #[must_use]
    pub fn into_buffer(self) -> FrameBuffer {
        self.buffer
    }

    /// Id of an event of the frame.
    ///
    /// # Panics
    /// When there are not so many.
    #[must_use]
    pub fn event_id(&self, event: usize) -> u64 {
        self.number(event, 0, self.header.first_event_id)
    }

    /// Bunch crossing of an event of the frame, 25 ns units.
    ///
    /// # Panics
    /// When there are not so many.
    #[must_use]
    pub fn bunch_crossing(&self, event: usize) -> u64 {
        self.number(event, 1, self.header.first_bunch_crossing)
    }

    /// The inputs, [events, K], row-major, where they were received.
    #[must_use]
    pub fn rows(&self) -> Rows<'_> {
        let bytes = &self.bytes()[HEADER_BYTES + self.header.rows_offset()..];
        match self.header.element {
            Element::F32 => Rows::F32(view(bytes)),
            Element::I16 => Rows::I16(view(bytes)),
        }
    }

    fn number(&self, event: usize, column: usize, first: u64) -> u64 {
        let events = self.header.events as usize;
        assert!(event < events, "event {event} of {events}");
        if !self.header.explicit_ids {
            return first + event as u64;
        }
        let numbers: &[u64] = view(&self.bytes()[HEADER_BYTES..][..self.header.rows_offset()]);
        u64::from_le(numbers[column * events + event])
    }
}

/// The rows are little-endian on the wire, as on every machine that this runs on.
const _: () = assert!(cfg!(target_endian = "little"), "frames are viewed in place, little-endian");

/// The buffer is aligned to 8 bytes, the header has 64, and the ids 16 an event: every column starts at a multiple of 8.
fn view<T: FromBytes + zerocopy::Immutable + zerocopy::KnownLayout>(bytes: &[u8]) -> &[T] {
    match <[T]>::ref_from_bytes(bytes) {
        Ok(values) => values,
        Err(_) => unreachable!("columns of a checked frame are aligned and whole"),
    }
}

fn check_message(bytes: &[u8], limits: &Limits) -> Result<Header, FrameError> {
    let Some((head, payload)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Err(FrameError::Short { found: bytes.len(), expected: HEADER_BYTES });
    };
    let header = Header::parse(head, limits)?;
    let end = HEADER_BYTES + header.payload_bytes as usize;
    match bytes.len().cmp(&end) {
        std::cmp::Ordering::Less => Err(FrameError::Short { found: bytes.len(), expected: end }),
        std::cmp::Ordering::Greater => Err(FrameError::Long { end, extra: bytes.len() - end }),
        std::cmp::Ordering::Equal => check_payload(&header, payload).map(|()| header),
    }
}

fn check_payload(header: &Header, payload: &[u8]) -> Result<(), FrameError> {
    let (computed, stated) = (crc32c::crc32c(payload), header.payload_crc32c);
    if computed != stated {
        return Err(FrameError::PayloadChecksum { computed, stated });
    }
    Ok(())
}

/// Reads until `bytes` are full or the stream ends; how many there were.
fn fill(stream: &mut impl Read, bytes: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        match stream.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
