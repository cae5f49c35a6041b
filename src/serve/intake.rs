use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, TrySendError};

use super::tracker::{Tracker, Verdict};
use super::{Claim, Deployment, DropCause, Monitor};
use trigsieve_frame::{Frame, FrameBuffer, Header};

/// Buffers kept for further frames, and bytes of all of them.
const SPARE_BUFFERS: usize = 1024;
const SPARE_BYTES: usize = 128 << 20;
/// How long a source waits before it looks at a full queue again.
const FULL_QUEUE_WAIT: Duration = Duration::from_micros(100);

/// What a source wants to be told when a frame's results are durable. Dropped without that, they are not: the source must
/// send the frame again.
pub trait Receipt: Send {
    /// All outlets have made the results of the frame durable.
    fn settle(self: Box<Self>);

    /// The right to the frame, where a source gives it for a time only.
    fn claim(&self) -> Option<&Arc<Claim>> {
        None
    }
}

/// A frame on its way.
pub struct Arrived {
    /// Place in the order of arrival.
    pub sequence: u64,
    /// The events.
    pub frame: Frame,
    /// When its last byte was there.
    pub received: Instant,
    /// What decides it.
    pub deployment: Arc<Deployment>,
    /// Whom to tell.
    pub receipt: Option<Box<dyn Receipt>>,
}

impl Arrived {
    /// The right to the frame, where its source gives it for a time only.
    #[must_use]
    pub fn claim(&self) -> Option<&Arc<Claim>> {
        self.receipt.as_ref().and_then(|receipt| receipt.claim())
    }
}

impl std::fmt::Debug for Arrived {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arrived")
            .field("sequence", &self.sequence)
            .field("header", self.frame.header())
            .finish()
    }
}

/// Why a frame was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// The service is shutting down: the frame was not looked at.
    Closed,
    /// No model takes it; in words. It was counted.
    Refused(String),
}

/// Why a frame has no place in the queue.
// What comes back is the frame itself.
#[allow(clippy::large_enum_variant)]
enum NotQueued {
    /// There is none, now.
    Full(Arrived),
    /// There never will be.
    Closed,
    /// The models in force do not take it; in words.
    Refused(Arrived, String),
}

/// The one door: numbers frames, stamps them with the deployment in force, and queues them for the workers.
pub struct Intake {
    /// Under a lock with the number, so that the queue is in the order of the numbers. None: closed.
    queue: Mutex<Queue>,
    current: RwLock<Arc<Deployment>>,
    tracker: Mutex<Tracker>,
    monitor: Arc<Monitor>,
    spare: Mutex<Spare>,
    /// Memory of the frames that are on their way, and the most that they may be.
    on_their_way: AtomicU64,
    most_bytes: u64,
}

struct Queue {
    next: u64,
    sender: Option<Sender<Arrived>>,
}

/// Buffers for further frames. The last that came back goes first: it is still in the cache, and those of an old backlog are left
/// alone.
#[derive(Default)]
struct Spare {
    buffers: Vec<FrameBuffer>,
    bytes: usize,
}

impl Intake {
    /// A door to `sender`, the workers' queue, with at most so many bytes of frames on their way.
    pub(super) fn new(
        (sender, most_bytes): (Sender<Arrived>, u64),
        deployment: Arc<Deployment>,
        tracker: Tracker,
        monitor: Arc<Monitor>,
    ) -> Self {
        Self {
            queue: Mutex::new(Queue { next: 0, sender: Some(sender) }),
            current: RwLock::new(deployment),
            tracker: Mutex::new(tracker),
            monitor,
            spare: Mutex::default(),
            on_their_way: AtomicU64::new(0),
            most_bytes,
        }
    }

    /// What everybody counts in.
    #[must_use]
    pub fn monitor(&self) -> &Arc<Monitor> {
        &self.monitor
    }

    /// The deployment in force.
    #[must_use]
    pub fn deployment(&self) -> Arc<Deployment> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another deployment in force for the frames from now on.
    pub(super) fn deploy(&self, deployment: Arc<Deployment>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = deployment;
    }

    /// A buffer to receive into.
    #[must_use]
    pub fn buffer(&self) -> FrameBuffer {
        let mut spare = self.spare();
        let Some(buffer) = spare.buffers.pop() else { return FrameBuffer::default() };
        spare.bytes -= buffer.capacity_bytes();
        buffer
    }

    /// Gives a buffer back.
    pub fn recycle(&self, buffer: FrameBuffer) {
        let bytes = buffer.capacity_bytes();
        let mut spare = self.spare();
        if spare.bytes + bytes <= SPARE_BYTES && spare.buffers.len() < SPARE_BUFFERS {
            spare.bytes += bytes;
            spare.buffers.push(buffer);
        }
    }

    /// A frame that was on its way has been delivered.
    pub(super) fn delivered(&self, frame: Frame) {
        self.on_their_way.fetch_sub(frame.memory_bytes() as u64, Ordering::SeqCst);
        self.recycle(frame.into_buffer());
    }

    /// Takes a frame of a sender that numbers its frames and keeps them in order: counts gaps, drops what came before. Waits
    /// when the queue is full: that is the sender's back-pressure.
    ///
    /// # Errors
    /// [`NotTaken`].
    pub fn take_in_order(&self, frame: Frame, received: Instant) -> Result<(), NotTaken> {
        let verdict = self.tracker().see(frame.header(), &self.monitor);
        match verdict {
            Verdict::New => {
                let header = *frame.header();
                // It may be sent again, to a service that takes it.
                self.take(frame, received, None).inspect_err(|_| self.tracker().not_taken(&header))
            }
            Verdict::Duplicate => {
                self.drop_frame(frame, DropCause::Duplicate);
                Ok(())
            }
        }
    }

    /// Takes a datagram's frame: as [`Intake::take_in_order`], but puts those that overtook others back in order, within the
    /// tracker's window, and drops what finds the queue full.
    ///
    /// # Errors
    /// [`NotTaken::Closed`]; a frame that no model takes is counted and logged by the caller's choice of words.
    pub fn take_datagram(&self, frame: Frame, received: Instant) -> Result<(), NotTaken> {
        let ready = self.tracker().reorder(frame, received, &self.monitor);
        self.offer_all(ready)
    }

    /// Lets go of frames that waited for others too long.
    ///
    /// # Errors
    /// As [`Intake::take_datagram`].
    pub fn release_overdue(&self, now: Instant) -> Result<(), NotTaken> {
        let ready = self.tracker().overdue(now, &self.monitor);
        self.offer_all(ready)
    }

    /// Lets go of all frames that wait for others: none will come.
    ///
    /// # Errors
    /// As [`Intake::take_datagram`].
    pub fn release_all(&self) -> Result<(), NotTaken> {
        let ready = self.tracker().release_all(&self.monitor);
        self.offer_all(ready)
    }

    /// Takes a frame; waits when the queue is full.
    ///
    /// # Errors
    /// [`NotTaken`].
    pub fn take(
        &self,
        frame: Frame,
        received: Instant,
        receipt: Option<Box<dyn Receipt>>,
    ) -> Result<(), NotTaken> {
        let Some(mut arrived) = self.arrived(frame, received, receipt)? else { return Ok(()) };
        let events = u64::from(arrived.frame.header().events);
        self.monitor.arrived(events);
        loop {
            match self.try_enqueue(arrived) {
                Ok(()) => return Ok(()),
                Err(NotQueued::Full(back)) => arrived = back,
                Err(NotQueued::Closed) => {
                    self.monitor.drop_events(DropCause::Failed, events);
                    return Err(NotTaken::Closed);
                }
                Err(NotQueued::Refused(back, reason)) => return Err(self.refuse(back, reason)),
            }
            std::thread::sleep(FULL_QUEUE_WAIT);
        }
    }

    /// Takes a frame unless the queue is full: then it is dropped and counted.
    ///
    /// # Errors
    /// [`NotTaken`].
    pub fn offer(&self, frame: Frame, received: Instant) -> Result<(), NotTaken> {
        let Some(arrived) = self.arrived(frame, received, None)? else { return Ok(()) };
        let events = u64::from(arrived.frame.header().events);
        self.monitor.arrived(events);
        match self.try_enqueue(arrived) {
            Ok(()) => Ok(()),
            Err(NotQueued::Full(arrived)) => {
                self.monitor.drop_events(DropCause::QueueFull, events);
                self.recycle(arrived.frame.into_buffer());
                Ok(())
            }
            Err(NotQueued::Closed) => {
                self.monitor.drop_events(DropCause::Failed, events);
                Err(NotTaken::Closed)
            }
            Err(NotQueued::Refused(back, reason)) => Err(self.refuse(back, reason)),
        }
    }

    /// A frame that was counted in, and that the models deployed meanwhile do not take.
    fn refuse(&self, arrived: Arrived, reason: String) -> NotTaken {
        self.monitor.drop_events(DropCause::Refused, arrived.frame.header().events.into());
        self.recycle(arrived.frame.into_buffer());
        NotTaken::Refused(reason)
    }

    /// Numbers, stamps with the deployment and queues under one lock, so that the queue is in the order of the numbers and of
    /// the deployments, however long a frame has waited for its place; never waits in it.
    // What comes back is the frame itself, not a report of it.
    #[allow(clippy::result_large_err)]
    fn try_enqueue(&self, mut arrived: Arrived) -> Result<(), NotQueued> {
        let mut queue = self.lock();
        let sequence = queue.next;
        let Some(sender) = &queue.sender else { return Err(NotQueued::Closed) };
        // Nearly always the one that it has.
        let in_force = self.current.read().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&in_force, &arrived.deployment) {
            if let Err(reason) = in_force.check(arrived.frame.header()) {
                return Err(NotQueued::Refused(arrived, reason));
            }
            arrived.deployment = Arc::clone(&in_force);
        }
        drop(in_force);
        let bytes = arrived.frame.memory_bytes() as u64;
        let before = self.on_their_way.load(Ordering::SeqCst);
        // A frame alone always fits.
        if before > 0 && before + bytes > self.most_bytes {
            return Err(NotQueued::Full(arrived));
        }
        // Before it can be delivered.
        self.on_their_way.fetch_add(bytes, Ordering::SeqCst);
        if let Err(error) = sender.try_send(Arrived { sequence, ..arrived }) {
            self.on_their_way.fetch_sub(bytes, Ordering::SeqCst);
            return Err(match error {
                TrySendError::Full(back) => NotQueued::Full(back),
                TrySendError::Disconnected(_) => NotQueued::Closed,
            });
        }
        queue.next += 1;
        Ok(())
    }

    /// Frames that wait for a worker.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.lock().sender.as_ref().map_or(0, Sender::len)
    }

    /// Takes nothing more; the workers end when the queue is empty.
    pub(super) fn close(&self) {
        self.lock().sender = None;
    }

    /// A sender whose frames are not followed by their numbers has said that it is done.
    pub(super) fn note_end(&self, header: &Header) {
        self.tracker().end(header);
    }

    /// Senders that have said that they are done.
    #[must_use]
    pub fn senders_ended(&self) -> u64 {
        self.tracker().ended()
    }

    fn offer_all(&self, ready: Vec<(Frame, Instant)>) -> Result<(), NotTaken> {
        let mut refused = None;
        for (frame, received) in ready {
            match self.offer(frame, received) {
                Ok(()) => {}
                Err(NotTaken::Closed) => return Err(NotTaken::Closed),
                Err(NotTaken::Refused(reason)) => refused = Some(reason),
            }
        }
        refused.map_or(Ok(()), |reason| Err(NotTaken::Refused(reason)))
    }

    /// The frame with its deployment; none for a frame without events, which is a sign of life.
    fn arrived(
        &self,
        frame: Frame,
        received: Instant,
        receipt: Option<Box<dyn Receipt>>,
    ) -> Result<Option<Arrived>, NotTaken> {
        if frame.header().events == 0 {
            if let Some(receipt) = receipt {
                receipt.settle();
            }
            self.recycle(frame.into_buffer());
            return Ok(None);
        }
        let deployment = self.deployment();
        if let Err(reason) = deployment.check(frame.header()) {
            self.drop_frame(frame, DropCause::Refused);
            return Err(NotTaken::Refused(reason));
        }
        Ok(Some(Arrived { sequence: 0, frame, received, deployment, receipt }))
    }

    /// Counts a frame in and out again.
    fn drop_frame(&self, frame: Frame, cause: DropCause) {
        let events = u64::from(frame.header().events);
        self.monitor.arrived(events);
        self.monitor.drop_events(cause, events);
        self.recycle(frame.into_buffer());
    }

    fn spare(&self) -> std::sync::MutexGuard<'_, Spare> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tracker(&self) -> std::sync::MutexGuard<'_, Tracker> {
        self.tracker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
