//! A comparison as tables on the terminal.

use trigsieve::compare::{Decisions, Difference, ExactComparison, LayerTrace, TracedNumber};

use super::{CompareReport, EventTrace, PartyReport};
use crate::cli::text::{facts, numbers};

/// Width of the lines that hold a layer's numbers.
const LINE: usize = 110;

/// Who was compared, what was found, and the events that differ.
pub fn of(report: &CompareReport) -> String {
    let mut parts = vec![parties(report)];
    if let Some(exact) = &report.exact {
        parts.push(mismatches(exact));
    }
    if let Some(difference) = &report.difference {
        parts.push(statistics(difference, report.tolerance));
    }
    if !report.decisions.is_empty() {
        parts.push(decisions(&report.decisions));
    }
    parts.extend(report.traces.iter().map(event));
    parts.join("\n\n")
}

fn parties(report: &CompareReport) -> String {
    let line = |party: &PartyReport| format!("{}\n{}", party.name, party.engine);
    facts([("A", line(&report.a)), ("B", line(&report.b)), ("events", report.events_file.clone())])
}

fn mismatches(exact: &ExactComparison) -> String {
    let counts = [("events", exact.events), ("invalid", exact.invalid), ("mismatches", exact.mismatches)];
    let rows = counts.into_iter().map(|(name, count)| vec![name.to_owned(), count.to_string()]);
    let counts = numbers(&["bit by bit", ""], 1, rows);
    if exact.first.is_empty() {
        return counts;
    }
    let score = |score: Option<f64>| score.map_or("invalid".to_owned(), |score| score.to_string());
    let row = |found: &trigsieve::compare::Mismatch| {
        vec![found.row.to_string(), found.event_id.to_string(), score(found.a), score(found.b)]
    };
    format!("{counts}\n\n{}", numbers(&["row", "event_id", "A", "B"], 0, exact.first.iter().map(row)))
}

fn statistics(difference: &Difference, tolerance: Option<f64>) -> String {
    let text = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.6e}"));
    let row = |name: String, value: String| vec![name, value];
    let mut rows = vec![
        row("events".to_owned(), difference.events.to_string()),
        row("invalid for both".to_owned(), difference.invalid.to_string()),
        row("invalid for one".to_owned(), difference.one_sided.to_string()),
        row("largest |B - A|".to_owned(), text(difference.max)),
        row("  in row".to_owned(), difference.max_row.map_or("-".to_owned(), |row| row.to_string())),
        row("mean of B - A".to_owned(), text(difference.mean)),
        row("mean of |B - A|".to_owned(), text(difference.mean_absolute)),
    ];
    let quantile =
        |(name, value): &(&str, f64)| row(format!("  {}", name.replace('_', ".")), text(Some(*value)));
    rows.extend(difference.quantiles.iter().map(quantile));
    let coefficient = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.8}"));
    rows.push(row("correlation".to_owned(), coefficient(difference.correlation)));
    rows.push(row("rank correlation".to_owned(), coefficient(difference.rank_correlation)));
    if let (Some(tolerance), Some(beyond)) = (tolerance, difference.beyond_tolerance) {
        rows.push(row(format!("beyond {tolerance}"), beyond.to_string()));
    }
    numbers(&["scores", ""], 1, rows)
}

fn decisions(decisions: &[Decisions]) -> String {
    let header = ["decisions", "threshold A", "threshold B", "both accept", "A alone", "B alone"];
    let row = |found: &Decisions| {
        vec![
            found
                .background_efficiency
                .map_or("given".to_owned(), |efficiency| format!("eB = {efficiency:e}")),
            found.a_threshold.to_string(),
            found.b_threshold.to_string(),
            found.both.to_string(),
            found.a_only.to_string(),
            found.b_only.to_string(),
        ]
    };
    numbers(&header, 1, decisions.iter().map(row))
}

fn event(event: &EventTrace) -> String {
    let layers = event.trace.layers.iter().map(layer).collect::<Vec<_>>().join("\n");
    let first = event.trace.layers.iter().find(|layer| layer.differing > 0);
    let verdict = first.map_or(String::new(), |layer| format!(", differs first in layer {}", layer.layer));
    format!("row {}, event_id {}{verdict}\n{layers}", event.row, event.event_id)
}

/// A layer's numbers, `A|B` where they differ.
fn layer(layer: &LayerTrace) -> String {
    let LayerTrace { layer: name, tensor, format, numbers, differing, is_shared } = layer;
    let verdict = match (is_shared, differing) {
        (false, _) => "A alone".to_owned(),
        (true, 0) => "equal".to_owned(),
        (true, differing) => format!("{differing} of {} differ", numbers.len()),
    };
    let mut lines = vec![format!("  {name} -> {tensor} {format}: {verdict}")];
    let mut line = String::from("   ");
    for word in numbers.iter().map(word) {
        if line.len() + word.len() + 1 > LINE {
            lines.push(std::mem::replace(&mut line, String::from("   ")));
        }
        line.push(' ');
        line.push_str(&word);
    }
    lines.push(line);
    lines.join("\n")
}

fn word(number: &TracedNumber) -> String {
    match (number.differs, number.b) {
        (false, _) => number.a.to_string(),
        (true, Some(b)) => format!("{}|{b}", number.a),
        (true, None) => format!("{}|-", number.a),
    }
}
