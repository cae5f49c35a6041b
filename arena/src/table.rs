//! The results table: how each model does on each signal of each channel.

use std::collections::{BTreeSet, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::durable::write_atomically;
use crate::{ArenaError, Metric, WorkingPoint};

/// Columns of a results table, as in the public results of the Dark Machines challenge.
pub const COLUMNS: [&str; 7] = ["Signal", "Model", "Chan", "AUC", "1e-2", "1e-3", "1e-4"];

/// A signal in a channel: the same signal in two channels is two.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelSignal {
    /// The channel: a selection of events with its own background.
    pub channel: String,
    /// The signal.
    pub signal: String,
}

/// One line of the table: a model on a signal in a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The model.
    pub model: String,
    /// Signal and channel.
    pub place: ChannelSignal,
    /// Area under the ROC curve, 0 to 1.
    pub auc: f64,
    /// Signal efficiencies, 0 to 1, in the order of [`WorkingPoint::ALL`]; nothing where the background sample has
    /// too few events to measure one, which is an empty cell in the file.
    pub efficiency: [Option<f64>; 3],
}

impl Entry {
    /// The value of a figure of merit.
    #[must_use]
    pub fn value(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::Auc => Some(self.auc),
            Metric::SignalEfficiency(point) => self.efficiency[point.index()],
        }
    }

    /// The highest significance improvement eS / sqrt(eB) of the measured working points, and where it is.
    #[must_use]
    pub fn significance_improvement(&self) -> Option<(f64, WorkingPoint)> {
        let measured = WorkingPoint::ALL.into_iter().filter_map(|point| {
            Some((point.significance_improvement(self.efficiency[point.index()]?), point))
        });
        // The loosest of equals: it rests on the most events.
        measured.reduce(|best, next| if next.0 > best.0 { next } else { best })
    }
}

/// Results of models on signals, at most one for each (model, channel, signal).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    entries: Vec<Entry>,
}

impl Table {
    /// Reads one or several CSV files of the columns [`COLUMNS`] into one table, in their order.
    ///
    /// # Errors
    /// [`ArenaError`] with file and line: no such file, another header, a line that is too short or too long, an
    /// empty name, a number outside of 0 to 1, the same (model, channel, signal) twice, in one file or in two.
    pub fn read<P: AsRef<Path>>(paths: &[P]) -> Result<Self, ArenaError> {
        let mut builder = Builder::default();
        for path in paths {
            let path = path.as_ref();
            let file = std::fs::File::open(path).map_err(|source| ArenaError::io(path, source))?;
            builder.read(file, path)?;
        }
        Ok(builder.table)
    }

    /// Reads CSV from `reader`; `path` is for messages.
    ///
    /// # Errors
    /// As [`Table::read`].
    pub fn from_reader(reader: impl Read, path: &Path) -> Result<Self, ArenaError> {
        let mut builder = Builder::default();
        builder.read(reader, path)?;
        Ok(builder.table)
    }

    /// A table of `entries`.
    ///
    /// # Errors
    /// [`ArenaError::Measurement`] when a value is not within 0 to 1, or a (model, channel, signal) is there twice.
    pub fn from_entries(entries: Vec<Entry>) -> Result<Self, ArenaError> {
        let mut seen = BTreeSet::new();
        for entry in &entries {
            let refuse = |reason| Err(ArenaError::Measurement { entry: entry.model.clone(), reason });
            let place = format!("signal `{}` in channel `{}`", entry.place.signal, entry.place.channel);
            if !seen.insert((&entry.model, &entry.place)) {
                return refuse(format!("a second result on {place}"));
            }
            let values = Metric::ALL.map(|metric| (metric, entry.value(metric)));
            if let Some((metric, Some(value))) =
                values.into_iter().find(|(_, value)| value.is_some_and(|value| !is_fraction(value)))
            {
                return refuse(format!("{metric} on {place} is {value}, but it must be 0 to 1"));
            }
        }
        Ok(Self { entries })
    }

    /// The lines.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The table without the lines that `keep` refuses.
    #[must_use]
    pub fn filtered(&self, keep: impl Fn(&Entry) -> bool) -> Self {
        Self { entries: self.entries.iter().filter(|entry| keep(entry)).cloned().collect() }
    }

    /// Names of the models, sorted.
    #[must_use]
    pub fn models(&self) -> BTreeSet<&str> {
        self.entries.iter().map(|entry| entry.model.as_str()).collect()
    }

    /// Signals with their channels, sorted by channel.
    #[must_use]
    pub fn places(&self) -> BTreeSet<&ChannelSignal> {
        self.entries.iter().map(|entry| &entry.place).collect()
    }

    /// Writes the table as CSV, complete or not at all; numbers in the shortest form that reads back as the same.
    ///
    /// # Errors
    /// [`ArenaError::Io`].
    pub fn write(&self, path: &Path) -> Result<(), ArenaError> {
        let rows = self.entries.iter().map(|entry| {
            let names = [&entry.place.signal, &entry.model, &entry.place.channel].map(Clone::clone);
            names.into_iter().chain(Metric::ALL.map(|metric| cell(entry.value(metric)))).collect()
        });
        write_csv(path, &COLUMNS, rows)
    }
}

/// A number as a cell; empty when there is none.
pub(crate) fn cell(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// Writes a header and rows of as many cells as CSV, complete or not at all.
pub(crate) fn write_csv(
    path: &Path,
    header: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
) -> Result<(), ArenaError> {
    let failed = |error: csv::Error| ArenaError::io(path, std::io::Error::other(error));
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header).map_err(failed)?;
    for row in rows {
        writer.write_record(row).map_err(failed)?;
    }
    let bytes = writer.into_inner().map_err(|error| ArenaError::io(path, error.into_error()))?;
    write_atomically(path, &bytes)
}

fn is_fraction(value: f64) -> bool {
    (0.0..=1.0).contains(&value)
}

/// A table in the making, which knows where each line was read.
#[derive(Default)]
struct Builder {
    table: Table,
    origins: HashMap<(String, ChannelSignal), (PathBuf, u64)>,
}

impl Builder {
    fn read(&mut self, reader: impl Read, path: &Path) -> Result<(), ArenaError> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(reader);
        check_header(reader.headers().map_err(|error| csv_error(path, &error))?, path)?;
        for record in reader.records() {
            let record = record.map_err(|error| csv_error(path, &error))?;
            let line =
                Line { path, number: record.position().map_or(0, csv::Position::line), record: &record };
            self.push(line.entry()?, &line)?;
        }
        Ok(())
    }

    fn push(&mut self, entry: Entry, line: &Line<'_>) -> Result<(), ArenaError> {
        let origin = (line.path.to_owned(), line.number);
        let key = (entry.model.clone(), entry.place.clone());
        if let Some((first_path, first_line)) = self.origins.insert(key, origin) {
            let ChannelSignal { channel, signal } = &entry.place;
            let what = format!("model `{}` on signal `{signal}` in channel `{channel}`", entry.model);
            let path = line.path.to_owned();
            return Err(ArenaError::Duplicate { path, line: line.number, what, first_path, first_line });
        }
        self.table.entries.push(entry);
        Ok(())
    }
}

fn check_header(found: &csv::StringRecord, path: &Path) -> Result<(), ArenaError> {
    if found.iter().eq(COLUMNS) {
        return Ok(());
    }
    let found = found.iter().collect::<Vec<_>>().join(",");
    Err(ArenaError::Header { path: path.to_owned(), found, expected: COLUMNS.join(",") })
}

fn csv_error(path: &Path, error: &csv::Error) -> ArenaError {
    let line = error.position().map_or(0, csv::Position::line);
    let reason = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} values, but the header has {expected_len}")
        }
        csv::ErrorKind::Io(source) => {
            return ArenaError::io(path, std::io::Error::new(source.kind(), source.to_string()));
        }
        csv::ErrorKind::Utf8 { .. } => "not UTF-8".to_owned(),
        _ => error.to_string(),
    };
    ArenaError::Csv { path: path.to_owned(), line, reason }
}

/// A line as read.
struct Line<'a> {
    path: &'a Path,
    number: u64,
    record: &'a csv::StringRecord,
}

impl Line<'_> {
    fn entry(&self) -> Result<Entry, ArenaError> {
        Ok(Entry {
            place: ChannelSignal { signal: self.name(0)?, channel: self.name(2)? },
            model: self.name(1)?,
            auc: self.fraction(3)?.ok_or_else(|| self.error(3, "a number from 0 to 1"))?,
            efficiency: [self.fraction(4)?, self.fraction(5)?, self.fraction(6)?],
        })
    }

    fn cell(&self, column: usize) -> &str {
        self.record.get(column).unwrap_or_default()
    }

    fn name(&self, column: usize) -> Result<String, ArenaError> {
        match self.cell(column) {
            "" => Err(self.error(column, "a name")),
            name if name.contains(char::is_control) => {
                Err(self.error(column, "a name without control characters"))
            }
            name => Ok(name.to_owned()),
        }
    }

    /// A number from 0 to 1, or nothing for an empty cell.
    fn fraction(&self, column: usize) -> Result<Option<f64>, ArenaError> {
        match self.cell(column) {
            "" => Ok(None),
            text => match text.parse() {
                Ok(value) if is_fraction(value) => Ok(Some(value)),
                _ => Err(self.error(column, "a number from 0 to 1, or empty where not measurable")),
            },
        }
    }

    fn error(&self, column: usize, expected: &'static str) -> ArenaError {
        ArenaError::Value {
            path: self.path.to_owned(),
            line: self.number,
            column: COLUMNS[column],
            found: self.cell(column).escape_debug().to_string(),
            expected,
        }
    }
}

#[cfg(test)]
mod tests;
