//! The frame: a batch of collision events on the wire.
//!
//! A header of 64 bytes, little-endian, then the payload; `docs/frame.md` has it byte by byte, with a sender in Python.
//! The header has a checksum of its own, so that a length is believed, and memory taken for it, only when it is what was sent.
//! Everything that comes from outside is held to [`Limits`] before anything is allocated.

#![forbid(unsafe_code)]

mod encode;
mod error;
mod frame;
mod header;
mod limits;

pub use encode::{Batch, Ids, Rows, encode};
pub use error::{FrameError, ReadError};
pub use frame::{Frame, FrameBuffer};
pub use header::{Element, HEADER_BYTES, Header, MAGIC, VERSION};
pub use limits::Limits;

/// CRC-32C (Castagnoli) of bytes, as frames state it.
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
}

/// Identifies an encoding on the wire: CRC-32C of its name, followed, for hardware integers, by a line break and the unit of
/// each input. 0 stands for "not stated".
#[must_use]
pub fn encoding_checksum<'a>(name: &str, units: impl IntoIterator<Item = &'a str>) -> u32 {
    let text = units.into_iter().fold(name.to_owned(), |text, unit| text + "\n" + unit);
    crc32c::crc32c(text.as_bytes()).max(1)
}
