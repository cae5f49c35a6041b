use crate::header::{MAGIC, VERSION};

/// Why bytes are not a frame. Offsets count from the start of the frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Fewer bytes than the frame has.
    #[error("the frame ends after {found} bytes of {expected}")]
    Short {
        /// Bytes that there are.
        found: usize,
        /// Bytes that there should be.
        expected: usize,
    },
    /// Bytes after the end of the frame.
    #[error("{extra} bytes follow the end of the frame at byte {end}")]
    Long {
        /// Where the frame ends.
        end: usize,
        /// Bytes after that.
        extra: usize,
    },
    /// Byte 0: not a frame at all.
    #[error("byte 0: {found:02x?} is not the start of a frame, {MAGIC:02x?} is")]
    Magic {
        /// The first four bytes.
        found: [u8; 4],
    },
    /// Byte 4: a frame of another time.
    #[error("byte 4: version {found}, this build reads {VERSION}")]
    Version {
        /// The version.
        found: u16,
    },
    /// Byte 60: the header is not what was sent.
    #[error("byte 60: the header's CRC-32C is {computed:08x}, not the {stated:08x} that it states")]
    HeaderChecksum {
        /// Of the bytes that came.
        computed: u32,
        /// In the header.
        stated: u32,
    },
    /// Byte 56: the payload is not what was sent.
    #[error("byte 56: the payload's CRC-32C is {computed:08x}, not the {stated:08x} that the header states")]
    PayloadChecksum {
        /// Of the bytes that came.
        computed: u32,
        /// In the header.
        stated: u32,
    },
    /// A field has a value that means nothing.
    #[error("byte {offset}: {field} is {found}")]
    Field {
        /// Where the field is.
        offset: usize,
        /// Its name.
        field: &'static str,
        /// Its value.
        found: u64,
    },
    /// More than the receiver takes.
    #[error("byte {offset}: {field} is {found}, more than the limit of {limit}")]
    Limit {
        /// Where the field is.
        offset: usize,
        /// Its name.
        field: &'static str,
        /// Its value.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// Byte 52: the payload is not as long as its events.
    #[error("byte 52: payload_bytes is {found}, but the events take {expected}")]
    PayloadBytes {
        /// In the header.
        found: u64,
        /// What events, K, element and flags come to.
        expected: u64,
    },
}

/// Why no frame could be read from a stream.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The stream failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// What came is no frame; where the next one begins is not known.
    #[error(transparent)]
    Frame(#[from] FrameError),
}
