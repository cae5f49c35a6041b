use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::ORBIT_CROSSINGS;

/// Which of the 3564 bunch crossings of an orbit collide.
///
/// The file has one bunch slot (BCID, 0 to 3563) or one inclusive range `FIRST-LAST` a line; what follows a
/// `#` is a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FillingScheme {
    filled: Vec<u64>,
    /// For each filled slot, how many follow each other from it on.
    consecutive: Vec<u64>,
}

/// What is wrong with a filling scheme.
#[derive(Debug, thiserror::Error)]
pub enum FillingError {
    /// The file could not be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A line is not a bunch slot or a range of them.
    #[error("{path}:{line}: {reason}")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// No bunch collides.
    #[error("{path}: no filled bunch slot")]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

impl FillingScheme {
    /// Reads a scheme.
    ///
    /// # Errors
    /// [`FillingError`] with the line.
    pub fn read(path: &Path) -> Result<Self, FillingError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| FillingError::Io { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    /// Parses a scheme; `path` is for the error message.
    ///
    /// # Errors
    /// [`FillingError`] with the line.
    pub fn parse(text: &str, path: &Path) -> Result<Self, FillingError> {
        let mut slots = vec![false; ORBIT_CROSSINGS as usize];
        for (index, line) in text.lines().enumerate() {
            let content = line.split('#').next().unwrap_or_default().trim();
            if content.is_empty() {
                continue;
            }
            let (first, last) = range(content).map_err(|reason| FillingError::Line {
                path: path.to_owned(),
                line: index + 1,
                reason,
            })?;
            slots[first..=last].fill(true);
        }
        let filled: Vec<u64> =
            (0..ORBIT_CROSSINGS).zip(&slots).filter_map(|(slot, &filled)| filled.then_some(slot)).collect();
        if filled.is_empty() {
            return Err(FillingError::Empty { path: path.to_owned() });
        }
        Ok(Self { consecutive: consecutive(&filled), filled })
    }

    /// How many collisions follow each other without a gap from the collision `index` on, that one included.
    #[must_use]
    pub fn consecutive(&self, index: u64) -> u64 {
        self.consecutive[(index % self.filled.len() as u64) as usize]
    }

    /// The filled bunch slots, ascending.
    #[must_use]
    pub fn filled(&self) -> &[u64] {
        &self.filled
    }

    /// Absolute crossing of the collision `index`, counted from 0.
    #[must_use]
    pub fn crossing(&self, index: u64) -> u64 {
        let an_orbit = self.filled.len() as u64;
        (index / an_orbit) * ORBIT_CROSSINGS + self.filled[(index % an_orbit) as usize]
    }

    /// How many collisions happened up to and including `crossing`.
    #[must_use]
    pub fn filled_until(&self, crossing: u64) -> u64 {
        let in_orbit = crossing % ORBIT_CROSSINGS;
        let this_orbit = self.filled.partition_point(|&slot| slot <= in_orbit) as u64;
        (crossing / ORBIT_CROSSINGS) * self.filled.len() as u64 + this_orbit
    }
}

/// A train ends with its orbit, also where the next orbit begins with a collision.
fn consecutive(filled: &[u64]) -> Vec<u64> {
    let mut lengths = vec![1; filled.len()];
    for slot in (1..filled.len()).rev() {
        if filled[slot - 1] + 1 == filled[slot] {
            lengths[slot - 1] = lengths[slot] + 1;
        }
    }
    lengths
}

fn range(text: &str) -> Result<(usize, usize), String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (slot(first)?, slot(last)?);
    if first > last {
        return Err(format!("the range {first}-{last} runs backwards"));
    }
    Ok((first, last))
}

fn slot(text: &str) -> Result<usize, String> {
    usize::from_str(text.trim())
        .ok()
        .filter(|slot| (*slot as u64) < ORBIT_CROSSINGS)
        .ok_or_else(|| format!("`{}` is not a bunch slot from 0 to {}", text.trim(), ORBIT_CROSSINGS - 1))
}
