use zerocopy::IntoBytes;

use crate::{Element, Header};

/// The inputs of events, row-major.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rows<'a> {
    /// Single precision, physical units.
    F32(&'a [f32]),
    /// Hardware integers.
    I16(&'a [i16]),
}

impl Rows<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::F32(values) => values.as_bytes(),
            Self::I16(values) => values.as_bytes(),
        }
    }

    /// Type of the inputs.
    #[must_use]
    pub fn element(&self) -> Element {
        match self {
            Self::F32(_) => Element::F32,
            Self::I16(_) => Element::I16,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::I16(values) => values.len(),
        }
    }
}

/// Ids and bunch crossings of the events of a frame.
#[derive(Clone, Copy, Debug)]
pub enum Ids<'a> {
    /// Both count up by one from these.
    From {
        /// Id of the first event.
        event_id: u64,
        /// Its bunch crossing.
        bunch_crossing: u64,
    },
    /// One of each for every event.
    Each {
        /// Ids.
        event_ids: &'a [u64],
        /// Bunch crossings.
        bunch_crossings: &'a [u64],
    },
}

impl<'a> Ids<'a> {
    /// The shorter way to say these: counting from the first if they do.
    #[must_use]
    pub fn of(event_ids: &'a [u64], bunch_crossings: &'a [u64]) -> Self {
        let counts = |numbers: &[u64]| numbers.windows(2).all(|pair| pair[0].checked_add(1) == Some(pair[1]));
        match (event_ids.first(), bunch_crossings.first()) {
            (Some(event_id), Some(bunch_crossing)) if counts(event_ids) && counts(bunch_crossings) => {
                Self::From { event_id: *event_id, bunch_crossing: *bunch_crossing }
            }
            _ => Self::Each { event_ids, bunch_crossings },
        }
    }
}

/// What goes into a frame.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Run of the data taking.
    pub run: u32,
    /// Which of the run's senders.
    pub source: u32,
    /// Frames of this source and run before this one.
    pub sequence: u64,
    /// See [`crate::encoding_checksum`]; 0: not stated.
    pub encoding: u32,
    /// Inputs per event.
    pub k: u32,
    /// Ids and bunch crossings.
    pub ids: Ids<'a>,
    /// The inputs.
    pub rows: Rows<'a>,
    /// Nothing more comes in this run; there must be no rows.
    pub end: bool,
}

/// Writes the frame of `batch` to the end of `out`.
///
/// # Panics
/// When the rows are not whole, the ids are not as many as the events, or the payload has 4 GiB or more.
pub fn encode(batch: &Batch<'_>, out: &mut Vec<u8>) {
    let k = batch.k as usize;
    assert!(k > 0 && batch.rows.len().is_multiple_of(k), "{} inputs are not rows of {k}", batch.rows.len());
    let events = batch.rows.len() / k;
    let (explicit, first_event_id, first_bunch_crossing) = match batch.ids {
        Ids::From { event_id, bunch_crossing } => (None, event_id, bunch_crossing),
        Ids::Each { event_ids, bunch_crossings } => {
            assert!(event_ids.len() == events && bunch_crossings.len() == events, "ids of {events} events");
            let first = |numbers: &[u64]| numbers.first().copied().unwrap_or(0);
            (Some([event_ids, bunch_crossings]), first(event_ids), first(bunch_crossings))
        }
    };
    let columns = explicit.iter().flatten().map(|numbers| numbers.as_bytes()).chain([batch.rows.bytes()]);
    let (crc, bytes) = columns
        .clone()
        .fold((0, 0), |(crc, bytes), column| (crc32c::crc32c_append(crc, column), bytes + column.len()));
    let header = Header {
        element: batch.rows.element(),
        end: batch.end,
        explicit_ids: explicit.is_some(),
        k: batch.k,
        events: number(events),
        run: batch.run,
        source: batch.source,
        sequence: batch.sequence,
        first_event_id,
        first_bunch_crossing,
        encoding: batch.encoding,
        payload_bytes: number(bytes),
        payload_crc32c: crc,
    };
    out.extend_from_slice(&header.to_bytes());
    columns.for_each(|column| out.extend_from_slice(column));
}

fn number(count: usize) -> u32 {
    match u32::try_from(count) {
        Ok(count) => count,
        Err(_) => panic!("{count} does not fit into a frame"),
    }
}
