use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::line::EventLine;
use super::{LineCounts, TextFile};
use crate::convert::{Conversion, ConvertError};
use crate::event::{MAX_PLACES, ObjectSymbol, Places};

/// Different process IDs that all inputs may have together; the challenge has some 40.
const MAX_PROCESSES: usize = 4096;

/// What has to be known of all inputs before the first event can be written.
#[derive(Default)]
pub(super) struct Survey {
    /// One entry an input.
    pub(super) files: Vec<SurveyedFile>,
    /// The names of the processes, in the order in which they come.
    pub(super) processes: Vec<String>,
    places_of_processes: HashMap<String, i32>,
    most: [Most; ObjectSymbol::ALL.len()],
    paths: Vec<PathBuf>,
}

pub(super) struct SurveyedFile {
    /// Events that pass the selection.
    pub(super) events: u64,
    pub(super) counts: LineCounts,
}

/// The event with the most objects of a symbol.
#[derive(Clone, Debug, Default)]
struct Most {
    objects: usize,
    file: usize,
    line: u64,
}

impl Survey {
    /// Reads an input.
    pub(super) fn add(
        &mut self,
        file: &TextFile,
        conversion: &Conversion,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), ConvertError> {
        let mut events = 0;
        let counts = file.read(conversion.lines, progress, |event, line| {
            events += 1;
            self.count_objects(event, line);
            match conversion.process {
                Some(_) => Ok(()),
                None => self.note_process(&event.process, &file.path),
            }
        })?;
        self.files.push(SurveyedFile { events, counts });
        self.paths.push(file.path.clone());
        Ok(())
    }

    /// Place of a process's name.
    pub(super) fn process(&self, name: &str) -> Option<i32> {
        self.places_of_processes.get(name).copied()
    }

    /// As many places for each symbol as an event has objects of it at most.
    pub(super) fn fit_static(&self) -> Result<Places, ConvertError> {
        let mut places = [0; ObjectSymbol::ALL.len()];
        for ((places, most), symbol) in places.iter_mut().zip(&self.most).zip(ObjectSymbol::ALL) {
            *places = u8::try_from(most.objects).unwrap_or(u8::MAX);
            if *places > MAX_PLACES {
                return Err(ConvertError::TooManyObjects {
                    path: self.paths[most.file].clone(),
                    line: most.line,
                    objects: most.objects,
                    symbol: symbol.symbol(),
                });
            }
        }
        match Places::new(places) {
            Some(places) if places.total() > 0 => Ok(places),
            _ => Err(ConvertError::NothingToFit { path: self.paths.first().cloned().unwrap_or_default() }),
        }
    }

    fn note_process(&mut self, name: &str, path: &Path) -> Result<(), ConvertError> {
        if self.places_of_processes.contains_key(name) {
            return Ok(());
        }
        let fits = |place: &i32| usize::try_from(*place).is_ok_and(|place| place < MAX_PROCESSES);
        let place = i32::try_from(self.processes.len()).ok().filter(fits);
        let place = place.ok_or_else(|| ConvertError::Layout {
            path: path.to_owned(),
            what: "process IDs".to_owned(),
            expected: format!("at most {MAX_PROCESSES} different names (or one for all, by --process)"),
            found: "more".to_owned(),
        })?;
        self.places_of_processes.insert(name.to_owned(), place);
        self.processes.push(name.to_owned());
        Ok(())
    }

    fn count_objects(&mut self, event: &EventLine, line: u64) {
        let mut objects = [0; ObjectSymbol::ALL.len()];
        for object in &event.event.objects {
            objects[usize::from(object.symbol.code())] += 1;
        }
        for (most, objects) in self.most.iter_mut().zip(objects) {
            if objects > most.objects {
                *most = Most { objects, file: self.files.len(), line };
            }
        }
    }
}
