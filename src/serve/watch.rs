use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::drift::ScoreWatch;
use super::window::SlidingWindow;
use super::{History, Monitor, Recent, ScoreReport, Snapshot};

/// How often the watch looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What has not happened for so many looks is over.
const QUIET_LOOKS: u32 = 10;

/// Looks at the service every second: rates, the last seconds' latencies, history, and a line in the log when something
/// begins or ends.
pub struct Watch {
    monitor: Arc<Monitor>,
    drift_alarm: f64,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    looks: u64,
    window: SlidingWindow,
    recent: Recent,
    history: History,
    scores: ScoreWatch,
    dead_time: Spell,
    lost: Spell,
}

/// A time in which something happens again and again.
#[derive(Default)]
struct Spell {
    last: u64,
    /// Since the spell began.
    times: u64,
    quiet: u32,
    is_on: bool,
}

/// What a spell did at a look.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Began(u64),
    Ended(u64),
}

impl Spell {
    /// `total` is how often it has happened since the start.
    fn look(&mut self, total: u64) -> Option<Turn> {
        let new = total.saturating_sub(self.last);
        self.last = total;
        self.times += new;
        self.quiet = if new > 0 { 0 } else { self.quiet + 1 };
        if new > 0 && !self.is_on {
            (self.is_on, self.times) = (true, new);
            return Some(Turn::Began(new));
        }
        if self.is_on && self.quiet >= QUIET_LOOKS {
            self.is_on = false;
            return Some(Turn::Ended(self.times));
        }
        None
    }
}

impl Watch {
    /// Watches what `monitor` counts.
    pub(super) fn new(monitor: Arc<Monitor>, drift_alarm: f64) -> Self {
        Self { monitor, drift_alarm, seen: Mutex::default() }
    }

    /// Looks every second until the other end of `stop` is gone, and once more then.
    pub(super) fn run(&self, stop: &Receiver<()>) {
        let mut next = Instant::now() + LOOK_EVERY;
        while stop.recv_timeout(next.saturating_duration_since(Instant::now()))
            == Err(RecvTimeoutError::Timeout)
        {
            let now = Instant::now();
            self.look(now);
            // After a stop of the process, for example, looks that were missed are not made up for.
            next = (next + LOOK_EVERY).max(now);
        }
        self.log_troubles();
    }

    fn look(&self, now: Instant) {
        self.log_troubles();
        let (counts, decision_ns) = (self.monitor.snapshot(), self.monitor.decision_latency());
        let mut seen = self.seen();
        log_dead_time(seen.dead_time.look(counts.events_dropped.queue_full));
        log_lost(seen.lost.look(counts.frames_lost));
        let (uptime, names) = (counts.uptime_seconds, names_of(&counts));
        if let Some(deployment) = self.monitor.deployment_in_force() {
            let scores = self.monitor.scores(deployment.generation);
            seen.scores.look(now, &deployment, &scores, self.drift_alarm);
        }
        let (recent, second) = seen.window.look(now, counts, decision_ns);
        seen.history.add(uptime, &second, &recent, &names);
        seen.recent = recent;
        seen.looks += 1;
    }

    /// How often it has looked.
    #[must_use]
    pub fn looks(&self) -> u64 {
        self.seen().looks
    }

    /// The last seconds as of the last look, and its number.
    #[must_use]
    pub fn recent(&self) -> (u64, Recent) {
        let seen = self.seen();
        (seen.looks, seen.recent.clone())
    }

    /// The models' scores as of the last look.
    #[must_use]
    pub fn scores(&self) -> Vec<ScoreReport> {
        self.seen().scores.reports()
    }

    /// The last minutes.
    #[must_use]
    pub fn history(&self) -> History {
        self.seen().history.clone()
    }

    fn log_troubles(&self) {
        for noted in self.monitor.troubles().take() {
            let (cause, times) = (noted.kind.name(), noted.times);
            match times {
                1 => tracing::warn!(cause, times, "{}", noted.first),
                _ => tracing::warn!(cause, times, "{} ({times} of this kind in a second)", noted.first),
            }
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn names_of(counts: &Snapshot) -> Vec<String> {
    counts.paths.iter().map(|path| path.name.clone()).collect()
}

fn log_dead_time(turn: Option<Turn>) {
    match turn {
        Some(Turn::Began(events)) => {
            tracing::warn!(
                events,
                "dead time begins: the queue is full, {events} events dropped in a second"
            );
        }
        Some(Turn::Ended(events)) => {
            tracing::info!(events, "dead time is over: {events} events were dropped")
        }
        None => {}
    }
}

fn log_lost(turn: Option<Turn>) {
    match turn {
        Some(Turn::Began(frames)) => tracing::warn!(frames, "frames are missing: {frames} in a second"),
        Some(Turn::Ended(frames)) => tracing::info!(frames, "no more frames are missing: {frames} were"),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{QUIET_LOOKS, Spell, Turn};

    #[test]
    fn a_spell_is_told_at_its_begin_and_end_only() {
        let mut spell = Spell::default();
        assert_eq!(spell.look(0), None);
        assert_eq!(spell.look(5), Some(Turn::Began(5)));
        assert_eq!([spell.look(6), spell.look(6), spell.look(9)], [None, None, None]);
        let quiet: Vec<_> = (0..QUIET_LOOKS + 5).filter_map(|_| spell.look(9)).collect();
        assert_eq!(quiet, [Turn::Ended(9)]);
        assert_eq!(spell.look(10), Some(Turn::Began(1)));
    }
}
