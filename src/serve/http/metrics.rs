use std::fmt::Error;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelSet, NoLabelSet, prometheus_text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

pub(super) use prometheus_client::encoding::prometheus_text::CONTENT_TYPE;

use super::status::Status;
use crate::latency::Percentiles;
use crate::serve::{Control, DRIFT_WINDOW, DeadTime, NatsSinkReport, NatsSourceReport, State, WINDOW};
use crate::statistics::score_bin;

/// The metrics in Prometheus' text format.
///
/// # Errors
/// When a metric cannot be encoded.
pub(super) fn text(control: &Control) -> Result<String, Error> {
    let mut registry = Registry::default();
    let is_ready = control.state() == State::Receiving;
    let (status, histograms) = (Status::of(control), score_histograms(control));
    registry.register_collector(Box::new(Metrics { status, histograms, is_ready }));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry)?;
    Ok(text)
}

struct Metrics {
    status: Status,
    histograms: Vec<ScoreHistogram>,
    is_ready: bool,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Collector for Metrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut out = Encoder(encoder);
        self.process(&mut out)?;
        self.events(&mut out)?;
        self.frames(&mut out)?;
        self.paths(&mut out)?;
        self.models(&mut out)?;
        self.scores(&mut out)?;
        self.dead_time(&mut out)?;
        self.nats_sources(&mut out)?;
        self.nats_sinks(&mut out)?;
        self.latencies(&mut out)
    }
}

impl Metrics {
    fn process(&self, out: &mut Encoder<'_>) -> Result<(), Error> {
        let status = &self.status;
        out.gauge(
            "trigsieve_ready",
            "1 while frames are received and nothing has failed.",
            u32::from(self.is_ready),
        )?;
        out.gauge("trigsieve_uptime_seconds", "Time since the start.", status.counts.uptime_seconds)?;
        out.gauge("trigsieve_look_number", "Looks at the rates, one a second.", status.look)?;
        match status.resident_bytes {
            Some(bytes) => {
                out.gauge("process_resident_memory_bytes", "Resident memory size in bytes.", bytes)
            }
            None => Ok(()),
        }
    }

    fn events(&self, out: &mut Encoder<'_>) -> Result<(), Error> {
        let counts = &self.status.counts;
        out.counter(
            "trigsieve_events_in",
            "Events that came: scored, dropped, or on their way.",
            counts.events_in,
        )?;
        out.counter("trigsieve_events_scored", "Events with a score and a decision.", counts.events_scored)?;
        let invalid = "Events with an input or score that is not finite; they are among the scored.";
        out.counter("trigsieve_events_invalid", invalid, counts.events_invalid)?;
        out.counter("trigsieve_events_delivered", "Events that reached the sinks.", counts.events_delivered)?;
        let accepted = "Events that a path kept, or invalid ones.";
        out.counter("trigsieve_events_accepted", accepted, counts.events_accepted)?;
        out.counter("trigsieve_events_settled", "Events whose results are durable.", counts.events_settled)?;
        let dropped = &counts.events_dropped;
        let causes = [
            ("queue_full", dropped.queue_full),
            ("duplicate", dropped.duplicate),
            ("refused", dropped.refused),
            ("failed", dropped.failed),
        ];
        let help = "Events without a decision, by cause.";
        out.counters(
            "trigsieve_events_dropped",
            help,
            causes.map(|(cause, events)| ([("cause", cause)], events)),
        )?;
        let recent = &self.status.recent;
        let rates = [
            ("in", recent.events_in_hz),
            ("scored", recent.events_scored_hz),
            ("accepted", recent.events_accepted_hz),
        ];
        let help = format!("Events a second over the last {} s.", WINDOW.as_secs());
        out.gauges("trigsieve_event_rate_hertz", &help, rates.map(|(stage, rate)| ([("stage", stage)], rate)))
    }

    fn frames(&self, out: &mut Encoder<'_>) -> Result<(), Error> {
        let counts = &self.status.counts;
        out.counter("trigsieve_frames_in", "Frames that came.", counts.frames_in)?;
        out.counter("trigsieve_frames_malformed", "Messages that were no frames.", counts.frames_malformed)?;
        let lost = "Frames missing in the senders' numbering; one that comes late is taken back.";
        out.gauge("trigsieve_frames_lost", lost, counts.frames_lost)?;
        out.gauge("trigsieve_queued_frames", "Frames that wait for a worker.", counts.queued_frames)?;
        out.gauge("trigsieve_connections_open", "Connections of senders now.", counts.connections_open)?;
        out.counter("trigsieve_connections", "Connections of senders.", counts.connections_total)?;
        let refused = "Connections beyond the limit.";
        out.counter("trigsieve_connections_refused", refused, counts.connections_refused)
    }

    fn paths(&self, out: &mut Encoder<'_>) -> Result<(), Error> {
        let paths = &self.status.counts.paths;
        let label = |path: &'_ crate::serve::PathSnapshot| {
            [("path", path.name.clone()), ("model", path.model.clone())]
        };
        let passed = "Events with score >= threshold, by path, since the deployment.";
        out.counters("trigsieve_path_passed", passed, paths.iter().map(|path| (label(path), path.passed)))?;
        let accepted = "Of those, kept by the prescale.";
        out.counters(
            "trigsieve_path_accepted",
            accepted,
            paths.iter().map(|path| (label(path), path.accepted)),
        )?;
        let prescale = "One in this many of the passing events is kept.";
        out.gauges(
            "trigsieve_path_prescale",
            prescale,
            paths.iter().map(|path| (label(path), path.prescale)),
        )?;
        let menu = "What the menu says about that.";
        out.gauges(
            "trigsieve_path_menu_prescale",
            menu,
            paths.iter().map(|path| (label(path), path.menu_prescale)),
        )?;
        let budget = "Accepted events a second that the path may have.";
        let budgets = paths.iter().filter_map(|path| Some((label(path), path.rate_budget_hz?)));
        out.gauges("trigsieve_path_budget_hertz", budget, budgets)?;
        let threshold = "Score from which on an event passes.";
        out.gauges(
            "trigsieve_path_threshold",
            threshold,
            paths.iter().map(|path| (label(path), path.threshold)),
        )?;
        let rates = paths.iter().zip(&self.status.recent.paths);
        let of_kind = |kind: &'static str, rate: fn(&crate::serve::PathRate) -> f64| {
            rates.clone().map(move |(path, rates)| {
                ([("path", path.name.clone()), ("kind", kind.to_owned())], rate(rates))
            })
        };
        let rates =
            of_kind("passed", |rate| rate.passed_hz).chain(of_kind("accepted", |rate| rate.accepted_hz));
        let help = format!("Events a second by path over the last {} s.", WINDOW.as_secs());
        out.gauges("trigsieve_path_rate_hertz", &help, rates)
    }

    fn models(&self, out: &mut Encoder<'_>) -> Result<(), Error> {
        let counts = &self.status.counts;
        out.gauge(
            "trigsieve_deployment_generation",
            "1 at the start, one more with every reload.",
            counts.generation,
        )?;
        let refused = "Reloads that changed nothing: models or menu could not be used.";
        out.counter("trigsieve_reloads_refused", refused, counts.reloads_refused)?;
        let info = |model: &crate::serve::ModelId| {
            let labels = [
                ("model", model.name.clone()),
                ("sha256", model.sha256.clone()),
                ("generation", counts.generation.to_string()),
                ("engine", counts.engine.clone()),
            ];
            (labels, 1_u32)
        };
        out.gauges("trigsieve_model_info", "Models in force.", counts.models.iter().map(info))
    }

    fn scores(&self, out: &mut Encoder<'_>) -> Result<(), Error> {
        let help = "Scores of valid events since the deployment.";
        let mut metric = out.0.encode_descriptor("trigsieve_score", help, None, MetricType::Histogram)?;
        for ScoreHistogram { model, sum, buckets } in &self.histograms {
            let count = buckets.iter().map(|(_, events)| events).sum();
            let labels = [("model", &**model)];
            metric.encode_family(&labels)?.encode_histogram::<NoLabelSet>(*sum, count, buckets, None)?;
        }
        let reports = &self.status.scores;
        let label = |report: &crate::serve::ScoreReport| [("model", report.model.clone())];
        let events = reports.iter().map(|report| (label(report), report.recent.iter().sum::<u64>()));
        let help =
            format!("Scores of the last {} s, which are held to the calibration.", DRIFT_WINDOW.as_secs());
        out.gauges("trigsieve_score_drift_events", &help, events)?;
        let drifts = reports.iter().filter_map(|report| Some((label(report), report.drift?)));
        let help = "Kolmogorov distance of these from the scores of the calibration.";
        out.gauges(
            "trigsieve_score_drift_distance",
            help,
            drifts.clone().map(|(of, drift)| (of, drift.distance)),
        )?;
        let help = "By how much the distance can be wrong for want of events.";
        out.gauges("trigsieve_score_drift_error", help, drifts.clone().map(|(of, drift)| (of, drift.error)))?;
        let help = "1 while there is an alarm: distance - error has reached the limit.";
        out.gauges(
            "trigsieve_score_drift_alarm",
            help,
            drifts.clone().map(|(of, drift)| (of, u32::from(drift.alarm))),
        )?;
        let help = "The limit of distance - error.";
        out.gauges("trigsieve_score_drift_limit", help, drifts.map(|(of, drift)| (of, drift.alarm_at)))
    }

    fn dead_time(&self, out: &mut Encoder<'_>) -> Result<(), Error> {
        let by_cause = |window: &'static str, dead: &DeadTime| {
            [("queue_full", dead.queue_full), ("refused", dead.refused), ("failed", dead.failed)]
                .map(|(cause, fraction)| ([("cause", cause), ("window", window)], fraction))
        };
        let all = by_cause("start", &self.status.dead_time)
            .into_iter()
            .chain(by_cause("recent", &self.status.recent.dead_time));
        let help = "Fraction of the events that came, without duplicates, that got no decision; by cause.";
        out.gauges("trigsieve_dead_time_ratio", help, all)
    }

    fn nats_sources(&self, out: &mut Encoder<'_>) -> Result<(), Error> {
        let sources = &self.status.counts.nats_sources;
        if sources.is_empty() {
            return Ok(());
        }
        let of = |count: fn(&NatsSourceReport) -> u64| {
            sources.iter().map(move |source| ([("source", source.address.clone())], count(source)))
        };
        let help = "Messages that the server gave to this process, each time counted.";
        out.counters("trigsieve_nats_delivered", help, of(|source| source.delivered))?;
        let help = "Of those, given to this or another process before.";
        out.counters("trigsieve_nats_redelivered", help, of(|source| source.redelivered))?;
        let help = "Messages that the server has not been told about yet, or has not confirmed.";
        out.gauges("trigsieve_nats_in_hand", help, of(|source| source.in_hand))?;
        let help = "Acknowledgements said again because the server did not confirm them.";
        out.counters("trigsieve_nats_answers_repeated", help, of(|source| source.answers_repeated))?;
        let help = "Messages that can never be decided.";
        out.counters("trigsieve_nats_given_up", help, of(|source| source.given_up))?;
        let help = "Times that a source's connection was lost.";
        out.counters("trigsieve_nats_source_disconnects", help, of(|source| source.disconnects))
    }

    fn nats_sinks(&self, out: &mut Encoder<'_>) -> Result<(), Error> {
        let sinks = &self.status.counts.nats_sinks;
        if sinks.is_empty() {
            return Ok(());
        }
        let of = |count: fn(&NatsSinkReport) -> u64| {
            sinks.iter().map(move |sink| ([("sink", sink.address.clone())], count(sink)))
        };
        let help = "Messages that the server stored.";
        out.counters("trigsieve_nats_stored", help, of(|sink| sink.published.stored))?;
        let help = "Messages refused as duplicates: their subject or id was there.";
        out.counters("trigsieve_nats_was_there", help, of(|sink| sink.published.was_there))?;
        let help = "Times that a message was said again because no good answer came.";
        out.counters("trigsieve_nats_publish_repeated", help, of(|sink| sink.published.repeated))?;
        let help = "Times that the stream had no room for a message.";
        out.counters("trigsieve_nats_publish_full", help, of(|sink| sink.published.refused_as_full))?;
        let help = "Frames whose results are on their way to the server.";
        out.gauges("trigsieve_nats_in_flight", help, of(|sink| sink.in_flight))?;
        let help = "Times that a sink's connection was lost.";
        out.counters("trigsieve_nats_sink_disconnects", help, of(|sink| sink.disconnects))
    }

    fn latencies(&self, out: &mut Encoder<'_>) -> Result<(), Error> {
        let since_start = &self.status.counts.latency_ns;
        let decision = quantiles("start", &since_start.decision)
            .chain(quantiles("recent", &self.status.recent.decision_ns));
        let help =
            "From the receipt of a frame to the decision on its last event; quantile 1 is the maximum.";
        out.gauges("trigsieve_decision_latency_seconds", help, decision)?;
        let help = "Scoring and deciding of a frame.";
        out.gauges("trigsieve_service_time_seconds", help, quantiles("start", &since_start.service))
    }
}

/// Scores of a model in Prometheus' own buckets: up to each power of two from 2^-10 to 2^20, whatever the model, so that the
/// buckets never change.
struct ScoreHistogram {
    model: String,
    sum: f64,
    /// Upper end, events.
    buckets: Vec<(f64, u64)>,
}

fn score_histograms(control: &Control) -> Vec<ScoreHistogram> {
    let Some(deployment) = control.monitor().deployment_in_force() else { return Vec::new() };
    let workers = control.monitor().scores(deployment.generation);
    let ends: Vec<f32> = std::iter::once(0.0).chain((-10..=20).map(|power| 2.0_f32.powi(power))).collect();
    let bins: Vec<usize> = ends.iter().map(|end| score_bin(*end)).collect();
    let histogram = |(index, model): (usize, &crate::serve::ModelId)| {
        let mut events = vec![0; ends.len() + 1];
        workers.iter().for_each(|worker| worker.add_coarse(index, &bins, &mut events));
        let ends = ends.iter().map(|end| f64::from(*end)).chain([f64::INFINITY]);
        let sum = workers.iter().map(|worker| worker.sum(index)).sum();
        ScoreHistogram { model: model.name.clone(), sum, buckets: ends.zip(events).collect() }
    };
    deployment.models.iter().enumerate().map(histogram).collect()
}

fn quantiles(
    window: &'static str,
    of: &Percentiles,
) -> impl Iterator<Item = ([(&'static str, &'static str); 2], f64)> {
    let all = [
        ("0.5", of.p50),
        ("0.9", of.p90),
        ("0.99", of.p99),
        ("0.999", of.p99_9),
        ("0.9999", of.p99_99),
        ("1", of.max),
    ];
    all.into_iter()
        .map(move |(quantile, ns)| ([("quantile", quantile), ("window", window)], ns as f64 * 1e-9))
}

/// Metrics with or without labels.
struct Encoder<'a>(DescriptorEncoder<'a>);

impl Encoder<'_> {
    fn counter(&mut self, name: &str, help: &str, value: impl EncodeCounterValue) -> Result<(), Error> {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        metric.encode_counter::<NoLabelSet, _, f64>(&value, None)
    }

    fn counters<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> Result<(), Error> {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        values.into_iter().try_for_each(|(labels, value)| {
            metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&value, None)
        })
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl EncodeGaugeValue) -> Result<(), Error> {
        self.0.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
    }

    fn gauges<L: EncodeLabelSet, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, V)>,
    ) -> Result<(), Error> {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        values.into_iter().try_for_each(|(labels, value)| metric.encode_family(&labels)?.encode_gauge(&value))
    }
}
