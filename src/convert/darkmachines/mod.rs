//! The text files of the Dark Machines challenge (arXiv:2105.14027): events of any number of objects.
//!
//! Every input is read twice. The survey finds what the head of an Arrow file has to hold: the number of events,
//! the names of the processes, and the sizes of a layout that is fitted. Then the events are converted. A line that
//! ends the conversion does so in the survey, before anything is written.

mod columns;
mod line;
mod lines;
mod selection;
mod survey;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use self::columns::ObjectColumns;
use self::line::EventLine;
pub use self::line::LineFault;
use self::lines::{Line, Lines, MAX_LINE_BYTES};
pub use self::selection::Selection;
use self::survey::Survey;
use super::batches::Batches;
use super::provenance::source_of;
use super::{Conversion, ConvertError, Converted, ConvertedInput, EncodingChoice, LineOptions, OnError};
use crate::event::{Encoding, ObjectEncoder, ObjectEncoding};

/// Bad lines of an input that are reported one by one.
const BAD_LINES_KEPT: usize = 5;

/// What became of the lines of an input: `lines = events + not_selected + bad + blank`, where the events are those
/// converted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineCounts {
    /// Lines in the file.
    pub lines: u64,
    /// Lines of nothing but white space.
    pub blank: u64,
    /// Lines that are no event, and were skipped.
    pub bad: u64,
    /// The first of these.
    pub first_bad: Vec<BadLine>,
    /// Events that do not pass the selection.
    pub not_selected: u64,
}

/// A line that is no event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Number of the line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub fault: LineFault,
}

/// An input that can be read.
pub(super) struct TextFile {
    path: PathBuf,
    bytes: u64,
}

impl TextFile {
    pub(super) fn open(path: &Path) -> Result<Self, ConvertError> {
        Lines::open(path)?;
        let io = |source| ConvertError::Io { path: path.to_owned(), source };
        Ok(Self { path: path.to_owned(), bytes: std::fs::metadata(path).map_err(io)?.len() })
    }

    /// Bytes that a conversion reads: each twice.
    pub(super) fn work(&self) -> u64 {
        2 * self.bytes
    }

    /// Hands every event that passes the selection to `each`, and the bytes read since the last time to `progress`.
    fn read(
        &self,
        options: LineOptions,
        progress: &mut dyn FnMut(u64),
        mut each: impl FnMut(&EventLine, u64) -> Result<(), ConvertError>,
    ) -> Result<LineCounts, ConvertError> {
        let mut lines = Lines::open(&self.path)?;
        let mut counts = LineCounts::default();
        let mut event = EventLine::default();
        let mut reported = 0;
        while let Some(line) = lines.next()? {
            let parsed = match line {
                Line::TooLong => Err(LineFault::TooLong { limit: MAX_LINE_BYTES }),
                Line::Text(text) if text.trim_ascii().is_empty() => {
                    counts.blank += 1;
                    continue;
                }
                Line::Text(text) => event.parse(text),
            };
            match parsed {
                Err(fault) => self.refuse(options.on_error, lines.number(), fault, &mut counts)?,
                Ok(()) if options.selection.is_none_or(|selection| selection.passes(&event.event)) => {
                    each(&event, lines.number())?;
                }
                Ok(()) => counts.not_selected += 1,
            }
            if lines.bytes() - reported > PROGRESS_BYTES {
                progress(lines.bytes() - reported);
                reported = lines.bytes();
            }
        }
        counts.lines = lines.number();
        progress(lines.bytes() - reported);
        Ok(counts)
    }

    fn refuse(
        &self,
        on_error: OnError,
        line: u64,
        fault: LineFault,
        counts: &mut LineCounts,
    ) -> Result<(), ConvertError> {
        if on_error == OnError::Fail {
            return Err(ConvertError::Line { path: self.path.clone(), line, fault });
        }
        counts.bad += 1;
        if counts.first_bad.len() < BAD_LINES_KEPT {
            counts.first_bad.push(BadLine { line, fault });
        }
        Ok(())
    }
}

/// Bytes between two reports of progress.
const PROGRESS_BYTES: u64 = 1 << 20;

/// Converts `files` into the output of `conversion`.
pub(super) fn convert(
    conversion: &Conversion,
    files: &[TextFile],
    progress: &mut dyn FnMut(u64),
) -> Result<Converted, ConvertError> {
    let mut done = 0;
    let mut progress = |bytes| {
        done += bytes;
        progress(done);
    };
    let mut survey = Survey::default();
    for file in files {
        survey.add(file, conversion, &mut progress)?;
    }
    let encoding = encoding_of(conversion, &survey)?;
    let mut batches = begin_output(conversion, encoding, files, &survey)?;
    let mut encoder = ObjectEncoder::new(encoding);
    let mut inputs = Vec::with_capacity(files.len());
    for (file, surveyed) in files.iter().zip(&survey.files) {
        let mut input = ConvertedInput::new(&file.path);
        let counts = file.read(conversion.lines, &mut progress, |event, _| {
            let process = match conversion.process {
                Some(_) => 0,
                None => survey.process(&event.process).ok_or_else(|| file.changed())?,
            };
            let mut left_out = 0;
            batches.push(|inputs, columns| {
                left_out = encoder.encode(&event.event, inputs);
                columns.push(event, process);
            })?;
            input.events += 1;
            input.crowded_events += u64::from(left_out > 0);
            Ok(())
        })?;
        if input.events != surveyed.events || counts != surveyed.counts {
            return Err(file.changed());
        }
        input.lines = Some(counts);
        inputs.push(input);
    }
    let saturated = batches.finish()?;
    Ok(Converted { encoding: Encoding::Objects(encoding), inputs, saturated })
}

impl TextFile {
    fn changed(&self) -> ConvertError {
        ConvertError::Changed { path: self.path.clone() }
    }
}

fn encoding_of(conversion: &Conversion, survey: &Survey) -> Result<ObjectEncoding, ConvertError> {
    match conversion.encoding {
        EncodingChoice::Exact(Encoding::Objects(encoding)) => Ok(encoding),
        EncodingChoice::Exact(encoding) => {
            Err(ConvertError::EncodingOfOtherSource { encoding: encoding.name(), layout: conversion.layout })
        }
        EncodingChoice::FitStatic => survey.fit_static().map(ObjectEncoding::Static),
    }
}

fn begin_output(
    conversion: &Conversion,
    encoding: ObjectEncoding,
    files: &[TextFile],
    survey: &Survey,
) -> Result<Batches<ObjectColumns>, ConvertError> {
    let provenance = files
        .iter()
        .zip(&survey.files)
        .map(|(file, surveyed)| source_of(&file.path, surveyed.events))
        .collect::<Result<_, _>>()?;
    let processes = match &conversion.process {
        Some(name) => vec![name.clone()],
        None => survey.processes.clone(),
    };
    let columns = ObjectColumns::new(conversion.label, processes);
    conversion.begin(Encoding::Objects(encoding), provenance, columns)
}
