//! Frames there and back, and frames that are not.

use proptest::prelude::*;
use trigsieve_frame::{
    Batch, Frame, FrameBuffer, FrameError, HEADER_BYTES, Ids, Limits, ReadError, Rows, encode,
    encoding_checksum,
};

const K: u32 = 3;

fn frame_of(rows: Rows<'_>, ids: Ids<'_>) -> Vec<u8> {
    let batch = Batch { run: 7, source: 2, sequence: 5, encoding: 9, k: K, ids, rows, end: false };
    let mut bytes = Vec::new();
    encode(&batch, &mut bytes);
    bytes
}

fn counted(rows: Rows<'_>) -> Vec<u8> {
    frame_of(rows, Ids::From { event_id: 100, bunch_crossing: 3564 })
}

fn parse(bytes: &[u8], limits: &Limits) -> Result<Frame, FrameError> {
    let mut buffer = FrameBuffer::default();
    buffer.space(bytes.len()).copy_from_slice(bytes);
    Frame::of_message(buffer, bytes.len(), limits).map_err(|(_, error)| error)
}

/// The header's checksum made right again after a change.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let crc = crc32c::crc32c(&bytes[..HEADER_BYTES - 4]);
    bytes[HEADER_BYTES - 4..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn with(offset: usize, value: &[u8]) -> Vec<u8> {
    let mut bytes = counted(Rows::F32(&[1.0; 6]));
    bytes[offset..offset + value.len()].copy_from_slice(value);
    sealed(bytes)
}

#[test]
fn the_header_is_the_documented_one() {
    let bytes = counted(Rows::I16(&[1, -1, 2]));
    assert_eq!(bytes.len(), HEADER_BYTES + 6);
    assert_eq!(&bytes[..4], b"TSVF");
    assert_eq!(bytes[4..8], [1, 0, 1, 0], "version, element, flags");
    assert_eq!(bytes[8..16], [3, 0, 0, 0, 1, 0, 0, 0], "K, events");
    assert_eq!(bytes[16..24], [7, 0, 0, 0, 2, 0, 0, 0], "run, source");
    assert_eq!(bytes[24..32], 5_u64.to_le_bytes(), "sequence");
    assert_eq!(bytes[32..40], 100_u64.to_le_bytes(), "first event id");
    assert_eq!(bytes[40..48], 3564_u64.to_le_bytes(), "first bunch crossing");
    assert_eq!(bytes[48..56], [9, 0, 0, 0, 6, 0, 0, 0], "encoding, payload bytes");
    assert_eq!(bytes[56..60], crc32c::crc32c(&bytes[64..]).to_le_bytes());
    assert_eq!(bytes[60..64], crc32c::crc32c(&bytes[..60]).to_le_bytes());
    assert_eq!(bytes[64..], [1, 0, 255, 255, 2, 0]);
}

#[test]
fn a_stream_of_frames_ends_between_two() {
    let bytes = [counted(Rows::F32(&[1.0; 6])), counted(Rows::I16(&[3; 3]))].concat();
    let mut stream = &bytes[..];
    let first = Frame::read(&mut stream, FrameBuffer::default(), &Limits::default()).unwrap().unwrap();
    assert_eq!(first.rows(), Rows::F32(&[1.0; 6]));
    let second = Frame::read(&mut stream, first.into_buffer(), &Limits::default()).unwrap().unwrap();
    assert_eq!((second.rows(), second.event_id(0)), (Rows::I16(&[3; 3]), 100));
    assert!(Frame::read(&mut stream, second.into_buffer(), &Limits::default()).unwrap().is_none());
    for cut in 1..bytes.len() {
        let mut stream = &bytes[..cut];
        let mut frames = 0;
        let end = loop {
            match Frame::read(&mut stream, FrameBuffer::default(), &Limits::default()) {
                Ok(Some(_)) => frames += 1,
                other => break other,
            }
        };
        let boundary = HEADER_BYTES + 24;
        match end {
            Ok(None) => assert_eq!((cut, frames), (boundary, 1)),
            Err(ReadError::Frame(FrameError::Short { .. })) => assert_ne!(cut, boundary),
            other => panic!("cut at {cut}: {other:?}"),
        }
    }
}

#[test]
fn a_promise_of_many_bytes_takes_little_memory_and_a_large_frame_is_read() {
    let values = vec![0.5; 3 * 500_000];
    let bytes = counted(Rows::F32(&values));
    let limits = Limits { events: 1 << 20, ..Limits::default() };
    let frame = Frame::read(&mut &bytes[..], FrameBuffer::default(), &limits).unwrap().unwrap();
    assert_eq!(frame.rows(), Rows::F32(&values));
    assert_eq!(frame.bytes(), bytes);
    let mut taken = 0;
    let mut stream = MostAsked { bytes: &bytes[..1000], most: &mut taken };
    assert!(Frame::read(&mut stream, FrameBuffer::default(), &limits).is_err());
    assert!(taken <= 1 << 20, "{taken} bytes were asked for after 1,000 had come");
}

/// Notes the most that was asked for at once.
struct MostAsked<'a> {
    bytes: &'a [u8],
    most: &'a mut usize,
}

impl std::io::Read for MostAsked<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        *self.most = into.len().max(*self.most);
        self.bytes.read(into)
    }
}

#[test]
fn what_is_no_frame_is_refused_with_the_place() {
    let limits = Limits { k: 4, events: 10, payload_bytes: 100 };
    let field = |offset, field, found| FrameError::Field { offset, field, found };
    let limit = |offset, field, found, limit| FrameError::Limit { offset, field, found, limit };
    let cases = [
        (with(0, b"GET "), FrameError::Magic { found: *b"GET " }),
        (with(4, &[2, 0]), FrameError::Version { found: 2 }),
        (with(6, &[2]), field(6, "element", 2)),
        (with(7, &[4]), field(7, "flags", 4)),
        (with(8, &[0; 4]), field(8, "k", 0)),
        (with(8, &[5, 0, 0, 0]), limit(8, "k", 5, 4)),
        (with(12, &[11, 0, 0, 0]), limit(12, "events", 11, 10)),
        (with(12, &[3, 0, 0, 0]), FrameError::PayloadBytes { found: 24, expected: 36 }),
        (with(7, &[1]), field(12, "events of a last frame", 2)),
        (with(32, &[255; 8]), field(32, "first_event_id", u64::MAX)),
        (with(40, &[255; 8]), field(40, "first_bunch_crossing", u64::MAX)),
        (with(52, &[101, 0, 0, 0]), limit(52, "payload_bytes", 101, 100)),
    ];
    for (bytes, expected) in cases {
        assert_eq!(parse(&bytes, &limits).unwrap_err(), expected);
    }
    let good = counted(Rows::F32(&[1.0; 6]));
    let long = [&good[..], &[0]].concat();
    assert_eq!(parse(&long, &limits).unwrap_err(), FrameError::Long { end: 88, extra: 1 });
}

#[test]
fn an_encoding_is_told_from_another_and_units_count() {
    let name = encoding_checksum("l1_57", []);
    assert_ne!(name, encoding_checksum("simple_ae_34", []));
    assert_ne!(name, encoding_checksum("l1_57", ["0.5 GeV"]));
    assert_ne!(encoding_checksum("l1_57", ["0.5 GeV"]), encoding_checksum("l1_57", ["0.25 GeV"]));
}

proptest! {
    #[test]
    fn any_events_come_back(values in prop::collection::vec(any::<u32>(), 0..40), ids in prop::collection::vec(any::<u64>(), 40)) {
        let events = values.len() / 3;
        let values: Vec<f32> = values[..events * 3].iter().map(|bits| f32::from_bits(*bits)).collect();
        let crossings: Vec<u64> = ids.iter().rev().copied().collect();
        let (ids, crossings) = (&ids[..events], &crossings[..events]);
        let bytes = frame_of(Rows::F32(&values), Ids::Each { event_ids: ids, bunch_crossings: crossings });
        let frame = parse(&bytes, &Limits::default()).unwrap();
        prop_assert_eq!((0..events).map(|event| frame.event_id(event)).collect::<Vec<_>>(), ids);
        prop_assert_eq!((0..events).map(|event| frame.bunch_crossing(event)).collect::<Vec<_>>(), crossings);
        let Rows::F32(found) = frame.rows() else { panic!("f32") };
        prop_assert!(found.iter().map(|value| value.to_bits()).eq(values.iter().map(|value| value.to_bits())));
        prop_assert_eq!(frame.bytes(), &bytes[..]);
    }

    #[test]
    fn a_flipped_bit_is_always_found(bit in 0_usize..(HEADER_BYTES + 24) * 8) {
        let mut bytes = counted(Rows::F32(&[1.5; 6]));
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(parse(&bytes, &Limits::default()).is_err());
    }

    #[test]
    fn no_bytes_are_more_than_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(parse(&bytes, &Limits::default()).is_err());
        prop_assert!(parse(&sealed([bytes, vec![0; HEADER_BYTES]].concat()), &Limits::default()).is_err());
    }
}
