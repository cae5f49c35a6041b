//! The event table: collision events in an Arrow IPC file, mapped and viewed as rows.
//!
//! The reader never copies a row: [`EventTable`] maps the file and every column points into the
//! map. The columns and the metadata keys are in [`schema`]; the functions from physics objects to
//! network inputs are the [`Encoding`]s.

mod budget;
mod encoding;
mod error;
mod fault;
mod generated;
mod map;
mod object;
mod rows;
pub mod schema;
mod stats;
mod stream;
mod table;
#[cfg(test)]
mod tests;
mod units;
mod writer;

pub use encoding::{
    DijetEncoding, DijetEvent, DynamicBlocks, Encoding, InputMeaning, L1_OBJECTS, L1_PLACES, L1Event,
    MAX_PARTICLES, MAX_PLACES, ObjectEncoder, ObjectEncoding, ObjectKind, ParticleEncoder, ParticleEncoding,
    Places, Quantity, UnknownEncoding, encode_l1,
};
pub use error::EventError;
pub use generated::InputGenerator;
pub(crate) use generated::SplitMix;
pub use object::{CollisionEvent, ObjectSymbol, PhysicsObject};
pub use rows::{ElementType, Rows, Values};
pub use schema::{EventSchema, Feature, Source};
pub use stats::{ColumnCount, FeatureStats, TableStats};
pub(crate) use stream::CheckedStream;
pub(crate) use table::read_batches;
pub use table::{EventTable, TableBatch};
pub use units::{HardwareUnit, HardwareUnits, UnitsError};
pub use writer::{BATCH_ROWS, EventWriter, STREAM_OFFSET};
