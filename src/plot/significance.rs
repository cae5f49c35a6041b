use std::path::Path;

use plotters::element::Circle;
use plotters::series::{DashedLineSeries, LineSeries};
use plotters::style::Color;

use super::PlotError;
use super::axis::Axis;
use super::frame::{Frame, GREY, Mark, colour, line, thin};
use crate::statistics::{
    MIN_BACKGROUND_EVENTS, Scores, SignificanceImprovement, max_significance_improvement, roc,
};

/// Headroom above the highest curve.
const HEADROOM: f64 = 1.08;

/// Writes the significance improvement eS / sqrt(eB) along the ROC curve of each of `signals` (name, scores) to
/// `path`, from the tightest threshold that at least [`MIN_BACKGROUND_EVENTS`] background events pass; a mark
/// shows the maximum.
///
/// # Errors
/// [`PlotError`].
pub fn significance(
    background: &Scores,
    signals: &[(&str, &Scores)],
    model: &str,
    path: &Path,
) -> Result<(), PlotError> {
    let maxima: Vec<Option<SignificanceImprovement>> =
        signals.iter().map(|(_, signal)| max_significance_improvement(background, signal)).collect();
    let tightest = MIN_BACKGROUND_EVENTS as f64 / background.len().max(MIN_BACKGROUND_EVENTS) as f64;
    let x = Axis::logarithmic(10f64.powf(tightest.log10().floor()).min(0.1), 1.0);
    let highest = maxima.iter().flatten().map(|best| best.value).fold(1.0, f64::max);
    let y = Axis::linear(0.0, highest * HEADROOM);
    let frame = Frame {
        title: &format!("Significance improvement of {model}"),
        legend: legend(signals),
        x,
        y,
        x_name: "background efficiency",
        y_name: "signal efficiency / √ background efficiency",
        x_tick: &|value| x.tick(*value),
        y_tick: &|value| y.tick(*value),
    };
    frame.write(path, |chart| {
        chart.draw_series(DashedLineSeries::new([(x.low(), 1.0), (1.0, 1.0)], 7, 5, GREY.stroke_width(1)))?;
        for (index, ((_, signal), best)) in signals.iter().zip(&maxima).enumerate() {
            chart.draw_series(LineSeries::new(thin(curve(background, signal), x, y), line(colour(index))))?;
            let mark = best
                .map(|best| Circle::new((best.background_efficiency, best.value), 4, colour(index).filled()));
            chart.draw_series(mark)?;
        }
        Ok(())
    })
}

fn curve<'a>(background: &'a Scores, signal: &'a Scores) -> impl Iterator<Item = (f64, f64)> + 'a {
    let (of_background, of_signal) = (background.len() as f64, signal.len() as f64);
    roc(background, signal).filter(|point| point.background >= MIN_BACKGROUND_EVENTS).map(move |point| {
        let efficiency = point.background as f64 / of_background;
        (efficiency, point.signal as f64 / of_signal / efficiency.sqrt())
    })
}

fn legend(signals: &[(&str, &Scores)]) -> Vec<(Mark, String)> {
    let names = signals.iter().enumerate();
    let mut legend: Vec<_> =
        names.map(|(index, (name, _))| (Mark::Line(colour(index)), (*name).to_owned())).collect();
    legend.push((Mark::Dot(GREY), "maximum".to_owned()));
    legend.push((Mark::Dashes(GREY), "no selection".to_owned()));
    legend
}
