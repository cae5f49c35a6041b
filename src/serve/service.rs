use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::control::{Control, Shared, State};
use super::delivery::Delivery;
use super::receive::{Receiver, StopReceiving};
use super::tracker::{Tracker, Window};
use super::worker::Worker;
use super::{
    DRIFT_ALARM, Deployment, DeploymentSpec, DropCause, Intake, Monitor, Outlet, ServeError, Snapshot, Watch,
};

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
    /// What it watches and does by itself.
    pub operations: Operations,
}

/// What a service watches and does by itself.
#[derive(Clone, Copy, Debug)]
pub struct Operations {
    /// Kolmogorov distance of the scores from the calibration's at which an alarm is raised; see [`super::Drift`].
    pub drift_alarm: f64,
    /// Raise the prescale of a path that is above its rate budget.
    pub auto_prescale: bool,
}

impl Default for Operations {
    /// Alarms at [`DRIFT_ALARM`], prescales as the menu says.
    fn default() -> Self {
        Self { drift_alarm: DRIFT_ALARM, auto_prescale: false }
    }
}

/// A running service.
pub struct Service {
    control: Arc<Control>,
    receivers: Vec<JoinHandle<()>>,
    rest: Option<JoinHandle<()>>,
    /// The watch ends when the first is gone.
    watch: Option<(crossbeam_channel::Sender<()>, JoinHandle<()>)>,
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

impl Service {
    /// Loads the models, starts the threads. Receivers are listening already, so that nothing is lost while models load.
    ///
    /// # Errors
    /// [`ServeError`] for models or a menu that cannot be used.
    pub fn start(config: ServiceConfig) -> Result<Self, ServeError> {
        let deployment = Deployment::load(&config.deployment, 1)?;
        Self::start_loaded(config, deployment)
    }

    /// [`Service::start`] with `config.deployment` loaded already, as generation 1: for outlets that are to be opened only when
    /// the models are known to be good.
    ///
    /// # Errors
    /// [`ServeError`] when there is no thread for a part.
    pub fn start_loaded(config: ServiceConfig, deployment: Deployment) -> Result<Self, ServeError> {
        let deployment = Arc::new(deployment);
        deployment.log();
        let workers = config.deployment.workers;
        let monitor = Arc::new(Monitor::new(workers));
        monitor.deployed(&deployment);
        monitor.count_nats(
            config.receivers.iter().filter_map(|receiver| receiver.nats()).collect(),
            config.outlets.iter().filter_map(|outlet| outlet.nats()).collect(),
        );
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
        let mut delivery =
            Delivery::new(config.outlets, Arc::clone(&intake), config.operations.auto_prescale);
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
        let watch = Arc::new(Watch::new(monitor, config.operations.drift_alarm));
        let (watching, until) = crossbeam_channel::bounded(0);
        let watcher = Arc::clone(&watch);
        let watch_thread = spawn("watch", move || watcher.run(&until))?;
        let (spec, reloading) = (config.deployment, Mutex::new(1));
        let control = Arc::new(Control { intake, spec, reloading, shared, stop, watch });
        Ok(Self { control, receivers, rest: Some(rest), watch: Some((watching, watch_thread)) })
    }

    /// The service as operations see it.
    #[must_use]
    pub fn control(&self) -> &Arc<Control> {
        &self.control
    }

    /// The door of the service.
    #[must_use]
    pub fn intake(&self) -> &Arc<Intake> {
        &self.control.intake
    }

    /// The counts.
    #[must_use]
    pub fn monitor(&self) -> &Arc<Monitor> {
        self.control.monitor()
    }

    /// Whether all sources have ended or something failed: time for [`Service::drain`].
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.control.state(), State::Ended | State::Failed)
    }

    /// As [`Control::reload`].
    ///
    /// # Errors
    /// As [`Deployment::load`].
    pub fn reload(&self) -> Result<Arc<Deployment>, ServeError> {
        self.control.reload()
    }

    /// Stops receiving, decides what has come and makes it durable; gives up after `deadline`.
    #[must_use]
    pub fn drain(mut self, deadline: Duration) -> ServiceEnd {
        let until = Instant::now() + deadline;
        let control = &self.control;
        let receivers_end = |receivers: &[JoinHandle<()>]| receivers.iter().all(JoinHandle::is_finished);
        // A sender that is silent in the middle of a frame must not use up the time of what the others have sent.
        let receive_until = Instant::now() + deadline / 2;
        control.stop.request(receive_until);
        while !receivers_end(&self.receivers) && Instant::now() < receive_until {
            if control.shared.has_failed.load(Ordering::SeqCst) {
                // Receivers may be waiting for a place in a queue that nobody empties.
                control.intake.close();
            }
            std::thread::sleep(LOOK_EVERY);
        }
        let in_time = receivers_end(&self.receivers);
        control.intake.close();
        while !control.shared.is_over.load(Ordering::SeqCst) && Instant::now() < until {
            std::thread::sleep(LOOK_EVERY);
        }
        let is_over = control.shared.is_over.load(Ordering::SeqCst);
        if is_over && let Some(rest) = self.rest.take() {
            // It has said that it is over; a panic was caught in it.
            let _ = rest.join();
        }
        if let Some((watching, thread)) = self.watch.take() {
            drop(watching);
            // It has nothing to tell but what it logged.
            let _ = thread.join();
        }
        let snapshot = self.monitor().snapshot();
        let error = self.control.shared.first_error.lock().unwrap_or_else(PoisonError::into_inner).take();
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
