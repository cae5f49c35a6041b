use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::context::{ConsumerInfoError, ConsumerInfoErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType, Stream};

use super::link::{Link, chain};
use super::{CreateSettings, NatsAddress};
use crate::serve::ServeError;

/// What is set aside for dead letters, as a part of what is for frames, and not less than so many bytes where those have them.
const DEAD_SHARE: i64 = 10;
const DEAD_BYTES: i64 = 64 << 20;

/// A stream and what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Frames for the trigger.
    Frames,
    /// Decisions and accepted events.
    Results,
    /// Messages that could not be decided.
    Dead,
}

/// The stream of this name; made if it is missing and `create` says so.
pub(super) fn stream(
    link: &Link,
    name: &str,
    purpose: Purpose,
    subjects: Vec<String>,
    create: Option<&CreateSettings>,
) -> Result<Stream, ServeError> {
    let context = link.context();
    match link.block_on(context.get_stream(name)) {
        Ok(stream) => {
            check(name, purpose, &stream.cached_info().config);
            return Ok(stream);
        }
        Err(error) if !is_no_stream(error.kind()) => {
            return Err(link.error(format!("stream `{name}`: {}", chain(&error))));
        }
        Err(_) => {}
    }
    let Some(settings) = create else {
        return Err(link.error(format!("there is no stream `{name}`; --create makes it")));
    };
    let config = config_of(name, purpose, subjects, settings);
    let made = link.block_on(context.create_stream(config));
    let failed = |error| link.error(format!("stream `{name}` cannot be made: {}", chain(&error)));
    let stream = made.map_err(failed)?;
    tracing::info!("{}: made stream `{name}`", link.servers());
    Ok(stream)
}

fn is_no_stream(kind: GetStreamErrorKind) -> bool {
    matches!(kind, GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND)
}

/// `docs/nats.md` says why each of these.
fn config_of(name: &str, purpose: Purpose, subjects: Vec<String>, settings: &CreateSettings) -> Config {
    let common = Config {
        name: name.to_owned(),
        subjects,
        storage: StorageType::File,
        num_replicas: settings.replicas,
        max_bytes: settings.max_bytes,
        duplicate_window: settings.duplicate_window,
        discard: DiscardPolicy::New,
        ..Config::default()
    };
    match purpose {
        Purpose::Frames => Config { retention: RetentionPolicy::WorkQueue, ..common },
        Purpose::Results => Config {
            max_age: settings.max_age,
            max_messages_per_subject: 1,
            discard_new_per_subject: true,
            duplicate_window: settings.duplicate_window.min(settings.max_age),
            ..common
        },
        Purpose::Dead => Config {
            max_bytes: (settings.max_bytes / DEAD_SHARE).max(settings.max_bytes.min(DEAD_BYTES)),
            max_age: settings.max_age,
            discard: DiscardPolicy::Old,
            duplicate_window: settings.duplicate_window.min(settings.max_age),
            ..common
        },
    }
}

/// Says what is dangerous in a stream that somebody else has made.
fn check(name: &str, purpose: Purpose, config: &Config) {
    if purpose != Purpose::Dead && config.discard != DiscardPolicy::New {
        tracing::warn!("stream `{name}` deletes old messages when it is full: set `discard: new`");
    }
    if config.storage != StorageType::File {
        tracing::warn!("stream `{name}` is in memory: a restart of the server loses it");
    }
    if purpose == Purpose::Results && config.max_messages_per_subject != 1 {
        tracing::warn!(
            "stream `{name}` may keep several messages of a subject: set `max_msgs_per_subject: 1`"
        );
    }
}

/// The durable consumer that all workers share; made if it is missing and `create` says so.
pub(super) fn consumer(
    link: &Link,
    stream: &Stream,
    name: &str,
    create: Option<&CreateSettings>,
) -> Result<PullConsumer, ServeError> {
    let failed = |reason: String| link.error(format!("consumer `{name}`: {reason}"));
    let found: Result<PullConsumer, _> = link.block_on(stream.get_consumer(name));
    let is_there_none = |error: &async_nats::Error| error.downcast_ref().is_some_and(is_missing);
    let consumer = match (found, create) {
        (Ok(consumer), _) => consumer,
        // Making one that is there would change its settings: only when the server says that it is not.
        (Err(error), Some(_)) if !is_there_none(&error) => return Err(failed(chain(&*error))),
        (Err(error), None) => {
            return Err(failed(format!("{error}; --create makes one that is missing")));
        }
        (Err(_), Some(settings)) => {
            let config = consumer_config(name, settings);
            let made = link.block_on(stream.create_consumer(config));
            made.map_err(|error| failed(chain(&error)))?
        }
    };
    let config = &consumer.cached_info().config;
    if config.ack_policy != AckPolicy::Explicit {
        return Err(failed(format!("its ack policy is {:?}, it must be explicit", config.ack_policy)));
    }
    if config.ack_wait < Duration::from_millis(500) {
        return Err(failed(format!("ack_wait {:?} is too short to renew", config.ack_wait)));
    }
    Ok(consumer)
}

fn consumer_config(name: &str, settings: &CreateSettings) -> pull::Config {
    pull::Config {
        durable_name: Some(name.to_owned()),
        ack_policy: AckPolicy::Explicit,
        ack_wait: settings.ack_wait,
        max_ack_pending: settings.max_ack_pending,
        max_deliver: settings.max_deliver,
        ..pull::Config::default()
    }
}

/// Where messages go that cannot be decided: the subject, if a stream takes it.
pub(super) fn dead_letters(
    link: &Link,
    address: &NatsAddress,
    stream: &str,
    create: bool,
) -> Result<Option<String>, ServeError> {
    let subject = address.dead_subject.clone().unwrap_or_else(|| format!("dead.{stream}"));
    let found = link.block_on(link.context().stream_by_subject(subject.clone()));
    if found.is_ok() {
        return Ok(Some(subject));
    }
    if create {
        let name = format!("{stream}-dead");
        self::stream(link, &name, Purpose::Dead, vec![subject.clone()], Some(&address.create))?;
        return Ok(Some(subject));
    }
    tracing::warn!(
        "{}: no stream takes `{subject}`: messages that cannot be decided are deleted; --create makes one",
        link.servers()
    );
    Ok(None)
}

/// Whether the server says that there is no such consumer, or stream.
pub(super) fn is_missing(error: &ConsumerInfoError) -> bool {
    matches!(error.kind(), ConsumerInfoErrorKind::NotFound | ConsumerInfoErrorKind::StreamNotFound)
}
