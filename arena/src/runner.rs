//! The runner: has each job trained and evaluated, keeps what is finished, and fills the table.

use std::collections::{BTreeSet, HashMap};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use trigsieve_files::checksum::{sha256_of_file, sha256_of_parts};

use crate::durable::write_atomically;
use crate::{
    ArenaError, ArenaFile, ChannelSignal, Entry, Job, MIN_BACKGROUND_EVENTS, Table, WorkingPoint,
    write_report,
};

/// Any error of a trainer.
pub type TrainFailure = Box<dyn std::error::Error + Send + Sync>;

/// What trains and evaluates. The runner knows nothing of networks, event tables or scores.
pub trait Trainer {
    /// Checks a job, and names the files that its training reads beyond the recipe and the job's own event tables.
    /// It is called for every job before the first is trained, so that a recipe with an unknown key costs no time.
    ///
    /// # Errors
    /// When the job cannot be trained; then no job is.
    fn prepare(&mut self, job: &Job) -> Result<Vec<PathBuf>, TrainFailure>;

    /// Trains the job's recipe and evaluates the model on each of the job's channels: a measurement for each of
    /// [`Job::places`]. What the training leaves, such as a bundle, goes to `folder`; that folder's parent exists,
    /// the folder itself may be there from a training that was interrupted or that has changed since.
    ///
    /// # Errors
    /// When training or evaluation fails; the other jobs are done nevertheless.
    fn train(&mut self, job: &Job, folder: &Path) -> Result<Vec<Measurement>, TrainFailure>;
}

/// How a model does on a signal of a channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measurement {
    /// The channel.
    pub channel: String,
    /// The signal.
    pub signal: String,
    /// Valid events of the test background. The runner drops the efficiency at a working point that not even one of
    /// them passes ([`WorkingPoint::passing`]), and warns of one that fewer than [`MIN_BACKGROUND_EVENTS`] pass.
    pub background_events: u64,
    /// Area under the ROC curve, 0 to 1.
    pub auc: f64,
    /// Signal efficiencies, 0 to 1, in the order of [`WorkingPoint::ALL`]; nothing where not measurable.
    pub efficiency: [Option<f64>; 3],
}

/// What an arena came to.
#[derive(Debug)]
pub struct Outcome {
    /// The results of the finished jobs, in the order of the configuration.
    pub table: Table,
    /// Jobs that were trained now.
    pub trained: Vec<String>,
    /// Jobs that had been finished before, and are as they were.
    pub kept: Vec<String>,
    /// Jobs that failed: they are not in the table, and the next run tries them again.
    pub failures: Vec<Failure>,
}

/// A job that failed.
#[derive(Debug)]
pub struct Failure {
    /// Name of the job.
    pub job: String,
    /// Why.
    pub reason: TrainFailure,
}

/// Trains and evaluates the jobs of `arena` in the folder `out`, and writes the report there:
///
/// | file | content |
/// |---|---|
/// | `entries/JOB.json` | measurements of a finished job, and a checksum of everything that they come from |
/// | `models/JOB/` | what the trainer leaves |
/// | the files of [`write_report`] | the finished jobs' table and its rankings; not when none is finished |
///
/// A job whose entry is there is not trained again, unless its recipe, overrides, event tables or the program's
/// version have changed since. So a run that was killed goes on where it was, and a run that is repeated only
/// writes the report.
///
/// # Errors
/// [`ArenaError`]: another run in the folder, a file that cannot be read or written, a job that the trainer refuses
/// beforehand, two jobs that give one result. A job that fails on the way is in [`Outcome::failures`] instead.
pub fn run(arena: &ArenaFile, out: &Path, trainer: &mut impl Trainer) -> Result<Outcome, ArenaError> {
    let folder = Folder::open(out)?;
    let fingerprints = prepare(arena, trainer)?;
    let mut outcome =
        Outcome { table: Table::default(), trained: Vec::new(), kept: Vec::new(), failures: Vec::new() };
    let mut entries = Vec::new();
    for (job, fingerprint) in arena.jobs.iter().zip(fingerprints) {
        let kept = folder.finished(job, &fingerprint)?;
        let finished = match kept {
            Some(measurements) => {
                tracing::info!("{}: finished before", job.name);
                outcome.kept.push(job.name.clone());
                measurements
            }
            None => match folder.train(job, fingerprint, trainer)? {
                Ok(measurements) => {
                    outcome.trained.push(job.name.clone());
                    measurements
                }
                Err(reason) => {
                    tracing::error!("{}: {reason}", job.name);
                    outcome.failures.push(Failure { job: job.name.clone(), reason });
                    continue;
                }
            },
        };
        entries.extend(finished.into_iter().map(|measurement| entry(&job.model, measurement)));
    }
    outcome.table = Table::from_entries(entries)?;
    if !outcome.table.entries().is_empty() {
        write_report(&outcome.table, out)?;
    }
    Ok(outcome)
}

/// Checks all jobs; gives the fingerprint of each.
fn prepare(arena: &ArenaFile, trainer: &mut impl Trainer) -> Result<Vec<String>, ArenaError> {
    let mut checksums = Checksums::default();
    let mut fingerprint = |job: &Job| {
        let inputs = trainer
            .prepare(job)
            .map_err(|error| ArenaError::config(&arena.path, format!("recipe of `{}`: {error}", job.name)))?;
        fingerprint(job, &inputs, &mut checksums)
    };
    arena.jobs.iter().map(&mut fingerprint).collect()
}

fn entry(model: &str, measurement: Measurement) -> Entry {
    Entry {
        model: model.to_owned(),
        place: ChannelSignal { channel: measurement.channel, signal: measurement.signal },
        auc: measurement.auc,
        efficiency: measurement.efficiency,
    }
}

/// A finished job as it is kept.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Finished {
    job: String,
    /// SHA-256 of everything that the measurements come from.
    fingerprint: String,
    measurements: Vec<Measurement>,
}

/// The output folder, held against other runs for as long as this lives.
struct Folder<'a> {
    out: &'a Path,
    _lock: File,
}

impl<'a> Folder<'a> {
    fn open(out: &'a Path) -> Result<Self, ArenaError> {
        for folder in [out.join("entries"), out.join("models")] {
            std::fs::create_dir_all(&folder).map_err(|source| ArenaError::io(&folder, source))?;
        }
        let path = out.join(".lock");
        let lock = File::create(&path).map_err(|source| ArenaError::io(&path, source))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { out, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(ArenaError::Busy { folder: out.to_owned() }),
            Err(TryLockError::Error(source)) => Err(ArenaError::io(&path, source)),
        }
    }

    fn entry_path(&self, job: &Job) -> PathBuf {
        self.out.join("entries").join(format!("{}.json", job.name))
    }

    /// The measurements of a job that was finished before, if everything is as it was then.
    fn finished(&self, job: &Job, fingerprint: &str) -> Result<Option<Vec<Measurement>>, ArenaError> {
        let path = self.entry_path(job);
        let text = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(|source| ArenaError::io(&path, source))?,
        };
        let finished: Finished = serde_json::from_slice(&text).map_err(|error| {
            ArenaError::config(&path, format!("{error}; delete the file to train this entry again"))
        })?;
        if finished.fingerprint == fingerprint {
            return Ok(Some(finished.measurements));
        }
        tracing::warn!("{}: its recipe or its data have changed since it was finished", job.name);
        Ok(None)
    }

    /// The outer error ends the run, the inner one only this job.
    fn train(
        &self,
        job: &Job,
        fingerprint: String,
        trainer: &mut impl Trainer,
    ) -> Result<Result<Vec<Measurement>, TrainFailure>, ArenaError> {
        tracing::info!("{}: training", job.name);
        let measured = trainer.train(job, &self.out.join("models").join(&job.name));
        let measurements = match measured.and_then(|measurements| Ok(checked(job, measurements)?)) {
            Ok(measurements) => measurements,
            Err(reason) => return Ok(Err(reason)),
        };
        let finished = Finished { job: job.name.clone(), fingerprint, measurements };
        let path = self.entry_path(job);
        let text = serde_json::to_vec_pretty(&finished)
            .map_err(|error| ArenaError::io(&path, std::io::Error::other(error)))?;
        write_atomically(&path, &text)?;
        Ok(Ok(finished.measurements))
    }
}

/// The measurements that the job asks for, each once, without what its background cannot measure.
fn checked(job: &Job, mut measurements: Vec<Measurement>) -> Result<Vec<Measurement>, ArenaError> {
    measurements.iter_mut().for_each(|measurement| drop_unmeasurable(job, measurement));
    let entries = measurements.iter().cloned().map(|measurement| entry(&job.model, measurement)).collect();
    let table = Table::from_entries(entries)?;
    let given: BTreeSet<ChannelSignal> = table.places().into_iter().cloned().collect();
    let wanted = job.places();
    match given.symmetric_difference(&wanted).next() {
        None => Ok(measurements),
        Some(place) => {
            let what = if wanted.contains(place) { "no result" } else { "a result that was not asked for" };
            let reason = format!("{what} on signal `{}` in channel `{}`", place.signal, place.channel);
            Err(ArenaError::Measurement { entry: job.name.clone(), reason })
        }
    }
}

fn drop_unmeasurable(job: &Job, measurement: &mut Measurement) {
    for (point, value) in WorkingPoint::ALL.into_iter().zip(&mut measurement.efficiency) {
        let passing = point.passing(measurement.background_events);
        if passing == 0 {
            *value = None;
        }
        if passing < MIN_BACKGROUND_EVENTS {
            let (events, channel) = (measurement.background_events, &measurement.channel);
            let trust = if passing == 0 { "is not measurable" } else { "has an uncertain threshold" };
            tracing::warn!(
                "{}, {}: background efficiency {} {trust} with the {events} background events of channel {channel}",
                job.name,
                measurement.signal,
                point.name()
            );
        }
    }
}

/// SHA-256 of everything that a job's measurements come from.
fn fingerprint(job: &Job, inputs: &[PathBuf], checksums: &mut Checksums) -> Result<String, ArenaError> {
    let recipe = toml::to_string(&job.recipe)
        .map_err(|error| ArenaError::config(&job.recipe_path, error.to_string()))?;
    let mut parts = vec![env!("CARGO_PKG_VERSION").to_owned(), job.model.clone(), recipe];
    for channel in &job.channels {
        parts.push(channel.name.clone());
        parts.extend(channel.signals.iter().map(|signal| signal.name.clone()));
        for file in channel.files() {
            parts.push(checksums.of(file)?);
        }
    }
    for input in inputs {
        parts.push(checksums.of(input)?);
    }
    Ok(sha256_of_parts(parts.iter().map(String::as_str)))
}

/// Checksums of files, each read once: the channels' backgrounds belong to every job.
#[derive(Default)]
struct Checksums(HashMap<PathBuf, String>);

impl Checksums {
    fn of(&mut self, path: &Path) -> Result<String, ArenaError> {
        if let Some(known) = self.0.get(path) {
            return Ok(known.clone());
        }
        let checksum = sha256_of_file(path).map_err(|source| ArenaError::io(path, source))?;
        self.0.insert(path.to_owned(), checksum.clone());
        Ok(checksum)
    }
}
