//! Conversion of the ADC2021 layout: sound files, files that would be misread, and damaged ones.

mod damage;
mod fixture;
mod layout;
mod memory;
mod units;

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use trigsieve::convert::{
    Conversion, ConvertError, ConvertedInput, EncodingChoice, LineOptions, SourceLayout, UnitsChoice,
};
use trigsieve::event::{Encoding, EventTable, Values};

/// A folder for the inputs and the output of a test.
struct Scratch {
    folder: TempDir,
}

impl Scratch {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn output(&self) -> PathBuf {
        self.folder.path().join("events.arrow")
    }

    fn input(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn conversion(&self, inputs: &[PathBuf]) -> Conversion {
        Conversion {
            inputs: inputs.to_vec(),
            layout: SourceLayout::Adc2021,
            output: self.output(),
            lines: LineOptions::default(),
            encoding: EncodingChoice::Exact(Encoding::L1x57),
            units: UnitsChoice::Physical,
            label: None,
            process: None,
            force: false,
        }
    }

    fn convert(&self, bytes: &[u8]) -> Result<Vec<ConvertedInput>, ConvertError> {
        let input = self.input("source.h5", bytes);
        Ok(self.conversion(&[input]).plan()?.run(|_| ())?.inputs)
    }

    /// Converts a file that must be refused, and gives the message.
    #[track_caller]
    fn refusal(&self, bytes: &[u8]) -> String {
        let error = self.convert(bytes).unwrap_err().to_string();
        assert!(error.contains("source.h5"), "{error}");
        assert!(!self.output().exists(), "a refused file left an output");
        error
    }
}

fn inputs(path: &Path) -> Vec<f32> {
    let table = EventTable::open(path).unwrap();
    let mut all = Vec::new();
    for batch in table.batches() {
        let Values::F32(values) = batch.rows().values() else { panic!("the inputs are i16") };
        all.extend_from_slice(values);
    }
    all
}
