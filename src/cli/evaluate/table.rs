//! Metrics as a table on the terminal.

use trigsieve::evaluate::{EfficiencyMetrics, Metrics, SignalMetrics, WORKING_POINTS};

use crate::cli::text::numbers;

/// Signals by AUC, efficiencies and significance improvement.
pub fn of(metrics: &Metrics) -> String {
    let points = WORKING_POINTS.map(|(name, _)| format!("eS at\neB = {name}"));
    let mut header = vec!["signal", "AUC"];
    header.extend(points.iter().map(String::as_str));
    header.push("max eS/√eB\n(at eB)");
    let table = numbers(&header, 1, metrics.signals.iter().map(|(name, signal)| row(name, signal)));
    format!("{}\n\n{table}{}{}", background(metrics), invalid(metrics), footnote(metrics))
}

fn background(metrics: &Metrics) -> String {
    let model = &metrics.model;
    let sample = &metrics.background.sample;
    format!(
        "model {} ({}), background {}: {} events, {} invalid\nengine {}",
        model.name, model.precision, sample.file, sample.events, sample.invalid, model.engine
    )
}

fn row(name: &str, signal: &SignalMetrics) -> Vec<String> {
    let auc_error = signal.auc_error.map_or_else(|| "?".to_owned(), |error| format!("{error:.4}"));
    let best = signal.max_significance_improvement_at.map_or_else(
        || "-".to_owned(),
        |best| format!("{:.2} ({:.1e})", best.value, best.background_efficiency),
    );
    let mut cells = vec![name.to_owned(), format!("{:.4} ± {auc_error}", signal.auc)];
    cells.extend(WORKING_POINTS.iter().map(|(key, _)| efficiency(&signal.efficiency[key])));
    cells.push(best);
    cells
}

/// Value and half the interval, with a star where a note warns. The ends of an asymmetric one are in the file.
fn efficiency(point: &EfficiencyMetrics) -> String {
    let star = if point.note.is_some() { " *" } else { "" };
    match (point.value, point.low, point.high) {
        (Some(value), Some(low), Some(high)) => {
            let error = (high - low) / 2.0;
            // One digit of the error, and the value to the same place.
            let places = if error > 0.0 { (-error.log10().floor()).clamp(1.0, 9.0) as usize } else { 4 };
            format!("{value:.places$} ± {error:.places$}{star}")
        }
        _ => format!("-{star}"),
    }
}

/// The signals with events that were left out.
fn invalid(metrics: &Metrics) -> String {
    let of_signal = |(name, signal): (&String, &SignalMetrics)| {
        let sample = &signal.sample;
        let line = format!("\n{name}: {} of {} events invalid, left out", sample.invalid, sample.events);
        (sample.invalid > 0).then_some(line)
    };
    metrics.signals.iter().filter_map(of_signal).collect()
}

fn footnote(metrics: &Metrics) -> String {
    let points = || metrics.signals.values().flat_map(|signal| signal.efficiency.values());
    let noted = points().any(|point| point.note.is_some());
    let text =
        "\n* fewer than ten background events pass: the threshold itself is uncertain, see metrics.json";
    if noted { text.to_owned() } else { String::new() }
}
