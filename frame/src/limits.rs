use crate::Element;
use crate::header::BYTES_OF_IDS;

/// The most that a frame may ask for. A frame that asks for more is an error, found before memory is taken for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Inputs per event.
    pub k: u32,
    /// Events in a frame.
    pub events: u32,
    /// Bytes after the header.
    pub payload_bytes: u32,
}

impl Limits {
    /// Most events of `k` inputs of type `element` in a frame, also where each has id and bunch crossing of its own; 0: an event
    /// is larger than `payload_bytes`. Does not look at the limit of `k`.
    #[must_use]
    pub fn events_of(&self, k: u32, element: Element) -> u32 {
        let event = u64::from(k) * element.bytes() + BYTES_OF_IDS;
        // No more than the limit of bytes, which is a u32.
        (u64::from(self.payload_bytes) / event).min(self.events.into()) as u32
    }
}

impl Default for Limits {
    /// 4,096 inputs, 65,536 events, 16 MiB.
    fn default() -> Self {
        Self { k: 4096, events: 65_536, payload_bytes: 16 << 20 }
    }
}

#[cfg(test)]
mod tests {
    use super::Limits;
    use crate::Element;

    #[test]
    fn as_many_events_fit_as_have_room() {
        let limits = Limits::default();
        assert_eq!(limits.events_of(57, Element::F32), 65_536);
        assert_eq!(limits.events_of(4096, Element::F32), 1023);
        assert_eq!(limits.events_of(4096, Element::I16), 2044);
        assert_eq!(Limits { payload_bytes: 100, ..limits }.events_of(57, Element::F32), 0);
    }
}
