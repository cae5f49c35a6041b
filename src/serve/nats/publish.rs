use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::context::{Context, PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, ErrorCode};
use bytes::Bytes;
use serde::Serialize;

use super::link::chain;

/// Pauses before a publication is repeated: the first, and the longest.
const REPEAT_AFTER: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// A subject that may have one message has it, in the server's words; the code is that of every failure to store.
const SUBJECT_IS_TAKEN: &str = "maximum messages per subject exceeded";
const WRONG_LAST_SEQUENCE_IN_FLIGHT: ErrorCode = ErrorCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT;

/// A message on its way.
pub(super) struct Publication {
    pub(super) subject: String,
    pub(super) id: String,
    pub(super) headers: HeaderMap,
    pub(super) payload: Bytes,
    /// The server refuses it when the subject has a message already, however long ago.
    pub(super) once: bool,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Published {
    /// The server has it.
    Stored,
    /// The server had it, or another one of the same subject or id.
    WasThere,
}

/// Why not.
#[derive(Debug)]
enum Refusal {
    /// Nobody answered, or not well: the same again.
    Again(String),
    /// The stream is full: the same later.
    Full(String),
    /// It will never be taken.
    Never(String),
}

/// What publishing came to.
#[derive(Debug, Default)]
pub struct PublishCounts {
    stored: AtomicU64,
    was_there: AtomicU64,
    refused_as_full: AtomicU64,
    repeated: AtomicU64,
}

/// [`PublishCounts`] at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PublishReport {
    /// Messages that the server stored.
    pub stored: u64,
    /// Messages that it had already.
    pub was_there: u64,
    /// Times that it had no room: its back-pressure.
    pub refused_as_full: u64,
    /// Times that a message was said again because no good answer came.
    pub repeated: u64,
}

impl PublishCounts {
    /// The counts now.
    #[must_use]
    pub fn report(&self) -> PublishReport {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        PublishReport {
            stored: get(&self.stored),
            was_there: get(&self.was_there),
            refused_as_full: get(&self.refused_as_full),
            repeated: get(&self.repeated),
        }
    }
}

/// Publishes until the server has it, however long that takes.
///
/// # Errors
/// In words, when it will never be taken.
pub(super) async fn publish(
    context: &Context,
    publication: &Publication,
    counts: &Arc<PublishCounts>,
) -> Result<Published, String> {
    let (mut pause, longest) = REPEAT_AFTER;
    loop {
        let (counter, reason) = match once(context, publication).await {
            Ok(published) => {
                let was_there = published == Published::WasThere;
                count(if was_there { &counts.was_there } else { &counts.stored });
                return Ok(published);
            }
            Err(Refusal::Never(reason)) => return Err(format!("{}: {reason}", publication.subject)),
            Err(Refusal::Again(reason)) => (&counts.repeated, reason),
            Err(Refusal::Full(reason)) => (&counts.refused_as_full, reason),
        };
        // The first of many, and then now and then.
        if count(counter).is_multiple_of(1000) {
            tracing::warn!("{}: {reason}; it is said again", publication.subject);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
}

async fn once(context: &Context, publication: &Publication) -> Result<Published, Refusal> {
    let message = PublishMessage::build().payload(publication.payload.clone());
    let mut message = message.headers(publication.headers.clone()).message_id(&publication.id);
    if publication.once {
        message = message.expected_last_subject_sequence(0);
    }
    let sent = context.send_publish(publication.subject.clone(), message).await;
    let answer = match sent {
        Ok(answer) => answer.await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(stored) if stored.duplicate => Ok(Published::WasThere),
        Ok(_) => Ok(Published::Stored),
        Err(error) => verdict(&error, publication.once),
    }
}

fn verdict(error: &PublishError, once: bool) -> Result<Published, Refusal> {
    let text = chain(error);
    let code = server_code(error);
    match error.kind() {
        PublishErrorKind::WrongLastSequence if once => return Ok(Published::WasThere),
        PublishErrorKind::MaxPayloadExceeded => {
            let hint = "raise the server's max_payload, or send smaller frames";
            return Err(Refusal::Never(format!("{text}: {hint}")));
        }
        PublishErrorKind::StreamNotFound => return Err(Refusal::Again(text)),
        _ => {}
    }
    match code {
        Some(ErrorCode::STREAM_STORE_FAILED) if once && text.contains(SUBJECT_IS_TAKEN) => {
            Ok(Published::WasThere)
        }
        Some(WRONG_LAST_SEQUENCE_IN_FLIGHT) => Err(Refusal::Again(text)),
        Some(
            ErrorCode::STREAM_STORE_FAILED
            | ErrorCode::INSUFFICIENT_RESOURCES
            | ErrorCode::STORAGE_RESOURCES_EXCEEDED
            | ErrorCode::MEMORY_RESOURCES_EXCEEDED
            | ErrorCode::ACCOUNT_RESOURCES_EXCEEDED,
        ) => Err(Refusal::Full(text)),
        Some(
            ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM
            | ErrorCode::STREAM_HEADER_EXCEEDS_MAXIMUM
            | ErrorCode::STREAM_NOT_MATCH,
        ) => Err(Refusal::Never(text)),
        _ => Err(Refusal::Again(text)),
    }
}

fn server_code(error: &PublishError) -> Option<ErrorCode> {
    let source = std::error::Error::source(error)?;
    source.downcast_ref::<jetstream::Error>().map(jetstream::Error::error_code)
}

fn count(counter: &AtomicU64) -> u64 {
    counter.fetch_add(1, Ordering::Relaxed)
}
