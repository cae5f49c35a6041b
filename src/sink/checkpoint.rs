//! How far a run has come, on disk, so that one that was killed ends as if it had not been.
//!
//! `checkpoint.json` lies beside the unfinished file of tagged events and says how many of its bytes count: those that
//! were synced before the checkpoint was written. The file is an Arrow IPC stream as far as it goes.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arrow_ipc::reader::StreamReader;
use arrow_schema::ArrowError;
use serde::{Deserialize, Serialize};
use trigsieve_files::checksum::sha256_hex;

use super::{Census, OutputFormat, Seen, Tagged};
use crate::contain::contain;
use crate::durable::write_atomically;
use crate::event::{CheckedStream, EventWriter, STREAM_OFFSET};
use crate::pipeline::PipelineError;
use crate::trigger::PathCounter;

/// Name of the checkpoint in the folder of its run. It is removed when the run is complete.
pub const CHECKPOINT: &str = "checkpoint.json";

/// Layout of the file.
const VERSION: u32 = 1;

/// What makes a run the same run: all that its tagged events, but for their latencies, and its counts depend on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Version of this program.
    pub version: String,
    /// SHA-256 of each event file, in order.
    pub events: Vec<String>,
    /// Bundles, each with the SHA-256 of the graph that runs.
    pub models: Vec<String>,
    /// Engine, precision, device and build of the library: other sums have other last bits.
    pub engine: String,
    /// Paths with model, threshold and prescale.
    pub paths: Vec<String>,
    /// Most events that a scorer gets at once: an engine may round a batch of another size differently.
    pub batch: usize,
    /// Number of events to go through, repetitions included.
    pub span: u64,
}

impl Identity {
    /// What differs first between two runs: the earlier one's, and this one's.
    #[must_use]
    pub fn difference(&self, now: &Self) -> Option<(&'static str, String, String)> {
        let list = |values: &[String]| values.join(", ");
        let parts = [
            ("trigsieve", self.version.clone(), now.version.clone()),
            ("events (sha256)", list(&self.events), list(&now.events)),
            ("models", list(&self.models), list(&now.models)),
            ("engine", self.engine.clone(), now.engine.clone()),
            ("paths", list(&self.paths), list(&now.paths)),
            ("--batch", self.batch.to_string(), now.batch.to_string()),
            ("number of events", self.span.to_string(), now.span.to_string()),
        ];
        parts.into_iter().find(|(_, then, now)| then != now)
    }
}

/// Between two blocks of a run: everything that the rest of it depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    version: u32,
    /// Which run.
    pub identity: Identity,
    /// Name of the unfinished file of tagged events.
    pub file: String,
    /// Bytes of it that are on disk for certain.
    pub bytes: u64,
    /// Events that reached the sink, from the first on without a gap.
    pub seen: Seen,
    /// Counts of the paths: where the prescales stand.
    pub paths: Vec<PathCounter>,
    /// Events in those bytes.
    pub handed: Census,
}

/// The file: the checkpoint, and the SHA-256 of it in compact JSON.
#[derive(Serialize, Deserialize)]
struct Sealed {
    checkpoint: Checkpoint,
    sha256: String,
}

/// Why a run cannot go on from a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// It could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It is not what was written.
    #[error("{path}: not a whole checkpoint of this version: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl Checkpoint {
    /// Reads the checkpoint of the run in `folder`; none where there is none.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn read(folder: &Path) -> Result<Option<Self>, CheckpointError> {
        let path = folder.join(CHECKPOINT);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(CheckpointError::Io { path, source }),
        };
        let damaged = |reason: String| CheckpointError::Damaged { path: path.clone(), reason };
        let sealed: Sealed = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        match sealed.checkpoint.digest() {
            Ok(digest) if digest == sealed.sha256 && sealed.checkpoint.version == VERSION => {}
            _ => return Err(damaged("its checksum or version is another".into())),
        }
        match Path::new(&sealed.checkpoint.file).file_name() {
            // The checksum is no signature: what somebody else wrote must not lead out of the folder.
            Some(name) if name == sealed.checkpoint.file.as_str() => Ok(Some(sealed.checkpoint)),
            _ => Err(damaged(format!("its file is {:?}, no plain name", sealed.checkpoint.file))),
        }
    }

    fn digest(&self) -> serde_json::Result<String> {
        Ok(sha256_hex(&serde_json::to_vec(self)?))
    }

    fn write(self, path: &Path) -> io::Result<()> {
        let sealed = Sealed { sha256: self.digest()?, checkpoint: self };
        let mut json = serde_json::to_vec(&sealed)?;
        json.push(b'\n');
        write_atomically(path, &json)
    }

    /// Where the events are: the unfinished file, or, when the run was stopped after that got its name, `tagged.arrow`,
    /// which begins with the same bytes.
    #[must_use]
    pub fn file_in(&self, folder: &Path) -> PathBuf {
        let unfinished = folder.join(&self.file);
        if unfinished.exists() { unfinished } else { folder.join(OutputFormat::Arrow.file()) }
    }

    /// Copies the events that count from `file` into `to`, batch by batch.
    ///
    /// # Errors
    /// When they cannot be read or written, or are not those that were counted.
    pub fn copy_events(&self, file: &Path, to: &mut EventWriter) -> Result<Census, PipelineError> {
        let failed = |reason: String| {
            PipelineError::Output(format!("{}: cannot be continued: {reason}", file.display()))
        };
        // There may be no file yet where nothing was accepted.
        let copied = match self.handed.rows {
            0 => Ok(Census::default()),
            _ => contain(|| copy(file, self.bytes, to)).map_err(failed)?,
        };
        match copied.map_err(|error| failed(error.to_string()))? {
            census if census == self.handed => Ok(census),
            census => Err(failed(format!(
                "its first {} bytes hold {} events with other decisions than the {} of the checkpoint",
                self.bytes, census.rows, self.handed.rows
            ))),
        }
    }
}

fn copy(file: &Path, bytes: u64, to: &mut EventWriter) -> Result<Census, ArrowError> {
    let mut census = Census::default();
    let mut file = File::open(file)?;
    file.seek(SeekFrom::Start(STREAM_OFFSET))?;
    let stream = BufReader::with_capacity(1 << 20, file.take(bytes.saturating_sub(STREAM_OFFSET)));
    for batch in StreamReader::try_new(CheckedStream::new(stream), None)? {
        let batch = batch?;
        to.write(&batch).map_err(|error| ArrowError::ExternalError(error.into()))?;
        census.add(&batch)?;
    }
    Ok(census)
}

/// Writes the checkpoints of a run, each in a thread of its own: syncing takes long, and the sink must not wait for it.
#[derive(Debug)]
pub struct Checkpoints {
    path: PathBuf,
    identity: Identity,
    every: Duration,
    due: Instant,
    writing: Option<Writing>,
}

#[derive(Debug)]
struct Writing {
    thread: JoinHandle<io::Result<()>>,
    /// Whether something would be lost without it.
    counts: bool,
}

impl Checkpoints {
    /// Checkpoints of the run `identity` in `folder`: the first at once, and then one in so much time, if the one before
    /// is on disk.
    #[must_use]
    pub fn new(folder: &Path, identity: Identity, every: Duration) -> Self {
        Self { path: folder.join(CHECKPOINT), identity, every, due: Instant::now(), writing: None }
    }

    /// Whether it is time for one.
    #[must_use]
    pub fn is_due(&self) -> bool {
        Instant::now() >= self.due && self.writing.as_ref().is_none_or(|writing| writing.thread.is_finished())
    }

    /// Begins to write one: `tagged` counts what was handed to `writer`.
    ///
    /// # Errors
    /// When this or the one before could not be written.
    pub fn begin(&mut self, writer: &mut EventWriter, tagged: Tagged) -> Result<(), PipelineError> {
        self.end(writer)?;
        let (bytes, file) = writer.flushed()?;
        let name = writer.file().temporary_path().file_name().unwrap_or_default();
        let checkpoint = Checkpoint {
            version: VERSION,
            identity: self.identity.clone(),
            file: name.to_string_lossy().into_owned(),
            bytes,
            seen: tagged.seen,
            paths: tagged.paths,
            handed: tagged.handed,
        };
        let (path, counts) = (self.path.clone(), checkpoint.seen.events > 0);
        let write = move || file.sync_data().and_then(|()| checkpoint.write(&path));
        let thread = std::thread::Builder::new().name("checkpoint".into()).spawn(write);
        let thread = thread.map_err(|error| self.failed(&error))?;
        self.writing = Some(Writing { thread, counts });
        self.due = Instant::now() + self.every;
        Ok(())
    }

    /// Waits for the one that is being written. From the first that counts on, the unfinished file stays where it is
    /// when the run fails.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn end(&mut self, writer: &mut EventWriter) -> Result<(), PipelineError> {
        let Some(writing) = self.writing.take() else { return Ok(()) };
        let panicked = |_| Err(io::Error::other("its thread panicked"));
        writing.thread.join().unwrap_or_else(panicked).map_err(|error| self.failed(&error))?;
        if writing.counts {
            writer.file().leave_when_dropped();
        }
        Ok(())
    }

    fn failed(&self, error: &io::Error) -> PipelineError {
        PipelineError::Output(format!("{}: {error}", self.path.display()))
    }
}
