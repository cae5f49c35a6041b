use std::path::Path;

use plotters::element::{Circle, PathElement};
use plotters::series::{DashedLineSeries, LineSeries};
use plotters::style::{Color, RGBColor};

use super::PlotError;
use super::axis::Axis;
use super::frame::{Chart, Drawn, Frame, GREY, Mark, colour, line, thin};
use crate::statistics::{MIN_BACKGROUND_EVENTS, RocPoint, Scores, roc as curve, signal_efficiency};

/// The efficiencies shown at least to 1e-2 and at most to 1e-6: what a level-1 trigger keeps.
const LOWEST_EFFICIENCY: f64 = 1e-6;
const HIGHEST_LOW_END: f64 = 1e-2;

/// Writes the ROC curves of `signals` (name, scores) against `background` to `path`, both efficiencies on logarithmic axes: a
/// trigger works at background efficiencies where a linear axis shows nothing.
///
/// Where fewer than [`MIN_BACKGROUND_EVENTS`] background events pass the curve is thin and pale. The marks
/// are the signal efficiencies at the background efficiencies `working_points`, with their 68.27 % intervals.
///
/// # Errors
/// [`PlotError`].
pub fn roc(
    background: &Scores,
    signals: &[(&str, &Scores)],
    working_points: &[f64],
    model: &str,
    path: &Path,
) -> Result<(), PlotError> {
    let curves: Vec<Curve> = signals.iter().map(|(_, signal)| Curve::of(background, signal)).collect();
    let x = Axis::logarithmic(low_end(1.0 / background.len().max(1) as f64), 1.0);
    let lowest = curves.iter().filter_map(Curve::lowest).fold(1.0, f64::min);
    let y = Axis::logarithmic(low_end(lowest), 1.0);
    let frame = Frame {
        title: &format!("ROC curves of {model}"),
        legend: legend(signals),
        x,
        y,
        x_name: "background efficiency",
        y_name: "signal efficiency",
        x_tick: &|value| x.tick(*value),
        y_tick: &|value| y.tick(*value),
    };
    frame.write(path, |chart| {
        diagonal(chart, x, y)?;
        for (index, (curve, (_, signal))) in curves.iter().zip(signals).enumerate() {
            curve.draw(chart, colour(index), x, y)?;
            marks(chart, background, signal, working_points, colour(index), y)?;
        }
        Ok(())
    })
}

/// Points of a curve as (background efficiency, signal efficiency), without those where one of them is 0.
struct Curve {
    /// With too few background events to be trusted; ends at the first trusted point.
    uncertain: Vec<(f64, f64)>,
    trusted: Vec<(f64, f64)>,
}

impl Curve {
    fn of(background: &Scores, signal: &Scores) -> Self {
        let place = |point: RocPoint| {
            (point.background as f64 / background.len() as f64, point.signal as f64 / signal.len() as f64)
        };
        let visible = || curve(background, signal).filter(|point| point.background > 0 && point.signal > 0);
        let is_trusted = |point: &RocPoint| point.background >= MIN_BACKGROUND_EVENTS;
        let trusted: Vec<_> = visible().skip_while(|point| !is_trusted(point)).map(place).collect();
        let mut uncertain: Vec<_> = visible().take_while(|point| !is_trusted(point)).map(place).collect();
        uncertain.extend(trusted.first());
        Self { uncertain, trusted }
    }

    fn lowest(&self) -> Option<f64> {
        self.uncertain.first().or(self.trusted.first()).map(|(_, efficiency)| *efficiency)
    }

    fn draw(&self, chart: &mut Chart<'_, '_>, colour: RGBColor, x: Axis, y: Axis) -> Drawn {
        let uncertain = thin(self.uncertain.iter().copied(), x, y);
        chart.draw_series(LineSeries::new(uncertain, colour.mix(0.45)))?;
        let trusted = thin(self.trusted.iter().copied(), x, y);
        chart.draw_series(LineSeries::new(trusted, line(colour)))?;
        Ok(())
    }
}

fn low_end(value: f64) -> f64 {
    10f64.powf(value.log10().floor()).clamp(LOWEST_EFFICIENCY, HIGHEST_LOW_END)
}

fn legend(signals: &[(&str, &Scores)]) -> Vec<(Mark, String)> {
    let names = signals.iter().enumerate();
    let mut legend: Vec<_> =
        names.map(|(index, (name, _))| (Mark::Line(colour(index)), (*name).to_owned())).collect();
    legend.push((Mark::Point(GREY), "working points, 68 % interval".to_owned()));
    legend.push((Mark::Thin(GREY), format!("fewer than {MIN_BACKGROUND_EVENTS} background events")));
    legend.push((Mark::Dashes(GREY), "no discrimination".to_owned()));
    legend
}

/// Signal and background pass alike.
fn diagonal(chart: &mut Chart<'_, '_>, x: Axis, y: Axis) -> Drawn {
    let low = x.low().max(y.low());
    chart.draw_series(DashedLineSeries::new([(low, low), (1.0, 1.0)], 7, 5, GREY.stroke_width(1)))?;
    Ok(())
}

fn marks(
    chart: &mut Chart<'_, '_>,
    background: &Scores,
    signal: &Scores,
    working_points: &[f64],
    colour: RGBColor,
    y: Axis,
) -> Drawn {
    for efficiency in working_points.iter().copied().filter(|point| background.allowed(*point) > 0) {
        let Some(point) = signal_efficiency(background, signal, efficiency) else { continue };
        let (low, high) = (point.interval.low, point.interval.high);
        if high > y.low() {
            chart.draw_series([PathElement::new(
                [(efficiency, low), (efficiency, high)],
                colour.stroke_width(1),
            )])?;
        }
        if point.value >= y.low() {
            chart.draw_series([Circle::new((efficiency, point.value), 4, colour.filled())])?;
        }
    }
    Ok(())
}
