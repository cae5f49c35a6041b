//! One line of the challenge's text files (arXiv:2105.14027, section 2.2):
//! `event ID; process ID; event weight; MET; METphi; obj,E,pt,eta,phi; ...`, MeV and rad.

use crate::event::{CollisionEvent, ObjectSymbol, PhysicsObject};

/// Longest process ID: the challenge's have some 30 characters.
const MAX_PROCESS_BYTES: usize = 200;
/// Characters of a wrong value that a message shows.
const SHOWN_CHARACTERS: usize = 40;
const MEV_PER_GEV: f64 = 1000.0;

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    /// The line does not end within reason.
    #[error("longer than {limit} bytes")]
    TooLong {
        /// Longest line that is read.
        limit: usize,
    },
    /// The line ends too early.
    #[error(
        "{field} is missing; a line is `event ID; process ID; event weight; MET; METphi; obj,E,pt,eta,phi; ...`"
    )]
    Missing {
        /// The first field that is not there.
        field: &'static str,
    },
    /// A field does not have the value it should have.
    #[error("{field}: expected {expected}, found `{found}`")]
    Field {
        /// For example `MET`.
        field: &'static str,
        /// What the format says.
        expected: &'static str,
        /// What the line has, shortened.
        found: String,
    },
    /// A value of an object is not what it should be.
    #[error("object {object}: {value}: expected {expected}, found `{found}`")]
    Object {
        /// Which object of the line, from 1.
        object: usize,
        /// For example `pt`.
        value: &'static str,
        /// What the format says.
        expected: &'static str,
        /// What the line has, shortened.
        found: String,
    },
}

/// An event as its line has it, in GeV and rad.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct EventLine {
    /// Event ID; unique in a generator's run only.
    pub source_event_id: u64,
    /// Process ID.
    pub process: String,
    /// Event weight.
    pub weight: f32,
    /// Everything else.
    pub event: CollisionEvent,
}

impl EventLine {
    /// Takes over the content of a line, whose end may have spare semicolons.
    ///
    /// # Errors
    /// [`LineFault`]; then what is in here is part of the line at best.
    pub(super) fn parse(&mut self, line: &[u8]) -> Result<(), LineFault> {
        let mut end = line.trim_ascii();
        while let Some(shorter) = end.strip_suffix(b";") {
            end = shorter.trim_ascii_end();
        }
        let mut fields = end.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let mut field = |field| fields.next().ok_or(LineFault::Missing { field });
        self.source_event_id = event_id(field("event ID")?)?;
        self.take_process(field("process ID")?)?;
        self.weight = weight(field("event weight")?)?;
        self.event.met_gev = met(field("MET")?)?;
        self.event.met_phi = met_phi(field("METphi")?)?;
        self.event.objects.clear();
        for (index, object) in fields.enumerate() {
            self.event.objects.push(physics_object(index + 1, object)?);
        }
        Ok(())
    }

    fn take_process(&mut self, field: &[u8]) -> Result<(), LineFault> {
        self.process.clear();
        let refuse = |expected| field_fault("process ID", expected, field);
        match std::str::from_utf8(field) {
            Ok("") => Err(refuse("a name")),
            Ok(_) if field.len() > MAX_PROCESS_BYTES => Err(refuse("a name of at most 200 bytes")),
            Ok(name) => {
                self.process.push_str(name);
                Ok(())
            }
            Err(_) => Err(refuse("UTF-8 text")),
        }
    }
}

fn event_id(field: &[u8]) -> Result<u64, LineFault> {
    let id = std::str::from_utf8(field).ok().and_then(|text| text.parse().ok());
    id.ok_or_else(|| field_fault("event ID", "a whole number (is this a header?)", field))
}

fn weight(field: &[u8]) -> Result<f32, LineFault> {
    let weight = number(field).map(|weight| weight as f32).filter(|weight| weight.is_finite());
    weight.ok_or_else(|| field_fault("event weight", FINITE, field))
}

fn met(field: &[u8]) -> Result<f64, LineFault> {
    momentum(field).ok_or_else(|| field_fault("MET", MOMENTUM, field))
}

fn met_phi(field: &[u8]) -> Result<f64, LineFault> {
    angle(field).ok_or_else(|| field_fault("METphi", FINITE, field))
}

fn physics_object(object: usize, field: &[u8]) -> Result<PhysicsObject, LineFault> {
    let mut values = field.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let whole = || object_fault(object, "values", "SYMBOL,E,pt,eta,phi", field);
    let mut value = || values.next().ok_or_else(whole);
    let (symbol, energy, pt, eta, phi) = (value()?, value()?, value()?, value()?, value()?);
    if values.next().is_some() {
        return Err(whole());
    }
    let fault = |value, expected, found| move || object_fault(object, value, expected, found);
    Ok(PhysicsObject {
        symbol: ObjectSymbol::from_symbol(symbol).ok_or_else(fault("symbol", SYMBOLS, symbol))?,
        pt_gev: momentum(pt).ok_or_else(fault("pt", MOMENTUM, pt))?,
        eta: angle(eta).ok_or_else(fault("eta", FINITE, eta))?,
        phi: angle(phi).ok_or_else(fault("phi", FINITE, phi))?,
        energy_gev: momentum(energy).ok_or_else(fault("E", MOMENTUM, energy))?,
    })
}

const SYMBOLS: &str = "one of j, b, e-, e+, m-, m+, g";
const FINITE: &str = "a finite number";
const MOMENTUM: &str = "a finite number of MeV, 0 or above";

fn number(field: &[u8]) -> Option<f64> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// Written in MeV, given in GeV.
fn momentum(field: &[u8]) -> Option<f64> {
    number(field).map(|mev| mev / MEV_PER_GEV).filter(|gev| *gev >= 0.0 && is_finite_in_f32(*gev))
}

fn angle(field: &[u8]) -> Option<f64> {
    number(field).filter(|value| is_finite_in_f32(*value))
}

/// The event table has single precision.
fn is_finite_in_f32(value: f64) -> bool {
    (value as f32).is_finite()
}

fn field_fault(field: &'static str, expected: &'static str, found: &[u8]) -> LineFault {
    LineFault::Field { field, expected, found: shortened(found) }
}

fn object_fault(object: usize, value: &'static str, expected: &'static str, found: &[u8]) -> LineFault {
    LineFault::Object { object, value, expected, found: shortened(found) }
}

/// As text for one line of a message.
fn shortened(found: &[u8]) -> String {
    let shown = &found[..found.len().min(4 * SHOWN_CHARACTERS)];
    let text = String::from_utf8_lossy(shown);
    let mut characters = text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c });
    let mut short: String = characters.by_ref().take(SHOWN_CHARACTERS).collect();
    if characters.next().is_some() {
        short.push_str("...");
    }
    short
}
