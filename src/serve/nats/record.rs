use serde::{Deserialize, Serialize};
use trigsieve_frame::{Batch, Frame, FrameBuffer, Ids, Limits, Rows, encode};

use crate::serve::{Decided, ModelId};

/// Version of the record and of the block that follows an accepted frame.
const VERSION: u16 = 1;
/// The first bytes of the block behind the frame of accepted events.
const BLOCK_MAGIC: [u8; 4] = *b"TSVD";
const BLOCK_HEADER_BYTES: usize = 16;
/// Most models of a record, whose number has 16 bits in the block.
const MAX_MODELS: usize = u16::MAX as usize;

/// The decision on a frame, as it is published: JSON. The first record of a frame that the stream takes is the decision; what is
/// published of the frame's accepted events is made from it, also by a worker that comes later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// Version of this layout.
    pub version: u16,
    /// Run of the data taking.
    pub run: u32,
    /// The run's sender.
    pub source: u32,
    /// The sender's number of the frame.
    pub sequence: u64,
    /// Id of the frame's first event.
    pub first_event_id: u64,
    /// Events of the frame; each got a decision.
    pub events: u32,
    /// Of those, with a non-finite input or score.
    pub invalid: u64,
    /// Load of the models within the worker, counted from 1.
    pub generation: u64,
    /// The models that decided, in the order of the scores.
    pub models: Vec<ModelId>,
    /// The trigger paths, in the order of their bits.
    pub paths: Vec<String>,
    /// Who decided: host and process.
    pub worker: String,
    /// The events that are kept.
    pub accepted: AcceptedColumns,
}

/// Accepted events of a frame, a column a property.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AcceptedColumns {
    /// Place in the frame.
    pub places: Vec<u32>,
    /// Event ids.
    pub event_ids: Vec<u64>,
    /// One bit a path; see [`crate::trigger::INVALID_BIT`].
    pub decisions: Vec<u32>,
    /// From receipt to decision, ns.
    pub latency_ns: Vec<u32>,
    /// [accepted, models], row-major; null where a score is not a number.
    pub scores: Vec<Option<f32>>,
}

impl DecisionRecord {
    /// The record of a block.
    pub(super) fn new(block: &Decided, worker: &str) -> Self {
        let (frame, deployment) = (&block.arrived.frame, &block.arrived.deployment);
        let header = frame.header();
        let kept = &block.accepted;
        Self {
            version: VERSION,
            run: header.run,
            source: header.source,
            sequence: header.sequence,
            first_event_id: frame.event_id(0),
            events: header.events,
            invalid: block.invalid,
            generation: deployment.generation,
            models: deployment.models.clone(),
            paths: deployment.paths.iter().map(|path| path.name.clone()).collect(),
            worker: worker.to_owned(),
            accepted: AcceptedColumns {
                places: kept.iter().map(|event| event.event).collect(),
                event_ids: kept.iter().map(|event| frame.event_id(event.event as usize)).collect(),
                decisions: kept.iter().map(|event| event.decision).collect(),
                latency_ns: kept.iter().map(|event| event.latency_ns).collect(),
                scores: block.scores.iter().map(|score| score.is_finite().then_some(*score)).collect(),
            },
        }
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        // Numbers, texts and lists: nothing that JSON has no word for.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// A stored record, if it is one of `frame`'s.
    ///
    /// # Errors
    /// When it is none, is of another frame or version, or keeps events that the frame does not have, or keeps one twice.
    pub fn parse(bytes: &[u8], frame: &Frame) -> Result<Self, String> {
        let record: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let (header, kept) = (frame.header(), &record.accepted);
        let found = (record.run, record.source, record.first_event_id, record.events);
        let expected = (header.run, header.source, frame.event_id(0), header.events);
        if found != expected {
            return Err(format!("it is of frame {found:?}, not {expected:?} (run, source, event, events)"));
        }
        if record.version != VERSION {
            return Err(format!("it has version {}, not {VERSION}", record.version));
        }
        if record.models.len() > MAX_MODELS {
            return Err(format!("it names {} models, {MAX_MODELS} are the limit", record.models.len()));
        }
        let n = kept.places.len();
        let sizes = [kept.event_ids.len(), kept.decisions.len(), kept.latency_ns.len()];
        if sizes != [n; 3] || kept.scores.len() != n * record.models.len() {
            return Err(format!("its columns differ in length: {n}, {sizes:?}, {}", kept.scores.len()));
        }
        if let Some(place) = kept.places.iter().find(|place| **place >= header.events) {
            return Err(format!("it keeps event {place} of {}", header.events));
        }
        if let Some(pair) = kept.places.windows(2).find(|pair| pair[0] >= pair[1]) {
            return Err(format!("it keeps event {} after {}", pair[1], pair[0]));
        }
        let ids = kept.places.iter().map(|place| frame.event_id(*place as usize));
        if let Some((found, expected)) = kept.event_ids.iter().zip(ids).find(|(id, expected)| *id != expected)
        {
            return Err(format!("it keeps an event {found}, which is {expected} in the frame"));
        }
        Ok(record)
    }

    /// The frame of the accepted events, followed by a block with their decisions, latencies and scores (docs/nats.md).
    #[must_use]
    pub fn accepted_message(&self, frame: &Frame) -> Vec<u8> {
        let header = frame.header();
        let places = self.accepted.places.iter().map(|place| *place as usize);
        let ids: Vec<u64> = places.clone().map(|place| frame.event_id(place)).collect();
        let crossings: Vec<u64> = places.clone().map(|place| frame.bunch_crossing(place)).collect();
        let k = header.k as usize;
        let (mut floats, mut integers) = (Vec::new(), Vec::new());
        let rows = match frame.rows() {
            Rows::F32(values) => {
                places.for_each(|place| floats.extend_from_slice(&values[place * k..][..k]));
                Rows::F32(&floats)
            }
            Rows::I16(values) => {
                places.for_each(|place| integers.extend_from_slice(&values[place * k..][..k]));
                Rows::I16(&integers)
            }
        };
        let batch = Batch {
            run: header.run,
            source: header.source,
            sequence: header.sequence,
            encoding: header.encoding,
            k: header.k,
            ids: Ids::of(&ids, &crossings),
            rows,
            end: false,
        };
        let mut out = Vec::new();
        encode(&batch, &mut out);
        self.append_block(&mut out);
        out
    }

    /// Magic, version u16, models u16, events u32, CRC-32C u32 of what follows: decisions u32, latencies u32, scores f32.
    fn append_block(&self, out: &mut Vec<u8>) {
        let kept = &self.accepted;
        let mut body = Vec::with_capacity(kept.places.len() * (8 + 4 * self.models.len()));
        kept.decisions.iter().for_each(|decision| body.extend(decision.to_le_bytes()));
        kept.latency_ns.iter().for_each(|latency| body.extend(latency.to_le_bytes()));
        kept.scores.iter().for_each(|score| body.extend(score.unwrap_or(f32::NAN).to_le_bytes()));
        // As many models as fit on a command line, as many events as in a frame.
        let (models, events) = (self.models.len() as u16, kept.places.len() as u32);
        out.reserve(BLOCK_HEADER_BYTES + body.len());
        out.extend(BLOCK_MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend(models.to_le_bytes());
        out.extend(events.to_le_bytes());
        out.extend(trigsieve_frame::crc32c(&body).to_le_bytes());
        out.extend(body);
    }
}

/// The frame of these bytes, which have been one before.
pub(super) fn frame_of(bytes: &[u8]) -> Result<Frame, String> {
    let mut buffer = FrameBuffer::default();
    buffer.space(bytes.len()).copy_from_slice(bytes);
    let limits = Limits { k: u32::MAX, events: u32::MAX, payload_bytes: u32::MAX };
    Frame::of_message(buffer, bytes.len(), &limits).map_err(|(_, error)| error.to_string())
}
