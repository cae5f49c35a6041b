use std::collections::VecDeque;

use serde::Serialize;

use super::Recent;

/// Seconds that are kept for the live page.
const SECONDS: usize = 600;

/// What the live page draws over time: the last ten minutes, a point a second.
#[derive(Clone, Debug, Default, Serialize)]
pub struct History {
    /// Seconds since the start of the service.
    pub uptime_seconds: VecDeque<f64>,
    /// Events that came in that second, Hz.
    pub events_in_hz: VecDeque<f64>,
    /// Dead time of that second.
    pub dead_time: VecDeque<f64>,
    /// Latency of the last seconds as of then, ns: median, 99 % and 99.9 %.
    pub latency_ns: [VecDeque<u64>; 3],
    /// The paths.
    pub paths: Vec<PathHistory>,
}

/// A path over time.
#[derive(Clone, Debug, Serialize)]
pub struct PathHistory {
    /// Its name.
    pub name: String,
    /// Accepted events, Hz, mean of the last seconds as of then; nothing before the path was deployed.
    pub accepted_hz: VecDeque<Option<f64>>,
}

impl History {
    /// Adds a second, `second`, that ends the seconds of `recent`. Rates of paths and latencies are those of `recent`: of a second
    /// they would be noise.
    pub(super) fn add(&mut self, uptime_seconds: f64, second: &Recent, recent: &Recent, names: &[String]) {
        if !self.paths.iter().map(|path| &path.name).eq(names) {
            let known = self.uptime_seconds.len();
            let empty =
                |name: &String| PathHistory { name: name.clone(), accepted_hz: vec![None; known].into() };
            self.paths = names.iter().map(empty).collect();
        }
        let latency = &recent.decision_ns;
        push(&mut self.uptime_seconds, uptime_seconds);
        push(&mut self.events_in_hz, second.events_in_hz);
        push(&mut self.dead_time, second.dead_time.total);
        for (series, value) in self.latency_ns.iter_mut().zip([latency.p50, latency.p99, latency.p99_9]) {
            push(series, value);
        }
        // None of the first look: a rate is of two.
        for (number, path) in self.paths.iter_mut().enumerate() {
            push(&mut path.accepted_hz, recent.paths.get(number).map(|rate| rate.accepted_hz));
        }
    }
}

fn push<T>(series: &mut VecDeque<T>, value: T) {
    if series.len() == SECONDS {
        series.pop_front();
    }
    series.push_back(value);
}
