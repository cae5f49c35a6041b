//! Damaged and hostile files: an error that names the file and no output, never a crash.

use std::path::Path;

use proptest::prelude::*;

use crate::Scratch;
use crate::fixture::{Fixture, Storage};

/// A file of libhdf5 (through h5py): its headers are of the old kind without checksums, so that damage reaches
/// the decoder.
fn sample() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/signal_hch_to_taunu.h5");
    std::fs::read(path).unwrap()
}

/// Where the sample keeps the shape of `Particles`: three extents, the first is the number of events.
fn shape_place(bytes: &[u8]) -> usize {
    let shape: Vec<u8> = [4000_u64, 19, 4].iter().flat_map(|extent| extent.to_le_bytes()).collect();
    bytes.windows(24).position(|window| window == shape).unwrap()
}

/// Converts; a refusal has to name the file and leave nothing.
fn exercise(bytes: &[u8]) {
    let scratch = Scratch::new();
    if let Err(error) = scratch.convert(bytes) {
        assert!(error.to_string().contains("source.h5"), "{error}");
        assert!(!scratch.output().exists());
    }
    let names: Vec<_> = scratch.output().parent().unwrap().read_dir().unwrap().collect();
    assert!(names.len() <= 2, "a partial file was left: {names:?}");
}

#[test]
fn a_truncated_file_is_refused() {
    let whole = sample();
    let ends = (0..whole.len()).step_by(9973).chain(whole.len() - 64..whole.len());
    for length in (0..4096).step_by(61).chain(ends) {
        Scratch::new().refusal(&whole[..length]);
    }
    let small = Fixture::of(20, Storage::Chunked(8)).bytes();
    for length in (0..small.len()).step_by(29) {
        Scratch::new().refusal(&small[..length]);
    }
}

#[test]
fn an_empty_or_foreign_file_is_refused() {
    for bytes in [&b""[..], b"\x89HDF\r\n\x1a\n", &[0; 4096], b"ARROW1\0\0 and so on"] {
        let error = Scratch::new().refusal(bytes);
        assert!(error.contains("not a readable HDF5 file"), "{error}");
    }
}

#[test]
fn an_absurd_number_of_events_is_refused_before_it_is_allocated() {
    let whole = sample();
    let place = shape_place(&whole);
    for events in [u64::MAX, u64::MAX / 304, 1 << 40, 10_000_000] {
        let mut bytes = whole.clone();
        bytes[place..place + 8].copy_from_slice(&events.to_le_bytes());
        let error = Scratch::new().refusal(&bytes);
        assert!(error.contains("declares") || error.contains("overflow"), "{events}: {error}");
    }
}

/// The chunk shape is kept as u32s: rows, 19, 4, bytes of an element.
#[test]
fn an_absurd_chunk_is_refused_before_it_is_allocated() {
    let whole = sample();
    let shape: Vec<u8> = [2000_u32, 19, 4, 4].iter().flat_map(|extent| extent.to_le_bytes()).collect();
    let place = whole.windows(16).position(|window| window == shape).unwrap();
    for rows in [u32::MAX, 1 << 30, 0] {
        let mut bytes = whole.clone();
        bytes[place..place + 4].copy_from_slice(&rows.to_le_bytes());
        Scratch::new().refusal(&bytes);
    }
}

/// The reader would set memory aside for the length in the index of chunks: 4 GiB here, found by fuzzing.
#[test]
fn a_chunk_that_is_not_in_the_file_is_refused_before_it_is_allocated() {
    let whole = sample();
    // The key of the second chunk: its length, no skipped filters, and the offsets of its first value.
    let mut rest = vec![0; 4];
    rest.extend([2000_u64, 0, 0, 0].iter().flat_map(|offset| offset.to_le_bytes()));
    let place = whole.windows(rest.len()).position(|window| window == rest).unwrap() - 4;
    for length in [u32::MAX, u32::try_from(whole.len()).unwrap()] {
        let mut bytes = whole.clone();
        bytes[place..place + 4].copy_from_slice(&length.to_le_bytes());
        let error = Scratch::new().refusal(&bytes);
        assert!(
            error.contains("chunks within") && error.contains(&format!("one of {length} bytes")),
            "{error}"
        );
    }
}

#[test]
fn events_that_were_never_stored_are_not_made_up() {
    let mut bytes = sample();
    let place = shape_place(&bytes);
    bytes[place..place + 8].copy_from_slice(&9000_u64.to_le_bytes());
    let error = Scratch::new().refusal(&bytes);
    assert!(error.contains("5 stored chunks") && error.contains("found 2"), "{error}");
}

fn any_file() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(sample()),
        Just(Fixture::of(20, Storage::Contiguous).bytes()),
        Just(Fixture::of(20, Storage::Chunked(8)).bytes()),
        Just(Fixture::of(20, Storage::Columns(8)).bytes()),
    ]
}

/// Half of the places lie in the first kilobytes, where the headers are.
fn places() -> impl Strategy<Value = Vec<(prop::sample::Index, bool)>> {
    prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 1..5)
}

fn place_in(bytes: &[u8], (place, in_header): (prop::sample::Index, bool)) -> usize {
    place.index(if in_header { bytes.len().min(4096) } else { bytes.len() } - 8)
}

proptest! {
    #[test]
    fn flipped_bits_never_crash(mut bytes in any_file(), places in places(), bit in 0_u8..8) {
        for place in places {
            let place = place_in(&bytes, place);
            bytes[place] ^= 1 << bit;
        }
        exercise(&bytes);
    }

    #[test]
    fn overwritten_words_never_crash(
        mut bytes in any_file(),
        places in places(),
        word in prop_oneof![Just(u64::MAX), Just(i64::MAX as u64), Just(1 << 31), Just(1 << 40), any::<u64>()],
    ) {
        for place in places {
            let place = place_in(&bytes, place);
            bytes[place..place + 8].copy_from_slice(&word.to_le_bytes());
        }
        exercise(&bytes);
    }
}

/// Few labels in a chunk that has room for many: it is decoded whole.
#[test]
fn labels_in_a_chunk_of_any_size_are_refused_before_it_is_decoded() {
    let mut fixture = Fixture::of(20, Storage::Contiguous);
    assert!(Scratch::new().convert(&fixture.bytes()).is_ok());
    fixture.label_chunk = Some(4);
    assert!(Scratch::new().convert(&fixture.bytes()).is_ok());
    fixture.label_chunk = Some(1 << 20);
    let error = Scratch::new().refusal(&fixture.bytes());
    assert!(error.contains("Particles_Names") && error.contains("a few short strings"), "{error}");
}
