use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::delivery::Delivery;
use super::receive::{Receiver, StopReceiving};
use super::tracker::{Tracker, Window};
use super::worker::Worker;
use super::{Deployment, DeploymentSpec, DropCause, Intake, Monitor, Outlet, ServeError, Snapshot};

/// How often a service that drains is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What a service is made of.
pub struct ServiceConfig {
    /// Models, menu and engine.
    pub deployment: DeploymentSpec,
    /// Where frames come from.
    pub receivers: Vec<Box<dyn Receiver>>,
    /// Where decisions go.
    pub outlets: Vec<Box<dyn Outlet>>,
    /// Frames that may wait for the workers.
    pub queue_frames: usize,
    /// Bytes of the frames that may be on their way.
    pub queue_bytes: u64,
    /// Most events that a scorer gets at once.
    pub batch: usize,
    /// How long datagrams wait for those that they overtook.
    pub window: Window,
}

/// A running service.
pub struct Service {
    intake: Arc<Intake>,
    spec: DeploymentSpec,
    reloading: Mutex<u64>,
    shared: Arc<Shared>,
    stop: StopReceiving,
    receivers: Vec<JoinHandle<()>>,
    rest: Option<JoinHandle<()>>,
}

/// What the threads tell the service.
#[derive(Default)]
struct Shared {
    receiving: AtomicUsize,
    has_failed: AtomicBool,
    is_over: AtomicBool,
    first_error: Mutex<Option<ServeError>>,
}

/// How a service ended.
#[derive(Debug)]
pub struct ServiceEnd {
    /// The counts at the end.
    pub snapshot: Snapshot,
    /// The first error.
    pub error: Option<ServeError>,
    /// Whether everything that had been received was decided and made durable in time.
    pub is_drained: bool,
}

impl Shared {
    fn fail(&self, error: ServeError) {
        tracing::error!("{error}");
        self.first_error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.has_failed.store(true, Ordering::SeqCst);
    }
}

impl Service {
    /// Loads the models, starts the threads. Receivers are listening already, so that nothing is lost while models load.
    ///
    /// # Errors
    /// [`ServeError`] for models or a menu that cannot be used.
    pub fn start(config: ServiceConfig) -> Result<Self, ServeError> {
        let deployment = Arc::new(Deployment::load(&config.deployment, 1)?);
        let workers = config.deployment.workers;
        let monitor = Arc::new(Monitor::new(workers));
        let (frames_in, frames_out) = crossbeam_channel::bounded(config.queue_frames.max(1));
        let (decided_in, decided_out) = crossbeam_channel::bounded(config.queue_frames.max(1));
        let tracker = Tracker::new(config.window);
        let intake =
            Arc::new(Intake::new((frames_in, config.queue_bytes), deployment, tracker, Arc::clone(&monitor)));
        let shared = Arc::new(Shared::default());
        let stop = StopReceiving::default();
        let workers: Vec<_> = (0..workers)
            .map(|index| {
                let worker = Worker::new(index, Arc::clone(&monitor), config.batch);
                let (queue, out, shared) = (frames_out.clone(), decided_in.clone(), Arc::clone(&shared));
                spawn(&format!("worker-{index}"), move || run_worker(worker, &queue, &out, &shared))
            })
            .collect::<Result<_, _>>()?;
        drop(decided_in);
        let mut delivery = Delivery::new(config.outlets, Arc::clone(&intake));
        let (told, monitor_of_rest, door) = (Arc::clone(&shared), Arc::clone(&monitor), Arc::clone(&intake));
        let rest = spawn("delivery", move || {
            let delivered = guarded("delivery", || delivery.run(&decided_out));
            if let Err(error) = delivered {
                told.fail(error);
            }
            drop(decided_out);
            // Closed already, unless something failed: then nothing more may come that nobody would count.
            door.close();
            for worker in workers {
                // A panic was caught in the thread.
                let _ = worker.join();
            }
            for left in frames_out.try_iter() {
                monitor_of_rest.drop_events(DropCause::Failed, left.frame.header().events.into());
            }
            told.is_over.store(true, Ordering::SeqCst);
        })?;
        shared.receiving.store(config.receivers.len(), Ordering::SeqCst);
        let receivers = config
            .receivers
            .into_iter()
            .map(|receiver| {
                let (intake, stop, shared) = (Arc::clone(&intake), stop.clone(), Arc::clone(&shared));
                spawn("receiver", move || run_receiver(receiver, &intake, &stop, &shared))
            })
            .collect::<Result<_, _>>()?;
        let spec = config.deployment;
        Ok(Self { intake, spec, reloading: Mutex::new(1), shared, stop, receivers, rest: Some(rest) })
    }

    /// The door of the service.
    #[must_use]
    pub fn intake(&self) -> &Arc<Intake> {
        &self.intake
    }

    /// The counts.
    #[must_use]
    pub fn monitor(&self) -> &Arc<Monitor> {
        self.intake.monitor()
    }

    /// Whether frames are being received and nothing has failed.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.shared.receiving.load(Ordering::SeqCst) > 0
            && !self.shared.has_failed.load(Ordering::SeqCst)
            && !self.stop.is_requested()
    }

    /// Whether all sources have ended or something failed: time for [`Service::drain`].
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.shared.receiving.load(Ordering::SeqCst) == 0 || self.shared.has_failed.load(Ordering::SeqCst)
    }

    /// Reads models and menu again and puts them in force between two frames. What is in force stays so when they cannot be
    /// used.
    ///
    /// # Errors
    /// As [`Deployment::load`].
    pub fn reload(&self) -> Result<Arc<Deployment>, ServeError> {
        let mut generation = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let deployment = Arc::new(Deployment::load(&self.spec, *generation + 1)?);
        *generation += 1;
        self.intake.deploy(Arc::clone(&deployment));
        Ok(deployment)
    }

    /// Stops receiving, decides what has come and makes it durable; gives up after `deadline`.
    #[must_use]
    pub fn drain(mut self, deadline: Duration) -> ServiceEnd {
        let until = Instant::now() + deadline;
        self.stop.request();
        let receivers_end = |receivers: &[JoinHandle<()>]| receivers.iter().all(JoinHandle::is_finished);
        while !receivers_end(&self.receivers) && Instant::now() < until {
            if self.shared.has_failed.load(Ordering::SeqCst) {
                // Receivers may be waiting for a place in a queue that nobody empties.
                self.intake.close();
            }
            std::thread::sleep(LOOK_EVERY);
        }
        let in_time = receivers_end(&self.receivers);
        self.intake.close();
        while !self.shared.is_over.load(Ordering::SeqCst) && Instant::now() < until {
            std::thread::sleep(LOOK_EVERY);
        }
        let is_over = self.shared.is_over.load(Ordering::SeqCst);
        if is_over && let Some(rest) = self.rest.take() {
            // It has said that it is over; a panic was caught in it.
            let _ = rest.join();
        }
        let snapshot = self.monitor().snapshot();
        let error = self.shared.first_error.lock().unwrap_or_else(PoisonError::into_inner).take();
        let is_drained = in_time && is_over && snapshot.events_settled == snapshot.events_scored;
        ServiceEnd { snapshot, error, is_drained }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, ServeError> {
    let failed = |error: std::io::Error| ServeError::Outlet(format!("no thread for {name}: {error}"));
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map_err(failed)
}

/// Turns a panic into an error: one thread's defect ends the service in order.
fn guarded(what: &str, work: impl FnOnce() -> Result<(), ServeError>) -> Result<(), ServeError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        Err(ServeError::Outlet(format!("{what} panicked: {text}")))
    })
}

fn run_worker(
    mut worker: Worker,
    queue: &crossbeam_channel::Receiver<super::Arrived>,
    out: &crossbeam_channel::Sender<super::Decided>,
    shared: &Shared,
) {
    if let Err(error) = guarded("a worker", || worker.run(queue, out)) {
        worker.abandon();
        shared.fail(error);
    }
}

fn run_receiver(
    mut receiver: Box<dyn Receiver>,
    intake: &Arc<Intake>,
    stop: &StopReceiving,
    shared: &Shared,
) {
    let address = receiver.address();
    tracing::info!("receiving from {address}");
    if let Err(error) = guarded(&address, || receiver.run(intake, stop)) {
        shared.fail(error);
    }
    shared.receiving.fetch_sub(1, Ordering::SeqCst);
}
