//! Damaged and hostile files: an error that names the file, or sound values, and never a crash.

use arrow_ipc::CompressionType;
use arrow_ipc::root_as_footer;
use proptest::prelude::*;
use trigsieve::event::{EventTable, TableStats};

use crate::write::{batch, file, full_file, full_schema, options, plain_file};
use crate::{Scratch, read};

/// Where the footer keeps the offset of each block, and the offset. A block is 24 bytes: offset (8), length of
/// the metadata (4, padded to 8), length of the body (8).
pub fn block_places(bytes: &[u8]) -> Vec<(usize, i64)> {
    let length = i32::from_le_bytes(bytes[bytes.len() - 10..bytes.len() - 6].try_into().unwrap()) as usize;
    let start = bytes.len() - 10 - length;
    let footer = root_as_footer(&bytes[start..start + length]).unwrap();
    let blocks = footer.recordBatches().into_iter().chain(footer.dictionaries()).flatten();
    blocks
        .map(|block| {
            let pattern =
                [block.offset().to_le_bytes(), i64::from(block.metaDataLength()).to_le_bytes()].concat();
            let place = bytes[start..].windows(16).position(|window| window == pattern).unwrap();
            (start + place, block.offset())
        })
        .collect()
}

/// Opens and reads everything there is to read.
fn exercise(scratch: &Scratch, bytes: &[u8]) {
    match scratch.open(bytes) {
        Ok(table) => drop(TableStats::of(&table)),
        Err(error) => assert!(error.to_string().contains("events.arrow"), "{error}"),
    }
}

#[test]
fn an_empty_or_foreign_file_is_refused() {
    let scratch = Scratch::new();
    for bytes in [&b""[..], b"ARROW1", b"ARROW1\0\0ARROW1", &[0; 4096], b"PAR1 and no arrow at all PAR1"] {
        let error = scratch.open(bytes).unwrap_err().to_string();
        assert!(error.contains("events.arrow") && error.contains("Arrow IPC"), "{error}");
    }
}

#[test]
fn a_file_cut_at_any_length_is_refused() {
    let scratch = Scratch::new();
    for whole in [full_file(None), full_file(Some(CompressionType::LZ4_FRAME))] {
        std::fs::write(scratch.path(), &whole).unwrap();
        let file = std::fs::File::options().write(true).open(scratch.path()).unwrap();
        for length in (0..whole.len() as u64).rev() {
            file.set_len(length).unwrap();
            let error = EventTable::open(&scratch.path()).unwrap_err().to_string();
            assert!(error.contains("events.arrow"), "{length}: {error}");
        }
    }
}

#[test]
fn absurd_blocks_in_the_footer_are_refused() {
    let scratch = Scratch::new();
    let whole = plain_file();
    for (place, _) in block_places(&whole) {
        for field in [0, 8, 16] {
            for value in [i64::MAX, i64::MIN, -1, 1 << 40, i64::from(i32::MAX)] {
                let mut bytes = whole.clone();
                bytes[place + field..place + field + 8].copy_from_slice(&value.to_le_bytes());
                let error = scratch.open(&bytes).unwrap_err().to_string();
                assert!(error.contains("events.arrow"), "{error}");
            }
        }
    }
}

#[test]
fn an_absurd_footer_length_is_refused() {
    let scratch = Scratch::new();
    let whole = plain_file();
    for length in [i32::MAX, i32::MIN, -1, 0, 1, whole.len() as i32] {
        let mut bytes = whole.clone();
        let place = bytes.len() - 10;
        bytes[place..place + 4].copy_from_slice(&length.to_le_bytes());
        assert!(scratch.open(&bytes).is_err(), "{length}");
    }
}

/// Without the check before decoding, Arrow would ask the allocator for what the prefix says and abort.
#[test]
fn an_absurd_decoded_size_is_refused_before_it_is_allocated() {
    let scratch = Scratch::new();
    let schema = full_schema();
    for codec in [CompressionType::LZ4_FRAME, CompressionType::ZSTD] {
        let whole = file(&schema, &[batch(&schema, 0..1000)], options(64, Some(codec)));
        let declared = 8000_i64.to_le_bytes();
        let places: Vec<_> =
            (0..whole.len() - 8).filter(|&place| whole[place..place + 8] == declared).collect();
        assert!(!places.is_empty());
        for absurd in [1_i64 << 30, 1 << 45, i64::MAX] {
            let mut bytes = whole.clone();
            places.iter().for_each(|&place| bytes[place..place + 8].copy_from_slice(&absurd.to_le_bytes()));
            let error = scratch.open(&bytes).unwrap_err().to_string();
            assert!(error.contains("declares"), "{error}");
        }
    }
}

/// Every block of the footer is the first: a small file must not decode into an unbounded amount.
#[test]
fn a_repeated_block_does_not_multiply_memory() {
    let scratch = Scratch::new();
    let schema = full_schema();
    let batches: Vec<_> = (0..50).map(|_| batch(&schema, 0..2000)).collect();
    let mut bytes = file(&schema, &batches, options(64, Some(CompressionType::ZSTD)));
    let places = block_places(&bytes);
    let first: [u8; 24] = bytes[places[0].0..places[0].0 + 24].try_into().unwrap();
    for (place, _) in &places[1..50] {
        bytes[*place..place + 24].copy_from_slice(&first);
    }
    exercise(&scratch, &bytes);
}

#[test]
fn a_folder_or_a_missing_file_is_an_error() {
    let scratch = Scratch::new();
    let missing = EventTable::open(&scratch.path()).unwrap_err().to_string();
    assert!(missing.contains("events.arrow"), "{missing}");
    std::fs::create_dir(scratch.path()).unwrap();
    let folder = EventTable::open(&scratch.path()).unwrap_err().to_string();
    assert!(folder.contains("events.arrow") && folder.contains("not a regular file"), "{folder}");
}

#[test]
fn opening_leaves_the_file_as_it_was() {
    let scratch = Scratch::new();
    let whole = plain_file();
    exercise(&scratch, &whole);
    assert_eq!(read(&scratch.path()), whole);
}

fn any_file() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(plain_file()),
        Just(full_file(None)),
        Just(full_file(Some(CompressionType::LZ4_FRAME))),
        Just(full_file(Some(CompressionType::ZSTD))),
    ]
}

proptest! {
    #[test]
    fn flipped_bits_never_crash(
        mut bytes in any_file(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..8), 1..6),
    ) {
        for (place, bit) in flips {
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
        }
        exercise(&Scratch::new(), &bytes);
    }

    #[test]
    fn overwritten_words_never_crash(
        mut bytes in any_file(),
        places in prop::collection::vec(any::<prop::sample::Index>(), 1..3),
        word in prop_oneof![Just(u64::MAX), Just(i64::MAX as u64), Just(1 << 31), Just(1 << 40), any::<u64>()],
        from_the_end in any::<bool>(),
    ) {
        for place in places {
            // The headers sit in the last kilobytes as often as anywhere.
            let range = if from_the_end { bytes.len().min(2048) } else { bytes.len() } - 8;
            let place = bytes.len() - 8 - place.index(range);
            bytes[place..place + 8].copy_from_slice(&word.to_le_bytes());
        }
        exercise(&Scratch::new(), &bytes);
    }
}
