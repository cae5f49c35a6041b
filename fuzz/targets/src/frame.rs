//! Arbitrary bytes as frames, in a message and in a stream. The first byte says which fields are put right before: with
//! random checksums nothing but the first checks would ever be reached.

use std::io::Read;

use trigsieve_frame::{
    Batch, Frame, FrameBuffer, FrameError, HEADER_BYTES, Ids, Limits, ReadError, Rows, crc32c, encode,
};

/// Put the length of the payload right.
const LENGTH: u8 = 1;
/// Put the payload's checksum right.
const PAYLOAD_CHECKSUM: u8 = 2;
/// Put the header's checksum right.
const HEADER_CHECKSUM: u8 = 4;
/// Put small limits.
const SMALL_LIMITS: u8 = 8;

/// A stream that gives a few bytes at a time.
struct Trickle<'a>(&'a [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let some = out.len().min(self.1).min(self.0.len());
        out[..some].copy_from_slice(&self.0[..some]);
        self.0 = &self.0[some..];
        Ok(some)
    }
}

/// Runs the target on `bytes`; whether there was a frame.
///
/// # Panics
/// When a message and a stream of the same bytes differ, or a frame is not what its header says.
pub fn run(bytes: &[u8]) -> bool {
    let Some((&choice, rest)) = bytes.split_first() else { return false };
    let mut bytes = rest.to_vec();
    put_right(&mut bytes, choice);
    let limits = if choice & SMALL_LIMITS == 0 {
        Limits::default()
    } else {
        Limits { k: 8, events: 4, payload_bytes: 256 }
    };
    let mut buffer = FrameBuffer::default();
    buffer.space(bytes.len()).copy_from_slice(&bytes);
    let message = Frame::of_message(buffer, bytes.len(), &limits).map_err(|(_, error)| error);
    let mut stream = Trickle(&bytes, 1 + usize::from(choice >> 4) * 40);
    let first = Frame::read(&mut stream, FrameBuffer::default(), &limits);
    match (&message, &first) {
        (Ok(of_message), Ok(Some(of_stream))) => {
            assert_eq!(of_message.bytes(), bytes);
            assert_eq!(of_stream.bytes(), of_message.bytes());
            assert!(matches!(Frame::read(&mut stream, FrameBuffer::default(), &limits), Ok(None)));
        }
        // A stream may go on after its first frame.
        (Err(FrameError::Long { end, .. }), Ok(Some(frame))) => assert_eq!(frame.bytes(), &bytes[..*end]),
        (Err(FrameError::Long { .. }), Err(ReadError::Frame(FrameError::PayloadChecksum { .. }))) => {}
        (Err(FrameError::Short { found: 0, .. }), Ok(None)) => {}
        (Err(of_message), Err(ReadError::Frame(of_stream))) => assert_eq!(of_message, of_stream),
        (message, stream) => panic!("as a message {message:?}, as a stream {stream:?}"),
    }
    let frames = message.ok().into_iter().chain(first.ok().flatten());
    frames.map(|frame| is_whole(&frame, &limits)).count() > 0
}

/// Fields of the first frame, as docs/frame.md has them.
fn put_right(bytes: &mut [u8], choice: u8) {
    let Some((header, payload)) = bytes.split_first_chunk_mut::<HEADER_BYTES>() else { return };
    let mut put = |at: usize, number: u32| header[at..at + 4].copy_from_slice(&number.to_le_bytes());
    if choice & LENGTH != 0 {
        put(52, u32::try_from(payload.len()).expect("a fuzzer's inputs are short"));
    }
    if choice & PAYLOAD_CHECKSUM != 0 {
        put(56, crc32c(payload));
    }
    if choice & HEADER_CHECKSUM != 0 {
        let checksum = crc32c(&header[..HEADER_BYTES - 4]);
        header[HEADER_BYTES - 4..].copy_from_slice(&checksum.to_le_bytes());
    }
}

/// Every event that the header promises is there, within the limits, and what is written of the frame is the frame.
fn is_whole(frame: &Frame, limits: &Limits) {
    let header = frame.header();
    assert!(
        header.k <= limits.k
            && header.events <= limits.events
            && header.payload_bytes <= limits.payload_bytes
    );
    assert!(frame.memory_bytes() <= 2 * frame.bytes().len() + (1 << 20), "{}", frame.memory_bytes());
    let events = header.events as usize;
    let ids: Vec<u64> = (0..events).map(|event| frame.event_id(event)).collect();
    let crossings: Vec<u64> = (0..events).map(|event| frame.bunch_crossing(event)).collect();
    let values = match frame.rows() {
        Rows::F32(values) => values.len(),
        Rows::I16(values) => values.len(),
    };
    assert_eq!(values, events * header.k as usize);
    let ids = match header.explicit_ids {
        true => Ids::Each { event_ids: &ids, bunch_crossings: &crossings },
        false => Ids::From { event_id: header.first_event_id, bunch_crossing: header.first_bunch_crossing },
    };
    let (run, source, sequence, encoding) = (header.run, header.source, header.sequence, header.encoding);
    let batch =
        Batch { run, source, sequence, encoding, k: header.k, ids, rows: frame.rows(), end: header.end };
    let mut again = Vec::new();
    encode(&batch, &mut again);
    // With ids of their own the first ones of the header are a courtesy, which a sender may have got wrong.
    let courtesy = if header.explicit_ids { 32..48 } else { 0..0 };
    for (at, (written, read)) in again.iter().zip(frame.bytes()).enumerate().take(HEADER_BYTES - 4) {
        assert!(written == read || courtesy.contains(&at), "byte {at}");
    }
    assert_eq!(again[HEADER_BYTES..], frame.bytes()[HEADER_BYTES..]);
}
