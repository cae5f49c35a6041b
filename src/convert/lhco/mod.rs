//! The layouts of the LHC Olympics 2020 (arXiv:2101.08320): di-jet events, as particles or as features of the two jets.
//!
//! Particles are [N, 2100], 700 times pT (GeV), eta and phi (rad), zero padded, or [N, 2101] with the truth bit after them;
//! features are [N, 14] or [N, 15], of which the file names the columns. They are in a data set `events` or `features`, or
//! where pandas writes a frame of one element type, under any key; not with the compressor blosc, which is no part of HDF5.

mod columns;

use std::path::{Path, PathBuf};

use self::columns::TruthColumns;
use super::hdf5::{FloatRows, Hdf5File};
use super::provenance::source_of;
use super::{Conversion, ConvertError, Converted, ConvertedInput, EncodingChoice, SourceLayout};
use crate::event::{DijetEncoding, DijetEvent, Encoding, MAX_PARTICLES, ParticleEncoder};

/// Values of a frame of one element type in the group of its key, as pandas writes it.
const PANDAS_VALUES: &str = "block0_values";
/// Its columns of another type, if it has such.
const PANDAS_OTHERS: &str = "block1_values";
/// Names of its columns.
const PANDAS_NAMES: &str = "block0_items";

/// The features, in the order of [`DijetEvent`].
const FEATURES: [&str; 14] = [
    "pxj1", "pyj1", "pzj1", "mj1", "tau1j1", "tau2j1", "tau3j1", "pxj2", "pyj2", "pzj2", "mj2", "tau1j2",
    "tau2j2", "tau3j2",
];

/// Name of the column after the features.
const LABEL: &str = "label";

/// pT, eta, phi.
const PARTICLE_VALUES: usize = 3;

/// An opened file, read block by block.
pub(super) struct Lhco {
    path: PathBuf,
    rows: FloatRows,
    /// Inputs of the encoding, and one more if there is the truth.
    values: usize,
}

/// An event of a file.
struct LhcoEvent<'a> {
    values: &'a [f32],
    truth: Option<u8>,
}

impl LhcoEvent<'_> {
    /// Whether it is taken where `label` is asked for: not if its truth is another.
    fn is_of(&self, label: Option<u8>) -> bool {
        label.zip(self.truth).is_none_or(|(label, truth)| label == truth)
    }
}

/// From the values of an event to inputs.
enum Encoder {
    Particles(ParticleEncoder),
    Dijet(DijetEncoding),
}

impl Lhco {
    /// Opens the file and checks everything but the events themselves.
    pub(super) fn open(path: &Path, layout: SourceLayout) -> Result<Self, ConvertError> {
        let file = Hdf5File::open(path)?;
        let (own, own_names, values) = match layout {
            SourceLayout::LhcoFeatures => ("features", Some("columns"), FEATURES.len()),
            _ => ("events", None, PARTICLE_VALUES * usize::from(MAX_PARTICLES)),
        };
        let (name, names) = if file.has(own)? {
            (own.to_owned(), own_names.map(str::to_owned))
        } else {
            let groups = file.groups_with(PANDAS_VALUES)?;
            let [key] = &groups[..] else {
                return Err(
                    file.missing(&format!("`{own}`, or one frame that pandas wrote with format=\"fixed\""))?
                );
            };
            check_one_type(&file, path, key)?;
            (format!("{key}/{PANDAS_VALUES}"), own_names.map(|_| format!("{key}/{PANDAS_NAMES}")))
        };
        let rows = file.float_rows(&name, &[&[values as u64], &[values as u64 + 1]])?;
        if let Some(names) = names {
            check_names(path, &names, file.strings(&names)?.as_deref(), rows.row_values())?;
        }
        Ok(Self { path: path.to_owned(), rows, values })
    }

    /// Events to read: those of the file, twice if only some are of `label`.
    pub(super) fn work(&self, label: Option<u8>) -> u64 {
        self.rows.rows() * if self.selects(label) { 2 } else { 1 }
    }

    /// Whether events of other labels may be left out.
    fn selects(&self, label: Option<u8>) -> bool {
        label.is_some() && self.has_truth()
    }

    fn has_truth(&self) -> bool {
        self.rows.row_values() > self.values
    }

    /// Events that are taken; `read` is told how many were looked at.
    fn count(&mut self, label: Option<u8>, read: &mut impl FnMut(u64)) -> Result<u64, ConvertError> {
        if !self.selects(label) {
            return Ok(self.rows.rows());
        }
        let mut taken = 0;
        while let Some(events) = self.next_block(|event| {
            taken += u64::from(event.is_of(label));
            Ok(())
        })? {
            read(events);
        }
        self.rows.rewind();
        Ok(taken)
    }

    /// Hands the next block of events to `each`, and returns their number; nothing at the end of the file.
    fn next_block(
        &mut self,
        mut each: impl FnMut(LhcoEvent<'_>) -> Result<(), ConvertError>,
    ) -> Result<Option<u64>, ConvertError> {
        let Some((first, values)) = self.rows.next_window()? else { return Ok(None) };
        let width = self.rows.row_values();
        for (row, event) in (first..).zip(values.chunks_exact(width)) {
            let (values, truth) = event.split_at(self.values);
            let truth = truth.first().map(|truth| self.truth(row, *truth)).transpose()?;
            each(LhcoEvent { values, truth })?;
        }
        Ok(Some((values.len() / width) as u64))
    }

    fn truth(&self, row: u64, value: f32) -> Result<u8, ConvertError> {
        match value {
            0.0 => Ok(0),
            1.0 => Ok(1),
            _ => Err(ConvertError::Layout {
                path: self.path.clone(),
                what: format!("{}[{row}, {}], the truth label", self.rows.name(), self.values),
                expected: "0 or 1".to_owned(),
                found: value.to_string(),
            }),
        }
    }
}

/// Refuses files of which some have the truth and others not, unless a label is asked for.
pub(super) fn check_labels(files: &[Lhco], label: Option<u8>) -> Result<(), ConvertError> {
    let without = files.iter().find(|file| !file.has_truth());
    match without.filter(|_| label.is_none() && files.iter().any(Lhco::has_truth)) {
        None => Ok(()),
        Some(file) => Err(ConvertError::Layout {
            path: file.path.clone(),
            what: file.rows.name().to_owned(),
            expected: "a truth label after the inputs, as other inputs have it (or --label)".to_owned(),
            found: format!("{} values an event", file.values),
        }),
    }
}

/// Converts `files` into the output of `conversion`.
pub(super) fn convert(
    conversion: &Conversion,
    mut files: Vec<Lhco>,
    progress: &mut dyn FnMut(u64),
) -> Result<Converted, ConvertError> {
    let (encoding, mut encoder) = encoder_of(conversion)?;
    let mut done = 0;
    let mut read = |events: u64| {
        done += events;
        progress(done);
    };
    let taken: Vec<u64> =
        files.iter_mut().map(|file| file.count(conversion.label, &mut read)).collect::<Result<_, _>>()?;
    let provenance = files.iter().zip(&taken).map(|(file, taken)| source_of(&file.path, *taken));
    let provenance = provenance.collect::<Result<_, _>>()?;
    let truth = files.iter().any(Lhco::has_truth);
    let columns = TruthColumns::new(conversion.label, truth, conversion.process.as_deref());
    let mut batches = conversion.begin(encoding, provenance, columns)?;
    let mut inputs = Vec::with_capacity(files.len());
    for (mut file, taken) in files.into_iter().zip(taken) {
        let mut input = ConvertedInput::new(&file.path);
        while let Some(events) = file.next_block(|event| {
            if !event.is_of(conversion.label) {
                input.other_label += 1;
                return Ok(());
            }
            let mut left_out = 0;
            input.count(batches.push(|inputs, columns: &mut TruthColumns| {
                left_out = encoder.encode(event.values, inputs);
                columns.push(event.truth);
            })?);
            input.crowded_events += u64::from(left_out > 0);
            input.check_countable(&conversion.units)
        })? {
            read(events);
        }
        if input.events != taken {
            return Err(ConvertError::Changed { path: file.path });
        }
        inputs.push(input);
    }
    let saturated = batches.finish()?;
    Ok(Converted { encoding, inputs, saturated })
}

fn encoder_of(conversion: &Conversion) -> Result<(Encoding, Encoder), ConvertError> {
    match conversion.encoding {
        EncodingChoice::Exact(encoding @ Encoding::Particles(particles)) => {
            Ok((encoding, Encoder::Particles(ParticleEncoder::new(particles))))
        }
        EncodingChoice::Exact(encoding @ Encoding::Dijet(dijet)) => Ok((encoding, Encoder::Dijet(dijet))),
        other => Err(ConvertError::EncodingOfOtherSource {
            encoding: other.to_string(),
            layout: conversion.layout,
        }),
    }
}

impl Encoder {
    /// Appends the inputs of an event; returns how many of its objects found no place.
    fn encode(&mut self, values: &[f32], inputs: &mut Vec<f32>) -> usize {
        match self {
            Self::Particles(encoder) => encoder.encode(values.as_chunks().0, inputs),
            Self::Dijet(encoding) => {
                let event: &DijetEvent = values.try_into().expect("the width was checked when it was opened");
                encoding.encode(event, inputs);
                0
            }
        }
    }
}

/// A frame with columns of other types has them in another data set, where they would not be missed.
fn check_one_type(file: &Hdf5File, path: &Path, key: &str) -> Result<(), ConvertError> {
    if !file.has(&format!("{key}/{PANDAS_OTHERS}"))? {
        return Ok(());
    }
    Err(ConvertError::Layout {
        path: path.to_owned(),
        what: format!("the frame `{key}`"),
        expected: "columns of one type, as `frame.astype(\"float32\")` has them".to_owned(),
        found: "several".to_owned(),
    })
}

/// The names of the columns have to be those of the challenge, in its order.
fn check_names(
    path: &Path,
    dataset: &str,
    found: Option<&[String]>,
    columns: usize,
) -> Result<(), ConvertError> {
    let expected = || FEATURES.into_iter().chain([LABEL]).take(columns);
    if found.is_some_and(|found| found.iter().map(String::as_str).eq(expected())) {
        return Ok(());
    }
    Err(ConvertError::Layout {
        path: path.to_owned(),
        what: format!("`{dataset}`, the names of the columns"),
        expected: expected().collect::<Vec<_>>().join(", "),
        found: found.map_or_else(
            || "nothing".to_owned(),
            |found| found.iter().take(columns + 1).map(String::as_str).collect::<Vec<_>>().join(", "),
        ),
    })
}
