use std::path::Path;

use plotters::element::{Circle, PathElement};
use plotters::series::LineSeries;
use plotters::style::Color;

use super::PlotError;
use super::axis::Axis;
use super::frame::{Frame, Mark, colour, line};

/// Throughput at a batch, with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ThroughputPoint {
    /// Events a call.
    pub batch: usize,
    /// Median of the rounds, events a second.
    pub median_hz: f64,
    /// Lower end of its interval.
    pub low_hz: f64,
    /// Upper end of its interval.
    pub high_hz: f64,
}

/// Writes throughput by batch to `path`, a curve for each of `curves` (name, points by ascending batch), both axes
/// logarithmic; a bar shows the interval.
///
/// # Errors
/// [`PlotError`].
pub fn throughput(
    curves: &[(String, Vec<ThroughputPoint>)],
    title: &str,
    path: &Path,
) -> Result<(), PlotError> {
    let points = || curves.iter().flat_map(|(_, points)| points);
    let ends = |of: fn(&ThroughputPoint) -> f64| {
        points().map(of).fold((f64::INFINITY, 1.0), |(low, high), value| (value.min(low), value.max(high)))
    };
    let (fewest, most) = ends(|point| point.batch as f64);
    let (lowest, highest) = (ends(|point| point.low_hz).0, ends(|point| point.high_hz).1);
    let x = Axis::logarithmic(fewest.min(most).max(1.0), most).extended(0.04);
    let y = Axis::logarithmic(decade(lowest.min(highest), f64::floor), decade(highest, f64::ceil));
    let names = curves.iter().enumerate();
    let frame = Frame {
        title,
        legend: names.map(|(index, (name, _))| (Mark::Point(colour(index)), name.clone())).collect(),
        x,
        y,
        x_name: "events a call",
        y_name: "events / s",
        x_tick: &|value| x.tick(*value),
        y_tick: &|value| y.tick(*value),
    };
    frame.write(path, |chart| {
        for (index, (_, points)) in curves.iter().enumerate() {
            let of = |point: &ThroughputPoint| (point.batch as f64, point.median_hz);
            chart.draw_series(LineSeries::new(points.iter().map(of), line(colour(index))))?;
            chart
                .draw_series(points.iter().map(|point| Circle::new(of(point), 4, colour(index).filled())))?;
            chart.draw_series(points.iter().map(|point| {
                let batch = point.batch as f64;
                PathElement::new(
                    [(batch, point.low_hz), (batch, point.high_hz)],
                    colour(index).stroke_width(1),
                )
            }))?;
        }
        Ok(())
    })
}

fn decade(value: f64, towards: fn(f64) -> f64) -> f64 {
    10f64.powf(towards(value.max(1.0).log10()))
}
