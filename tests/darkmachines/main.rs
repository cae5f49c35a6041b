//! Conversion of the text files of the Dark Machines challenge: columns, layouts, counters, bad lines, memory.

mod lines;
mod memory;
mod table;

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use trigsieve::convert::{
    Conversion, ConvertError, Converted, EncodingChoice, LineOptions, OnError, SourceLayout, UnitsChoice,
};
use trigsieve::event::{EventTable, Values};

/// A folder for the inputs and the output of a test.
struct Scratch {
    folder: TempDir,
}

impl Scratch {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn output(&self) -> PathBuf {
        self.path("events.arrow")
    }

    fn input(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        std::fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    fn conversion(&self, inputs: &[PathBuf], encoding: &str) -> Conversion {
        Conversion {
            inputs: inputs.to_vec(),
            layout: SourceLayout::DarkMachines,
            lines: LineOptions::default(),
            output: self.output(),
            encoding: encoding.parse().unwrap(),
            units: UnitsChoice::Physical,
            label: None,
            process: None,
            force: false,
        }
    }

    /// Converts one file.
    fn convert(&self, content: impl AsRef<[u8]>, encoding: &str) -> Result<Converted, ConvertError> {
        let input = self.input("source.csv", content);
        self.conversion(&[input], encoding).plan()?.run(|_| ())
    }

    /// Converts one file, leaving out what is no event.
    fn convert_skipping(&self, content: impl AsRef<[u8]>) -> Converted {
        let input = self.input("source.csv", content);
        let mut conversion = self.conversion(&[input], "simple_ae_34");
        conversion.lines.on_error = OnError::Skip;
        conversion.plan().unwrap().run(|_| ()).unwrap()
    }

    fn table(&self) -> EventTable {
        EventTable::open(&self.output()).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = self.folder.path().read_dir().unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn exact(name: &str) -> EncodingChoice {
    EncodingChoice::Exact(name.parse().unwrap())
}

fn rows(path: &Path) -> Vec<Vec<f32>> {
    let table = EventTable::open(path).unwrap();
    let mut rows = Vec::new();
    for batch in table.batches() {
        let Values::F32(values) = batch.rows().values() else { panic!("the inputs are i16") };
        rows.extend(values.chunks_exact(batch.rows().k()).map(<[f32]>::to_vec));
    }
    rows
}
