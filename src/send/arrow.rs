use std::io::{self, Write};
use std::sync::Arc;

use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, Int16Array, RecordBatch, UInt64Array};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, SchemaRef};

use super::{FrameTarget, SendError};
use crate::event::EventSchema;
use trigsieve_frame::{Frame, FrameBuffer, Limits, Rows};

/// An Arrow IPC stream, a record batch a frame: what `serve --source stdin` reads, and every Arrow reader.
pub struct ArrowTarget<W: Write> {
    writer: StreamWriter<W>,
    schema: SchemaRef,
    buffer: FrameBuffer,
}

impl<W: Write> ArrowTarget<W> {
    /// Begins a stream of events of `schema`.
    ///
    /// # Errors
    /// When `out` takes nothing.
    pub fn new(out: W, schema: &EventSchema) -> Result<Self, SendError> {
        let schema = schema.to_arrow([]);
        let writer = StreamWriter::try_new(out, &schema).map_err(failed)?;
        Ok(Self { writer, schema, buffer: FrameBuffer::default() })
    }

    fn batch_of(&self, frame: &Frame) -> Result<RecordBatch, ArrowError> {
        let schema = &self.schema;
        let events = frame.header().events as usize;
        let ids = UInt64Array::from_iter_values((0..events).map(|event| frame.event_id(event)));
        let crossings = UInt64Array::from_iter_values((0..events).map(|event| frame.bunch_crossing(event)));
        let values: ArrayRef = match frame.rows() {
            Rows::F32(values) => Arc::new(Float32Array::from(values.to_vec())),
            Rows::I16(values) => Arc::new(Int16Array::from(values.to_vec())),
        };
        let DataType::FixedSizeList(item, k) = schema.field(2).data_type() else {
            return Err(ArrowError::SchemaError("the inputs are no list".to_owned()));
        };
        let inputs = FixedSizeListArray::try_new(Arc::clone(item), *k, values, None)?;
        RecordBatch::try_new(Arc::clone(schema), vec![Arc::new(ids), Arc::new(crossings), Arc::new(inputs)])
    }
}

impl<W: Write> FrameTarget for ArrowTarget<W> {
    fn send(&mut self, frame: &[u8]) -> Result<(), SendError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.space(frame.len()).copy_from_slice(frame);
        let frame = Frame::of_message(buffer, frame.len(), &Limits::default()).map_err(|(_, error)| {
            SendError::NotTaken { address: NAME.to_owned(), reason: error.to_string() }
        })?;
        let batch = self.batch_of(&frame).map_err(failed)?;
        self.writer.write(&batch).and_then(|()| self.writer.flush()).map_err(failed)?;
        self.buffer = frame.into_buffer();
        Ok(())
    }

    fn finish(&mut self, _end: &[u8]) -> Result<(), SendError> {
        self.writer.finish().and_then(|()| self.writer.flush()).map_err(failed)
    }
}

const NAME: &str = "stdout";

fn failed(error: ArrowError) -> SendError {
    let source = match error {
        ArrowError::IoError(_, source) => source,
        other => io::Error::other(other.to_string()),
    };
    SendError::Io { address: NAME.to_owned(), source }
}
