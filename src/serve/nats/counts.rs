use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use serde::Serialize;

use super::{PublishCounts, PublishReport};

/// What a source on NATS has met.
#[derive(Debug)]
pub struct NatsSourceCounts {
    address: String,
    disconnects: Arc<AtomicU64>,
    delivered: AtomicU64,
    redelivered: AtomicU64,
    in_hand: AtomicUsize,
    answers_repeated: AtomicU64,
    given_up: AtomicU64,
}

/// [`NatsSourceCounts`] at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NatsSourceReport {
    /// Servers, stream and consumer.
    pub address: String,
    /// Times that the connection was lost.
    pub disconnects: u64,
    /// Messages that the server gave to this process, each time counted.
    pub delivered: u64,
    /// Of those, given to this or another process before.
    pub redelivered: u64,
    /// Messages of which the server does not know yet, or has not confirmed, what became of them.
    pub in_hand: u64,
    /// Times that an acknowledgement was said again because the server did not confirm it.
    pub answers_repeated: u64,
    /// Messages that can never be decided: dead letters, where a stream takes them.
    pub given_up: u64,
}

impl NatsSourceCounts {
    pub(super) fn new(address: &str, disconnects: Arc<AtomicU64>) -> Self {
        Self {
            address: address.to_owned(),
            disconnects,
            delivered: AtomicU64::new(0),
            redelivered: AtomicU64::new(0),
            in_hand: AtomicUsize::new(0),
            answers_repeated: AtomicU64::new(0),
            given_up: AtomicU64::new(0),
        }
    }

    pub(super) fn delivered(&self, is_repeated: bool) {
        add(&self.delivered, 1);
        add(&self.redelivered, u64::from(is_repeated));
    }

    pub(super) fn taken_in_hand(&self) {
        self.in_hand.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn out_of_hand(&self) {
        self.in_hand.fetch_sub(1, Ordering::Relaxed);
    }

    /// Messages that the server has not been told about, or has not confirmed.
    pub(super) fn in_hand(&self) -> usize {
        self.in_hand.load(Ordering::Relaxed)
    }

    pub(super) fn answer_not_confirmed(&self) {
        add(&self.answers_repeated, 1);
    }

    pub(super) fn given_up(&self) {
        add(&self.given_up, 1);
    }

    /// The counts now.
    #[must_use]
    pub fn report(&self) -> NatsSourceReport {
        NatsSourceReport {
            address: self.address.clone(),
            disconnects: get(&self.disconnects),
            delivered: get(&self.delivered),
            redelivered: get(&self.redelivered),
            in_hand: self.in_hand() as u64,
            answers_repeated: get(&self.answers_repeated),
            given_up: get(&self.given_up),
        }
    }
}

/// What a sink on NATS has met.
#[derive(Debug)]
pub struct NatsSinkCounts {
    address: String,
    disconnects: Arc<AtomicU64>,
    published: Arc<PublishCounts>,
    in_flight: AtomicU64,
}

/// [`NatsSinkCounts`] at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NatsSinkReport {
    /// Servers and stream.
    pub address: String,
    /// Times that the connection was lost.
    pub disconnects: u64,
    /// Frames whose results are on their way to the server.
    pub in_flight: u64,
    /// What the server said to the messages.
    pub published: PublishReport,
}

impl NatsSinkCounts {
    pub(super) fn new(address: &str, disconnects: Arc<AtomicU64>) -> Self {
        let (published, in_flight) = (Arc::default(), AtomicU64::new(0));
        Self { address: address.to_owned(), disconnects, published, in_flight }
    }

    pub(super) fn published(&self) -> &Arc<PublishCounts> {
        &self.published
    }

    pub(super) fn begun(&self) {
        add(&self.in_flight, 1);
    }

    pub(super) fn done(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// The counts now.
    #[must_use]
    pub fn report(&self) -> NatsSinkReport {
        NatsSinkReport {
            address: self.address.clone(),
            disconnects: get(&self.disconnects),
            in_flight: get(&self.in_flight),
            published: self.published.report(),
        }
    }
}

// Relaxed: each number stands for itself.
fn add(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
