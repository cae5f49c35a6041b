//! What goes wrong outside of the service, and can do so a million times a second: counted here, logged once a second.

use std::sync::{Mutex, PoisonError};

/// Kinds of trouble; each has a line of its own in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A message was no frame.
    Malformed,
    /// No model takes a frame.
    Refused,
    /// A message goes to the dead letters.
    GivenUp,
    /// A connection ended before its time.
    Closed,
    /// A connection could not be taken, or is one too many.
    NotConnected,
    /// A request that needs the token came without it.
    Unauthorised,
}

impl Trouble {
    const ALL: [Self; 6] =
        [Self::Malformed, Self::Refused, Self::GivenUp, Self::Closed, Self::NotConnected, Self::Unauthorised];

    /// Its name in the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Refused => "refused",
            Self::GivenUp => "given_up",
            Self::Closed => "closed",
            Self::NotConnected => "not_connected",
            Self::Unauthorised => "unauthorised",
        }
    }
}

/// Trouble of one kind since the last look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Noted {
    pub(super) kind: Trouble,
    /// How often.
    pub(super) times: u64,
    /// The first of them.
    pub(super) first: String,
}

/// Notes trouble, so that somebody else logs it at his own pace.
#[derive(Debug, Default)]
pub(super) struct Troubles([Mutex<(u64, String)>; Trouble::ALL.len()]);

impl Troubles {
    /// Counts; words are made for the first since the last look only.
    pub(super) fn note(&self, kind: Trouble, words: impl FnOnce() -> String) {
        let mut noted = self.0[kind as usize].lock().unwrap_or_else(PoisonError::into_inner);
        if noted.0 == 0 {
            noted.1 = words();
        }
        noted.0 += 1;
    }

    /// What was noted since the last look.
    pub(super) fn take(&self) -> Vec<Noted> {
        let taken = Trouble::ALL.into_iter().map(|kind| {
            let mut noted = self.0[kind as usize].lock().unwrap_or_else(PoisonError::into_inner);
            let (times, first) = std::mem::take(&mut *noted);
            Noted { kind, times, first }
        });
        taken.filter(|noted| noted.times > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Noted, Trouble, Troubles};

    #[test]
    fn a_flood_is_one_line_with_a_count() {
        let troubles = Troubles::default();
        let mut words = 0;
        for number in 0..100_000 {
            troubles.note(Trouble::Malformed, || {
                words += 1;
                format!("datagram {number}")
            });
        }
        troubles.note(Trouble::Closed, || "idle".to_owned());
        let noted = |kind, times, first: &str| Noted { kind, times, first: first.to_owned() };
        let expected = [noted(Trouble::Malformed, 100_000, "datagram 0"), noted(Trouble::Closed, 1, "idle")];
        assert_eq!((troubles.take().as_slice(), words), (&expected[..], 1));
        assert!(troubles.take().is_empty());
    }
}
