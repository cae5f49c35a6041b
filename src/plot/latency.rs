use std::path::Path;

use hdrhistogram::Histogram;
use plotters::element::Circle;
use plotters::series::LineSeries;
use plotters::style::Color;

use super::PlotError;
use super::axis::Axis;
use super::frame::{Frame, Mark, colour, line, thin};

/// Percentiles shown at least: to 99.9 %.
const LEAST_TAIL: f64 = 1e3;

/// Writes latency percentiles to `path`, a curve for each of `curves` (name, histogram of nanoseconds), on HdrHistogram's
/// axes: the percentile by 1 / (1 - quantile), logarithmic, so that every further nine has the same
/// room. A curve is the step function of the quantiles; it ends with a mark at the maximum, at the quantile
/// of the last event. Empty histograms are left out; the first
/// curve is the widest.
///
/// # Errors
/// [`PlotError`].
pub fn latency(curves: &[(&str, &Histogram<u64>)], title: &str, path: &Path) -> Result<(), PlotError> {
    let curves: Vec<_> = curves.iter().filter(|(_, histogram)| !histogram.is_empty()).collect();
    let most = curves.iter().map(|(_, histogram)| histogram.len()).max().unwrap_or(1) as f64;
    let x = Axis::logarithmic(1.0, most.max(LEAST_TAIL));
    let lowest = curves.iter().map(|(_, histogram)| histogram.min().max(1)).min().unwrap_or(1) as f64;
    let highest = curves.iter().map(|(_, histogram)| histogram.max()).max().unwrap_or(1) as f64;
    let y = Axis::logarithmic(decade(lowest, f64::floor), decade(highest, f64::ceil));
    let names = curves.iter().enumerate();
    let frame = Frame {
        title,
        legend: names.map(|(index, (name, _))| (Mark::Line(colour(index)), (*name).to_owned())).collect(),
        x,
        y,
        x_name: "percentile of events",
        y_name: "latency",
        x_tick: &|value| percentile(*value),
        y_tick: &|value| time(*value),
    };
    frame.write(path, |chart| {
        for (index, (_, histogram)) in curves.iter().enumerate() {
            let points = thin(steps(histogram), x, y);
            let end = points.last().map(|end| Circle::new(*end, 4, colour(index).filled()));
            // Wider, so that it shows where a later curve runs on top of it.
            let style = if index == 0 { colour(index).stroke_width(5) } else { line(colour(index)) };
            chart.draw_series(LineSeries::new(points, style))?;
            chart.draw_series(end)?;
        }
        Ok(())
    })
}

/// (1 / (1 - quantile), nanoseconds), two points a step.
fn steps(histogram: &Histogram<u64>) -> Vec<(f64, f64)> {
    let events = histogram.len() as f64;
    let mut above = events;
    let mut points = Vec::new();
    for bucket in histogram.iter_recorded() {
        let latency = bucket.value_iterated_to().min(histogram.max()).max(1) as f64;
        points.push((events / above, latency));
        above -= bucket.count_at_value() as f64;
        // The last event has no event above it; its own quantile is that of 1 / N.
        points.push((events / above.max(1.0), latency));
    }
    points
}

fn decade(value: f64, towards: fn(f64) -> f64) -> f64 {
    10f64.powf(towards(value.max(1.0).log10()))
}

/// 1 is the 0th percentile, 10 the 90th, 1000 the 99.9th.
fn percentile(inverse_tail: f64) -> String {
    let nines = inverse_tail.log10().round() as usize;
    match nines {
        0 => "0 %".to_owned(),
        1 => "90 %".to_owned(),
        2 => "99 %".to_owned(),
        more => format!("99.{} %", "9".repeat(more - 2)),
    }
}

fn time(nanoseconds: f64) -> String {
    match nanoseconds.round() {
        ns if ns < 1e3 => format!("{ns} ns"),
        ns if ns < 1e6 => format!("{} µs", ns / 1e3),
        ns if ns < 1e9 => format!("{} ms", ns / 1e6),
        ns => format!("{} s", ns / 1e9),
    }
}
