use super::{EmulatorPeer, PythonPeer, Subject};
use crate::model::Precision;

/// What is measured beside the engines.
#[derive(Debug, Default)]
pub struct Peers {
    /// Runs any graph.
    pub python: Option<PythonPeer>,
    /// One a program.
    pub emulators: Vec<EmulatorPeer>,
}

impl Peers {
    /// The interpreter, if the subject is a graph.
    pub(super) fn python(&mut self, subject: &Subject) -> Option<&mut PythonPeer> {
        self.python.as_mut().filter(|_| subject.precision != Precision::Fixed)
    }

    /// The emulator of the subject's program.
    pub(super) fn emulator(&mut self, subject: &Subject) -> Option<&mut EmulatorPeer> {
        let is_of = |peer: &&mut EmulatorPeer| peer.model == subject.model;
        self.emulators.iter_mut().find(is_of).filter(|_| subject.precision == Precision::Fixed)
    }

    pub(super) fn has_python(&self, subject: &Subject) -> bool {
        self.python.is_some() && subject.precision != Precision::Fixed
    }

    pub(super) fn has_emulator(&self, subject: &Subject) -> bool {
        subject.precision == Precision::Fixed && self.emulators.iter().any(|peer| peer.model == subject.model)
    }
}
