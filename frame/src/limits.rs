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

impl Default for Limits {
    /// 4,096 inputs, 65,536 events, 16 MiB.
    fn default() -> Self {
        Self { k: 4096, events: 65_536, payload_bytes: 16 << 20 }
    }
}
