//! The boundary to the HDF5 reader: everything that comes out of here was checked against the file's size.
//!
//! The reader is `hdf5-pure`, for these reasons. It is Rust without `unsafe` on the reading path, so a hostile
//! file can make it fail but not corrupt memory, where libhdf5 had six CVEs in 2025 alone. It inflates no
//! chunk beyond its declared size, has fuzz targets upstream, and needs nothing installed. Against it: it is
//! young (first releases in 2026), has a single maintainer, releases weekly with breaking changes, and its
//! tracker lists crafted files that still make it panic or run out of memory (CramBL/hdf5-pure issues 453,
//! 464). Hence what this module adds:
//! - every call runs inside [`contain`], so a panic is an error that names the file;
//! - sizes that the header declares are compared with what a file of that length can hold before anything is
//!   allocated for them ([`Hdf5File::check_plausible`]), and chunks that are not in the file are refused
//!   ([`Hdf5File::stored_chunks`]);
//! - only the calls below are used, none that edits, repairs or follows references;
//! - HDF5 is read in `convert` alone, never in a process that takes triggers.
//!
//! Not covered: a crafted chain of version 1 object-header continuations (issue 464) can exhaust memory in the
//! library before we see a size. Convert files of unknown origin under a memory limit.

use std::path::{Path, PathBuf};

use hdf5_pure::{Chunk, DType, Dataset, File, Layout};

use super::ConvertError;
use crate::contain::contain;

/// Rows decoded at a time, unless chunks are larger.
const WINDOW_ROWS: u64 = 16_384;

/// Bytes decoded at a time, unless chunks are larger: rows of many values are fewer.
const WINDOW_BYTES: u64 = 16 << 20;

/// A window is one row of chunks at least, as a smaller one would decode each chunk several times. Files with
/// larger chunks than this exist only by accident (the whole data set as a single chunk).
const MAX_WINDOW_BYTES: u64 = 1 << 30;

/// Deflate cannot compress better than 1032 : 1; no other filter that the reader knows does better on floats,
/// but for scale-offset on constant data.
const MAX_COMPRESSION: u64 = 1032;

/// The labels of a layout are a handful of short words.
const MAX_STRINGS_BYTES: u64 = 64 << 10;

/// Groups that are looked into: files of one table have one.
const MAX_GROUPS: usize = 16;

/// An opened HDF5 file.
pub(super) struct Hdf5File {
    path: PathBuf,
    bytes: u64,
    file: File,
}

/// A data set of f32 or f64 that is read in runs of rows along its first axis, as f32.
pub(super) struct FloatRows {
    path: PathBuf,
    name: String,
    dataset: Dataset,
    rows: u64,
    row_values: u64,
    window_rows: u64,
    next: u64,
}

impl Hdf5File {
    pub(super) fn open(path: &Path) -> Result<Self, ConvertError> {
        let io = |source| ConvertError::Io { path: path.to_owned(), source };
        let metadata = std::fs::metadata(path).map_err(io)?;
        if !metadata.is_file() {
            return Err(io(std::io::Error::new(std::io::ErrorKind::InvalidInput, "not a regular file")));
        }
        let file = checked(path, "not a readable HDF5 file", || File::open_streaming(path))?;
        Ok(Self { path: path.to_owned(), bytes: metadata.len(), file })
    }

    /// The strings of data set `name`, or nothing when there is no such data set.
    pub(super) fn strings(&self, name: &str) -> Result<Option<Vec<String>>, ConvertError> {
        if !self.has(name)? {
            return Ok(None);
        }
        let dataset = self.dataset(name)?;
        let (shape, element) = checked(&self.path, name, || {
            Ok::<_, hdf5_pure::Error>((dataset.shape()?, dataset.element_size()?))
        })?;
        let bytes = shape.iter().fold(element, |product, extent| product.saturating_mul(*extent));
        if bytes > MAX_STRINGS_BYTES {
            return Err(self.layout(name, "a few short strings", format!("{bytes} bytes, shape {shape:?}")));
        }
        let chunk = checked(&self.path, name, || dataset.chunk_shape())?.unwrap_or_default();
        let decoded = chunk.iter().fold(element, |product, extent| product.saturating_mul(*extent));
        let stored = self.stored_chunks(name, &dataset)?;
        if stored.saturating_mul(decoded) > MAX_STRINGS_BYTES {
            let found = format!("{stored} chunks of {decoded} bytes");
            return Err(self.layout(name, "a few short strings", found));
        }
        let strings = checked(&self.path, name, || match dataset.vlen_string_payload_size() {
            // Many strings may be one and the same in the file.
            Ok(bytes) if bytes > MAX_STRINGS_BYTES => Ok(Err(bytes)),
            // Of a fixed length: the library says that they are not of a variable one.
            _ => dataset.read_string().map(Ok),
        })?;
        let strings = strings
            .map_err(|bytes| self.layout(name, "a few short strings", format!("{bytes} bytes of text")))?;
        Ok(Some(strings.into_iter().map(|text| text.trim_end_matches(['\0', ' ']).to_owned()).collect()))
    }

    /// Whether there is a data set `name`, which may be in a group of the root: `df/block0_values`.
    pub(super) fn has(&self, name: &str) -> Result<bool, ConvertError> {
        match name.split_once('/') {
            None => Ok(self.names()?.iter().any(|found| found == name)),
            Some((group, name)) => Ok(self.groups()?.iter().any(|found| found == group)
                && self.names_in(group)?.iter().any(|found| found == name)),
        }
    }

    /// Groups of the root that have a data set `name`, up to two of them, among the first few.
    pub(super) fn groups_with(&self, name: &str) -> Result<Vec<String>, ConvertError> {
        let mut found = Vec::new();
        for group in self.groups()?.into_iter().take(MAX_GROUPS) {
            if found.len() < 2 && self.names_in(&group)?.iter().any(|found| found == name) {
                found.push(group);
            }
        }
        Ok(found)
    }

    /// The float data set `name` of shape [N, ...], where what comes after N is one of `row_shapes`.
    pub(super) fn float_rows(&self, name: &str, row_shapes: &[&[u64]]) -> Result<FloatRows, ConvertError> {
        if !self.has(name)? {
            return Err(self.missing(&format!("`{name}`"))?);
        }
        let dataset = self.dataset(name)?;
        let (shape, dtype, element, chunk) = checked(&self.path, name, || {
            Ok::<_, hdf5_pure::Error>((
                dataset.shape()?,
                dataset.dtype()?,
                dataset.element_size()?,
                dataset.chunk_shape()?,
            ))
        })?;
        if !matches!(dtype, DType::F32 | DType::F64) {
            return Err(self.layout(name, "elements of type f32 or f64", dtype.to_string()));
        }
        let (rows, row_shape) = match shape.split_first() {
            Some((rows, rest)) if row_shapes.contains(&rest) => (*rows, rest),
            _ => {
                let expected: Vec<String> =
                    row_shapes.iter().map(|row_shape| format!("[N, {}]", join(row_shape))).collect();
                return Err(self.layout(
                    name,
                    &format!("shape {}", expected.join(" or ")),
                    format!("{shape:?}"),
                ));
            }
        };
        self.check_plausible(name, &shape, element)?;
        if let Some(chunk) = &chunk {
            self.check_plausible(name, chunk, element)?;
        }
        self.check_allocated(name, &dataset, &shape)?;
        let row_values = row_shape.iter().product::<u64>();
        let window_rows = self.window_rows(name, chunk.as_deref(), rows, row_values * element)?;
        let (path, name) = (self.path.clone(), name.to_owned());
        Ok(FloatRows { path, name, dataset, rows, row_values, window_rows, next: 0 })
    }

    fn names(&self) -> Result<Vec<String>, ConvertError> {
        checked(&self.path, "list of data sets", || self.file.root().datasets())
    }

    fn groups(&self) -> Result<Vec<String>, ConvertError> {
        checked(&self.path, "list of groups", || self.file.root().groups())
    }

    fn names_in(&self, group: &str) -> Result<Vec<String>, ConvertError> {
        checked(&self.path, group, || self.file.group(group)?.datasets())
    }

    /// The error that what is `expected` is not there, with the data sets and groups that are.
    pub(super) fn missing(&self, expected: &str) -> Result<ConvertError, ConvertError> {
        let (names, groups) = (self.names()?, self.groups()?);
        let names = names.into_iter().chain(groups.into_iter().map(|group| group + "/"));
        let found = names.take(8).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let found = if found.is_empty() { "no data set".to_owned() } else { found };
        Ok(self.layout("data sets", expected, found))
    }

    fn dataset(&self, name: &str) -> Result<Dataset, ConvertError> {
        checked(&self.path, name, || self.file.dataset(name))
    }

    /// Refuses an extent that no file of this length can hold, before memory is set aside for it.
    fn check_plausible(&self, name: &str, shape: &[u64], element: u64) -> Result<(), ConvertError> {
        let bytes = shape.iter().fold(element, |product, extent| product.saturating_mul(*extent));
        let most = self.bytes.saturating_mul(MAX_COMPRESSION);
        if bytes <= most {
            return Ok(());
        }
        let expected = format!("at most {most} bytes of data in a file of {} bytes", self.bytes);
        Err(self.layout(name, &expected, format!("a header that declares {bytes} bytes, shape {shape:?}")))
    }

    /// Refuses a data set that was never written in full: HDF5 reads what is missing as zeros, which here would
    /// be events without any object.
    fn check_allocated(&self, name: &str, dataset: &Dataset, shape: &[u64]) -> Result<(), ConvertError> {
        let (expected, stored) = match checked(&self.path, name, || dataset.layout())? {
            Layout::Chunked { chunk_shape, .. } => {
                let expected =
                    shape.iter().zip(&chunk_shape).map(|(extent, chunk)| extent.div_ceil((*chunk).max(1)));
                (expected.fold(1, u64::saturating_mul), self.stored_chunks(name, dataset)?)
            }
            Layout::Contiguous { address, .. } => {
                (u64::from(!shape.contains(&0)), u64::from(address.is_some()))
            }
            _ => return Ok(()),
        };
        if stored >= expected {
            return Ok(());
        }
        let found = format!("{stored}; was the file closed properly?");
        Err(self.layout(name, &format!("{expected} stored chunks for shape {shape:?}"), found))
    }

    /// Chunks of the data set that the file has; none where it is not chunked. Each must lie in the file: the reader sets
    /// memory aside for the length that the index states, up to 4 GiB, before it finds that there are fewer bytes.
    fn stored_chunks(&self, name: &str, dataset: &Dataset) -> Result<u64, ConvertError> {
        if !matches!(checked(&self.path, name, || dataset.layout())?, Layout::Chunked { .. }) {
            return Ok(0);
        }
        let chunks = checked(&self.path, name, || dataset.chunks())?;
        let is_outside =
            |chunk: &&Chunk| chunk.address.checked_add(chunk.storage_size).is_none_or(|end| end > self.bytes);
        match chunks.iter().find(is_outside) {
            None => Ok(chunks.len() as u64),
            Some(Chunk { offset, address, storage_size, .. }) => Err(self.layout(
                name,
                &format!("chunks within the {} bytes of the file", self.bytes),
                format!("one of {storage_size} bytes at byte {address}, for row {:?}", offset.first()),
            )),
        }
    }

    /// Rows per read: whole rows of chunks, so that every chunk is decoded once.
    fn window_rows(
        &self,
        name: &str,
        chunk: Option<&[u64]>,
        rows: u64,
        row_bytes: u64,
    ) -> Result<u64, ConvertError> {
        let fitting = (WINDOW_BYTES / row_bytes.max(1)).clamp(1, WINDOW_ROWS);
        let Some(chunk_rows) = chunk.and_then(<[u64]>::first).copied() else { return Ok(fitting) };
        if chunk_rows == 0 {
            return Err(self.layout(name, "chunks of one row at least", format!("chunk shape {chunk:?}")));
        }
        if chunk_rows.min(rows).saturating_mul(row_bytes) > MAX_WINDOW_BYTES {
            let expected = format!(
                "chunks that need at most {MAX_WINDOW_BYTES} bytes at a time (rewrite the file with `h5repack -l {name}:CHUNK=...`)"
            );
            return Err(self.layout(
                name,
                &expected,
                format!("{chunk_rows} rows of {row_bytes} bytes in a chunk"),
            ));
        }
        Ok(chunk_rows.saturating_mul((fitting / chunk_rows).max(1)))
    }

    fn layout(&self, what: &str, expected: &str, found: String) -> ConvertError {
        ConvertError::Layout {
            path: self.path.clone(),
            what: what.to_owned(),
            expected: expected.to_owned(),
            found,
        }
    }
}

impl FloatRows {
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Name of the data set.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Values of a row.
    pub(super) fn row_values(&self) -> usize {
        self.row_values as usize
    }

    /// Begins with the first row anew.
    pub(super) fn rewind(&mut self) {
        self.next = 0;
    }

    /// The next rows, row-major, with the number of the first; nothing at the end.
    pub(super) fn next_window(&mut self) -> Result<Option<(u64, Vec<f32>)>, ConvertError> {
        if self.next >= self.rows {
            return Ok(None);
        }
        let first = self.next;
        let count = self.window_rows.min(self.rows - first);
        let what = format!("{}, rows {first} to {}", self.name, first + count - 1);
        let values = checked(&self.path, &what, || self.dataset.read_f32_rows(first, count))?;
        let expected = count * self.row_values;
        if values.len() as u64 != expected {
            return Err(ConvertError::Layout {
                path: self.path.clone(),
                what,
                expected: format!("{expected} values"),
                found: format!("{} values", values.len()),
            });
        }
        self.next += count;
        Ok(Some((first, values)))
    }
}

/// Calls the library with panics contained, and gives its error the file and what was being read.
fn checked<T, E: std::fmt::Display>(
    path: &Path,
    what: &str,
    call: impl FnOnce() -> Result<T, E>,
) -> Result<T, ConvertError> {
    let outcome = contain(call).and_then(|result| result.map_err(|error| reason(&error)));
    outcome.map_err(|reason| ConvertError::Hdf5 { path: path.to_owned(), what: what.to_owned(), reason })
}

/// The library's reason, and what to do about one that is met in sound files.
fn reason(error: &impl std::fmt::Display) -> String {
    let reason = error.to_string();
    let advice = if reason.contains("unsupported filter") {
        "; write the file anew with gzip, or uncompressed"
    } else {
        ""
    };
    reason + advice
}

fn join(extents: &[u64]) -> String {
    extents.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
