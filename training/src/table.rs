//! The metrics of bundles as one page of Markdown, from their cards alone.

use std::fmt::Write as _;

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};
use trigsieve::evaluate::WORKING_POINTS;
use trigsieve::model::{Card, DataSource, Metrics, Precision, SignalMetrics};
use trigsieve::statistics::{MIN_BACKGROUND_EVENTS, ONE_SIGMA, binomial_interval};

/// A section for every card: what the model is, what it was trained and measured on, and a row for every signal and
/// precision with the area under the ROC curve and signal efficiencies, with 68 % intervals.
#[must_use]
pub fn markdown(cards: &[Card]) -> String {
    cards.iter().map(section).collect::<Vec<_>>().join("\n")
}

fn section(card: &Card) -> String {
    let mut text = format!("## {}\n\n{}\n", card.name, card.description);
    // Writing to a string does not fail.
    if let Some(training) = &card.training {
        let data = training.data.iter().map(described).collect::<Vec<_>>().join(", ");
        let _ = writeln!(
            text,
            "Trained on {} events, validated on {} (`{}`, seed {}; {data}).",
            training.training_events, training.validation_events, training.recipe, training.seed
        );
    }
    let Some(metrics) = card.metrics.values().next() else {
        return text + "\nNot measured.\n";
    };
    let _ = writeln!(text, "Measured on {}; signals: {}.", described(&metrics.background), signals(metrics));
    let _ = writeln!(text, "Background events that pass: {}.", passing(metrics.background.events));
    let _ = write!(text, "\n{}\n", rows(card));
    text
}

fn described(source: &DataSource) -> String {
    let digest = source.sha256.get(..8).unwrap_or(&source.sha256);
    format!("`{}`, {} events, sha256 {digest}...", source.file, source.events)
}

fn signals(metrics: &Metrics) -> String {
    let signal = |(name, signal): (&String, &SignalMetrics)| format!("`{name}` {}", signal.source.events);
    metrics.signals.iter().map(signal).collect::<Vec<_>>().join(", ")
}

/// How many background events pass at each working point, and whether they are few.
fn passing(events: u64) -> String {
    let point = |(name, efficiency): &(&str, f64)| {
        // The most that are not above the efficiency, as in an evaluation.
        let passing = (events as f64 * efficiency * (1.0 + 1e-12)) as u64;
        let few =
            if passing < MIN_BACKGROUND_EVENTS { " (few: the threshold itself is uncertain)" } else { "" };
        format!("{passing} at {name}{few}")
    };
    WORKING_POINTS.iter().map(point).collect::<Vec<_>>().join(", ")
}

fn rows(card: &Card) -> Table {
    let mut table = Table::new();
    let points = WORKING_POINTS.iter().map(|(name, _)| format!("eS at eB = {name}"));
    let header = ["signal", "precision", "AUC"].map(str::to_owned).into_iter().chain(points);
    table.load_style(ASCII_MARKDOWN).set_header(header.collect::<Vec<_>>());
    let names = card.metrics.values().next().into_iter().flat_map(|metrics| metrics.signals.keys());
    for name in names {
        for (precision, metrics) in &card.metrics {
            if let Some(signal) = metrics.signals.get(name) {
                table.add_row(row(name, *precision, signal));
            }
        }
    }
    table.column_iter_mut().skip(2).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table
}

fn row(name: &str, precision: Precision, signal: &SignalMetrics) -> Vec<String> {
    let error = signal.auc_error.map_or_else(String::new, |error| format!(" ± {error:.4}"));
    let mut row = vec![name.to_owned(), precision.to_string(), format!("{:.4}{error}", signal.auc)];
    for (point, _) in WORKING_POINTS {
        let efficiency = signal.efficiency.get(point);
        row.push(efficiency.map_or_else(String::new, |value| interval(*value, signal.source.events)));
    }
    row
}

/// An efficiency with its interval.
fn interval(efficiency: f64, events: u64) -> String {
    let passing = (efficiency * events as f64).round() as u64;
    let interval = binomial_interval(passing, events, ONE_SIGMA);
    format!("{efficiency:.5} [{:.5}, {:.5}]", interval.low, interval.high)
}
