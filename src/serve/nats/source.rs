use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::{AckKind, Context, Message};
use async_nats::{HeaderMap, StatusCode, Subject};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::mpsc;

use super::counts::NatsSourceCounts;
use super::custody::{Custody, NatsReceipt, Shared, Token};
use super::link::{Link, chain};
use super::publish::{Publication, PublishCounts, publish};
use super::setup::{self, Purpose, is_missing};
use super::{NatsAddress, frames_subjects};
use crate::serve::intake::NotTaken;
use crate::serve::{Intake, ReceiveLimits, Receiver, ServeError, StopReceiving, Trouble};
use trigsieve_frame::{Frame, HEADER_BYTES};

/// How long a request for messages waits for the first: no longer than a stop may take.
const PULL_TIME: Duration = Duration::from_millis(500);
/// What a message may take to come that the server has counted as delivered.
const LATE: Duration = Duration::from_secs(2);
/// Bytes asked for at once.
const PULL_BYTES: usize = 16 << 20;
/// What a message has beside its frame: subject, headers, reply.
const AROUND_A_FRAME: usize = 64 << 10;
/// Messages between the connection's thread and the intake.
const WAITING: usize = 64;
/// Pause before messages are asked for again after an error.
const PAUSE: Duration = Duration::from_millis(200);
/// Nodes of a cluster that have just started say so of what they do not know yet.
const BELIEVE_GONE: Duration = Duration::from_secs(10);
/// How often the receiver looks whether it should stop.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Frames of a JetStream stream, through a durable pull consumer that any number of processes share. A message is acknowledged
/// when the results of its frame are durable, and the server confirms that.
pub struct NatsReceiver {
    name: String,
    limits: ReceiveLimits,
    consumer: PullConsumer,
    custody: Arc<Custody>,
    buried: Arc<PublishCounts>,
    pull: Pull,
    dead_subject: Option<String>,
    max_deliver: i64,
    stream: String,
}

/// How to ask for messages.
#[derive(Clone, Copy)]
struct Pull {
    frames: usize,
    bytes: usize,
    most_in_hand: usize,
}

impl Pull {
    /// The request: at most so many messages and bytes, within this time, ns.
    fn request(&self) -> Bytes {
        let expires = PULL_TIME.as_nanos() as u64;
        let request =
            serde_json::json!({ "batch": self.frames, "max_bytes": self.bytes, "expires": expires });
        request.to_string().into()
    }
}

/// A message, when it came, and the right to it.
struct Delivered {
    payload: Bytes,
    received: Instant,
    token: Token,
    delivered: i64,
    stream_sequence: u64,
}

impl NatsReceiver {
    /// The receiver of `nats://HOST:PORT/STREAM/CONSUMER`. Missing streams and consumers are made if `create`.
    ///
    /// # Errors
    /// When the server cannot be reached, or stream or consumer are missing or of no use.
    pub fn open(
        address: &NatsAddress,
        create: bool,
        limits: ReceiveLimits,
        queue_frames: usize,
    ) -> Result<Self, ServeError> {
        let [stream, consumer] = &address.names[..] else {
            let reason = "a source is nats://HOST:PORT/STREAM/CONSUMER".to_owned();
            return Err(ServeError::Source { address: address.servers(), reason });
        };
        let link = Link::connect(address, "source")?;
        let settings = create.then_some(&address.create);
        let found = setup::stream(&link, stream, Purpose::Frames, frames_subjects(stream), settings)?;
        let consumer = setup::consumer(&link, &found, consumer, settings)?;
        let dead_subject = setup::dead_letters(&link, address, stream, create)?;
        let config = consumer.cached_info().config.clone();
        let most_in_hand = usize::try_from(config.max_ack_pending).unwrap_or(usize::MAX).max(1);
        let pull = Pull {
            frames: address.pull_frames.min(queue_frames).max(1),
            bytes: PULL_BYTES.max(link.client().max_payload() + AROUND_A_FRAME),
            most_in_hand,
        };
        let name = format!("{}/{stream}/{}", link.servers(), consumer.cached_info().name);
        let counts = Arc::new(NatsSourceCounts::new(&name, link.disconnects()));
        let custody = Arc::new(Custody::new(link, config.ack_wait, counts));
        let buried = Arc::default();
        let (stream, max_deliver) = (stream.clone(), config.max_deliver);
        Ok(Self { name, limits, consumer, custody, buried, pull, dead_subject, max_deliver, stream })
    }

    fn accept(&mut self, message: Delivered, intake: &Intake) -> Result<(), NotTaken> {
        if self.max_deliver > 0 && message.delivered >= self.max_deliver {
            let reason = format!("delivered {} times without a result", message.delivered);
            self.bury(message, &reason, intake);
            return Ok(());
        }
        let len = message.payload.len();
        let limit = HEADER_BYTES + self.limits.frame.payload_bytes as usize;
        if len > limit {
            intake.monitor().malformed();
            self.bury(message, &format!("{len} bytes, more than the limit of {limit}"), intake);
            return Ok(());
        }
        let mut buffer = intake.buffer();
        buffer.space(len).copy_from_slice(&message.payload);
        match Frame::of_message(buffer, len, &self.limits.frame) {
            Ok(frame) => self.take(frame, message, intake),
            Err((buffer, error)) => {
                intake.recycle(buffer);
                intake.monitor().malformed();
                self.bury(message, &error.to_string(), intake);
                Ok(())
            }
        }
    }

    fn take(&mut self, frame: Frame, message: Delivered, intake: &Intake) -> Result<(), NotTaken> {
        let header = *frame.header();
        let receipt = NatsReceipt::new(Arc::clone(&self.custody), message.token);
        let taken = intake.take(frame, message.received, Some(Box::new(receipt)));
        match taken {
            Ok(()) => {
                if header.end {
                    intake.note_end(&header);
                }
                Ok(())
            }
            Err(NotTaken::Closed) => Err(NotTaken::Closed),
            // Another worker may have the right model; if none has, the last delivery goes to the dead letters.
            Err(NotTaken::Refused(reason)) => {
                intake.monitor().trouble(Trouble::Refused, || {
                    format!("{}: message {} is refused: {reason}", self.name, message.stream_sequence)
                });
                Ok(())
            }
        }
    }

    /// Puts a message away that will never be decided, and tells the server not to deliver it again.
    fn bury(&self, message: Delivered, reason: &str, intake: &Intake) {
        let place = format!("message {} of stream `{}`", message.stream_sequence, self.stream);
        let words = || format!("{}: {place} is given up: {reason}", self.name);
        intake.monitor().trouble(Trouble::GivenUp, words);
        let buried = self.dead_subject.as_ref().is_none_or(|subject| {
            let publication = dead_letter(subject, &self.stream, &message, reason);
            let link = self.custody.link();
            link.block_on(publish(link.context(), &publication, &self.buried))
                .inspect_err(|error| tracing::error!("{}: {place} cannot be put away: {error}", self.name))
                .is_ok()
        });
        self.custody.shared().counts().given_up();
        // What could not be put away stays in the stream: the server has delivered it often enough, or will.
        let kind = if buried { AckKind::Term } else { AckKind::Nak(Some(Duration::from_secs(1))) };
        self.custody.answer(message.token, kind);
    }
}

fn dead_letter(subject: &str, stream: &str, message: &Delivered, reason: &str) -> Publication {
    let mut headers = HeaderMap::new();
    headers.insert("Trigsieve-Reason", reason.replace(['\r', '\n'], " "));
    headers.insert("Trigsieve-Stream", stream);
    headers.insert("Trigsieve-Stream-Sequence", message.stream_sequence.to_string());
    headers.insert("Trigsieve-Delivered", message.delivered.to_string());
    Publication {
        subject: subject.to_owned(),
        id: format!("{stream}-{}", message.stream_sequence),
        headers,
        payload: message.payload.clone(),
        once: false,
    }
}

impl Receiver for NatsReceiver {
    fn address(&self) -> String {
        self.name.clone()
    }

    fn nats(&self) -> Option<Arc<NatsSourceCounts>> {
        Some(Arc::clone(self.custody.shared().counts()))
    }

    fn run(&mut self, intake: &Arc<Intake>, stop: &StopReceiving) -> Result<(), ServeError> {
        let (messages, mut delivered) = mpsc::channel(WAITING);
        let ends = Arc::new(AtomicBool::new(false));
        let pulling = self.custody.link().spawn(pull_all(
            self.custody.link().context().clone(),
            self.consumer.clone(),
            self.pull,
            messages,
            Arc::clone(self.custody.shared()),
            Arc::clone(&ends),
        ));
        loop {
            if stop.is_requested() {
                ends.store(true, Ordering::Relaxed);
            }
            let next = match delivered.try_recv() {
                Ok(message) => Some(message),
                Err(mpsc::error::TryRecvError::Disconnected) => None,
                Err(mpsc::error::TryRecvError::Empty) => {
                    let waited = async { tokio::time::timeout(LOOK_EVERY, delivered.recv()).await };
                    match self.custody.link().block_on(waited) {
                        Ok(next) => next,
                        Err(_) => continue,
                    }
                }
            };
            let Some(message) = next else { break };
            if self.accept(message, intake).is_err() {
                ends.store(true, Ordering::Relaxed);
                // What is left gets no receipt: the server delivers it again.
                break;
            }
        }
        drop(delivered);
        match self.custody.link().block_on(pulling) {
            Ok(Some(reason)) => Err(ServeError::Source { address: self.name.clone(), reason }),
            Ok(None) => Ok(()),
            Err(error) => Err(ServeError::Source { address: self.name.clone(), reason: error.to_string() }),
        }
    }
}

/// Asks for messages until it should end; why it cannot go on, if it cannot.
async fn pull_all(
    context: Context,
    consumer: PullConsumer,
    pull: Pull,
    messages: mpsc::Sender<Delivered>,
    shared: Arc<Shared>,
    ends: Arc<AtomicBool>,
) -> Option<String> {
    let mut gone_since = None;
    while !ends.load(Ordering::Relaxed) && !messages.is_closed() {
        let room = pull.most_in_hand.saturating_sub(shared.counts().in_hand());
        if room == 0 {
            let _ = tokio::time::timeout(PAUSE, shared.freed.notified()).await;
            continue;
        }
        let now = Pull { frames: pull.frames.min(room), ..pull };
        let pulled = pull_once(&context, &consumer, now, &messages, &shared).await;
        let Err(reason) = pulled else {
            gone_since = None;
            continue;
        };
        tracing::debug!("{}: {reason}", consumer.cached_info().name);
        if !is_gone(&consumer).await {
            gone_since = None;
        } else if gone_since.get_or_insert_with(Instant::now).elapsed() > BELIEVE_GONE {
            return Some("the consumer is gone".to_owned());
        }
        tokio::time::sleep(PAUSE).await;
    }
    None
}

/// One request for messages, and what comes of it.
///
/// The library's batches end with the first status, but a replicated consumer sends "Batch Completed" and its like at once, and
/// the messages that it counts as delivered when a majority of the nodes knows of them, some milliseconds later. Whoever listens no
/// more then gets them never, since the next request is answered in the same way.
async fn pull_once(
    context: &Context,
    consumer: &PullConsumer,
    pull: Pull,
    messages: &mpsc::Sender<Delivered>,
    shared: &Arc<Shared>,
) -> Result<(), String> {
    // Before the request, and so before any message that answers it was delivered: the claim's start.
    let asked = Instant::now();
    let client = context.client();
    let inbox = Subject::from(client.new_inbox());
    let mut answers = client.subscribe(inbox.clone()).await.map_err(|error| chain(&error))?;
    let info = consumer.cached_info();
    let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{}", info.stream_name, info.name);
    client.publish_with_reply(subject, inbox, pull.request()).await.map_err(|error| chain(&error))?;
    let (mut came, mut expected, mut patience) = (0, pull.frames, PULL_TIME + LATE);
    while came < expected {
        let Ok(Some(message)) = tokio::time::timeout(patience, answers.next()).await else {
            // What is missing was delivered to nobody, and comes again.
            return if came > 0 { Ok(()) } else { Err("no answer to a request".to_owned()) };
        };
        if let Some(status) = message.status {
            match status {
                StatusCode::IDLE_HEARTBEAT => {}
                StatusCode::TIMEOUT | StatusCode::REQUEST_TERMINATED => {
                    let Some(left) = left_of(&message) else { return Err(words(&message)) };
                    expected = pull.frames.saturating_sub(left);
                    patience = LATE;
                }
                _ => return Err(words(&message)),
            }
            continue;
        }
        came += 1;
        let message = Message { message, context: context.clone() };
        let Some(delivered) = held(message, asked, Instant::now(), shared)? else { continue };
        if messages.send(delivered).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Messages of a request that the server will not send, where a status says so.
fn left_of(message: &async_nats::Message) -> Option<usize> {
    let headers = message.headers.as_ref()?;
    headers.get("Nats-Pending-Messages")?.as_str().parse().ok()
}

fn words(message: &async_nats::Message) -> String {
    let status = message.status.map_or(0, |status| status.as_u16());
    format!("{status} {}", message.description.as_deref().unwrap_or_default())
}

fn held(
    message: Message,
    asked: Instant,
    received: Instant,
    shared: &Shared,
) -> Result<Option<Delivered>, String> {
    let info = message.info().map_err(|error| error.to_string())?;
    let (delivered, stream_sequence) = (info.delivered, info.stream_sequence);
    let reply = message.reply.clone().ok_or("a message without a reply subject")?;
    let payload = message.message.payload;
    Ok(shared.hold(reply, asked, stream_sequence, delivered > 1).map(|token| Delivered {
        payload,
        received,
        token,
        delivered,
        stream_sequence,
    }))
}

/// Whether the server says that consumer or stream are no more, rather than nothing.
async fn is_gone(consumer: &PullConsumer) -> bool {
    let error = consumer.get_info().await.err();
    error.is_some_and(|error| is_missing(&error))
}
