//! What a benchmark leaves: JSON, a table, a plot.

use std::path::Path;
use std::time::SystemTime;

use anyhow::Context as _;
use serde::Serialize;
use trigsieve::bench::{EntryReport, PythonVersions, Way};
use trigsieve::durable::write_atomically;
use trigsieve::plot::{ThroughputPoint, throughput};
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
    /// Events of the table.
    events: u64,
    rounds: usize,
    seconds_a_measurement: f64,
    entries: Vec<EntryReport>,
}

impl Report {
    /// The report of `entries`.
    pub fn of(
        entries: Vec<EntryReport>,
        resolved: &Resolved,
        python: Option<PythonVersions>,
    ) -> anyhow::Result<Self> {
        let mut engines = Vec::new();
        for subject in &resolved.subjects {
            let name = format!("{} ({})", subject.engine.name(), subject.precision);
            if engines.iter().all(|(other, _)| *other != name) {
                engines.push((name, subject.factory.scorer()?.describe()));
            }
        }
        Ok(Self {
            version: env!("CARGO_PKG_VERSION"),
            date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            command_line: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
            host: HostReport::here(),
            engines,
            python,
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
        throughput(&self.curves(), &format!("Throughput, {}", self.host.cpu), &folder.join("bench.svg"))?;
        let table = self.table() + "\n";
        write_atomically(&folder.join("bench.txt"), table.as_bytes()).with_context(|| named("bench.txt"))?;
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        write_atomically(&folder.join(JSON), &json).with_context(|| named(JSON))
    }

    /// The table, and under it the machine.
    pub fn table(&self) -> String {
        let header = [
            "model",
            "engine",
            "way",
            "batch",
            "workers",
            "events/s",
            "interval",
            "p50",
            "p99",
            "p99.9",
            "max",
            "of call",
            "of python",
        ];
        let table = numbers(&header, 3, self.entries.iter().map(row));
        let host = &self.host;
        let mut lines = vec![table, String::new()];
        lines.push(format!("{}, {} cores, {}, {}", host.cpu, host.cores, host.system, self.date));
        lines.extend(self.engines.iter().map(|(name, text)| format!("{name}: {text}")));
        if let Some(python) = &self.python {
            lines.push(format!("python: Python {}, onnxruntime {}", python.python, python.onnxruntime));
        }
        lines.join("\n")
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
    format!("{model} {engine} {precision}, {}{workers}", entry.way.name())
}

fn row(entry: &EntryReport) -> Vec<String> {
    let hz = &entry.throughput_hz;
    let latency = &entry.latency_ns;
    let ratio_to = |way: Way| {
        let found = entry.ratios.iter().find(|ratio| ratio.to == way).map(|ratio| ratio.ratio);
        found.map_or_else(String::new, |r| format!("{:.3} ({:.3}-{:.3})", r.median, r.low, r.high))
    };
    let words =
        [entry.model.clone(), format!("{}:{}", entry.engine, entry.precision), entry.way.name().into()];
    let counts = [entry.batch, entry.workers].map(|count| count.to_string());
    let rates = [format_rate(hz.median), format!("{:.3}-{:.3}", hz.low / hz.median, hz.high / hz.median)];
    let times = [latency.p50, latency.p99, latency.p99_9, latency.max].map(microseconds);
    let ratios = [ratio_to(Way::Call), ratio_to(Way::Python)];
    words.into_iter().chain(counts).chain(rates).chain(times).chain(ratios).collect()
}

fn microseconds(nanoseconds: u64) -> String {
    format!("{:.1} us", nanoseconds as f64 / 1e3)
}
