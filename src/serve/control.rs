use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::receive::StopReceiving;
use super::{Deployment, DeploymentSpec, Intake, Monitor, ServeError, Watch};
use crate::message::one_line;

/// What a service is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Frames are received and decided.
    Receiving,
    /// Every source has ended.
    Ended,
    /// It was told to stop: what has come is being decided.
    Draining,
    /// Something has failed for good.
    Failed,
}

impl State {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Receiving => "receiving",
            Self::Ended => "ended",
            Self::Draining => "draining",
            Self::Failed => "failed",
        }
    }
}

/// A running service as operations see it, and the little that they may do to it.
pub struct Control {
    pub(super) intake: Arc<Intake>,
    pub(super) spec: DeploymentSpec,
    /// Generation of the latest deployment.
    pub(super) reloading: Mutex<u64>,
    pub(super) shared: Arc<Shared>,
    pub(super) stop: StopReceiving,
    pub(super) watch: Arc<Watch>,
}

/// What the threads tell the service.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) receiving: AtomicUsize,
    pub(super) has_failed: AtomicBool,
    pub(super) is_over: AtomicBool,
    pub(super) first_error: Mutex<Option<ServeError>>,
}

impl Shared {
    pub(super) fn fail(&self, error: ServeError) {
        tracing::error!("{error}");
        self.first_error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.has_failed.store(true, Ordering::SeqCst);
    }
}

impl Control {
    /// The counts.
    #[must_use]
    pub fn monitor(&self) -> &Arc<Monitor> {
        self.intake.monitor()
    }

    /// Rates, recent latencies and history.
    #[must_use]
    pub fn watch(&self) -> &Arc<Watch> {
        &self.watch
    }

    /// The door of the service.
    #[must_use]
    pub fn intake(&self) -> &Arc<Intake> {
        &self.intake
    }

    /// What the service is doing.
    #[must_use]
    pub fn state(&self) -> State {
        if self.shared.has_failed.load(Ordering::SeqCst) {
            State::Failed
        } else if self.stop.is_requested() {
            State::Draining
        } else if self.shared.receiving.load(Ordering::SeqCst) == 0 {
            State::Ended
        } else {
            State::Receiving
        }
    }

    /// Reads models and menu again and puts them in force between two frames. What is in force stays so when they cannot be
    /// used, which is counted. Either is logged.
    ///
    /// # Errors
    /// As [`Deployment::load`].
    pub fn reload(&self) -> Result<Arc<Deployment>, ServeError> {
        let mut generation = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded = Deployment::load(&self.spec, *generation + 1).inspect_err(|error| {
            self.monitor().reload_refused();
            tracing::error!("models and menu stay as they were: {}", one_line(error));
        })?;
        let deployment = Arc::new(loaded);
        *generation += 1;
        self.intake.deploy(Arc::clone(&deployment));
        self.monitor().deployed(&deployment);
        deployment.log();
        Ok(deployment)
    }
}
