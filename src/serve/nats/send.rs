use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use async_nats::jetstream::Context;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::JoinHandle;

use super::link::Link;
use super::publish::{Publication, PublishCounts, publish};
use super::setup::{self, Purpose};
use super::{NatsAddress, PublishReport, frame_name, frames_subjects};
use crate::serve::ServeError;
use trigsieve_frame::{HEADER_BYTES, Header, Limits};

/// What a server may take to answer once the user wants an end.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is looked whether he does.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Publishes frames to a JetStream stream, so that the server has each of them, once within its window.
pub struct NatsPublisher {
    jobs: Option<mpsc::Sender<Publication>>,
    publishing: Option<JoinHandle<Result<(), String>>>,
    stream: String,
    messages: u64,
    unnamed: u64,
    counts: Arc<PublishCounts>,
    link: Link,
}

impl NatsPublisher {
    /// A publisher to `nats://HOST:PORT/STREAM`. A missing stream is made if `create`.
    ///
    /// # Errors
    /// When the server cannot be reached or the stream is missing.
    pub fn open(address: &NatsAddress, create: bool) -> Result<Self, ServeError> {
        let [stream] = &address.names[..] else {
            let reason = "frames go to nats://HOST:PORT/STREAM".to_owned();
            return Err(ServeError::Source { address: address.servers(), reason });
        };
        let link = Link::connect(address, "send")?;
        let settings = create.then_some(&address.create);
        setup::stream(&link, stream, Purpose::Frames, frames_subjects(stream), settings)?;
        let counts = Arc::new(PublishCounts::default());
        let (jobs, to_do) = mpsc::channel(1);
        let at_once = address.in_flight;
        let publishing = link.spawn(publish_all(link.context().clone(), to_do, Arc::clone(&counts), at_once));
        let (jobs, publishing) = (Some(jobs), Some(publishing));
        Ok(Self { jobs, publishing, stream: stream.clone(), messages: 0, unnamed: 0, counts, link })
    }

    /// Publishes a frame; waits while as many as may are on their way.
    ///
    /// # Errors
    /// When the server will never take one of the frames, or `is_stopped` and the server takes nothing for five seconds more.
    pub fn send(&mut self, frame: &[u8], is_stopped: &dyn Fn() -> bool) -> Result<(), ServeError> {
        let publication = self.publication(frame);
        let Some(jobs) = self.jobs.clone() else { return Err(self.failure(is_stopped)) };
        let publication = match jobs.try_send(publication) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Full(publication)) => publication,
            Err(TrySendError::Closed(_)) => return Err(self.failure(is_stopped)),
        };
        if let Ok(place) = self.patiently(jobs.reserve_owned(), is_stopped)? {
            place.send(publication);
            return Ok(());
        }
        Err(self.failure(is_stopped))
    }

    /// Waits until the server has everything, then publishes the last frame.
    ///
    /// # Errors
    /// As [`NatsPublisher::send`].
    pub fn finish(&mut self, end: &[u8], is_stopped: &dyn Fn() -> bool) -> Result<(), ServeError> {
        self.jobs = None;
        self.wait(is_stopped)?;
        let publication = self.publication(end);
        let published = publish(self.link.context(), &publication, &self.counts);
        let published = self.patiently(published, is_stopped)?;
        published.map(|_| ()).map_err(|reason| self.link.error(reason))
    }

    /// What was published so far.
    #[must_use]
    pub fn report(&self) -> PublishReport {
        self.counts.report()
    }

    fn failure(&mut self, is_stopped: &dyn Fn() -> bool) -> ServeError {
        self.jobs = None;
        match self.wait(is_stopped) {
            Err(error) => error,
            Ok(()) => self.link.error("nothing more is published"),
        }
    }

    fn wait(&mut self, is_stopped: &dyn Fn() -> bool) -> Result<(), ServeError> {
        let Some(publishing) = self.publishing.take() else { return Ok(()) };
        let ended =
            self.patiently(publishing, is_stopped)?.map_err(|error| self.link.error(error.to_string()))?;
        ended.map_err(|reason| self.link.error(reason))
    }

    /// Waits as long as it takes, or five seconds from when it is stopped.
    fn patiently<T>(
        &self,
        work: impl Future<Output = T>,
        is_stopped: &dyn Fn() -> bool,
    ) -> Result<T, ServeError> {
        let waited = self.link.block_on(async {
            let mut work = std::pin::pin!(work);
            let mut stopped: Option<Instant> = None;
            loop {
                if let Ok(done) = tokio::time::timeout(LOOK_EVERY, &mut work).await {
                    return Some(done);
                }
                if is_stopped() && stopped.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                    return None;
                }
            }
        });
        waited.ok_or_else(|| {
            let seen = self.report();
            let confirmed = seen.stored + seen.was_there;
            self.link.error(format!(
                "interrupted, and the server does not answer: it has confirmed {confirmed} of {} messages",
                self.messages
            ))
        })
    }

    fn publication(&mut self, frame: &[u8]) -> Publication {
        self.messages += 1;
        let limits = Limits { k: u32::MAX, events: u32::MAX, payload_bytes: u32::MAX };
        let header = frame.first_chunk::<HEADER_BYTES>().and_then(|head| Header::parse(head, &limits).ok());
        let (subject, id) = match header {
            Some(header) => {
                let first = if header.end { header.sequence } else { header.first_event_id };
                let id = frame_name(header.run, header.source, first, '-');
                let subject = format!("{}.{}.{}", self.stream, header.run, header.source);
                (subject, if header.end { format!("end-{id}") } else { id })
            }
            // Sent on request, to see what a service makes of it.
            None => {
                self.unnamed += 1;
                (format!("{}.malformed", self.stream), format!("malformed-{}", self.unnamed))
            }
        };
        let payload = Bytes::copy_from_slice(frame);
        Publication { subject, id, headers: HeaderMap::new(), payload, once: false }
    }
}

async fn publish_all(
    context: Context,
    jobs: mpsc::Receiver<Publication>,
    counts: Arc<PublishCounts>,
    at_once: usize,
) -> Result<(), String> {
    let jobs = futures_util::stream::unfold(jobs, |mut jobs| async { Some((jobs.recv().await?, jobs)) });
    let (context, counts) = (&context, &counts);
    jobs.map(|job| async move { publish(context, &job, counts).await.map(|_| ()) })
        .buffer_unordered(at_once)
        .try_collect::<()>()
        .await
}
