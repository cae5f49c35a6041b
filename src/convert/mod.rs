//! From the files of public data sets to event tables, offline.
//!
//! A conversion is planned first, which opens and checks every input, and then run, which streams the events
//! through in constant memory. The output appears when everything was converted, or not at all.

mod adc2021;
mod batches;
mod choice;
mod darkmachines;
mod error;
mod hdf5;
mod lhco;
mod provenance;

use std::path::{Path, PathBuf};

use self::adc2021::Adc2021;
use self::batches::{Batches, MoreColumns};
pub use self::choice::EncodingChoice;
use self::darkmachines::TextFile;
pub use self::darkmachines::{BadLine, LineCounts, LineFault, Selection};
pub use self::error::ConvertError;
use self::lhco::Lhco;
use crate::event::{Encoding, EventSchema, EventWriter, HardwareUnits, Source, UnitsError};

/// Layout of the source files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum SourceLayout {
    /// HDF5 of the ADC2021 40 MHz data set (arXiv:2107.02157): `Particles` [N, 19, 4].
    Adc2021,
    /// Text lines of the Dark Machines challenge (arXiv:2105.14027): `event ID; process ID; event weight; MET; METphi;
    /// obj,E,pt,eta,phi; ...`, MeV and rad.
    #[value(name = "darkmachines")]
    DarkMachines,
    /// HDF5 of the LHC Olympics (arXiv:2101.08320): up to 700 particles an event, and the truth bit where the file has it.
    /// [N, 2101] or [N, 2100], in `events` or as pandas writes it.
    Lhco,
    /// HDF5 of the LHC Olympics' features: momentum, mass and N-subjettinesses of the two leading jets, and the truth label
    /// where the file has it. [N, 15] or [N, 14], in `features` or as pandas writes it.
    LhcoFeatures,
}

/// What happens at a line that is no event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum OnError {
    /// The conversion fails, and names the line.
    #[default]
    Fail,
    /// The line is left out and counted.
    Skip,
}

/// How text lines are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineOptions {
    /// Only events that pass are converted.
    pub selection: Option<Selection>,
    /// What happens at a line that is no event.
    pub on_error: OnError,
}

/// What the numbers of a table are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum UnitsChoice {
    /// Physical values, f32.
    #[default]
    Physical,
    /// Hardware integers in the units of the CMS global trigger ([`HardwareUnits::cms`]).
    Cms,
    /// Hardware integers in the units of a file ([`HardwareUnits::load`]).
    File(PathBuf),
}

impl UnitsChoice {
    /// The units of the inputs of `encoding`; none for physical values.
    fn of(&self, encoding: Encoding) -> Result<Option<HardwareUnits>, UnitsError> {
        match self {
            Self::Physical => Ok(None),
            Self::Cms => Ok(Some(HardwareUnits::cms(encoding))),
            Self::File(path) => HardwareUnits::load(path, &encoding.features()).map(Some),
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
    /// For layouts of text lines.
    pub lines: LineOptions,
    /// The event table to write.
    pub output: PathBuf,
    /// Function from physics objects to model inputs.
    pub encoding: EncodingChoice,
    /// What a value is worth.
    pub units: UnitsChoice,
    /// Value of the `label` column (0 background, 1 signal). Of a source with the truth of each event only those of this
    /// label are converted; without it all are, each with its own. Without either there is no such column.
    pub label: Option<u8>,
    /// Value of the `process` column. Without it the column has what the source has, if anything.
    pub process: Option<String>,
    /// Whether an existing output is replaced.
    pub force: bool,
}

/// A conversion whose inputs are open and whose layout is checked.
pub struct ConversionPlan {
    conversion: Conversion,
    sources: Sources,
}

enum Sources {
    Adc2021(Vec<Adc2021>),
    DarkMachines(Vec<TextFile>),
    Lhco(Vec<Lhco>),
}

/// How much there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Events to convert.
    Events(u64),
    /// Bytes to read.
    Bytes(u64),
}

/// What a conversion made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// The encoding of the table.
    pub encoding: Encoding,
    /// What became of each input, in order.
    pub inputs: Vec<ConvertedInput>,
    /// Values that did not fit a hardware integer and became its nearest end, by input of the encoding; empty for
    /// physical values.
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
    /// Events with more objects than the encoding has places for; the trailing ones are not among the inputs.
    pub crowded_events: u64,
    /// Events that the source says are of another label than was asked for; they are left out.
    pub other_label: u64,
    /// For layouts of text lines: what became of the lines.
    pub lines: Option<LineCounts>,
}

impl Conversion {
    /// Opens and checks the inputs; nothing is written.
    ///
    /// # Errors
    /// [`ConvertError`] when an input cannot be read or is not of the layout, the encoding needs other objects than
    /// the layout has, or the output exists.
    pub fn plan(self) -> Result<ConversionPlan, ConvertError> {
        self.check_encoding()?;
        if let EncodingChoice::Exact(encoding) = self.encoding {
            self.units.of(encoding)?;
        }
        self.check_output()?;
        let inputs = self.inputs.iter();
        let sources = match self.layout {
            SourceLayout::Adc2021 => {
                Sources::Adc2021(inputs.map(|path| Adc2021::open(path)).collect::<Result<_, _>>()?)
            }
            SourceLayout::DarkMachines => {
                Sources::DarkMachines(inputs.map(|path| TextFile::open(path)).collect::<Result<_, _>>()?)
            }
            layout @ (SourceLayout::Lhco | SourceLayout::LhcoFeatures) => {
                let files = inputs.map(|path| Lhco::open(path, layout)).collect::<Result<Vec<_>, _>>()?;
                lhco::check_labels(&files, self.label)?;
                Sources::Lhco(files)
            }
        };
        Ok(ConversionPlan { conversion: self, sources })
    }

    /// Begins the output, in the units that are asked for.
    fn begin<C: MoreColumns>(
        &self,
        encoding: Encoding,
        provenance: Vec<Source>,
        columns: C,
    ) -> Result<Batches<C>, ConvertError> {
        let units = self.units.of(encoding)?;
        let mut schema = EventSchema::of(encoding, provenance);
        if let Some(units) = &units {
            schema = schema.in_hardware_units(units);
        }
        let writer = EventWriter::create(&self.output, schema.to_arrow(columns.fields()))?;
        Ok(Batches::new(writer, columns, encoding.k()).in_units(units))
    }

    fn check_encoding(&self) -> Result<(), ConvertError> {
        match (self.layout, self.encoding) {
            (SourceLayout::Adc2021, EncodingChoice::Exact(Encoding::L1x57))
            | (SourceLayout::DarkMachines, EncodingChoice::Exact(Encoding::Objects(_)))
            | (SourceLayout::DarkMachines, EncodingChoice::FitStatic)
            | (SourceLayout::Lhco, EncodingChoice::Exact(Encoding::Particles(_)))
            | (SourceLayout::LhcoFeatures, EncodingChoice::Exact(Encoding::Dijet(_))) => Ok(()),
            (layout, encoding) => {
                Err(ConvertError::EncodingOfOtherSource { encoding: encoding.to_string(), layout })
            }
        }
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
    /// How much there is to do.
    #[must_use]
    pub fn work(&self) -> Work {
        match &self.sources {
            Sources::Adc2021(files) => Work::Events(files.iter().map(Adc2021::events).sum()),
            Sources::Lhco(files) => {
                Work::Events(files.iter().map(|file| file.work(self.conversion.label)).sum())
            }
            Sources::DarkMachines(files) => Work::Bytes(files.iter().map(TextFile::work).sum()),
        }
    }

    /// Converts. `progress` is called every now and then with how much of the [`ConversionPlan::work`] is done.
    ///
    /// # Errors
    /// [`ConvertError`] when an input is damaged or the output cannot be written; then there is no output.
    pub fn run(self, mut progress: impl FnMut(u64)) -> Result<Converted, ConvertError> {
        match self.sources {
            Sources::Adc2021(files) => adc2021::convert(&self.conversion, files, &mut progress),
            Sources::DarkMachines(files) => darkmachines::convert(&self.conversion, &files, &mut progress),
            Sources::Lhco(files) => lhco::convert(&self.conversion, files, &mut progress),
        }
    }
}

impl ConvertedInput {
    fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            events: 0,
            non_finite_events: 0,
            first_non_finite: None,
            crowded_events: 0,
            other_label: 0,
            lines: None,
        }
    }

    fn count(&mut self, inputs: &[f32]) {
        if !inputs.iter().all(|value| value.is_finite()) {
            self.non_finite_events += 1;
            self.first_non_finite.get_or_insert(self.events);
        }
        self.events += 1;
    }

    /// Hardware integers have no NaN and no infinity that could mark an event as invalid.
    fn check_countable(&self, units: &UnitsChoice) -> Result<(), ConvertError> {
        match self.first_non_finite.filter(|_| *units != UnitsChoice::Physical) {
            None => Ok(()),
            Some(row) => Err(ConvertError::NotFinite { path: self.path.clone(), row }),
        }
    }
}

impl std::fmt::Display for SourceLayout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Adc2021 => "adc2021",
            Self::DarkMachines => "darkmachines",
            Self::Lhco => "lhco",
            Self::LhcoFeatures => "lhco-features",
        })
    }
}

fn same_file(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
