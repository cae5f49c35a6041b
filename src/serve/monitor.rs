use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::scores::ScoreCounts;
use super::trouble::{Trouble, Troubles};
use super::{Deployment, ModelId, NatsSinkCounts, NatsSinkReport, NatsSourceCounts, NatsSourceReport};
use crate::latency::{Percentiles, add, histogram};
use crate::trigger::{PathCounter, Prescaler};

/// Why events of a stream got no decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropCause {
    /// A datagram that found the workers' queue full.
    QueueFull,
    /// The frame had been taken before.
    Duplicate,
    /// No model takes such a frame.
    Refused,
    /// The service failed with the event in a queue.
    Failed,
}

/// Events without a decision, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// See [`DropCause::QueueFull`].
    pub queue_full: u64,
    /// See [`DropCause::Duplicate`].
    pub duplicate: u64,
    /// See [`DropCause::Refused`].
    pub refused: u64,
    /// See [`DropCause::Failed`].
    pub failed: u64,
}

impl Dropped {
    /// All causes.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.queue_full + self.duplicate + self.refused + self.failed
    }

    /// What came since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            queue_full: self.queue_full.saturating_sub(earlier.queue_full),
            duplicate: self.duplicate.saturating_sub(earlier.duplicate),
            refused: self.refused.saturating_sub(earlier.refused),
            failed: self.failed.saturating_sub(earlier.failed),
        }
    }
}

/// Where everybody counts. Counters only grow (but for `frames_lost`, which a late frame takes back).
#[derive(Debug)]
pub struct Monitor {
    started: Instant,
    counts: Counts,
    /// One a worker, so that nobody waits for another.
    workers: Vec<Mutex<WorkerView>>,
    /// One a worker, which alone writes to what is in it; the lock is for putting another in its place.
    scores: Vec<Mutex<Option<Arc<ScoreCounts>>>>,
    delivered: Mutex<DeliveredView>,
    nats: Mutex<NatsView>,
    troubles: Troubles,
}

/// Sources and sinks on NATS, which count for themselves.
#[derive(Debug, Default)]
struct NatsView {
    sources: Vec<Arc<NatsSourceCounts>>,
    sinks: Vec<Arc<NatsSinkCounts>>,
}

#[derive(Debug, Default)]
struct Counts {
    frames_in: AtomicU64,
    frames_malformed: AtomicU64,
    frames_lost: AtomicU64,
    connections_open: AtomicU64,
    connections_total: AtomicU64,
    connections_refused: AtomicU64,
    events_in: AtomicU64,
    queue_full: AtomicU64,
    duplicate: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    settled: AtomicU64,
    queued_frames: AtomicU64,
    reloads_refused: AtomicU64,
}

/// What a worker has done.
#[derive(Debug)]
struct WorkerView {
    scored: u64,
    invalid: u64,
    decision_ns: Histogram<u64>,
    service_ns: Histogram<u64>,
}

/// What was delivered, and by which deployment.
#[derive(Debug, Default)]
struct DeliveredView {
    events: u64,
    accepted: u64,
    deployment: Option<Arc<Deployment>>,
    paths: Vec<PathCounter>,
}

/// Percentiles of a latency since the start.
#[derive(Clone, Debug, Serialize)]
pub struct LatencySnapshot {
    /// From the receipt of the frame to the decision on its last event, ns.
    pub decision: Percentiles,
    /// Scoring and deciding of a frame, ns.
    pub service: Percentiles,
}

/// Counts of a trigger path since its deployment.
#[derive(Clone, Debug, Serialize)]
pub struct PathSnapshot {
    /// Its name.
    pub name: String,
    /// Model whose score it cuts on.
    pub model: String,
    /// Passes when score >= this.
    pub threshold: f32,
    /// Keeps one in this many.
    pub prescale: u32,
    /// What the menu says about that.
    pub menu_prescale: u32,
    /// Accepted events a second that it may have, where the menu says so.
    pub rate_budget_hz: Option<f64>,
    /// Events that passed the threshold.
    pub passed: u64,
    /// Of those, kept by the prescale.
    pub accepted: u64,
}

/// All counts at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    /// Since the start.
    pub uptime_seconds: f64,
    /// Frames that were taken or dropped with their events.
    pub frames_in: u64,
    /// Messages that were no frames.
    pub frames_malformed: u64,
    /// Frames missing in the senders' numbering.
    pub frames_lost: u64,
    /// Connections now.
    pub connections_open: u64,
    /// Connections since the start.
    pub connections_total: u64,
    /// Connections beyond the limit.
    pub connections_refused: u64,
    /// Frames that wait for a worker.
    pub queued_frames: u64,
    /// Events that arrived: scored, dropped, or on their way.
    pub events_in: u64,
    /// Events that got a score and a decision.
    pub events_scored: u64,
    /// Of those, with a non-finite input or score.
    pub events_invalid: u64,
    /// Events that got none, by cause.
    pub events_dropped: Dropped,
    /// Events whose block reached the outlets.
    pub events_delivered: u64,
    /// Of those, accepted by a path, or invalid.
    pub events_accepted: u64,
    /// Events whose results are durable.
    pub events_settled: u64,
    /// Reloads that changed nothing, because models or menu could not be used.
    pub reloads_refused: u64,
    /// The deployment in force.
    pub generation: u64,
    /// Its models.
    pub models: Vec<ModelId>,
    /// Its engine.
    pub engine: String,
    /// Its paths.
    pub paths: Vec<PathSnapshot>,
    /// Latencies.
    pub latency_ns: LatencySnapshot,
    /// Sources on NATS.
    pub nats_sources: Vec<NatsSourceReport>,
    /// Sinks on NATS.
    pub nats_sinks: Vec<NatsSinkReport>,
}

impl Monitor {
    /// For this many workers.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        let view = || WorkerView { scored: 0, invalid: 0, decision_ns: histogram(), service_ns: histogram() };
        Self {
            started: Instant::now(),
            counts: Counts::default(),
            workers: (0..workers).map(|_| Mutex::new(view())).collect(),
            scores: (0..workers).map(|_| Mutex::default()).collect(),
            delivered: Mutex::default(),
            nats: Mutex::default(),
            troubles: Troubles::default(),
        }
    }

    /// These are asked for their counts from now on.
    pub(super) fn count_nats(&self, sources: Vec<Arc<NatsSourceCounts>>, sinks: Vec<Arc<NatsSinkCounts>>) {
        *lock(&self.nats) = NatsView { sources, sinks };
    }

    /// A frame of so many events came.
    pub(super) fn arrived(&self, events: u64) {
        count(&self.counts.frames_in, 1);
        count(&self.counts.events_in, events);
    }

    pub(super) fn drop_events(&self, cause: DropCause, events: u64) {
        let counter = match cause {
            DropCause::QueueFull => &self.counts.queue_full,
            DropCause::Duplicate => &self.counts.duplicate,
            DropCause::Refused => &self.counts.refused,
            DropCause::Failed => &self.counts.failed,
        };
        count(counter, events);
    }

    /// A frame of so many events came a second time.
    pub(super) fn duplicate(&self, events: u64) {
        self.arrived(events);
        self.drop_events(DropCause::Duplicate, events);
    }

    /// Something went wrong outside of the service: logged once a second and kind, with a count. `words` are asked for only
    /// for the first of a second.
    pub fn trouble(&self, kind: Trouble, words: impl FnOnce() -> String) {
        self.troubles.note(kind, words);
    }

    pub(super) fn troubles(&self) -> &Troubles {
        &self.troubles
    }

    /// A message was no frame.
    pub fn malformed(&self) {
        count(&self.counts.frames_malformed, 1);
    }

    /// Models or menu that were to be read anew could not be used.
    pub(super) fn reload_refused(&self) {
        count(&self.counts.reloads_refused, 1);
    }

    pub(super) fn frames_lost(&self, frames: u64) {
        count(&self.counts.frames_lost, frames);
    }

    /// A frame that had been counted as lost came after all.
    pub(super) fn frame_found(&self) {
        self.counts.frames_lost.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn connected(&self) {
        count(&self.counts.connections_total, 1);
        count(&self.counts.connections_open, 1);
    }

    pub(super) fn disconnected(&self) {
        self.counts.connections_open.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn connection_refused(&self) {
        count(&self.counts.connections_refused, 1);
    }

    /// Connections now.
    #[must_use]
    pub fn connections_open(&self) -> u64 {
        self.counts.connections_open.load(Ordering::Relaxed)
    }

    pub(super) fn set_queued(&self, frames: usize) {
        self.counts.queued_frames.store(frames as u64, Ordering::Relaxed);
    }

    /// A worker has decided a frame.
    pub(super) fn decided(
        &self,
        worker: usize,
        events: u64,
        invalid: u64,
        (decision_ns, service_ns): (u64, u64),
    ) {
        let mut view = lock(&self.workers[worker]);
        view.scored += events;
        view.invalid += invalid;
        view.decision_ns.saturating_record_n(decision_ns, events);
        view.service_ns.saturating_record(service_ns);
    }

    /// Where a worker counts the scores of another deployment from now on.
    pub(super) fn count_scores(&self, worker: usize, deployment: &Deployment) -> Arc<ScoreCounts> {
        let counts = Arc::new(ScoreCounts::new(deployment.generation, deployment.models.len()));
        *lock(&self.scores[worker]) = Some(Arc::clone(&counts));
        counts
    }

    /// The scores that the workers have counted of the deployment of `generation`.
    pub(super) fn scores(&self, generation: u64) -> Vec<Arc<ScoreCounts>> {
        let all = self.scores.iter().filter_map(|of_worker| lock(of_worker).clone());
        all.filter(|counts| counts.generation() == generation).collect()
    }

    /// The deployment of the latest block.
    pub(super) fn deployment_in_force(&self) -> Option<Arc<Deployment>> {
        lock(&self.delivered).deployment.clone()
    }

    /// `deployment` is in force for the frames from now on; nothing has passed its paths yet.
    pub(super) fn deployed(&self, deployment: &Arc<Deployment>) {
        let mut view = lock(&self.delivered);
        view.paths = Prescaler::new(&deployment.paths).counters().to_vec();
        view.deployment = Some(Arc::clone(deployment));
    }

    /// A block has reached the outlets.
    pub(super) fn delivered(
        &self,
        events: u64,
        accepted: u64,
        deployment: &Arc<Deployment>,
        paths: &[PathCounter],
    ) {
        let mut view = lock(&self.delivered);
        view.events += events;
        view.accepted += accepted;
        // One that came before the models were changed is not what is shown any more.
        if view.deployment.as_ref().is_some_and(|known| known.generation > deployment.generation) {
            return;
        }
        if !view.deployment.as_ref().is_some_and(|known| Arc::ptr_eq(known, deployment)) {
            view.deployment = Some(Arc::clone(deployment));
        }
        view.paths.clear();
        view.paths.extend_from_slice(paths);
    }

    pub(super) fn settled(&self, events: u64) {
        count(&self.counts.settled, events);
    }

    /// The latency from receipt to decision since the start, ns an event.
    #[must_use]
    pub fn decision_latency(&self) -> Histogram<u64> {
        let mut sum = histogram();
        self.workers.iter().for_each(|view| add(&mut sum, &lock(view).decision_ns));
        sum
    }

    /// Everything at this moment. Taken in the order against the flow, so that no stage seems ahead of the one before it.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let get = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        let counts = &self.counts;
        let events_settled = get(&counts.settled);
        let delivered = self.delivered_view();
        let (mut scored, mut invalid, mut service) = (0, 0, histogram());
        for view in &self.workers {
            let view = lock(view);
            scored += view.scored;
            invalid += view.invalid;
            add(&mut service, &view.service_ns);
        }
        let decision = self.decision_latency();
        let events_dropped = Dropped {
            queue_full: get(&counts.queue_full),
            duplicate: get(&counts.duplicate),
            refused: get(&counts.refused),
            failed: get(&counts.failed),
        };
        let deployment = delivered.deployment.as_deref();
        let nats = lock(&self.nats);
        Snapshot {
            uptime_seconds: self.started.elapsed().as_secs_f64(),
            frames_in: get(&counts.frames_in),
            frames_malformed: get(&counts.frames_malformed),
            frames_lost: get(&counts.frames_lost),
            connections_open: get(&counts.connections_open),
            connections_total: get(&counts.connections_total),
            connections_refused: get(&counts.connections_refused),
            queued_frames: get(&counts.queued_frames),
            events_in: get(&counts.events_in),
            events_scored: scored,
            events_invalid: invalid,
            events_dropped,
            events_delivered: delivered.events,
            events_accepted: delivered.accepted,
            events_settled,
            reloads_refused: get(&counts.reloads_refused),
            generation: deployment.map_or(0, |deployment| deployment.generation),
            models: deployment.map_or_else(Vec::new, |deployment| deployment.models.clone()),
            engine: deployment.map_or_else(String::new, |deployment| deployment.engine.clone()),
            paths: deployment
                .map_or_else(Vec::new, |deployment| path_snapshots(deployment, &delivered.paths)),
            latency_ns: LatencySnapshot { decision: (&decision).into(), service: (&service).into() },
            nats_sources: nats.sources.iter().map(|source| source.report()).collect(),
            nats_sinks: nats.sinks.iter().map(|sink| sink.report()).collect(),
        }
    }

    fn delivered_view(&self) -> DeliveredView {
        let view = lock(&self.delivered);
        DeliveredView {
            events: view.events,
            accepted: view.accepted,
            deployment: view.deployment.clone(),
            paths: view.paths.clone(),
        }
    }
}

impl Snapshot {
    /// Whether everything that came is accounted for: scored or dropped. True of a service at rest.
    #[must_use]
    pub fn is_accounted_for(&self) -> bool {
        self.events_in == self.events_scored + self.events_dropped.total()
    }

    /// [`Snapshot::is_accounted_for`], and everything scored was delivered. True of a service at rest that has not failed.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        self.is_accounted_for() && self.events_scored == self.events_delivered
    }
}

fn path_snapshots(deployment: &Deployment, counters: &[PathCounter]) -> Vec<PathSnapshot> {
    let snapshot = |(path, counter): (&crate::trigger::ResolvedPath, &PathCounter)| PathSnapshot {
        name: path.name.clone(),
        model: deployment.models[path.model_index].name.clone(),
        threshold: path.threshold,
        prescale: counter.prescale,
        menu_prescale: path.prescale,
        rate_budget_hz: deployment.menu.paths[path.bit as usize].rate_budget_hz,
        passed: counter.passed,
        accepted: counter.accepted,
    };
    deployment.paths.iter().zip(counters).map(snapshot).collect()
}

/// Sequentially consistent, so that a snapshot that reads against the flow finds a frame in no stage before the earlier one.
fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::SeqCst);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
