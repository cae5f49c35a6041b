//! Arbitrary text as the decision on a frame that a stream has already, which is published again in its accepted events.

use std::sync::LazyLock;

use trigsieve::serve::DecisionRecord;
use trigsieve_frame::{Batch, Frame, FrameBuffer, HEADER_BYTES, Ids, Limits, Rows, crc32c, encode};

/// Inputs of an event.
const K: u32 = 3;
/// Ids of the frame's events.
const EVENT_IDS: [u64; 6] = [7, 3, 1000, u64::MAX, 0, 12];

/// The frame that was decided on.
static FRAME: LazyLock<Frame> = LazyLock::new(|| {
    let values: Vec<f32> = (0..EVENT_IDS.len() as u32 * K).map(|input| input as f32).collect();
    let (ids, rows) = (Ids::of(&EVENT_IDS, &EVENT_IDS), Rows::F32(&values));
    let mut bytes = Vec::new();
    encode(&Batch { run: 5, source: 2, sequence: 9, encoding: 0, k: K, ids, rows, end: false }, &mut bytes);
    frame(&bytes).expect("it was encoded as one")
});

/// Runs the target on `bytes`; whether they were a decision on the frame.
///
/// # Panics
/// When what is published of it is not what it says, or an error is not one line.
pub fn run(bytes: &[u8]) -> bool {
    let record = match DecisionRecord::parse(bytes, &FRAME) {
        Ok(record) => record,
        Err(reason) => {
            assert!(!reason.is_empty() && !reason.contains('\n'), "{reason}");
            return false;
        }
    };
    let (kept, message) = (&record.accepted, record.accepted_message(&FRAME));
    let payload = u32::from_le_bytes(message[52..56].try_into().expect("four bytes"));
    let (head, block) = message.split_at(HEADER_BYTES + payload as usize);
    let accepted = frame(head).expect("what is published is a frame");
    let ids: Vec<u64> =
        (0..accepted.header().events as usize).map(|event| accepted.event_id(event)).collect();
    assert_eq!(ids, kept.event_ids);
    let (Rows::F32(found), Rows::F32(all)) = (accepted.rows(), FRAME.rows()) else { panic!("other rows") };
    let k = K as usize;
    let rows = kept.places.iter().flat_map(|place| &all[*place as usize * k..][..k]);
    assert!(rows.eq(found));
    assert_eq!(block.len(), 16 + kept.places.len() * (8 + 4 * record.models.len()));
    assert_eq!(block[12..16], crc32c(&block[16..]).to_le_bytes());
    true
}

fn frame(bytes: &[u8]) -> Option<Frame> {
    let mut buffer = FrameBuffer::default();
    buffer.space(bytes.len()).copy_from_slice(bytes);
    Frame::of_message(buffer, bytes.len(), &Limits::default()).ok()
}
