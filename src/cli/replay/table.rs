//! The run report as a table on the terminal.

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};
use trigsieve::latency::Percentiles;
use trigsieve::sink::RunReport;

use crate::cli::units::format_rate as rate;

/// Counts, paths and latencies of a run.
pub fn of(report: &RunReport) -> String {
    [counts(report), paths(report), latencies(report)].map(|table| table.to_string()).join("\n")
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn counts(report: &RunReport) -> Table {
    let mut table = table(["events", "", "share"]);
    let all = report.events_in;
    let dropped = &report.events_dropped;
    let mut row = |name: &str, events: u64| {
        table.add_row([name.to_owned(), group(events), percent(events, all)]);
    };
    row("in", all);
    row("scored", report.events_scored);
    row("dropped: queue full", dropped.queue_full);
    row("dropped: source late", dropped.source_late);
    if dropped.failed > 0 {
        row("dropped: run failed", dropped.failed);
    }
    row("invalid", report.events_invalid);
    row("tagged", report.events_tagged);
    let wall = format!("{:.3} s", report.wall_seconds);
    table.add_row(["wall time".to_owned(), wall, String::new()]);
    table.add_row(["throughput".to_owned(), rate(report.throughput_hz), String::new()]);
    table
}

fn paths(report: &RunReport) -> Table {
    let mut table = table(["path", "threshold", "prescale", "passed", "accepted", "efficiency", "rate"]);
    for path in &report.events_accepted {
        table.add_row([
            path.name.clone(),
            format!("{}", path.threshold),
            path.prescale.to_string(),
            group(path.passed),
            group(path.accepted),
            percent(path.passed, report.events_scored),
            rate(path.rate_hz),
        ]);
    }
    table
}

fn latencies(report: &RunReport) -> Table {
    let latency = &report.latency_ns;
    let mut table = table(["latency", "p50", "p90", "p99", "p99.9", "p99.99", "max"]);
    let stages = [
        (latency.kind, &latency.decision),
        ("  queue", &latency.stages.queue),
        ("  score", &latency.stages.score),
        ("  hand-over to the sink", &latency.stages.handover),
    ];
    for (name, percentiles) in stages.into_iter().filter(|(_, percentiles)| percentiles.count > 0) {
        let Percentiles { p50, p90, p99, p99_9, p99_99, max, .. } = *percentiles;
        let cells = [p50, p90, p99, p99_9, p99_99, max].map(time);
        table.add_row(std::iter::once(name.to_owned()).chain(cells));
    }
    table
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
