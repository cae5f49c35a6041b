use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use async_nats::HeaderMap;
use async_nats::jetstream::Context;
use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use bytes::Bytes;
use crossbeam_channel as channel;
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::counts::NatsSinkCounts;
use super::link::{Link, chain};
use super::publish::{Publication, Published, publish};
use super::record::{DecisionRecord, frame_of};
use super::setup::{self, Purpose};
use super::{NatsAddress, PublishReport, frame_name};
use crate::serve::{Claim, Decided, Outlet, ServeError, unique_name};

/// Pause before a stored record is asked for again.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(200);
/// Of failures in a row to get one, one in so many is logged.
const WARN_EVERY: u32 = 100;
/// Between two lines on frames that cannot be published.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// KiB of frames that are being published; each is there twice meanwhile.
const PUBLISHING_KIB: u32 = 64 << 10;

/// Decisions and accepted events to a JetStream stream, a subject for each frame: `STREAM.decisions.RUN.SOURCE.EVENT` and
/// `STREAM.accepted.RUN.SOURCE.EVENT`, with the id of the frame's first event.
///
/// The stream takes one message a subject, however often a frame comes. The decision is published first and counts, even when a
/// worker dies behind it: the next one publishes the accepted events of the decision that is there, not of its own.
pub struct NatsOutlet {
    jobs: Option<mpsc::Sender<Job>>,
    done: channel::Receiver<Done>,
    early: BTreeSet<u64>,
    taken: u64,
    settled: u64,
    stream: String,
    worker: String,
    counts: Arc<NatsSinkCounts>,
    /// A permit for a KiB of frames.
    room: Arc<Semaphore>,
    /// Frames given back, and when that was last said.
    given_back: (u64, Option<Instant>),
    /// Last, so that its thread goes when nobody waits for it.
    link: Link,
}

/// A frame to publish.
struct Job {
    number: u64,
    /// Where its source gives it again when it is given up.
    claim: Option<Arc<Claim>>,
    record: DecisionRecord,
    frame: Bytes,
    room: OwnedSemaphorePermit,
}

/// Number and claim of a job, and why it can never be done, if that is so.
type Done = (u64, Option<Arc<Claim>>, Result<(), String>);

/// Where, for all jobs.
struct Place {
    context: Context,
    stream: Stream,
    name: String,
    counts: Arc<NatsSinkCounts>,
}

impl NatsOutlet {
    /// An outlet to `nats://HOST:PORT/STREAM`. A missing stream is made if `create`.
    ///
    /// # Errors
    /// When the server cannot be reached or the stream is missing.
    pub fn open(address: &NatsAddress, create: bool) -> Result<Self, ServeError> {
        let [stream] = &address.names[..] else {
            let reason = "a sink is nats://HOST:PORT/STREAM".to_owned();
            return Err(ServeError::Source { address: address.servers(), reason });
        };
        let link = Link::connect(address, "sink")?;
        let subjects = vec![format!("{stream}.decisions.>"), format!("{stream}.accepted.>")];
        let settings = create.then_some(&address.create);
        let found = setup::stream(&link, stream, Purpose::Results, subjects, settings)?;
        let name = format!("{}/{stream}", link.servers());
        let counts = Arc::new(NatsSinkCounts::new(&name, link.disconnects()));
        let place = Place {
            context: link.context().clone(),
            stream: found,
            name: stream.clone(),
            counts: Arc::clone(&counts),
        };
        let (jobs, to_do) = mpsc::channel(address.in_flight);
        let (told, done) = channel::unbounded();
        link.spawn(publish_all(place, to_do, told, address.in_flight));
        Ok(Self {
            jobs: Some(jobs),
            done,
            early: BTreeSet::new(),
            taken: 0,
            settled: 0,
            stream: stream.clone(),
            worker: unique_name("worker", SystemTime::now()),
            counts,
            room: Arc::new(Semaphore::new(PUBLISHING_KIB as usize)),
            given_back: (0, None),
            link,
        })
    }

    /// What was published so far.
    #[must_use]
    pub fn report(&self) -> PublishReport {
        self.counts.report().published
    }

    /// A frame that cannot be published ends its own way, not the service's: the next worker could not publish it either. Its
    /// source gives it again, and in the end puts it away. Where the source does not, it is an error.
    fn note(&mut self, (number, claim, outcome): Done) -> Result<(), ServeError> {
        if let Err(reason) = outcome {
            let claim = claim.ok_or_else(|| self.link.error(&*reason))?;
            claim.give_up();
            let (times, told) = &mut self.given_back;
            *times += 1;
            if told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
                *told = Some(Instant::now());
                let name = &self.stream;
                tracing::error!(
                    "{name}: a frame cannot be published and is given back ({times} so far): {reason}"
                );
            }
        }
        self.early.insert(number);
        self.counts.done();
        while self.early.remove(&self.settled) {
            self.settled += 1;
        }
        Ok(())
    }
}

impl Outlet for NatsOutlet {
    fn take(&mut self, block: &Decided) -> Result<(), ServeError> {
        let record = DecisionRecord::new(block, &self.worker);
        let bytes = block.arrived.frame.bytes();
        // A frame alone always has room.
        let kib = u32::try_from(bytes.len().div_ceil(1024)).unwrap_or(u32::MAX).min(PUBLISHING_KIB);
        let room = self.link.block_on(Arc::clone(&self.room).acquire_many_owned(kib));
        let room = room.map_err(|error| self.link.error(error.to_string()))?;
        let claim = block.arrived.claim().cloned();
        let frame = Bytes::copy_from_slice(bytes);
        let job = Job { number: self.taken, claim, record, frame, room };
        self.taken += 1;
        self.counts.begun();
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.blocking_send(job).is_ok());
        if sent {
            Ok(())
        } else {
            Err(self.link.error(format!("nothing more is published to `{}`", self.stream)))
        }
    }

    fn tend(&mut self, _now: Instant) -> Result<(), ServeError> {
        while let Ok(done) = self.done.try_recv() {
            self.note(done)?;
        }
        Ok(())
    }

    fn settled(&self) -> u64 {
        self.settled
    }

    fn finish(&mut self) -> Result<(), ServeError> {
        self.jobs = None;
        while self.settled < self.taken {
            match self.done.recv() {
                Ok(done) => self.note(done)?,
                Err(_) => return Err(self.link.error("the publishing task ended early")),
            }
        }
        let report = self.counts.report();
        let seen = report.published;
        tracing::info!(
            "{}: {} messages stored, {} were there, {} times said again, {} times full, {} connections lost",
            self.stream,
            seen.stored,
            seen.was_there,
            seen.repeated,
            seen.refused_as_full,
            report.disconnects
        );
        Ok(())
    }

    fn nats(&self) -> Option<Arc<NatsSinkCounts>> {
        Some(Arc::clone(&self.counts))
    }
}

async fn publish_all(place: Place, jobs: mpsc::Receiver<Job>, told: channel::Sender<Done>, at_once: usize) {
    let jobs = futures_util::stream::unfold(jobs, |mut jobs| async { Some((jobs.recv().await?, jobs)) });
    let place = &place;
    jobs.map(|job| async move {
        let (number, claim) = (job.number, job.claim.clone());
        (number, claim, publish_job(place, job).await)
    })
    .buffer_unordered(at_once)
    .for_each(|done| {
        // An outlet that is gone has no use for it.
        let _ = told.send(done);
        async {}
    })
    .await;
}

async fn publish_job(place: &Place, job: Job) -> Result<(), String> {
    let Job { mut record, frame: bytes, room: _room, .. } = job;
    let name = |separator| frame_name(record.run, record.source, record.first_event_id, separator);
    let (id, key) = (name('-'), name('.'));
    let subject = format!("{}.decisions.{key}", place.name);
    let publication = Publication {
        subject: subject.clone(),
        id: format!("d-{id}"),
        headers: HeaderMap::new(),
        payload: record.to_json().into(),
        once: true,
    };
    let frame = frame_of(&bytes)?;
    while publish(&place.context, &publication, place.counts.published()).await? == Published::WasThere {
        if let Some(stored) = stored_record(place, &subject, &frame).await? {
            record = stored;
            break;
        }
        // Deleted since it was refused for being there, or not stored after all.
        tokio::time::sleep(ASK_AGAIN_AFTER).await;
    }
    if record.accepted.places.is_empty() {
        return Ok(());
    }
    let publication = Publication {
        subject: format!("{}.accepted.{key}", place.name),
        id: format!("a-{id}"),
        headers: accepted_headers(&record),
        payload: record.accepted_message(&frame).into(),
        once: true,
    };
    publish(&place.context, &publication, place.counts.published()).await.map(|_| ())
}

fn accepted_headers(record: &DecisionRecord) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("Trigsieve-Models", serde_json::to_string(&record.models).unwrap_or_default());
    headers.insert("Trigsieve-Paths", serde_json::to_string(&record.paths).unwrap_or_default());
    headers.insert("Trigsieve-Generation", record.generation.to_string());
    headers
}

/// The decision that the stream has already, if it has. Asked of the stream's leader, as copies may not have it yet, for as long as
/// there is none or nobody answers.
async fn stored_record(
    place: &Place,
    subject: &str,
    frame: &trigsieve_frame::Frame,
) -> Result<Option<DecisionRecord>, String> {
    for asked in 0_u32.. {
        match place.stream.get_last_raw_message_by_subject(subject).await {
            Ok(message) => {
                let record = DecisionRecord::parse(&message.payload, frame);
                let no_use = |reason| format!("{subject}: the decision that is there is of no use: {reason}");
                return record.map(Some).map_err(no_use);
            }
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => return Ok(None),
            Err(error) if asked.is_multiple_of(WARN_EVERY) => {
                tracing::warn!("{subject}: the decision that is there is not to be had: {}", chain(&error));
            }
            Err(_) => {}
        }
        tokio::time::sleep(ASK_AGAIN_AFTER).await;
    }
    Ok(None)
}
