use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int16Type, UInt64Type};
use arrow_array::{Array, RecordBatch};
use arrow_ipc::reader::StreamReader;
use arrow_schema::ArrowError;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{LOOK_EVERY, Receiver, StopReceiving};
use crate::contain::contain;
use crate::event::schema::{BUNCH_CROSSING, EVENT_ID, INPUTS};
use crate::event::{CheckedStream, ElementType, EventSchema};
use crate::serve::deployment::checksum_of;
use crate::serve::intake::NotTaken;
use crate::serve::{Intake, ServeError};
use trigsieve_frame::{Batch, Frame, FrameBuffer, Ids, Limits, Rows, encode};

/// Events that travel together through the service, where they are not too large.
const FRAME_EVENTS: u32 = 4096;

/// An Arrow IPC stream of the event table's columns on standard input; the service ends with it.
pub struct StdinReceiver {
    input: Option<Input>,
}

enum Input {
    Standard,
    Given(Box<dyn Read + Send>),
}

/// Standard input, until the service stops: nobody waits for a pipe in which nothing comes.
struct StoppableStdin {
    file: File,
    stop: StopReceiving,
}

impl StoppableStdin {
    fn open(stop: &StopReceiving) -> io::Result<Self> {
        // Not the standard library's, which has a buffer that a poll knows nothing of.
        Ok(Self { file: File::from(io::stdin().as_fd().try_clone_to_owned()?), stop: stop.clone() })
    }
}

impl Read for StoppableStdin {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let timeout = Timespec { tv_sec: 0, tv_nsec: LOOK_EVERY.as_nanos() as _ };
        loop {
            match poll(&mut [PollFd::new(&self.file, PollFlags::IN)], Some(&timeout)) {
                // What has come is read, to the end of the batch that it is in.
                Ok(0) if self.stop.is_requested() => {
                    return Err(io::Error::other("the service is shutting down"));
                }
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return self.file.read(bytes),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl StdinReceiver {
    /// Reads standard input.
    #[must_use]
    pub fn new() -> Self {
        Self { input: Some(Input::Standard) }
    }

    /// Reads `input` as if it were standard input.
    #[must_use]
    pub fn of(input: Box<dyn Read + Send>) -> Self {
        Self { input: Some(Input::Given(input)) }
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
        let input: Box<dyn Read + Send> = match self.input.take() {
            None => return Ok(()),
            Some(Input::Given(input)) => input,
            Some(Input::Standard) => {
                let opened = StoppableStdin::open(stop);
                Box::new(opened.map_err(|error| source_error(error.to_string()))?)
            }
        };
        let is_stopped = |error: &ServeError| {
            tracing::debug!("{error}");
            stop.is_requested()
        };
        let mut stream = match ArrowStream::open(input) {
            Err(error) if is_stopped(&error) => return Ok(()),
            opened => opened?,
        };
        // What has been read is decided: nobody can send it again.
        while !stop.is_requested() || stream.has_rest() {
            let frame = match stream.next_frame(intake.buffer()) {
                Err(error) if is_stopped(&error) => return Ok(()),
                frame => frame?,
            };
            let Some(frame) = frame else { return Ok(()) };
            match intake.take(frame, Instant::now(), None) {
                Ok(()) => {}
                Err(NotTaken::Closed) => return Ok(()),
                Err(NotTaken::Refused(reason)) => return Err(stream.failed(reason)),
            }
        }
        Ok(())
    }
}

/// An Arrow IPC stream of the event table's columns, as frames.
pub struct ArrowStream<R: Read> {
    reader: StreamReader<BufReader<CheckedStream<R>>>,
    schema: EventSchema,
    /// See [`checksum_of`].
    encoding: u32,
    batch: Option<RecordBatch>,
    /// Rows of the batch that have been given away.
    given: usize,
    /// Rows of the batches before it.
    row: u64,
    sequence: u64,
}

impl<R: Read> ArrowStream<R> {
    /// Reads the schema of `input`.
    ///
    /// # Errors
    /// When it is no stream, or not of an event table's columns.
    pub fn open(input: R) -> Result<Self, ServeError> {
        let no_stream = |error: ArrowError| source_error(format!("no Arrow IPC stream: {error}"));
        let input = BufReader::new(CheckedStream::new(input));
        let reader =
            contain(|| StreamReader::try_new(input, None)).map_err(source_error)?.map_err(no_stream)?;
        let schema = EventSchema::from_arrow(&reader.schema(), Path::new("stdin"))?;
        let encoding = checksum_of(&schema);
        Ok(Self { reader, schema, encoding, batch: None, given: 0, row: 0, sequence: 0 })
    }

    /// Whether there are events that were read and not given away.
    fn has_rest(&self) -> bool {
        self.batch.as_ref().is_some_and(|batch| self.given < batch.num_rows())
    }

    /// The next events, as a frame in `buffer`; none at the end.
    ///
    /// # Errors
    /// With the row, when what comes is damaged or has empty places.
    pub fn next_frame(&mut self, buffer: FrameBuffer) -> Result<Option<Frame>, ServeError> {
        let batch = loop {
            match &self.batch {
                Some(batch) if self.given < batch.num_rows() => break batch,
                _ => {}
            }
            self.row += self.batch.take().map_or(0, |batch| batch.num_rows() as u64);
            self.given = 0;
            match contain(|| self.reader.next()).map_err(|reason| self.failed(reason))? {
                None => return Ok(None),
                Some(Ok(batch)) => self.batch = Some(batch),
                Some(Err(error)) => return Err(self.failed(error.to_string())),
            }
        };
        let columns = Columns::of(batch, &self.schema).map_err(|error| self.failed(error.to_string()))?;
        // Of one event that is larger, the frame's own error says what it takes.
        let most = Limits::default().events_of(columns.k, columns.inputs.element()).clamp(1, FRAME_EVENTS);
        let events = (most as usize).min(batch.num_rows() - self.given);
        let frame = columns.frame(self.given, events, (self.sequence, self.encoding), buffer);
        let frame = frame.map_err(|reason| self.failed(reason))?;
        self.given += events;
        self.sequence += 1;
        Ok(Some(frame))
    }

    /// The error of the batch that is being given away.
    fn failed(&self, reason: String) -> ServeError {
        source_error(format!("after row {}: {reason}", self.row))
    }
}

fn source_error(reason: String) -> ServeError {
    ServeError::Source { address: "stdin".to_owned(), reason }
}

/// The columns of a record batch that the trigger looks at.
struct Columns<'a> {
    ids: &'a [u64],
    crossings: &'a [u64],
    inputs: Rows<'a>,
    k: u32,
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
        let k = u32::try_from(schema.k).map_err(|error| ArrowError::SchemaError(error.to_string()))?;
        Ok(Self { ids, crossings, inputs, k })
    }

    fn frame(
        &self,
        first: usize,
        events: usize,
        (sequence, encoding): (u64, u32),
        mut buffer: FrameBuffer,
    ) -> Result<Frame, String> {
        let k = self.k as usize;
        let (some, inputs) = (first..first + events, first * k..(first + events) * k);
        let rows = match self.inputs {
            Rows::F32(values) => Rows::F32(&values[inputs]),
            Rows::I16(values) => Rows::I16(&values[inputs]),
        };
        let ids = Ids::of(&self.ids[some.clone()], &self.crossings[some]);
        let (run, source) = (0, 0);
        let batch = Batch { run, source, sequence, encoding, k: self.k, ids, rows, end: false };
        let mut bytes = Vec::new();
        encode(&batch, &mut bytes);
        buffer.space(bytes.len()).copy_from_slice(&bytes);
        Frame::of_message(buffer, bytes.len(), &Limits::default()).map_err(|(_, error)| error.to_string())
    }
}
