//! The layout of the ADC2021 data set (arXiv:2107.02157): trigger objects of 40 MHz events.
//!
//! `Particles` [N, 19, 4] holds pT (GeV), eta, phi (rad) and a class code of MET, 4 electrons or photons, 4
//! muons and 10 jets; absent objects are zero. The published files are f64. `Particles_Names` names the four
//! columns, `Particles_Classes` the kinds of objects. A file may lack either: then the class codes alone have
//! to show the order, and a file where nothing does is refused rather than guessed at.

use std::path::{Path, PathBuf};

use super::batches::{Batches, Constants};
use super::hdf5::{FloatRows, Hdf5File};
use super::provenance::source_of;
use super::{Conversion, ConvertError, Converted, ConvertedInput};
use crate::event::{Encoding, L1_OBJECTS, L1_PLACES, L1Event, encode_l1};

const PARTICLES: &str = "Particles";
const NAMES: &str = "Particles_Names";
const CLASSES: &str = "Particles_Classes";
const COLUMNS: [&str; 4] = ["Pt", "Eta", "Phi", "Class"];
/// A word that each label of `Particles_Classes` has, in order.
const CLASS_WORDS: [&str; 4] = ["met", "ele", "mu", "jet"];

/// Values of an event in the file.
const EVENT_VALUES: usize = L1_PLACES * COLUMNS.len();

/// An opened file, read block by block.
pub(super) struct Adc2021 {
    path: PathBuf,
    particles: FloatRows,
    order_is_known: bool,
    class_of_place: [u8; L1_PLACES],
}

impl Adc2021 {
    /// Opens the file and checks everything but the events themselves.
    pub(super) fn open(path: &Path) -> Result<Self, ConvertError> {
        let file = Hdf5File::open(path)?;
        let particles = file.float_rows(PARTICLES, &[&[L1_PLACES as u64, COLUMNS.len() as u64]])?;
        let names = file.strings(NAMES)?;
        check_labels(path, NAMES, names.as_deref(), &COLUMNS, |label, name| {
            label.eq_ignore_ascii_case(name)
        })?;
        let classes = file.strings(CLASSES)?;
        check_labels(path, CLASSES, classes.as_deref(), &CLASS_WORDS, |label, word| {
            label.to_ascii_lowercase().contains(word)
        })?;
        let order_is_known = names.is_some() || particles.rows() == 0;
        Ok(Self { path: path.to_owned(), particles, order_is_known, class_of_place: class_of_place() })
    }

    /// Events in the file.
    pub(super) fn events(&self) -> u64 {
        self.particles.rows()
    }

    /// Hands the next block of events to `each`; false at the end of the file.
    pub(super) fn next_block(
        &mut self,
        mut each: impl FnMut(&L1Event) -> Result<(), ConvertError>,
    ) -> Result<bool, ConvertError> {
        let Some((first, values)) = self.particles.next_window()? else {
            return self.check_order_was_seen().map(|()| false);
        };
        for (row, event) in (first..).zip(values.chunks_exact(EVENT_VALUES)) {
            each(&self.objects_of(row, event)?)?;
        }
        Ok(true)
    }

    fn objects_of(&mut self, row: u64, event: &[f32]) -> Result<L1Event, ConvertError> {
        let mut objects = L1Event::default();
        for (place, (object, columns)) in
            objects.iter_mut().zip(event.chunks_exact(COLUMNS.len())).enumerate()
        {
            let code = columns[3];
            if code != 0.0 {
                if code != f32::from(self.class_of_place[place]) {
                    return Err(self.misplaced(row, place, code));
                }
                self.order_is_known = true;
            }
            object.copy_from_slice(&columns[..3]);
        }
        Ok(objects)
    }

    fn misplaced(&self, row: u64, place: usize, code: f32) -> ConvertError {
        ConvertError::Layout {
            path: self.path.clone(),
            what: format!("{PARTICLES}[{row}, {place}, 3], the class code of object {place}"),
            expected: format!("{} or 0", self.class_of_place[place]),
            found: code.to_string(),
        }
    }

    fn check_order_was_seen(&self) -> Result<(), ConvertError> {
        if self.order_is_known {
            return Ok(());
        }
        Err(ConvertError::Layout {
            path: self.path.clone(),
            what: "order of the columns".to_owned(),
            expected: format!("`{NAMES}`, or class codes in the last column of `{PARTICLES}`"),
            found: "neither".to_owned(),
        })
    }
}

/// Converts `files` into the output of `conversion`, in the encoding `l1_57`.
pub(super) fn convert(
    conversion: &Conversion,
    files: Vec<Adc2021>,
    progress: &mut dyn FnMut(u64),
) -> Result<Converted, ConvertError> {
    let mut batches = begin_output(conversion, &files)?;
    let mut inputs = Vec::with_capacity(files.len());
    let mut done = 0;
    for mut file in files {
        let mut input = ConvertedInput::new(&file.path);
        while file.next_block(|objects| {
            input.count(batches.push(|inputs, _| encode_l1(objects, inputs))?);
            input.check_countable(&conversion.units)
        })? {
            progress(done + input.events);
        }
        done += input.events;
        inputs.push(input);
    }
    let saturated = batches.finish()?;
    Ok(Converted { encoding: Encoding::L1x57, inputs, saturated })
}

fn begin_output(conversion: &Conversion, files: &[Adc2021]) -> Result<Batches<Constants>, ConvertError> {
    let provenance =
        files.iter().map(|file| source_of(&file.path, file.events())).collect::<Result<_, _>>()?;
    let constants = Constants::new(conversion.label, conversion.process.as_deref());
    conversion.begin(Encoding::L1x57, provenance, constants)
}

/// Class code of each of the 19 places: 1 MET, 2 e/gamma, 3 muon, 4 jet.
fn class_of_place() -> [u8; L1_PLACES] {
    let mut classes = [0; L1_PLACES];
    let codes = (1..).zip(L1_OBJECTS).flat_map(|(code, (_, places))| std::iter::repeat_n(code, places));
    for (class, code) in classes.iter_mut().zip(codes) {
        *class = code;
    }
    classes
}

fn check_labels(
    path: &Path,
    dataset: &str,
    found: Option<&[String]>,
    expected: &[&str; 4],
    fits: impl Fn(&str, &str) -> bool,
) -> Result<(), ConvertError> {
    let Some(found) = found else {
        tracing::warn!("{}: no `{dataset}`; going by the class codes", path.display());
        return Ok(());
    };
    if found.len() == expected.len() && found.iter().zip(expected).all(|(label, name)| fits(label, name)) {
        return Ok(());
    }
    Err(ConvertError::Layout {
        path: path.to_owned(),
        what: format!("`{dataset}`"),
        expected: expected.join(", "),
        found: found.iter().take(8).map(String::as_str).collect::<Vec<_>>().join(", "),
    })
}
