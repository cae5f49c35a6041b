use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arrow_array::{ArrayRef, Float32Array, UInt32Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::deployment::element_type;
use super::written::{FrameName, Written};
use super::{Claim, Decided, Deployment, Outlet, ServeError};
use crate::durable::abandoned;
use crate::event::{ElementType, EventWriter};
use crate::sink::{DECISION, LATENCY_NS};
use trigsieve_frame::{Frame, Rows};

/// `run`, u32: run of the data taking that the frame named.
const RUN: &str = "run";
/// `source`, u32: sender that the frame named.
const SOURCE: &str = "source";
/// Metadata key of the models: JSON, name and SHA-256 of each.
const KEY_MODELS: &str = "trigsieve.models";
/// Metadata key of the trigger paths: JSON, in the order of their bits.
const KEY_PATHS: &str = "trigsieve.paths";
/// Footer key of the frames that the events came in: JSON, a list of [run, source, first event id].
pub(super) const KEY_FRAMES: &str = "trigsieve.frames";

/// Footer key of the prescales: JSON, a list of [row, prescales in the order of the paths]: these hold from that row on.
const KEY_PRESCALES: &str = "trigsieve.prescales";

/// What the names of files begin with.
const FILE_NAME_START: &str = "tagged";
/// Age of an unfinished file from which on its lock tells whether somebody is writing it.
const ABANDONED_AFTER: Duration = Duration::from_secs(60);
/// Events that are written at once.
const FLUSH_EVENTS: usize = 16_384;

/// When a file is completed and the next one begun.
#[derive(Clone, Copy, Debug)]
pub struct Rolling {
    /// At this size, bytes of events.
    pub bytes: u64,
    /// At this age.
    pub time: Duration,
}

impl Default for Rolling {
    /// 256 MiB or 10 s.
    fn default() -> Self {
        Self { bytes: 256 << 20, time: Duration::from_secs(10) }
    }
}

/// Accepted events as a row of Arrow files in a folder, each complete: written beside its place, synced, renamed.
///
/// A file is an event table with `run`, `source`, `score_<model>`, `decision` and `latency_ns`, all of one deployment, which
/// its metadata names. Where nothing is accepted there is no file.
///
/// Several processes may share a folder. A frame that its source gave to somebody before is looked for in the completed files,
/// and not written again; and a file is completed only while every claim on its frames is held, since without it the frames are
/// somebody else's.
pub struct RollingFiles {
    folder: PathBuf,
    written: Written,
    rolling: Rolling,
    open: Option<OpenFile>,
    files: u64,
    taken: u64,
    settled: u64,
}

struct OpenFile {
    writer: EventWriter,
    deployment: Arc<Deployment>,
    element: ElementType,
    since: Instant,
    bytes: u64,
    prescales: Vec<(u64, Arc<[u32]>)>,
    frames: Vec<FrameName>,
    claims: Vec<Arc<Claim>>,
    columns: Columns,
}

/// Events that are not written yet.
#[derive(Default)]
struct Columns {
    event_ids: Vec<u64>,
    bunch_crossings: Vec<u64>,
    floats: Vec<f32>,
    integers: Vec<i16>,
    runs: Vec<u32>,
    sources: Vec<u32>,
    scores: Vec<f32>,
    decisions: Vec<u32>,
    latencies_ns: Vec<u32>,
}

impl RollingFiles {
    /// Files in `folder`, which is made if it is missing. Unfinished files that killed processes left in it are removed.
    ///
    /// # Errors
    /// When it cannot be made or read.
    pub fn new(folder: &Path, rolling: Rolling) -> Result<Self, ServeError> {
        let failed = |source| ServeError::Folder { path: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(failed)?;
        remove_abandoned(folder).map_err(failed)?;
        let written = Written::in_folder(folder);
        Ok(Self { folder: folder.to_owned(), written, rolling, open: None, files: 0, taken: 0, settled: 0 })
    }

    /// The file for the events of `block`: another one when deployment or element type change.
    fn file_for(&mut self, block: &Decided) -> Result<&mut OpenFile, ServeError> {
        let (deployment, header) = (&block.arrived.deployment, block.arrived.frame.header());
        let element = element_type(header.element);
        let fits = |file: &OpenFile| Arc::ptr_eq(&file.deployment, deployment) && file.element == element;
        if self.open.as_ref().is_some_and(|file| !fits(file)) {
            self.roll()?;
        }
        let file = match self.open.take() {
            Some(file) => file,
            None => {
                self.files += 1;
                OpenFile::create(
                    &self.folder.join(format!(
                        "{}-{:06}.arrow",
                        unique_name(FILE_NAME_START, SystemTime::now()),
                        self.files
                    )),
                    deployment,
                    element,
                )?
            }
        };
        Ok(self.open.insert(file))
    }

    fn roll(&mut self) -> Result<(), ServeError> {
        let Some(file) = self.open.take() else { return Ok(()) };
        if file.claims.iter().all(|claim| claim.is_held()) {
            return file.finish();
        }
        tracing::warn!(
            "{}: the source was away for too long, and may have given the frames of this file to others: it is given up, and what nobody keeps comes again",
            file.writer.path().display()
        );
        file.claims.iter().for_each(|claim| claim.give_up());
        Ok(())
    }

    /// Whether events of a frame that came before are in a file already.
    fn is_written(&mut self, frame: &FrameName, claim: &Arc<Claim>) -> Result<bool, ServeError> {
        if let Some(file) = self.open.as_mut().filter(|file| file.frames.contains(frame)) {
            // This delivery shares the fate of the one before.
            file.claims.push(Arc::clone(claim));
            return Ok(true);
        }
        self.written.contains(frame)
    }

    fn keep(&mut self, block: &Decided) -> Result<(), ServeError> {
        let claim = block.arrived.claim().cloned();
        if let Some(claim) = claim.as_ref().filter(|claim| claim.is_repeated())
            && self.is_written(&frame_name(block), claim)?
        {
            tracing::debug!("frame {:?} is in a file already", frame_name(block));
            return Ok(());
        }
        let file = self.file_for(block)?;
        file.claims.extend(claim);
        file.add(block)
    }
}

impl Outlet for RollingFiles {
    fn take(&mut self, block: &Decided) -> Result<(), ServeError> {
        if !block.accepted.is_empty() {
            self.keep(block)?;
        }
        self.taken += 1;
        Ok(())
    }

    fn tend(&mut self, now: Instant) -> Result<(), ServeError> {
        let rolling = self.rolling;
        let is_due =
            |file: &OpenFile| file.bytes >= rolling.bytes || now.duration_since(file.since) >= rolling.time;
        if self.open.as_ref().is_some_and(is_due) {
            self.roll()?;
        }
        if self.open.is_none() {
            self.settled = self.taken;
        }
        Ok(())
    }

    fn settled(&self) -> u64 {
        self.settled
    }

    fn finish(&mut self) -> Result<(), ServeError> {
        self.roll()?;
        self.settled = self.taken;
        Ok(())
    }
}

impl OpenFile {
    fn create(path: &Path, deployment: &Arc<Deployment>, element: ElementType) -> Result<Self, ServeError> {
        let writer = EventWriter::create(path, schema_of(deployment, element))?;
        Ok(Self {
            writer,
            deployment: Arc::clone(deployment),
            element,
            since: Instant::now(),
            bytes: 0,
            frames: Vec::new(),
            prescales: Vec::new(),
            claims: Vec::new(),
            columns: Columns::default(),
        })
    }

    fn add(&mut self, block: &Decided) -> Result<(), ServeError> {
        let frame = &block.arrived.frame;
        let header = frame.header();
        self.frames.push(frame_name(block));
        let row_bytes = header.element.bytes() * u64::from(header.k) + 32;
        self.bytes += row_bytes * block.accepted.len() as u64;
        if self.prescales.last().is_none_or(|(_, in_force)| *in_force != block.prescales) {
            let row = self.writer.rows() + self.columns.event_ids.len() as u64;
            self.prescales.push((row, Arc::clone(&block.prescales)));
        }
        self.columns.add(block);
        if self.columns.event_ids.len() >= FLUSH_EVENTS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), ServeError> {
        if self.columns.event_ids.is_empty() {
            return Ok(());
        }
        let columns = std::mem::take(&mut self.columns);
        let models = self.deployment.models.len();
        let mut extra: Vec<ArrayRef> =
            vec![Arc::new(UInt32Array::from(columns.runs)), Arc::new(UInt32Array::from(columns.sources))];
        for model in 0..models {
            let of_model = columns.scores.iter().skip(model).step_by(models).copied();
            extra.push(Arc::new(Float32Array::from_iter_values(of_model)));
        }
        extra.push(Arc::new(UInt32Array::from(columns.decisions)));
        extra.push(Arc::new(UInt32Array::from(columns.latencies_ns)));
        let (ids, crossings) = (columns.event_ids, columns.bunch_crossings);
        match self.element {
            ElementType::F32 => self.writer.write_events(ids, crossings, columns.floats, extra)?,
            ElementType::I16 => self.writer.write_integers(ids, crossings, columns.integers, extra)?,
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), ServeError> {
        self.flush()?;
        let frames = serde_json::to_string(&self.frames).unwrap_or_default();
        self.writer.write_metadata(KEY_FRAMES, &frames);
        let prescales: Vec<_> = self.prescales.iter().map(|(row, by_path)| (row, &by_path[..])).collect();
        self.writer.write_metadata(KEY_PRESCALES, &serde_json::to_string(&prescales).unwrap_or_default());
        let (path, events) = (self.writer.path().to_owned(), self.writer.rows());
        self.writer.finish()?;
        tracing::debug!("{}: {events} events", path.display());
        Ok(())
    }
}

impl Columns {
    fn add(&mut self, block: &Decided) {
        let frame = &block.arrived.frame;
        let header = frame.header();
        for event in &block.accepted {
            let place = event.event as usize;
            self.event_ids.push(frame.event_id(place));
            self.bunch_crossings.push(frame.bunch_crossing(place));
            self.add_inputs(frame, place);
            self.runs.push(header.run);
            self.sources.push(header.source);
            self.decisions.push(event.decision);
            self.latencies_ns.push(event.latency_ns);
        }
        self.scores.extend_from_slice(&block.scores);
    }

    fn add_inputs(&mut self, frame: &Frame, event: usize) {
        let k = frame.header().k as usize;
        let row = event * k..(event + 1) * k;
        match frame.rows() {
            Rows::F32(values) => self.floats.extend_from_slice(&values[row]),
            Rows::I16(values) => self.integers.extend_from_slice(&values[row]),
        }
    }
}

/// What they had was not settled: where the source keeps frames, they come again.
fn remove_abandoned(folder: &Path) -> std::io::Result<()> {
    for path in abandoned(folder, &format!("{FILE_NAME_START}-"), ABANDONED_AFTER)? {
        tracing::info!("{}: left unfinished by a process that is gone, removed", path.display());
        match std::fs::remove_file(&path) {
            // Another process of the farm was faster.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            removed => removed?,
        }
    }
    Ok(())
}

fn frame_name(block: &Decided) -> FrameName {
    let header = block.arrived.frame.header();
    (header.run, header.source, block.arrived.frame.event_id(0))
}

/// Whether this is the name of a completed file.
pub(super) fn is_file_name(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with(FILE_NAME_START) && name.ends_with(".arrow")
}

/// Columns and metadata of accepted events of a deployment.
fn schema_of(deployment: &Deployment, element: ElementType) -> SchemaRef {
    let number = |name: &str| Field::new(name, DataType::UInt32, false);
    let scores = deployment
        .models
        .iter()
        .map(|model| Field::new(format!("score_{}", model.name), DataType::Float32, false));
    let extra =
        [number(RUN), number(SOURCE)].into_iter().chain(scores).chain([number(DECISION), number(LATENCY_NS)]);
    let schema = deployment.schema(element).to_arrow(extra.collect::<Vec<_>>());
    let paths: Vec<_> = deployment
        .paths
        .iter()
        .map(|path| {
            serde_json::json!({
                "name": path.name, "bit": path.bit, "model": deployment.models[path.model_index].name,
                "threshold": path.threshold, "prescale": path.prescale,
            })
        })
        .collect();
    let mut metadata = schema.metadata().clone();
    metadata.insert(KEY_MODELS.to_owned(), serde_json::to_string(&deployment.models).unwrap_or_default());
    metadata.insert(KEY_PATHS.to_owned(), serde_json::Value::from(paths).to_string());
    Arc::new(Schema::new_with_metadata(schema.fields().clone(), metadata))
}

/// Sorts by time, and no two processes of all hosts have the same: `tagged-20261125T221501Z-node3-4711`.
#[must_use]
pub fn unique_name(what: &str, time: SystemTime) -> String {
    let time = humantime::format_rfc3339_seconds(time).to_string().replace(['-', ':'], "");
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let host = host.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    format!("{what}-{time}-{host}-{}", std::process::id())
}
