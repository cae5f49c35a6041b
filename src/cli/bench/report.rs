//! What a benchmark leaves: JSON, a table, a plot.

use std::path::Path;
use std::time::SystemTime;

use anyhow::Context as _;
use serde::Serialize;
use trigsieve::bench::{AddedLatency, EntryReport, MedianInterval, PythonVersions, Way};
use trigsieve::durable::write_atomically;
use trigsieve::plot::{PlotError, ThroughputPoint, latency, throughput};
use trigsieve::sink::HostReport;

use super::Resolved;
use crate::cli::text::numbers;
use crate::cli::units::format_rate;

/// Name of the report in the output folder: written last.
pub const JSON: &str = "bench.json";

/// A benchmark with where, when and on what it ran.
#[derive(Debug, Serialize)]
pub struct Report {
    version: &'static str,
    date: String,
    command_line: Vec<String>,
    host: HostReport,
    /// Engines as they describe themselves, by name and precision.
    engines: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    python: Option<PythonVersions>,
    /// What the emulators are, by model.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    emulators: Vec<(String, String)>,
    /// Events of the table.
    events: u64,
    /// Clock; none: as fast as it goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_hz: Option<f64>,
    /// Whether threads were bound to cores.
    pinned: bool,
    rounds: usize,
    seconds_a_measurement: f64,
    entries: Vec<EntryReport>,
}

impl Report {
    /// The report of `entries`.
    pub fn of(entries: Vec<EntryReport>, resolved: &Resolved) -> anyhow::Result<Self> {
        let mut engines = Vec::new();
        for subject in &resolved.subjects {
            let name = format!("{} ({})", subject.engine.name(), subject.precision);
            if engines.iter().all(|(other, _)| *other != name) {
                engines.push((name, subject.factory.scorer()?.describe()));
            }
        }
        let peers = resolved.peers.emulators.iter();
        Ok(Self {
            version: env!("CARGO_PKG_VERSION"),
            date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            command_line: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
            host: HostReport::here(),
            engines,
            python: resolved.peers.python.as_ref().map(|peer| peer.versions.clone()),
            emulators: peers.map(|peer| (peer.model.clone(), peer.describe())).collect(),
            rate_hz: resolved.plan.rate_hz,
            pinned: resolved.plan.pin,
            events: resolved.set.len(),
            rounds: resolved.plan.rounds,
            seconds_a_measurement: resolved.plan.time.as_secs_f64(),
            entries,
        })
    }

    /// Writes everything into `folder`.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let named = |name: &str| folder.join(name).display().to_string();
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        self.plot(&folder.join("bench.svg"))?;
        let table = self.table() + "\n";
        write_atomically(&folder.join("bench.txt"), table.as_bytes()).with_context(|| named("bench.txt"))?;
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        write_atomically(&folder.join(JSON), &json).with_context(|| named(JSON))
    }

    /// What the rounds were about: latency percentiles of each entry on a clock, else throughput against the batch.
    fn plot(&self, path: &Path) -> Result<(), PlotError> {
        let cpu = &self.host.cpu;
        let Some(rate_hz) = self.rate_hz else {
            return throughput(&self.curves(), &format!("Throughput, {cpu}"), path);
        };
        let name = |entry: &EntryReport| format!("{}, at most {}", curve_name(entry), entry.batch);
        let names: Vec<String> = self.entries.iter().map(name).collect();
        let histograms = self.entries.iter().map(|entry| &entry.latencies);
        let curves: Vec<_> = names.iter().map(String::as_str).zip(histograms).collect();
        latency(&curves, &format!("Latency at {}, {cpu}", format_rate(rate_hz).replace(".000 ", " ")), path)
    }

    /// The table, and under it the machine.
    pub fn table(&self) -> String {
        let table = if self.rate_hz.is_some() { self.latency_table() } else { self.throughput_table() };
        let host = &self.host;
        let mut lines = vec![table, String::new()];
        lines.push(format!("{}, {} cores, {}, {}", host.cpu, host.cores, host.system, self.date));
        lines.extend(self.engines.iter().map(|(name, text)| format!("{name}: {text}")));
        if let Some(python) = &self.python {
            lines.push(format!("python: Python {}, onnxruntime {}", python.python, python.onnxruntime));
        }
        lines.extend(self.emulators.iter().map(|(model, text)| format!("emulator of {model}: {text}")));
        lines.join("\n")
    }

    fn throughput_table(&self) -> String {
        let mut header = vec![
            "model", "engine", "way", "batch", "workers", "events/s", "interval", "p50", "p99", "p99.9",
            "max",
        ];
        let is_there =
            |way: &Way| self.entries.iter().any(|entry| entry.ratios.iter().any(|ratio| ratio.to == *way));
        let peers: Vec<Way> = [Way::Call, Way::Python, Way::Emulator].into_iter().filter(is_there).collect();
        let titles: Vec<String> = peers.iter().map(|way| format!("of {}", way.name())).collect();
        header.extend(titles.iter().map(String::as_str));
        numbers(&header, 3, self.entries.iter().map(|entry| row(entry, &peers)))
    }

    fn latency_table(&self) -> String {
        let header = [
            "model",
            "engine",
            "way",
            "batch",
            "p50",
            "p99",
            "p99.9",
            "max",
            "adds p50",
            "adds p99",
            "adds p99.9",
        ];
        numbers(&header, 3, self.entries.iter().map(latency_row))
    }

    /// A curve for each entry but for its batch, batches ascending.
    fn curves(&self) -> Vec<(String, Vec<ThroughputPoint>)> {
        let mut curves: Vec<(String, Vec<ThroughputPoint>)> = Vec::new();
        for entry in &self.entries {
            let hz = &entry.throughput_hz;
            let point = ThroughputPoint {
                batch: entry.batch,
                median_hz: hz.median,
                low_hz: hz.low,
                high_hz: hz.high,
            };
            let name = curve_name(entry);
            match curves.iter_mut().find(|(other, _)| *other == name) {
                Some((_, points)) => points.push(point),
                None => curves.push((name, vec![point])),
            }
        }
        curves.iter_mut().for_each(|(_, points)| points.sort_by_key(|point| point.batch));
        curves
    }
}

fn curve_name(entry: &EntryReport) -> String {
    let workers = if entry.workers == 1 { String::new() } else { format!(" x {}", entry.workers) };
    let EntryReport { model, engine, precision, .. } = entry;
    format!("{model} {engine} {precision}, {}{workers}", way(entry))
}

/// With how it waited, where that was chosen.
fn way(entry: &EntryReport) -> String {
    let wait = entry.wait.as_ref().map_or_else(String::new, |wait| format!(" {wait}"));
    format!("{}{wait}", entry.way.name())
}

fn words(entry: &EntryReport) -> impl Iterator<Item = String> {
    [entry.model.clone(), format!("{}:{}", entry.engine, entry.precision), way(entry)].into_iter()
}

fn times(entry: &EntryReport) -> impl Iterator<Item = String> {
    let latency = &entry.latency_ns;
    [latency.p50, latency.p99, latency.p99_9, latency.max].map(|ns| microseconds(ns as f64)).into_iter()
}

fn row(entry: &EntryReport, peers: &[Way]) -> Vec<String> {
    let hz = &entry.throughput_hz;
    let ratio_to = |way: &Way| {
        let found = entry.ratios.iter().find(|ratio| ratio.to == *way).map(|ratio| ratio.ratio);
        found.map_or_else(String::new, ratio)
    };
    let counts = [entry.batch, entry.workers].map(|count| count.to_string());
    let rates = [format_rate(hz.median), format!("{:.3}-{:.3}", hz.low / hz.median, hz.high / hz.median)];
    let ratios = peers.iter().map(ratio_to);
    words(entry).chain(counts).chain(rates).chain(times(entry)).chain(ratios).collect()
}

fn ratio(ratio: MedianInterval) -> String {
    let MedianInterval { median, low, high, .. } = ratio;
    if median < 100.0 {
        format!("{median:.3} ({low:.3}-{high:.3})")
    } else {
        format!("{median:.0} ({low:.0}-{high:.0})")
    }
}

fn latency_row(entry: &EntryReport) -> Vec<String> {
    let added = |of: fn(&AddedLatency) -> MedianInterval| {
        let interval = |added: &AddedLatency| {
            let MedianInterval { median, low, high, .. } = of(added);
            format!("{:.2} us ({:.2} to {:.2})", median / 1e3, low / 1e3, high / 1e3)
        };
        entry.added_ns.as_ref().map_or_else(String::new, interval)
    };
    let batch = std::iter::once(entry.batch.to_string());
    let added = [added(|latency| latency.p50), added(|latency| latency.p99), added(|latency| latency.p99_9)];
    words(entry).chain(batch).chain(times(entry)).chain(added).collect()
}

fn microseconds(nanoseconds: f64) -> String {
    format!("{:.2} us", nanoseconds / 1e3)
}
