use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int16Type, UInt64Type};
use arrow_array::{Array, RecordBatch};
use arrow_ipc::reader::StreamReader;
use arrow_schema::ArrowError;

use super::{Receiver, StopReceiving};
use crate::contain::contain;
use crate::event::schema::{BUNCH_CROSSING, EVENT_ID, INPUTS};
use crate::event::{ElementType, EventSchema};
use crate::serve::deployment::checksum_of;
use crate::serve::intake::NotTaken;
use crate::serve::{Intake, ServeError};
use trigsieve_frame::{Batch, Frame, FrameBuffer, Ids, Limits, Rows, encode};

/// Events that travel together through the service.
const FRAME_EVENTS: usize = 4096;

/// An Arrow IPC stream of the event table's columns on standard input; the service ends with it.
pub struct StdinReceiver {
    input: Option<Box<dyn Read + Send>>,
}

impl StdinReceiver {
    /// Reads standard input.
    #[must_use]
    pub fn new() -> Self {
        Self::of(Box::new(io::stdin()))
    }

    /// Reads `input` as if it were standard input.
    #[must_use]
    pub fn of(input: Box<dyn Read + Send>) -> Self {
        Self { input: Some(input) }
    }
}

impl Default for StdinReceiver {
    fn default() -> Self {
        Self::new()
    }
}

impl Receiver for StdinReceiver {
    fn address(&self) -> String {
        "stdin".to_owned()
    }

    fn run(&mut self, intake: &Arc<Intake>, stop: &StopReceiving) -> Result<(), ServeError> {
        let Some(input) = self.input.take() else { return Ok(()) };
        let failed = |reason: String| ServeError::Source { address: "stdin".to_owned(), reason };
        let no_stream = |error: ArrowError| failed(format!("no Arrow IPC stream: {error}"));
        let mut reader = contain(|| StreamReader::try_new(BufReader::new(input), None))
            .map_err(failed)?
            .map_err(no_stream)?;
        let schema = EventSchema::from_arrow(&reader.schema(), Path::new("stdin"))?;
        let mut sequence = 0;
        let mut row = 0_u64;
        while !stop.is_requested() {
            let at_row = |reason: String| failed(format!("after row {row}: {reason}"));
            let batch = match contain(|| reader.next()).map_err(at_row)? {
                None => return Ok(()),
                Some(batch) => batch.map_err(|error| at_row(error.to_string()))?,
            };
            match offer(&batch, &schema, &mut sequence, intake) {
                Ok(()) => {}
                Err(NotTaken::Closed) => return Ok(()),
                Err(NotTaken::Refused(reason)) => return Err(at_row(reason)),
            }
            row += batch.num_rows() as u64;
        }
        Ok(())
    }
}

fn offer(
    batch: &RecordBatch,
    schema: &EventSchema,
    sequence: &mut u64,
    intake: &Intake,
) -> Result<(), NotTaken> {
    let columns = Columns::of(batch, schema).map_err(|error| NotTaken::Refused(error.to_string()))?;
    for first in (0..batch.num_rows()).step_by(FRAME_EVENTS) {
        let events = FRAME_EVENTS.min(batch.num_rows() - first);
        let frame = columns.frame(first, events, *sequence, intake.buffer()).map_err(NotTaken::Refused)?;
        *sequence += 1;
        intake.take(frame, Instant::now(), None)?;
    }
    Ok(())
}

/// The columns of a record batch that the trigger looks at.
struct Columns<'a> {
    ids: &'a [u64],
    crossings: &'a [u64],
    inputs: Rows<'a>,
    k: usize,
    encoding: u32,
}

impl<'a> Columns<'a> {
    fn of(batch: &'a RecordBatch, schema: &EventSchema) -> Result<Self, ArrowError> {
        let column = |name: &str| {
            let column = batch.column_by_name(name);
            let column =
                column.ok_or_else(|| ArrowError::SchemaError(format!("there is no column `{name}`")))?;
            match column.null_count() {
                0 => Ok(column),
                nulls => Err(ArrowError::InvalidArgumentError(format!("`{name}` has {nulls} empty places"))),
            }
        };
        let numbers =
            |name| Ok::<_, ArrowError>(column(name)?.as_primitive::<UInt64Type>().values().as_ref());
        let list = column(INPUTS)?.as_fixed_size_list();
        let first = list.value_offset_at(0);
        let values = list.values().slice(first, list.len() * schema.k);
        if values.null_count() > 0 {
            return Err(ArrowError::InvalidArgumentError(format!("`{INPUTS}` has empty places")));
        }
        // A slice of an array borrows from it only as long as itself, so the whole is sliced as a plain slice.
        let range = first..first + list.len() * schema.k;
        let inputs = match schema.element {
            ElementType::F32 => Rows::F32(&list.values().as_primitive::<Float32Type>().values()[range]),
            ElementType::I16 => Rows::I16(&list.values().as_primitive::<Int16Type>().values()[range]),
        };
        let (ids, crossings) = (numbers(EVENT_ID)?, numbers(BUNCH_CROSSING)?);
        Ok(Self { ids, crossings, inputs, k: schema.k, encoding: checksum_of(schema) })
    }

    fn frame(
        &self,
        first: usize,
        events: usize,
        sequence: u64,
        mut buffer: FrameBuffer,
    ) -> Result<Frame, String> {
        let (some, inputs) = (first..first + events, first * self.k..(first + events) * self.k);
        let rows = match self.inputs {
            Rows::F32(values) => Rows::F32(&values[inputs]),
            Rows::I16(values) => Rows::I16(&values[inputs]),
        };
        let ids = Ids::of(&self.ids[some.clone()], &self.crossings[some]);
        let k = u32::try_from(self.k).map_err(|error| error.to_string())?;
        let (run, source, encoding) = (0, 0, self.encoding);
        let batch = Batch { run, source, sequence, encoding, k, ids, rows, end: false };
        let mut bytes = Vec::new();
        encode(&batch, &mut bytes);
        buffer.space(bytes.len()).copy_from_slice(&bytes);
        Frame::of_message(buffer, bytes.len(), &Limits::default()).map_err(|(_, error)| error.to_string())
    }
}
