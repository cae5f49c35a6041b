use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::budget::{Budgets, Change};
use super::intake::{Arrived, Intake, Receipt};
use super::{Deployment, Monitor, NatsSinkCounts, ServeError};
use crate::trigger::Prescaler;

/// How long outlets are left alone when nothing comes.
const TEND_EVERY: Duration = Duration::from_millis(20);

/// An event that fires a path, or is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its place in the frame.
    pub event: u32,
    /// One bit a path; see [`crate::trigger::INVALID_BIT`].
    pub decision: u32,
    /// From the receipt of the frame to the decision, ns, saturating.
    pub latency_ns: u32,
}

/// The decisions on one frame. In the outlets, after the prescales.
#[derive(Debug)]
pub struct Decided {
    /// The frame.
    pub arrived: Arrived,
    /// What is kept of it, in event order.
    pub accepted: Vec<Accepted>,
    /// Their scores, [accepted, models].
    pub scores: Vec<f32>,
    /// Events with a non-finite input or score; they are among the accepted.
    pub invalid: u64,
    /// The prescales by path that made it so: the menu's, or more.
    pub prescales: Arc<[u32]>,
}

impl Decided {
    /// Events of the frame.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.arrived.frame.header().events.into()
    }
}

/// Where decisions go: all of them, in the order of arrival.
pub trait Outlet: Send {
    /// Takes the decisions on one frame. What it needs of it must be copied: the memory is used again.
    ///
    /// # Errors
    /// When it cannot be kept; the service then ends, and receipts that are not settled stay so.
    fn take(&mut self, block: &Decided) -> Result<(), ServeError>;

    /// Called after every block and at least every 20 ms: a chance to do what is due.
    ///
    /// # Errors
    /// As [`Outlet::take`].
    fn tend(&mut self, now: Instant) -> Result<(), ServeError>;

    /// Blocks, of those taken and counted from the first, whose results are durable.
    fn settled(&self) -> u64;

    /// Makes everything durable.
    ///
    /// # Errors
    /// As [`Outlet::take`].
    fn finish(&mut self) -> Result<(), ServeError>;

    /// What it has met, where it is one on NATS.
    fn nats(&self) -> Option<Arc<NatsSinkCounts>> {
        None
    }
}

/// Puts blocks in order, applies the prescales, hands them out and settles the receipts.
pub(super) struct Delivery {
    outlets: Vec<Box<dyn Outlet>>,
    intake: Arc<Intake>,
    monitor: Arc<Monitor>,
    early: BTreeMap<u64, Decided>,
    next: u64,
    auto_prescale: bool,
    prescaling: Option<Prescaling>,
    unsettled: VecDeque<(u64, Option<Box<dyn Receipt>>)>,
    settled: u64,
}

impl Delivery {
    pub(super) fn new(outlets: Vec<Box<dyn Outlet>>, intake: Arc<Intake>, auto_prescale: bool) -> Self {
        let monitor = Arc::clone(intake.monitor());
        Self {
            outlets,
            intake,
            monitor,
            early: BTreeMap::new(),
            next: 0,
            auto_prescale,
            prescaling: None,
            unsettled: VecDeque::new(),
            settled: 0,
        }
    }

    /// Delivers until the workers are gone, then makes everything durable. Where an outlet fails the others complete what they have.
    pub(super) fn run(&mut self, decided: &Receiver<Decided>) -> Result<(), ServeError> {
        let outcome = self.deliver_all(decided);
        if outcome.is_err() {
            for outlet in &mut self.outlets {
                if let Err(error) = outlet.finish() {
                    tracing::error!("after the failure of a sink: {error}");
                }
            }
            self.settle();
        }
        outcome
    }

    fn deliver_all(&mut self, decided: &Receiver<Decided>) -> Result<(), ServeError> {
        loop {
            match decided.recv_timeout(TEND_EVERY) {
                Ok(block) => {
                    self.early.insert(block.arrived.sequence, block);
                    while let Some(block) = self.early.remove(&self.next) {
                        self.next += 1;
                        self.deliver(block)?;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.tend()?;
        }
        // Behind a frame that a failed worker took along are frames that were decided: they are kept.
        for block in std::mem::take(&mut self.early).into_values() {
            self.deliver(block)?;
        }
        self.outlets.iter_mut().try_for_each(|outlet| outlet.finish())?;
        self.settle();
        Ok(())
    }

    fn tend(&mut self) -> Result<(), ServeError> {
        let now = Instant::now();
        self.outlets.iter_mut().try_for_each(|outlet| outlet.tend(now))?;
        self.settle();
        self.monitor.set_queued(self.intake.queued());
        Ok(())
    }

    fn deliver(&mut self, mut block: Decided) -> Result<(), ServeError> {
        self.prescale(&mut block);
        self.outlets.iter_mut().try_for_each(|outlet| outlet.take(&block))?;
        let counters = self.prescaling.as_ref().map_or(&[][..], |in_force| in_force.prescaler.counters());
        let (events, accepted) = (block.events(), block.accepted.len() as u64);
        self.monitor.delivered(events, accepted, &block.arrived.deployment, counters);
        let Arrived { frame, receipt, .. } = block.arrived;
        self.intake.delivered(frame);
        self.unsettled.push_back((events, receipt));
        Ok(())
    }

    fn prescale(&mut self, block: &mut Decided) {
        let deployment = &block.arrived.deployment;
        let in_force = match self.prescaling.take() {
            Some(in_force) if in_force.generation == deployment.generation => in_force,
            _ => Prescaling::new(deployment, self.auto_prescale),
        };
        let Prescaling { prescaler, prescales, .. } = {
            let in_force = self.prescaling.insert(in_force);
            in_force.keep_budgets(&block.arrived);
            in_force
        };
        block.prescales = Arc::clone(prescales);
        let models = deployment.models.len();
        let mut kept = 0;
        for from in 0..block.accepted.len() {
            let decision = prescaler.apply(block.accepted[from].decision);
            if decision == 0 {
                continue;
            }
            block.accepted[kept] = Accepted { decision, ..block.accepted[from] };
            block.scores.copy_within(from * models..(from + 1) * models, kept * models);
            kept += 1;
        }
        block.accepted.truncate(kept);
        block.scores.truncate(kept * models);
    }

    /// Uses the receipts of the blocks that every outlet has made durable.
    fn settle(&mut self) {
        let Some(durable) = self.outlets.iter().map(|outlet| outlet.settled()).min() else { return };
        while self.settled < durable
            && let Some((events, receipt)) = self.unsettled.pop_front()
        {
            self.settled += 1;
            self.monitor.settled(events);
            if let Some(receipt) = receipt {
                receipt.settle();
            }
        }
    }
}

/// The prescales of a deployment as they are now.
struct Prescaling {
    generation: u64,
    prescaler: Prescaler,
    budgets: Option<Budgets>,
    prescales: Arc<[u32]>,
}

impl Prescaling {
    fn new(deployment: &Deployment, auto_prescale: bool) -> Self {
        let paths = deployment.menu.paths.iter().map(|path| (path.rate_budget_hz, path.prescale));
        Self {
            generation: deployment.generation,
            prescaler: Prescaler::new(&deployment.paths),
            budgets: auto_prescale.then(|| Budgets::new(paths)),
            prescales: Arc::clone(&deployment.prescales),
        }
    }

    /// Changes the prescales that have to be from this frame on.
    fn keep_budgets(&mut self, frame: &Arrived) {
        let Some(budgets) = &mut self.budgets else { return };
        let changes = budgets.frame(frame.received, &mut self.prescaler);
        if changes.is_empty() {
            return;
        }
        self.prescales = self.prescaler.counters().iter().map(|path| path.prescale).collect();
        let header = frame.frame.header();
        let (run, source, event_id) = (header.run, header.source, frame.frame.event_id(0));
        for Change { path, prescale, passed_hz } in changes {
            let path = &*frame.deployment.paths[path].name;
            tracing::warn!(
                path,
                prescale,
                passed_hz,
                run,
                source,
                event_id,
                "path {path}: prescale {prescale} from here on, for its rate budget"
            );
        }
    }
}
