use std::path::PathBuf;

use super::{LineFault, SourceLayout};
use crate::event::{EventError, MAX_PLACES, UnitsError};
use crate::model::ModelError;

/// Why a source file could not be converted. Every variant names the file.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// The file could not be opened or read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The HDF5 reader refused the file.
    #[error("{path}: {what}: {reason}")]
    Hdf5 {
        /// The file.
        path: PathBuf,
        /// What was being read.
        what: String,
        /// The reader's reason.
        reason: String,
    },
    /// The file is readable, but its content is not the layout that was named.
    #[error("{path}: {what}: expected {expected}, found {found}")]
    Layout {
        /// The file.
        path: PathBuf,
        /// Which part of the file.
        what: String,
        /// What the layout says.
        expected: String,
        /// What the file has.
        found: String,
    },
    /// An input that no integer can stand for.
    #[error(
        "{path}: row {row} has a NaN or infinite input, which hardware integers cannot say; convert without \
         --hardware-units, or take the event out"
    )]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The first such row, from 0.
        row: u64,
    },
    /// A line of a text file is no event.
    #[error("{path}: line {line}: {fault}; --on-error skip leaves out such lines and counts them")]
    Line {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: u64,
        /// What is wrong with it.
        fault: LineFault,
    },
    /// The second reading found something else than the first.
    #[error("{path}: was changed while it was converted")]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The encoding is a function of other objects than the source has.
    #[error("the encoding `{encoding}` cannot be made of {layout} events")]
    EncodingOfOtherSource {
        /// The encoding.
        encoding: String,
        /// Layout of the source files.
        layout: SourceLayout,
    },
    /// An event has more objects than a layout may have places.
    #[error(
        "{path}: line {line}: {objects} objects `{symbol}`, more than the {MAX_PLACES} places that a fitted layout \
         may have; give the sizes, as in --encoding 'dm_static[j=20,b=8,e-=4,e+=4,m-=4,m+=4,g=4]'"
    )]
    TooManyObjects {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: u64,
        /// Objects of the symbol.
        objects: usize,
        /// The symbol.
        symbol: &'static str,
    },
    /// No event has an object.
    #[error(
        "{path}: no event with an object to fit the sizes of dm_static to; give them, or another --encoding"
    )]
    NothingToFit {
        /// The first file.
        path: PathBuf,
    },
    /// The encoding of a table or a model cannot be had.
    #[error("{path}: {reason}")]
    Reference {
        /// The table or model.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A table or a model has another encoding than was asked for.
    #[error("{path}: the layout is `{found}`, but `{asked}` was asked for")]
    OtherLayout {
        /// The table or model.
        path: PathBuf,
        /// Its encoding.
        found: String,
        /// The encoding asked for.
        asked: String,
    },
    /// The inputs cannot be counted in hardware units.
    #[error(transparent)]
    Units(#[from] UnitsError),
    /// A model that should name the encoding cannot be read.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The output is there already.
    #[error("{path}: exists already; give --force to replace it, or another name")]
    OutputExists {
        /// The output.
        path: PathBuf,
    },
    /// Replacing the output would destroy an input.
    #[error("{path}: is an input, and cannot be the output too")]
    OutputIsInput {
        /// The file.
        path: PathBuf,
    },
    /// An event table could not be written, or not be read.
    #[error(transparent)]
    Event(#[from] EventError),
}
