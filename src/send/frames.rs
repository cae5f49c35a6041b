use std::borrow::Cow;

use super::SendError;
use crate::event::Values;
use crate::serve::checksum_of;
use crate::source::{EventSet, Run};
use trigsieve_frame::{Batch, Ids, Rows, encode};

/// Makes the frames of one sender, numbered from 0.
pub struct FrameMaker<'a> {
    set: &'a EventSet,
    run: u32,
    source: u32,
    encoding: u32,
    k: u32,
    frames: u64,
    /// What ids and crossings of a pass are behind those of the pass before.
    strides: (u64, u64),
    bytes: Vec<u8>,
}

impl<'a> FrameMaker<'a> {
    /// Frames of `set`'s events.
    #[must_use]
    pub fn new(set: &'a EventSet, run: u32, source: u32) -> Self {
        let schema = set.tables().first().map(crate::event::EventTable::schema);
        let encoding = schema.map_or(0, checksum_of);
        let k = schema.and_then(|schema| u32::try_from(schema.k).ok()).unwrap_or(1);
        let past_last = |numbers: &[u64]| numbers.iter().max().map_or(0, |last| last.saturating_add(1));
        let strides = set.batches().fold((0, 0), |(ids, crossings), batch| {
            (ids.max(past_last(batch.event_ids())), crossings.max(past_last(batch.bunch_crossings())))
        });
        Self { set, run, source, encoding, k, frames: 0, strides, bytes: Vec::new() }
    }

    /// Frames made.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// The frame of a run of events in a pass (0, 1, ...) over the set.
    ///
    /// # Errors
    /// When the file has changed under it.
    pub fn frame(&mut self, run: Run, pass: u64) -> Result<&[u8], SendError> {
        let batch = self.set.batch(run.batch);
        let events = run.first as usize..(run.first + run.len) as usize;
        let ids = shifted(&batch.event_ids()[events.clone()], pass, self.strides.0);
        let crossings = shifted(&batch.bunch_crossings()[events], pass, self.strides.1);
        let rows = match self.set.rows(run).values() {
            Values::F32(values) => Rows::F32(values),
            Values::I16(values) => Rows::I16(values),
        };
        let (run_number, source, encoding, k) = (self.run, self.source, self.encoding, self.k);
        let ids = Ids::of(&ids, &crossings);
        self.bytes.clear();
        let of = Batch { run: run_number, source, sequence: self.frames, encoding, k, ids, rows, end: false };
        encode(&of, &mut self.bytes);
        self.set.check_pages(run)?;
        self.frames += 1;
        Ok(&self.bytes)
    }

    /// The frame that says that this sender is done.
    #[must_use]
    pub fn end(&self) -> Vec<u8> {
        let (run, source, encoding, k) = (self.run, self.source, self.encoding, self.k);
        let ids = Ids::From { event_id: 0, bunch_crossing: 0 };
        let batch =
            Batch { run, source, sequence: self.frames, encoding, k, ids, rows: Rows::I16(&[]), end: true };
        let mut bytes = Vec::new();
        encode(&batch, &mut bytes);
        bytes
    }
}

/// The numbers of a later pass; they wrap after 2^64.
fn shifted(numbers: &[u64], pass: u64, stride: u64) -> Cow<'_, [u64]> {
    match pass.wrapping_mul(stride) {
        0 => Cow::Borrowed(numbers),
        shift => numbers.iter().map(|number| number.wrapping_add(shift)).collect::<Vec<_>>().into(),
    }
}
