//! Checkpoints: a training on disk, between two steps, so that one that was killed ends as if it had not been.
//!
//! The file lies beside the output under the bundle's name with the suffix `.checkpoint`: a line that says what it is,
//! the SHA-256 of the rest, and the rest, a CBOR record of [`Checkpoint`]. It is written atomically and removed
//! when the bundle stands.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use sha2::{Digest, Sha256};
use trigsieve::durable::{AtomicFile, remove_partials};
use trigsieve::model::DataSource;

use crate::TrainError;
use crate::fit::{FitState, Record};

/// First bytes of the file; the number is the version of its layout.
const MAGIC: &[u8] = b"trigsieve-train checkpoint 1\n";

/// Bytes of a SHA-256.
const DIGEST: usize = 32;

/// How often a checkpoint is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interval {
    /// After so many steps.
    Steps(u64),
    /// At the first step after so much time.
    Time(Duration),
}

impl FromStr for Interval {
    type Err = String;

    /// `500` is steps, `30s` is seconds.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, unit) = match text.strip_suffix('s') {
            Some(seconds) => (seconds, "s"),
            None => (text, ""),
        };
        match (number.parse::<u64>(), unit) {
            (Ok(steps @ 1..), "") => Ok(Self::Steps(steps)),
            (Ok(seconds @ 1..), _) => Ok(Self::Time(Duration::from_secs(seconds))),
            _ => Err(format!("`{text}` is neither a number of steps, as in 500, nor of seconds, as in 30s")),
        }
    }
}

/// Parameters as bytes: bit for bit, in little-endian order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Numbers(Vec<ByteBuf>);

impl Numbers {
    /// From tensors, row-major.
    #[must_use]
    pub fn pack(tensors: &[Vec<f32>]) -> Self {
        let bytes = |tensor: &Vec<f32>| {
            ByteBuf::from(tensor.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
        };
        Self(tensors.iter().map(bytes).collect())
    }

    /// To tensors, row-major.
    #[must_use]
    pub fn unpack(&self) -> Vec<Vec<f32>> {
        self.0.iter().map(|bytes| words(bytes).map(f32::from_le_bytes).collect()).collect()
    }
}

fn words(bytes: &[u8]) -> impl Iterator<Item = [u8; 4]> + '_ {
    bytes.as_chunks::<4>().0.iter().copied()
}

/// An order of events as bytes.
#[must_use]
pub fn pack_order(order: &[u32]) -> ByteBuf {
    ByteBuf::from(order.iter().flat_map(|event| event.to_le_bytes()).collect::<Vec<u8>>())
}

/// The order back; `None` where it is no order of so many events.
#[must_use]
pub fn unpack_order(bytes: &[u8], events: usize) -> Option<Vec<u32>> {
    let order: Vec<u32> = words(bytes).map(u32::from_le_bytes).collect();
    let valid = order.len() == events && order.iter().all(|&event| (event as usize) < events);
    valid.then_some(order)
}

/// A network of an ensemble that is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// Its parameters.
    pub parameters: Numbers,
    /// Its story.
    pub record: Record,
}

/// A training between two steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Version of the trainer: another one may compute other bits.
    pub trainer: String,
    /// SHA-256 of the recipe.
    pub recipe_sha256: String,
    /// SHA-256 of the event tables.
    pub data_sha256: Vec<String>,
    /// Networks of an ensemble that are done.
    pub finished: Vec<Finished>,
    /// The network that is being fitted.
    pub state: FitState,
}

/// Where checkpoints of a training go, and when.
#[derive(Debug)]
pub struct Checkpoints {
    path: PathBuf,
    every: Option<Interval>,
    steps: u64,
    last: Instant,
}

impl Checkpoints {
    /// Checkpoints of a training whose bundle is to be `output`.
    #[must_use]
    pub fn new(output: &Path, every: Option<Interval>) -> Self {
        let mut name = output.file_name().unwrap_or_default().to_owned();
        name.push(".checkpoint");
        Self { path: output.with_file_name(name), every, steps: 0, last: Instant::now() }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Counts a step; whether a checkpoint is due after it.
    pub fn is_due(&mut self) -> bool {
        self.steps += 1;
        let due = match self.every {
            None => false,
            Some(Interval::Steps(steps)) => self.steps >= steps,
            Some(Interval::Time(time)) => self.last.elapsed() >= time,
        };
        if due {
            (self.steps, self.last) = (0, Instant::now());
        }
        due
    }

    /// Writes the checkpoint, complete or not at all.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn save(&self, checkpoint: &Checkpoint) -> Result<(), TrainError> {
        self.write(checkpoint).map_err(self.io())
    }

    fn write(&self, checkpoint: &Checkpoint) -> io::Result<()> {
        let mut record = Vec::new();
        ciborium::into_writer(checkpoint, &mut record).map_err(io::Error::other)?;
        let mut file = AtomicFile::create(&self.path)?;
        file.write_all(MAGIC)?;
        file.write_all(&Sha256::digest(&record))?;
        file.write_all(&record)?;
        file.commit()
    }

    /// Reads the checkpoint of the training of this recipe on these data; `None` when there is none.
    ///
    /// # Errors
    /// [`TrainError::Io`], [`TrainError::Checkpoint`] for a damaged one and for one of another training.
    pub fn load(&self, recipe_sha256: &str, data: &[DataSource]) -> Result<Option<Checkpoint>, TrainError> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.io()(error)),
        };
        let refuse =
            |reason: &str| TrainError::Checkpoint { path: self.path.clone(), reason: reason.to_owned() };
        let record =
            checked(&bytes).ok_or_else(|| refuse("is damaged or no checkpoint; remove it to start anew"))?;
        let checkpoint: Checkpoint = ciborium::from_reader(record)
            .map_err(|error| refuse(&format!("cannot be read ({error}); remove it to start anew")))?;
        if checkpoint.recipe_sha256 != recipe_sha256 {
            return Err(refuse("is of another recipe, or the recipe was changed; remove it to start anew"));
        }
        if !data.iter().map(|source| &source.sha256).eq(&checkpoint.data_sha256) {
            return Err(refuse("is of a training on other events; remove it to start anew"));
        }
        if checkpoint.trainer != trainer() {
            return Err(refuse(&format!("was written by {}; remove it to start anew", checkpoint.trainer)));
        }
        Ok(Some(checkpoint))
    }

    /// Refuses to start anew over a checkpoint.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] when there is one.
    pub fn refuse_existing(&self) -> Result<(), TrainError> {
        if self.path.exists() {
            let reason = "is left of an interrupted training; pass --resume to go on with it, or --force to start anew";
            return Err(TrainError::Checkpoint { path: self.path.clone(), reason: reason.to_owned() });
        }
        Ok(())
    }

    /// Removes the checkpoint and what killed trainings left of one, if there is any.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn remove(&self) -> Result<(), TrainError> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(self.io()(error)),
            _ => {}
        }
        remove_partials(&self.path).map_err(self.io())
    }

    fn io(&self) -> impl FnOnce(io::Error) -> TrainError + use<> {
        let path = self.path.clone();
        move |source| TrainError::Io { path, source }
    }
}

/// Name and version of the trainer.
#[must_use]
pub fn trainer() -> String {
    concat!("trigsieve-train ", env!("CARGO_PKG_VERSION")).to_owned()
}

/// The record, if the bytes are what was written.
fn checked(bytes: &[u8]) -> Option<&[u8]> {
    let (digest, record) = bytes.strip_prefix(MAGIC)?.split_at_checked(DIGEST)?;
    (Sha256::digest(record)[..] == *digest).then_some(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_steps_or_seconds() {
        assert_eq!("500".parse(), Ok(Interval::Steps(500)));
        assert_eq!("30s".parse(), Ok(Interval::Time(Duration::from_secs(30))));
        for text in ["", "0", "0s", "s", "-1", "1m", "1.5"] {
            assert!(text.parse::<Interval>().is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_come_back_bit_for_bit() {
        let tensors = vec![vec![0.1, -0.0, f32::MIN_POSITIVE / 2.0], vec![], vec![f32::MAX]];
        let back = Numbers::pack(&tensors).unpack();
        let bits =
            |tensors: &[Vec<f32>]| tensors.concat().iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&back), bits(&tensors));
        assert_eq!(back.iter().map(Vec::len).collect::<Vec<_>>(), [3, 0, 1]);
    }

    #[test]
    fn an_order_that_is_none_is_refused() {
        assert_eq!(unpack_order(&pack_order(&[2, 0, 1]), 3), Some(vec![2, 0, 1]));
        assert_eq!(unpack_order(&pack_order(&[2, 0]), 3), None);
        assert_eq!(unpack_order(&pack_order(&[3, 0, 1]), 3), None);
    }
}
