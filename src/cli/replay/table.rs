//! The run report as a table on the terminal.

use trigsieve::latency::Percentiles;
use trigsieve::sink::RunReport;

use crate::cli::text::numbers;
use crate::cli::units::format_rate as rate;

/// Counts, paths and latencies of a run.
pub fn of(report: &RunReport) -> String {
    [counts(report), paths(report), latencies(report)].join("\n\n")
}

fn counts(report: &RunReport) -> String {
    let all = report.events_in;
    let dropped = &report.events_dropped;
    let counts = [
        ("in", all),
        ("scored", report.events_scored),
        ("dropped: queue full", dropped.queue_full),
        ("dropped: source late", dropped.source_late),
        ("dropped: run failed", dropped.failed),
        ("invalid", report.events_invalid),
        ("tagged", report.events_tagged),
    ];
    let rows =
        counts.into_iter().map(|(name, events)| vec![name.to_owned(), group(events), percent(events, all)]);
    let wall = format!("{:.3} s", report.wall_seconds);
    let times = [("wall time", wall), ("throughput", rate(report.throughput_hz))];
    let times = times.into_iter().map(|(name, value)| vec![name.to_owned(), value, String::new()]);
    numbers(&["events", "", "share"], 1, rows.chain(times))
}

fn paths(report: &RunReport) -> String {
    let header = ["path", "threshold", "prescale", "passed", "accepted", "efficiency", "rate"];
    let row = |path: &trigsieve::sink::PathReport| {
        vec![
            path.name.clone(),
            path.threshold.to_string(),
            path.prescale.to_string(),
            group(path.passed),
            group(path.accepted),
            percent(path.passed, report.events_scored),
            rate(path.rate_hz),
        ]
    };
    numbers(&header, 1, report.events_accepted.iter().map(row))
}

fn latencies(report: &RunReport) -> String {
    let latency = &report.latency_ns;
    let stages = [
        (latency.kind, &latency.decision),
        ("  queue", &latency.stages.queue),
        ("  score", &latency.stages.score),
        ("  hand-over to the sink", &latency.stages.handover),
    ];
    let row = |(name, percentiles): (&str, &Percentiles)| {
        let Percentiles { p50, p90, p99, p99_9, p99_99, max, .. } = *percentiles;
        std::iter::once(name.to_owned()).chain([p50, p90, p99, p99_9, p99_99, max].map(time)).collect()
    };
    let measured = stages.into_iter().filter(|(_, percentiles)| percentiles.count > 0);
    numbers(&["latency", "p50", "p90", "p99", "p99.9", "p99.99", "max"], 1, measured.map(row))
}

fn group(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap_or_default())
        .collect();
    groups.join(" ")
}

fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { "-".to_owned() } else { format!("{:.4} %", 100.0 * part as f64 / whole as f64) }
}

fn time(nanoseconds: u64) -> String {
    match nanoseconds {
        ns if ns < 10_000 => format!("{ns} ns"),
        ns if ns < 10_000_000 => format!("{:.1} us", ns as f64 / 1e3),
        ns => format!("{:.1} ms", ns as f64 / 1e6),
    }
}
