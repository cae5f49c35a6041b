use std::path::PathBuf;

use arrow_schema::Schema;

use crate::event::{EventError, EventTable, HardwareUnit, Rows, TableBatch};

/// The event files of a replay, in order, as one list of record batches.
#[derive(Debug)]
pub struct EventSet {
    tables: Vec<EventTable>,
    /// Table and batch of each record batch that has events.
    index: Vec<(usize, usize)>,
    /// Number of the first event of each of these.
    firsts: Vec<u64>,
    events: u64,
}

/// A run of consecutive events inside one record batch: what travels through the rings instead of the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Which record batch of the set.
    pub batch: u32,
    /// First event in it.
    pub first: u32,
    /// Number of events.
    pub len: u32,
}

/// A place in the endless repetition of a set.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cursor {
    batch: usize,
    row: usize,
}

impl EventSet {
    /// The columns of all files: those of the first, where a column may have nulls in any file it may in this.
    #[must_use]
    pub fn arrow_schema(&self) -> Schema {
        let Some(first) = self.tables.first().map(EventTable::arrow_schema) else { return Schema::empty() };
        let is_nullable = |name: &str| {
            let field = |table: &EventTable| table.arrow_schema().field_with_name(name).cloned();
            self.tables.iter().any(|table| field(table).is_ok_and(|field| field.is_nullable()))
        };
        let fields: Vec<_> = first
            .fields()
            .iter()
            .map(|field| field.as_ref().clone().with_nullable(is_nullable(field.name())))
            .collect();
        Schema::new_with_metadata(fields, first.metadata().clone())
    }

    /// Maps `paths`.
    ///
    /// # Errors
    /// [`EventError`] of the first bad file; [`EventError::Mismatch`] when a file's columns, encoding or K differ
    /// from the first file's.
    pub fn open(paths: &[PathBuf]) -> Result<Self, EventError> {
        let tables = paths.iter().map(|path| EventTable::open(path)).collect::<Result<Vec<_>, _>>()?;
        if let Some((first, others)) = tables.split_first() {
            others.iter().try_for_each(|table| check_same(first, table))?;
        }
        let index: Vec<(usize, usize)> = tables
            .iter()
            .enumerate()
            .flat_map(|(table, events)| (0..events.batches().len()).map(move |batch| (table, batch)))
            .filter(|&(table, batch)| !tables[table].batches()[batch].is_empty())
            .collect();
        let mut events = 0;
        let first_of = |&(table, batch): &(usize, usize)| {
            let first = events;
            events += tables[table].batches()[batch].len() as u64;
            first
        };
        let firsts = index.iter().map(first_of).collect();
        Ok(Self { tables, index, firsts, events })
    }

    /// The files.
    #[must_use]
    pub fn tables(&self) -> &[EventTable] {
        &self.tables
    }

    /// Events in all files together.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.events
    }

    /// Whether no file has an event.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events == 0
    }

    /// The record batches that have events, in order.
    pub fn batches(&self) -> impl Iterator<Item = &TableBatch> {
        self.index.iter().map(|&(table, batch)| &self.tables[table].batches()[batch])
    }

    /// A record batch by its number in [`EventSet::batches`].
    ///
    /// # Panics
    /// When there is no such batch.
    #[must_use]
    pub fn batch(&self, batch: u32) -> &TableBatch {
        let (table, batch) = self.index[batch as usize];
        &self.tables[table].batches()[batch]
    }

    /// The model inputs of a run.
    ///
    /// # Panics
    /// When the run is not of this set.
    #[must_use]
    pub fn rows(&self, run: Run) -> Rows<'_> {
        self.batch(run.batch).rows().slice(run.first as usize, run.len as usize)
    }

    /// [`EventTable::prefault`] of all files, if together they take less than half of the memory that is free: pages that
    /// are not there yet otherwise stop the first reader of each.
    pub fn prefault(&self) {
        let bytes: u64 = self.tables.iter().map(EventTable::bytes).sum();
        if bytes <= free_memory_bytes() / 2 {
            self.tables.iter().for_each(EventTable::prefault);
        }
    }

    /// [`EventTable::check_pages`] of a run's file.
    ///
    /// # Errors
    /// [`EventError::Truncated`].
    ///
    /// # Panics
    /// When the run is not of this set.
    pub fn check_pages(&self, run: Run) -> Result<(), EventError> {
        self.tables[self.index[run.batch as usize].0].check_pages()
    }

    /// Whether what was read of any file was all there.
    ///
    /// # Errors
    /// [`EventError::Truncated`] of the first that was cut.
    pub fn check_all_intact(&self) -> Result<(), EventError> {
        self.tables.iter().try_for_each(EventTable::check_intact)
    }

    /// The place of event number `event` of the endless repetition.
    #[must_use]
    pub fn cursor_at(&self, event: u64) -> Cursor {
        let event = event % self.events.max(1);
        let batch = self.firsts.partition_point(|first| *first <= event).saturating_sub(1);
        Cursor { batch, row: self.firsts.get(batch).map_or(0, |first| (event - first) as usize) }
    }

    /// The next run of at most `events` events at `cursor`; it ends with the record batch. The set must not be empty.
    #[must_use]
    pub fn run_at(&self, cursor: Cursor, events: u64) -> Run {
        let left = self.batch(cursor.batch as u32).len() - cursor.row;
        let len = usize::try_from(events).map_or(left, |events| events.min(left));
        Run { batch: cursor.batch as u32, first: cursor.row as u32, len: len as u32 }
    }

    /// Moves `cursor` past `run`, over the end of the set to its beginning.
    pub fn advance(&self, cursor: &mut Cursor, run: Run) {
        cursor.row += run.len as usize;
        if cursor.row == self.batch(cursor.batch as u32).len() {
            *cursor = Cursor { batch: (cursor.batch + 1) % self.index.len(), row: 0 };
        }
    }
}

/// Memory that is free or holds nothing but files' pages; none where the system does not say.
fn free_memory_bytes() -> u64 {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = info.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

fn check_same(first: &EventTable, other: &EventTable) -> Result<(), EventError> {
    let name = first.path().display().to_string();
    other.expect(&name, &first.schema().encoding, first.schema().k)?;
    let columns = |table: &EventTable| {
        let fields = table.arrow_schema().fields().iter();
        fields.map(|field| format!("{}: {}", field.name(), field.data_type())).collect::<Vec<_>>().join(", ")
    };
    let (found, expected) = (columns(other), columns(first));
    let mismatch = |what, found, expected| {
        Err(EventError::Mismatch {
            path: other.path().to_owned(),
            what,
            found,
            other: name.clone(),
            expected,
        })
    };
    if found != expected {
        return mismatch("the list of columns", found, expected);
    }
    // Counts of different steps are different numbers; physical values carry their meaning in the encoding.
    let mut units = other.schema().hardware_units().zip(first.schema().hardware_units());
    match units.find(|(found, expected)| found.1 != expected.1) {
        None => Ok(()),
        Some(((input, found), (_, expected))) => {
            let text =
                |unit: Option<HardwareUnit>| unit.map_or("unknown".to_owned(), |unit| unit.to_string());
            mismatch(
                "the hardware unit",
                format!("`{}` for `{input}`", text(found)),
                format!("`{}`", text(expected)),
            )
        }
    }
}
