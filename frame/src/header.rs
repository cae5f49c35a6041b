use zerocopy::byteorder::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::{FrameError, Limits};

/// The first four bytes of a frame.
pub const MAGIC: [u8; 4] = *b"TSVF";
/// Version of the frame that this build writes and reads.
pub const VERSION: u16 = 1;
/// Bytes of the header.
pub const HEADER_BYTES: usize = 64;

const FLAG_END: u8 = 1;
const FLAG_IDS: u8 = 2;
pub(crate) const BYTES_OF_IDS: u64 = 16;

/// Element type of the inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// IEEE 754 single precision, physical units.
    F32,
    /// 16-bit hardware integers.
    I16,
}

impl Element {
    /// Bytes of one input.
    #[must_use]
    pub fn bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::I16 => 2,
        }
    }
}

/// The header as it lies in memory and on the wire.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Wire {
    magic: [u8; 4],
    version: U16,
    element: u8,
    flags: u8,
    k: U32,
    events: U32,
    run: U32,
    source: U32,
    sequence: U64,
    first_event_id: U64,
    first_bunch_crossing: U64,
    encoding: U32,
    payload_bytes: U32,
    payload_crc32c: U32,
    header_crc32c: U32,
}

const _: () = assert!(size_of::<Wire>() == HEADER_BYTES);

/// What the header of a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Element type of the inputs.
    pub element: Element,
    /// The source has nothing more to send in this run; such a frame has no events, and its `sequence` is the number of
    /// frames before it.
    pub end: bool,
    /// The payload begins with an event id (u64) for each event, then a bunch crossing (u64) for each; else both count up by
    /// one from the first.
    pub explicit_ids: bool,
    /// Inputs per event.
    pub k: u32,
    /// Events in the frame; none: a sign of life, or the end.
    pub events: u32,
    /// Run of the data taking.
    pub run: u32,
    /// Which of the run's senders this is.
    pub source: u32,
    /// Frames of this source and run before this one: a gap is a loss.
    pub sequence: u64,
    /// Id of the first event.
    pub first_event_id: u64,
    /// Bunch crossing of the first event, 25 ns units.
    pub first_bunch_crossing: u64,
    /// See [`crate::encoding_checksum`]; 0: not stated.
    pub encoding: u32,
    /// Bytes after the header.
    pub payload_bytes: u32,
    /// CRC-32C of those.
    pub payload_crc32c: u32,
}

impl Header {
    /// Reads a header and holds it to `limits`. Nothing in it is believed before its checksum fits.
    ///
    /// # Errors
    /// [`FrameError`], with the offset of the field.
    pub fn parse(bytes: &[u8; HEADER_BYTES], limits: &Limits) -> Result<Self, FrameError> {
        let wire: Wire = zerocopy::transmute!(*bytes);
        if wire.magic != MAGIC {
            return Err(FrameError::Magic { found: wire.magic });
        }
        if wire.version.get() != VERSION {
            return Err(FrameError::Version { found: wire.version.get() });
        }
        let (computed, stated) = (crc32c::crc32c(&bytes[..HEADER_BYTES - 4]), wire.header_crc32c.get());
        if computed != stated {
            return Err(FrameError::HeaderChecksum { computed, stated });
        }
        let header = Self::of_fields(&wire)?;
        header.check(limits)?;
        Ok(header)
    }

    /// The header's bytes, with its checksum.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut wire = Wire {
            magic: MAGIC,
            version: VERSION.into(),
            element: match self.element {
                Element::F32 => 0,
                Element::I16 => 1,
            },
            flags: u8::from(self.end) * FLAG_END + u8::from(self.explicit_ids) * FLAG_IDS,
            k: self.k.into(),
            events: self.events.into(),
            run: self.run.into(),
            source: self.source.into(),
            sequence: self.sequence.into(),
            first_event_id: self.first_event_id.into(),
            first_bunch_crossing: self.first_bunch_crossing.into(),
            encoding: self.encoding.into(),
            payload_bytes: self.payload_bytes.into(),
            payload_crc32c: self.payload_crc32c.into(),
            header_crc32c: 0.into(),
        };
        wire.header_crc32c = crc32c::crc32c(&wire.as_bytes()[..HEADER_BYTES - 4]).into();
        zerocopy::transmute!(wire)
    }

    /// Bytes that the payload must have: ids if there are any, then the rows.
    #[must_use]
    pub fn expected_payload_bytes(&self) -> u64 {
        let ids = if self.explicit_ids { BYTES_OF_IDS } else { 0 };
        u64::from(self.events).saturating_mul(u64::from(self.k) * self.element.bytes() + ids)
    }

    /// Where the rows begin in the payload.
    pub(crate) fn rows_offset(&self) -> usize {
        if self.explicit_ids { self.events as usize * BYTES_OF_IDS as usize } else { 0 }
    }

    fn of_fields(wire: &Wire) -> Result<Self, FrameError> {
        let element = match wire.element {
            0 => Element::F32,
            1 => Element::I16,
            found => return Err(FrameError::Field { offset: 6, field: "element", found: found.into() }),
        };
        if wire.flags & !(FLAG_END | FLAG_IDS) != 0 {
            return Err(FrameError::Field { offset: 7, field: "flags", found: wire.flags.into() });
        }
        Ok(Self {
            element,
            end: wire.flags & FLAG_END != 0,
            explicit_ids: wire.flags & FLAG_IDS != 0,
            k: wire.k.get(),
            events: wire.events.get(),
            run: wire.run.get(),
            source: wire.source.get(),
            sequence: wire.sequence.get(),
            first_event_id: wire.first_event_id.get(),
            first_bunch_crossing: wire.first_bunch_crossing.get(),
            encoding: wire.encoding.get(),
            payload_bytes: wire.payload_bytes.get(),
            payload_crc32c: wire.payload_crc32c.get(),
        })
    }

    fn check(&self, limits: &Limits) -> Result<(), FrameError> {
        if self.k == 0 {
            return Err(FrameError::Field { offset: 8, field: "k", found: 0 });
        }
        let bounds = [
            (8, "k", self.k, limits.k),
            (12, "events", self.events, limits.events),
            (52, "payload_bytes", self.payload_bytes, limits.payload_bytes),
        ];
        for (offset, field, found, limit) in bounds {
            if found > limit {
                return Err(FrameError::Limit { offset, field, found: found.into(), limit: limit.into() });
            }
        }
        if self.end && self.events != 0 {
            return Err(FrameError::Field {
                offset: 12,
                field: "events of a last frame",
                found: self.events.into(),
            });
        }
        let expected = self.expected_payload_bytes();
        if u64::from(self.payload_bytes) != expected {
            return Err(FrameError::PayloadBytes { found: self.payload_bytes.into(), expected });
        }
        let last = u64::from(self.events.saturating_sub(1));
        for (offset, field, first) in [
            (32, "first_event_id", self.first_event_id),
            (40, "first_bunch_crossing", self.first_bunch_crossing),
        ] {
            if first.checked_add(last).is_none() {
                return Err(FrameError::Field { offset, field, found: first });
            }
        }
        Ok(())
    }
}
