use std::path::Path;

use arrow_buffer::Buffer;
use arrow_ipc::{Block, Message, RecordBatch, root_as_message};

use super::EventError;

/// Decoded bytes that a compressed table may have for each byte of the file. Events, mostly zero padding,
/// reach some 20.
const MAX_EXPANSION: u64 = 256;
/// On top, so that small files of constant columns pass.
const ALLOWANCE_BYTES: u64 = 64 << 20;

/// Bytes before the length of an encapsulated message: the continuation marker, absent in files before
/// Arrow 0.15.
pub(super) const CONTINUATION: [u8; 4] = [0xff; 4];

/// What is left of the memory that decoding a file may take. Arrow allocates what a compressed buffer declares
/// before it looks at its bytes, and a failed allocation aborts the process, so the declarations are added up
/// first.
pub(super) struct DecodeBudget<'a> {
    path: &'a Path,
    left: u64,
}

impl<'a> DecodeBudget<'a> {
    pub(super) fn of_file(path: &'a Path, file_bytes: u64) -> Self {
        Self { path, left: most_decoded(file_bytes) }
    }

    /// Accounts for a block before it is decoded.
    ///
    /// # Errors
    /// [`EventError::Format`] when the block's header cannot be parsed or declares too much.
    pub(super) fn spend(&mut self, block: &Block, bytes: &Buffer) -> Result<(), EventError> {
        let declared = declared_bytes(block, bytes)
            .ok_or_else(|| self.refuse(block, "a record batch with a damaged header".to_owned()))?;
        self.left = spend(self.left, declared).map_err(|reason| self.refuse(block, reason))?;
        Ok(())
    }

    fn refuse(&self, block: &Block, reason: String) -> EventError {
        EventError::Format {
            path: self.path.to_owned(),
            reason,
            offset: u64::try_from(block.offset()).unwrap_or(0),
        }
    }
}

fn declared_bytes(block: &Block, bytes: &Buffer) -> Option<u64> {
    let metadata_length = usize::try_from(block.metaDataLength()).ok()?;
    let (metadata, body) = bytes.as_slice().split_at_checked(metadata_length)?;
    let start = if metadata.starts_with(&CONTINUATION) { 8 } else { 4 };
    let message = root_as_message(metadata.get(start..)?).ok()?;
    Some(buffers_total(&batch_of(&message)?, body))
}

/// The record batch of a message, that of a dictionary too.
pub(super) fn batch_of<'a>(message: &Message<'a>) -> Option<RecordBatch<'a>> {
    match message.header_as_dictionary_batch() {
        Some(dictionary) => dictionary.data(),
        None => message.header_as_record_batch(),
    }
}

/// Accounts for one message of a stream before it is decoded: it may come to as much as a file of its size.
///
/// # Errors
/// In words, when it declares too much.
pub(super) fn check_message(metadata: &[u8], body: &[u8]) -> Result<(), String> {
    let batch = root_as_message(metadata).ok().and_then(|message| batch_of(&message));
    let declared = batch.map_or(0, |batch| buffers_total(&batch, body));
    spend(most_decoded((metadata.len() + body.len()) as u64), declared).map(drop)
}

/// Most bytes that so many may come to when they are decoded.
fn most_decoded(bytes: u64) -> u64 {
    bytes.saturating_mul(MAX_EXPANSION).saturating_add(ALLOWANCE_BYTES)
}

/// What is left of `left` after `declared`, if that can be had at all.
fn spend(left: u64, declared: u64) -> Result<u64, String> {
    let too_large =
        || format!("a record batch that declares {declared} bytes when decoded; damaged, or too large");
    let rest = left.checked_sub(declared).ok_or_else(too_large)?;
    // Fails where the allocator would abort, for example under a memory limit.
    let size = usize::try_from(declared).map_err(|_| too_large())?;
    Vec::<u8>::new().try_reserve_exact(size).map_err(|_| too_large())?;
    Ok(rest)
}

fn buffers_total(batch: &RecordBatch<'_>, body: &[u8]) -> u64 {
    let compressed = batch.compression().is_some();
    let declared = |offset: i64, length: i64| -> Option<u64> {
        let bytes = body.get(usize::try_from(offset).ok()?..)?.get(..usize::try_from(length).ok()?)?;
        if compressed { declared_length(bytes) } else { None }.or(Some(bytes.len() as u64))
    };
    // The decoder refuses a buffer that leaves the body, but may have come to the others before.
    let buffers = batch.buffers().into_iter().flatten();
    buffers.filter_map(|buffer| declared(buffer.offset(), buffer.length())).fold(0, u64::saturating_add)
}

/// The length before a compressed buffer; negative there says that it is stored as it is.
fn declared_length(buffer: &[u8]) -> Option<u64> {
    u64::try_from(i64::from_le_bytes(*buffer.first_chunk()?)).ok()
}
