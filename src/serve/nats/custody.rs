use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_nats::jetstream::AckKind;
use async_nats::{Client, Request, Subject};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use super::counts::NatsSourceCounts;
use super::link::{ANSWER_TIME, Link, chain};
use crate::serve::{Claim, Receipt};

/// Answers to the server that wait for its confirmation.
const ANSWERS_AT_ONCE: usize = 256;
/// Pause before an answer is repeated.
const REPEAT_AFTER: Duration = Duration::from_millis(200);
/// Past this, an answer is given up: the server then delivers again, and what is there already is not kept twice.
const ANSWER_AT_MOST: Duration = Duration::from_secs(120);
/// After which a frame that could not be decided here is delivered again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// What answers may take when everything else has ended.
const LAST_ANSWERS: Duration = Duration::from_secs(5);
/// A claim is renewed this often within the server's patience.
const RENEWALS: u32 = 4;

/// A message that the server gave to this process.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) reply: Subject,
    pub(super) claim: Arc<Claim>,
    /// Its number in the stream.
    pub(super) sequence: u64,
}

/// What the server is told about a message while it is held.
#[derive(Clone)]
struct Held {
    reply: Subject,
    claim: Arc<Claim>,
    /// It was delivered to this process again meanwhile: the server waits for this process, though the claim is lost.
    is_back: bool,
}

/// The messages that this process holds: keeps the server patient, and tells it what became of them. Every answer is confirmed
/// by the server, or repeated.
pub(super) struct Custody {
    link: Link,
    shared: Arc<Shared>,
    answers: Option<mpsc::UnboundedSender<(Subject, AckKind)>>,
    answering: Option<JoinHandle<()>>,
}

/// What the tasks see. They do not hold the custody itself, whose end is theirs.
pub(super) struct Shared {
    held: Mutex<HashMap<u64, Held>>,
    counts: Arc<NatsSourceCounts>,
    pub(super) freed: Notify,
    term: Duration,
}

impl Custody {
    /// Of messages whose consumer waits `ack_wait` for an answer.
    pub(super) fn new(link: Link, ack_wait: Duration, counts: Arc<NatsSourceCounts>) -> Self {
        let shared = Arc::new(Shared {
            held: Mutex::default(),
            counts,
            freed: Notify::new(),
            // The server's clock may run a little faster than this one.
            term: ack_wait.mul_f64(0.95),
        });
        let (answers, to_give) = mpsc::unbounded_channel();
        let answering = link.spawn(answer_all(link.client().clone(), to_give, Arc::clone(&shared)));
        link.spawn(renew_all(link.client().clone(), Arc::downgrade(&shared), ack_wait / RENEWALS));
        Self { link, shared, answers: Some(answers), answering: Some(answering) }
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Tells the server what became of a message.
    pub(super) fn answer(&self, token: Token, kind: AckKind) {
        // The latest delivery is the one that the server waits for.
        let reply = self.shared.held().remove(&token.sequence).map_or(token.reply, |held| held.reply);
        if let Some(answers) = &self.answers {
            // The receiver lives as long as this.
            let _ = answers.send((reply, kind));
        }
    }
}

impl Drop for Custody {
    /// The last receipt is settled, and nothing more is received: waits until the server has confirmed the last answers.
    fn drop(&mut self) {
        self.answers = None;
        if let Some(answering) = self.answering.take() {
            let ended = self.link.block_on(async { tokio::time::timeout(LAST_ANSWERS, answering).await });
            if ended.is_err() {
                tracing::warn!(
                    "{}: not all acknowledgements were confirmed; those frames will be delivered again",
                    self.link.servers()
                );
            }
        }
    }
}

impl Shared {
    /// Takes a message into custody; it was delivered after `asked`. None if it is held already: the server has lost its patience
    /// while the frame is being decided here, and to decide it once more would only take longer.
    pub(super) fn hold(
        &self,
        reply: Subject,
        asked: Instant,
        sequence: u64,
        is_repeated: bool,
    ) -> Option<Token> {
        self.counts.delivered(is_repeated);
        let mut all = self.held();
        if let Some(held) = all.get_mut(&sequence) {
            held.reply = reply;
            held.is_back = true;
            return None;
        }
        let claim = Arc::new(Claim::new(asked, self.term, is_repeated));
        self.counts.taken_in_hand();
        all.insert(sequence, Held { reply: reply.clone(), claim: Arc::clone(&claim), is_back: false });
        Some(Token { reply, claim, sequence })
    }

    pub(super) fn counts(&self) -> &Arc<NatsSourceCounts> {
        &self.counts
    }

    fn held(&self) -> MutexGuard<'_, HashMap<u64, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answer_all(
    client: Client,
    mut to_give: mpsc::UnboundedReceiver<(Subject, AckKind)>,
    shared: Arc<Shared>,
) {
    let mut waiting = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some((reply, kind)) = to_give.recv(), if waiting.len() < ANSWERS_AT_ONCE => {
                waiting.push(answer(&client, reply, kind, &shared.counts));
            }
            Some(()) = waiting.next(), if !waiting.is_empty() => {
                shared.counts.out_of_hand();
                shared.freed.notify_one();
            }
            else => return,
        }
    }
}

/// Says it until the server confirms: the exchange of a double acknowledgement, on the client's shared inbox, where the
/// library's own takes a subscription for each.
async fn answer(client: &Client, reply: Subject, kind: AckKind, counts: &NatsSourceCounts) {
    let begun = Instant::now();
    while let Err(error) = confirmed(client, &reply, kind).await {
        counts.answer_not_confirmed();
        if begun.elapsed() > ANSWER_AT_MOST {
            tracing::warn!("{reply}: {kind:?} is not confirmed: {error}");
            return;
        }
        tracing::debug!("{reply}: {kind:?}: {error}");
        tokio::time::sleep(REPEAT_AFTER).await;
    }
}

async fn confirmed(client: &Client, reply: &Subject, kind: AckKind) -> Result<(), String> {
    let request = Request::new().payload(kind.into()).timeout(Some(ANSWER_TIME));
    client.send_request(reply.clone(), request).await.map(|_| ()).map_err(|error| chain(&error))
}

/// Says of everything held, again and again, that it is being worked on.
async fn renew_all(client: Client, shared: std::sync::Weak<Shared>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let Some(shared) = shared.upgrade() else { return };
        let all: Vec<Held> = shared.held().values().cloned().collect();
        let renewals = all.into_iter().map(|held| {
            let (client, term) = (&client, shared.term);
            async move {
                let asked = Instant::now();
                let is_ours = held.claim.is_held() || held.is_back;
                if is_ours && confirmed(client, &held.reply, AckKind::Progress).await.is_ok() {
                    held.claim.renew(asked, term);
                }
            }
        });
        futures_util::stream::iter(renewals).buffer_unordered(ANSWERS_AT_ONCE).collect::<()>().await;
    }
}

/// Acknowledges when the results are durable; asks for the message again when they will not be.
pub(super) struct NatsReceipt {
    custody: Arc<Custody>,
    token: Option<Token>,
}

impl NatsReceipt {
    pub(super) fn new(custody: Arc<Custody>, token: Token) -> Self {
        Self { custody, token: Some(token) }
    }
}

impl Receipt for NatsReceipt {
    fn settle(mut self: Box<Self>) {
        if let Some(token) = self.token.take() {
            let again = AckKind::Nak(Some(AGAIN_AFTER));
            let kind = if token.claim.is_given_up() { again } else { AckKind::Ack };
            self.custody.answer(token, kind);
        }
    }

    fn claim(&self) -> Option<&Arc<Claim>> {
        self.token.as_ref().map(|token| &token.claim)
    }
}

impl Drop for NatsReceipt {
    fn drop(&mut self) {
        if let Some(token) = self.token.take() {
            self.custody.answer(token, AckKind::Nak(Some(AGAIN_AFTER)));
        }
    }
}
