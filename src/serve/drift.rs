use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::Deployment;
use super::scores::ScoreCounts;
use crate::statistics::{
    SCORE_BINS, ScoreDistribution, kolmogorov_distance, kolmogorov_error, score_bin, score_bin_end,
};

/// Scores of this time are held to the reference.
pub const DRIFT_WINDOW: Duration = Duration::from_secs(60);
/// Distance from which on an alarm is raised, unless somebody says otherwise: one event in twenty is somewhere else.
pub const DRIFT_ALARM: f64 = 0.05;
/// Probability that a look at scores that have not drifted at all takes them for further away than they are.
const DOUBT: f64 = 1e-6;
/// Fine bins that are one where there is no reference: eight an octave are left.
const FINE_BINS: usize = 8;

/// Scores of a model in the last [`DRIFT_WINDOW`].
#[derive(Clone, Debug, Serialize)]
pub struct ScoreReport {
    /// The model.
    pub model: String,
    /// Length of the window so far.
    pub seconds: f64,
    /// Ends of all bins but the last, ascending; each is the largest score of its bin.
    pub edges: Vec<f32>,
    /// Events of the window by bin; one more than `edges`.
    pub recent: Vec<u64>,
    /// Events of the calibration by bin, where the menu has them.
    pub reference: Option<Vec<u64>>,
    /// How far these are apart, where there are both.
    pub drift: Option<Drift>,
}

/// How far the scores of the window are from the reference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Drift {
    /// Kolmogorov's distance: the largest difference of the cumulative distributions.
    pub distance: f64,
    /// By how much it can be wrong for want of events; see [`kolmogorov_error`].
    pub error: f64,
    /// What `distance - error` must reach for an alarm.
    pub alarm_at: f64,
    /// Whether there is an alarm: raised when `distance - error` reaches `alarm_at`, taken back when `distance` is below it.
    pub alarm: bool,
}

/// Follows the scores of the models of a deployment.
#[derive(Default)]
pub(super) struct ScoreWatch {
    generation: u64,
    models: Vec<ModelWatch>,
}

struct ModelWatch {
    ends: Vec<usize>,
    samples: VecDeque<(Instant, Vec<u64>)>,
    report: ScoreReport,
}

impl ScoreWatch {
    /// Looks at what the workers have counted since the deployment.
    pub(super) fn look(
        &mut self,
        now: Instant,
        deployment: &Deployment,
        counts: &[Arc<ScoreCounts>],
        alarm_at: f64,
    ) {
        if self.generation != deployment.generation {
            let models = deployment.models.iter().zip(&deployment.references);
            self.models = models
                .map(|(model, reference)| ModelWatch::new(&model.name, reference.as_ref(), now))
                .collect();
            self.generation = deployment.generation;
        }
        for (index, model) in self.models.iter_mut().enumerate() {
            let mut total = vec![0; model.ends.len() + 1];
            counts.iter().for_each(|of_worker| of_worker.add_coarse(index, &model.ends, &mut total));
            model.look(now, total, alarm_at);
        }
    }

    /// The reports, in the order of the models.
    pub(super) fn reports(&self) -> Vec<ScoreReport> {
        self.models.iter().map(ModelWatch::report).collect()
    }
}

impl ModelWatch {
    /// A deployment begins with no events at all.
    fn new(model: &str, reference: Option<&ScoreDistribution>, now: Instant) -> Self {
        let ends: Vec<usize> = match reference {
            Some(reference) => reference.edges.iter().map(|edge| score_bin(*edge)).collect(),
            None => (FINE_BINS - 1..SCORE_BINS - 1).step_by(FINE_BINS).collect(),
        };
        let report = ScoreReport {
            model: model.to_owned(),
            seconds: 0.0,
            edges: ends.iter().map(|end| score_bin_end(*end)).collect(),
            recent: vec![0; ends.len() + 1],
            reference: reference.map(|reference| reference.counts.clone()),
            drift: None,
        };
        let samples = [(now, report.recent.clone())].into();
        Self { ends, samples, report }
    }

    /// `total` counts since the deployment, by bin.
    fn look(&mut self, now: Instant, total: Vec<u64>, alarm_at: f64) {
        let grace = Duration::from_millis(500);
        while self.samples.front().is_some_and(|(at, _)| now.duration_since(*at) > DRIFT_WINDOW + grace) {
            self.samples.pop_front();
        }
        if let Some((at, before)) = self.samples.front() {
            self.report.seconds = now.duration_since(*at).as_secs_f64();
            let difference = total.iter().zip(before).map(|(now, then)| now.saturating_sub(*then));
            self.report.recent = difference.collect();
        }
        self.samples.push_back((now, total));
        self.judge(alarm_at);
    }

    fn judge(&mut self, alarm_at: f64) {
        let report = &mut self.report;
        let was_alarm = report.drift.is_some_and(|drift| drift.alarm);
        report.drift = report.reference.as_ref().and_then(|reference| {
            let distance = kolmogorov_distance(&report.recent, reference)?;
            let events = [&report.recent, reference].map(|counts| counts.iter().sum());
            let error = kolmogorov_error(events, DOUBT);
            let alarm = distance - error >= alarm_at || (was_alarm && distance >= alarm_at);
            Some(Drift { distance, error, alarm_at, alarm })
        });
        let is_alarm = report.drift.is_some_and(|drift| drift.alarm);
        let (model, distance) = (&*report.model, report.drift.map(|drift| drift.distance));
        if is_alarm && !was_alarm {
            tracing::warn!(model, distance, alarm_at, "scores of {model} have drifted from the calibration");
        } else if was_alarm && !is_alarm {
            tracing::info!(model, distance, alarm_at, "scores of {model} are no longer seen to drift");
        }
    }

    /// Without the empty bins at both ends where there is no reference.
    fn report(&self) -> ScoreReport {
        let report = &self.report;
        if report.reference.is_some() {
            return report.clone();
        }
        let is_used = |events: &u64| *events > 0;
        let first = report.recent.iter().position(is_used).unwrap_or(0);
        let last = report.recent.iter().rposition(is_used).unwrap_or(0);
        ScoreReport {
            edges: report.edges[first..last].to_vec(),
            recent: report.recent[first..=last].to_vec(),
            ..report.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::Scores;

    /// An exponential distribution by its quantiles, in an order that mixes them; scaled.
    fn exponential(events: u32, scale: f32) -> Vec<f32> {
        let quantile = |i: u32| (f64::from(i.wrapping_mul(2_654_435_761)) + 0.5) / 4_294_967_296.0;
        (0..events).map(|i| -(1.0 - quantile(i)).ln() as f32 * scale).collect()
    }

    struct Stream {
        watch: ModelWatch,
        counts: ScoreCounts,
        now: Instant,
    }

    impl Stream {
        fn new() -> Self {
            let background = ScoreDistribution::of(&Scores::new(&exponential(100_000, 1.0))).unwrap();
            let now = Instant::now();
            let watch = ModelWatch::new("m", Some(&background), now);
            Self { watch, counts: ScoreCounts::new(1, 1), now }
        }

        /// A second with these scores; whether there is an alarm at its end.
        fn second(&mut self, scores: &[f32]) -> bool {
            self.counts.add(0, scores);
            self.now += Duration::from_secs(1);
            let mut total = vec![0; self.watch.ends.len() + 1];
            self.counts.add_coarse(0, &self.watch.ends, &mut total);
            self.watch.look(self.now, total, DRIFT_ALARM);
            self.watch.report.drift.is_some_and(|drift| drift.alarm)
        }
    }

    #[test]
    fn background_raises_no_alarm_and_drift_does_until_it_is_gone() {
        let mut stream = Stream::new();
        let (background, drifted) = (exponential(2000, 1.0), exponential(2000, 1.3));
        assert!((0..200).all(|_| !stream.second(&background)));
        // A scale of 1.3 is a distance of 0.098 once the window holds nothing else.
        let raised = (1..=60).find(|_| stream.second(&drifted)).unwrap();
        assert!((30..60).contains(&raised), "{raised}");
        assert!((0..60).all(|_| stream.second(&drifted)));
        let found = stream.watch.report.drift.unwrap();
        let expected = 1.3_f64.powf(-1.0 / 0.3) - 1.3_f64.powf(-1.3 / 0.3);
        assert!((found.distance - expected).abs() < 0.01, "{found:?}, {expected}");
        let back = (1..=60).find(|_| !stream.second(&background)).unwrap();
        assert!((20..60).contains(&back), "{back}");
        assert!((0..120).all(|_| !stream.second(&background)));
    }

    #[test]
    fn few_events_are_no_evidence() {
        let mut stream = Stream::new();
        let odd = [100.0; 4];
        // Two hundred events outside of everything are evidence, four are not.
        assert!(!stream.second(&odd));
        assert!(stream.watch.report.drift.unwrap().distance > 0.999);
        assert!((0..50).any(|_| stream.second(&odd)));
    }

    #[test]
    fn without_a_reference_there_is_a_histogram_and_no_alarm() {
        let mut watch = ModelWatch::new("m", None, Instant::now());
        let counts = ScoreCounts::new(1, 1);
        let mut total = vec![0; watch.ends.len() + 1];
        counts.add(0, &[0.0, 1.0, 1.01, 64.0]);
        counts.add_coarse(0, &watch.ends, &mut total);
        watch.look(Instant::now(), total, DRIFT_ALARM);
        let report = watch.report();
        assert_eq!((report.drift, report.reference), (None, None));
        assert_eq!(report.recent.iter().sum::<u64>(), 4);
        assert_eq!(
            (report.recent.len(), report.recent.first(), report.recent.last()),
            (report.edges.len() + 1, Some(&1), Some(&1))
        );
    }
}
