use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::{PipelineError, turns};

const RUNNING: u8 = 0;
const INTERRUPTED: u8 = 1;
const FAILED: u8 = 2;

/// Asks a run to end early: the workers take no more events, those that they have are still decided.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    state: AtomicU8,
    first_error: Mutex<Option<PipelineError>>,
}

impl Stop {
    /// The user's wish (Ctrl-C, SIGTERM). A signal handler thread may call it.
    pub fn interrupt(&self) {
        // Relaxed: the flag is all there is, nothing is published with it.
        let _ = self.inner.state.compare_exchange(RUNNING, INTERRUPTED, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// A stage failed. The first error is kept, later ones are its consequences.
    pub fn fail(&self, error: PipelineError) {
        turns::point();
        let mut first = self.inner.first_error.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(error);
        // Relaxed: the error itself is under the lock.
        self.inner.state.store(FAILED, Ordering::Relaxed);
    }

    /// Whether no more events are to be taken.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        turns::point();
        // Relaxed: see `interrupt`.
        self.inner.state.load(Ordering::Relaxed) != RUNNING
    }

    /// Whether a stage failed: then what the workers have is dropped and counted.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        turns::point();
        // Relaxed: see `fail`.
        self.inner.state.load(Ordering::Relaxed) == FAILED
    }

    /// Whether the user stopped the run.
    #[must_use]
    pub fn was_interrupted(&self) -> bool {
        // Relaxed: see `interrupt`.
        self.inner.state.load(Ordering::Relaxed) == INTERRUPTED
    }

    /// The first error, taken.
    #[must_use]
    pub fn take_error(&self) -> Option<PipelineError> {
        self.inner.first_error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
