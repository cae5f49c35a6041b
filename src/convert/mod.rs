//! From the files of public data sets to event tables, offline.
//!
//! A conversion is planned first, which opens and checks every input, and then run, which streams the events
//! through in constant memory. The output appears when everything was converted, or not at all.

mod adc2021;
mod batches;
mod error;
mod hdf5;
mod provenance;

use std::path::{Path, PathBuf};

use self::adc2021::Adc2021;
use self::batches::{Batches, Constants};
pub use self::error::ConvertError;
use self::provenance::source_of;
use crate::event::{Encoding, EventSchema, EventWriter, HardwareUnits};

/// Layout of the source files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum SourceLayout {
    /// HDF5 of the ADC2021 40 MHz data set (arXiv:2107.02157): `Particles` [N, 19, 4].
    Adc2021,
}

impl SourceLayout {
    /// The encoding that keeps everything the layout has.
    #[must_use]
    pub fn default_encoding(self) -> Encoding {
        match self {
            Self::Adc2021 => Encoding::L1x57,
        }
    }
}

/// What to convert, and into what.
#[derive(Clone, Debug)]
pub struct Conversion {
    /// The source files; `event_id` runs on from one to the next.
    pub inputs: Vec<PathBuf>,
    /// Their layout.
    pub layout: SourceLayout,
    /// The event table to write.
    pub output: PathBuf,
    /// Function from physics objects to model inputs.
    pub encoding: Encoding,
    /// Hardware units in which the inputs are counted; without them the inputs are physical values.
    pub units: Option<HardwareUnits>,
    /// Value of the `label` column (0 background, 1 signal); without it there is no such column.
    pub label: Option<u8>,
    /// Value of the `process` column; without it there is no such column.
    pub process: Option<String>,
    /// Whether an existing output is replaced.
    pub force: bool,
}

/// A conversion whose inputs are open and whose layout is checked.
pub struct ConversionPlan {
    conversion: Conversion,
    sources: Vec<Adc2021>,
}

/// What a conversion left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// By source file.
    pub inputs: Vec<ConvertedInput>,
    /// Values that did not fit a hardware integer and became its nearest end, by input; empty for physical values.
    pub saturated: Vec<u64>,
}

/// What became of one input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvertedInput {
    /// The file.
    pub path: PathBuf,
    /// Events converted.
    pub events: u64,
    /// Events with a NaN or infinite input. They are converted as they are: the trigger counts them as invalid.
    pub non_finite_events: u64,
    /// The first of these, counted from 0 in the file.
    pub first_non_finite: Option<u64>,
}

impl Conversion {
    /// Opens and checks the inputs; nothing is written.
    ///
    /// # Errors
    /// [`ConvertError`] when an input cannot be read or is not of the layout, or the output exists.
    pub fn plan(self) -> Result<ConversionPlan, ConvertError> {
        self.check_output()?;
        let sources = match self.layout {
            SourceLayout::Adc2021 => {
                self.inputs.iter().map(|path| Adc2021::open(path)).collect::<Result<_, _>>()?
            }
        };
        Ok(ConversionPlan { conversion: self, sources })
    }

    fn check_output(&self) -> Result<(), ConvertError> {
        let path = || self.output.clone();
        if self.inputs.iter().any(|input| same_file(input, &self.output)) {
            return Err(ConvertError::OutputIsInput { path: path() });
        }
        if !self.force && self.output.symlink_metadata().is_ok() {
            return Err(ConvertError::OutputExists { path: path() });
        }
        Ok(())
    }
}

impl ConversionPlan {
    /// Events in all inputs.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.sources.iter().map(Adc2021::events).sum()
    }

    /// Converts. `progress` is called with the number of events done so far, every few thousand of them.
    ///
    /// # Errors
    /// [`ConvertError`] when an input is damaged, or not finite and to be an integer, or the output cannot be written;
    /// then there is no output.
    pub fn run(self, mut progress: impl FnMut(u64)) -> Result<Converted, ConvertError> {
        let Self { conversion, sources } = self;
        let mut batches = begin_output(&conversion, &sources)?;
        let mut converted = Vec::with_capacity(sources.len());
        let mut done = 0;
        for (path, mut source) in conversion.inputs.iter().zip(sources) {
            let mut input = ConvertedInput {
                path: path.clone(),
                events: 0,
                non_finite_events: 0,
                first_non_finite: None,
            };
            while source.next_block(|objects| {
                let inputs = batches.push(|inputs| conversion.encoding.encode(objects, inputs))?;
                input.count(inputs);
                input.check_countable(conversion.units.is_some())
            })? {
                progress(done + input.events);
            }
            done += input.events;
            converted.push(input);
        }
        let saturated = batches.finish()?;
        Ok(Converted { inputs: converted, saturated })
    }
}

impl ConvertedInput {
    fn count(&mut self, inputs: &[f32]) {
        if !inputs.iter().all(|value| value.is_finite()) {
            self.non_finite_events += 1;
            self.first_non_finite.get_or_insert(self.events);
        }
        self.events += 1;
    }

    /// Hardware integers have no NaN and no infinity that could mark an event as invalid.
    fn check_countable(&self, integers: bool) -> Result<(), ConvertError> {
        match self.first_non_finite.filter(|_| integers) {
            None => Ok(()),
            Some(row) => Err(ConvertError::NotFinite { path: self.path.clone(), row }),
        }
    }
}

fn begin_output(conversion: &Conversion, sources: &[Adc2021]) -> Result<Batches, ConvertError> {
    let provenance = conversion
        .inputs
        .iter()
        .zip(sources)
        .map(|(path, source)| source_of(path, source.events()))
        .collect::<Result<_, _>>()?;
    let constants = Constants::new(conversion.label, conversion.process.as_deref());
    let mut schema = EventSchema::of(conversion.encoding, provenance);
    if let Some(units) = &conversion.units {
        schema = schema.in_hardware_units(units);
    }
    let writer = EventWriter::create(&conversion.output, schema.to_arrow(constants.fields()))?;
    Ok(Batches::new(writer, constants, conversion.encoding.k()).in_units(conversion.units.clone()))
}

fn same_file(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
