use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender};

use super::delivery::{Accepted, Decided};
use super::scores::ScoreCounts;
use super::{Arrived, Deployment, DropCause, Monitor, ServeError};
use crate::event::{Rows, Values};
use crate::pipeline::{are_finite, is_finite};
use crate::score::Scorer;
use crate::trigger::INVALID_BIT;
use trigsieve_frame::{Frame, Rows as FrameRows};

/// Scores and decides frames, with a scorer of its own for every model of the deployment in force.
pub(super) struct Worker {
    index: usize,
    monitor: Arc<Monitor>,
    /// Most events that a scorer gets at once.
    batch: usize,
    scores: Vec<Vec<f32>>,
    active: Option<(u64, Vec<Box<dyn Scorer>>)>,
    counts: Option<Arc<ScoreCounts>>,
    /// Events taken from the queue and not yet counted: what a failure loses.
    in_hand: u64,
}

impl Worker {
    pub(super) fn new(index: usize, monitor: Arc<Monitor>, batch: usize) -> Self {
        Self { index, monitor, batch, scores: Vec::new(), active: None, counts: None, in_hand: 0 }
    }

    /// Works until the queue is closed and empty, or something fails.
    pub(super) fn run(&mut self, queue: &Receiver<Arrived>, out: &Sender<Decided>) -> Result<(), ServeError> {
        for arrived in queue {
            self.in_hand = arrived.frame.header().events.into();
            let decided = self.decide(arrived)?;
            if out.send(decided).is_err() {
                // The delivery is gone and has said why.
                return Ok(());
            }
        }
        Ok(())
    }

    /// Counts what was in hand as lost.
    pub(super) fn abandon(&mut self) {
        self.monitor.drop_events(DropCause::Failed, std::mem::take(&mut self.in_hand));
    }

    fn decide(&mut self, arrived: Arrived) -> Result<Decided, ServeError> {
        let begun = Instant::now();
        let deployment = Arc::clone(&arrived.deployment);
        self.switch_to(&deployment)?;
        let events = arrived.frame.header().events as usize;
        let prescales = Arc::clone(&deployment.prescales);
        let mut decided =
            Decided { accepted: Vec::new(), scores: Vec::new(), invalid: 0, prescales, arrived };
        for first in (0..events).step_by(self.batch) {
            let some =
                rows_of(&decided.arrived.frame, deployment.k).slice(first, self.batch.min(events - first));
            let found = self.score(some, first, &deployment)?;
            decided.accepted.extend(found.accepted);
            decided.scores.extend(found.scores);
            decided.invalid += found.invalid;
        }
        let end = Instant::now();
        let latency_ns = saturating_ns(end, decided.arrived.received);
        let stamped = u32::try_from(latency_ns).unwrap_or(u32::MAX);
        decided.accepted.iter_mut().for_each(|event| event.latency_ns = stamped);
        let times = (latency_ns, saturating_ns(end, begun));
        self.monitor.decided(self.index, events as u64, decided.invalid, times);
        self.in_hand = 0;
        Ok(decided)
    }

    /// Takes the scorers of another deployment, if it is another.
    fn switch_to(&mut self, deployment: &Deployment) -> Result<(), ServeError> {
        if self.active.as_ref().is_some_and(|(generation, _)| *generation == deployment.generation) {
            return Ok(());
        }
        let missing = || self.error("no scorers are left in the deployment");
        let scorers = deployment.scorers().ok_or_else(missing)?;
        self.scores = scorers.iter().map(|_| vec![0.0; self.batch]).collect();
        self.active = Some((deployment.generation, scorers));
        self.counts = Some(self.monitor.count_scores(self.index, deployment));
        Ok(())
    }

    fn score(&mut self, rows: Rows<'_>, first: usize, deployment: &Deployment) -> Result<Found, ServeError> {
        let events = rows.len();
        let finite_inputs = is_finite(rows);
        let (_, scorers) = self.active.as_mut().ok_or_else(|| ServeError::Worker {
            worker: self.index,
            reason: "there is no deployment".to_owned(),
        })?;
        for (scorer, scores) in scorers.iter_mut().zip(&mut self.scores) {
            let scored = scorer.score(rows, &mut scores[..events]);
            scored.map_err(|error| ServeError::Worker { worker: self.index, reason: error.to_string() })?;
        }
        let decider = deployment.decider();
        let finite = finite_inputs && self.scores.iter().all(|scores| are_finite(&scores[..events]));
        let mut found = Found::default();
        let any =
            self.scores.iter().enumerate().any(|(model, scores)| decider.may_pass(model, &scores[..events]));
        if finite {
            self.count_scores(0..events);
        }
        if finite && !any {
            return Ok(found);
        }
        for event in 0..events {
            let decision = if finite_inputs || is_finite(rows.slice(event, 1)) {
                decider.decide(self.scores.len(), |model| self.scores[model][event])
            } else {
                INVALID_BIT
            };
            if !finite && decision != INVALID_BIT {
                self.count_scores(event..event + 1);
            }
            if decision != 0 {
                found.invalid += u64::from(decision == INVALID_BIT);
                found.accepted.push(Accepted { event: (first + event) as u32, decision, latency_ns: 0 });
                found.scores.extend(self.scores.iter().map(|scores| scores[event]));
            }
        }
        Ok(found)
    }

    /// Counts the scores of valid events.
    fn count_scores(&self, events: Range<usize>) {
        let Some(counts) = &self.counts else { return };
        for (model, scores) in self.scores.iter().enumerate() {
            counts.add(model, &scores[events.clone()]);
        }
    }

    fn error(&self, reason: &str) -> ServeError {
        ServeError::Worker { worker: self.index, reason: reason.to_owned() }
    }
}

#[derive(Default)]
struct Found {
    accepted: Vec<Accepted>,
    scores: Vec<f32>,
    invalid: u64,
}

/// The rows of a frame, as the scorers take them.
fn rows_of(frame: &Frame, k: usize) -> Rows<'_> {
    match frame.rows() {
        FrameRows::F32(values) => Rows::new(Values::F32(values), k),
        FrameRows::I16(values) => Rows::new(Values::I16(values), k),
    }
}

fn saturating_ns(end: Instant, start: Instant) -> u64 {
    u64::try_from(end.saturating_duration_since(start).as_nanos()).unwrap_or(u64::MAX)
}
