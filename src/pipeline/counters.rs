use serde::Serialize;

/// Why events were dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropCause {
    /// Every worker was busy, and the derandomising buffer was full.
    QueueFull,
    /// The worker that was free to take them was held up (its core was taken away), and the buffer could not take the arrears.
    SourceLate,
    /// The run failed while a worker had the event.
    Failed,
}

/// Dropped events by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// See [`DropCause::QueueFull`].
    pub queue_full: u64,
    /// See [`DropCause::SourceLate`].
    pub source_late: u64,
    /// See [`DropCause::Failed`].
    pub failed: u64,
}

impl Dropped {
    /// All causes.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.queue_full + self.source_late + self.failed
    }

    fn of(&mut self, cause: DropCause) -> &mut u64 {
        match cause {
            DropCause::QueueFull => &mut self.queue_full,
            DropCause::SourceLate => &mut self.source_late,
            DropCause::Failed => &mut self.failed,
        }
    }
}

/// The counts of a run. Each is kept by the stage that knows it, so that their agreement proves something: events
/// in by the source, scored and dropped by the workers, delivered by the sink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Events that arrived.
    pub events_in: u64,
    /// Events that got a score and a decision.
    pub events_scored: u64,
    /// Of those, with a non-finite input or score.
    pub events_invalid: u64,
    /// Of those scored, the ones that the workers kept for the sink: they pass a path, or are invalid.
    pub events_kept: u64,
    /// Of those scored, the ones near a threshold: see [`crate::trigger::Decider::with_band`].
    pub events_near_threshold: u64,
    /// Events that got none, by cause.
    pub events_dropped: Dropped,
    /// Scored events whose block reached the sink.
    pub events_delivered: u64,
}

/// The counts of a run do not add up: a defect, never an effect of load.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the event counts do not add up: {what}: {left} against {right}")]
pub struct Unbalanced {
    what: &'static str,
    left: u64,
    right: u64,
}

impl Counters {
    /// Counts dropped events.
    pub fn drop_events(&mut self, cause: DropCause, events: u64) {
        *self.events_dropped.of(cause) += events;
    }

    /// Adds what another stage counted.
    pub fn merge(&mut self, other: &Self) {
        self.events_in += other.events_in;
        self.events_scored += other.events_scored;
        self.events_invalid += other.events_invalid;
        self.events_kept += other.events_kept;
        self.events_near_threshold += other.events_near_threshold;
        self.events_delivered += other.events_delivered;
        self.events_dropped.queue_full += other.events_dropped.queue_full;
        self.events_dropped.source_late += other.events_dropped.source_late;
        self.events_dropped.failed += other.events_dropped.failed;
    }

    /// Checks `events_in = events_scored + events_dropped`, and, when the sink lived to the end
    /// (`sink_complete`), that every scored event's block was delivered.
    ///
    /// # Errors
    /// [`Unbalanced`], with both sides.
    pub fn check(&self, sink_complete: bool) -> Result<(), Unbalanced> {
        let accounted = self.events_scored + self.events_dropped.total();
        if self.events_in != accounted {
            let what = "events_in = events_scored + events_dropped";
            return Err(Unbalanced { what, left: self.events_in, right: accounted });
        }
        if sink_complete && self.events_scored != self.events_delivered {
            let what = "events_scored = events delivered to the sink";
            return Err(Unbalanced { what, left: self.events_scored, right: self.events_delivered });
        }
        Ok(())
    }
}
