use std::path::Path;

use plotters::element::{Polygon, Rectangle, Text};
use plotters::series::LineSeries;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, ShapeStyle};

use super::PlotError;
use super::axis::Axis;
use super::frame::{Chart, Drawn, Frame, GREY, Mark, colour, line, text};
use crate::statistics::Scores;

/// Bins between the outer ones.
const BINS: usize = 80;
/// Fraction of each sample that the range may leave below and above.
const OUTSIDE: f64 = 1e-4;
/// Ratio of the range's ends from which positive scores get a logarithmic axis.
const WIDE: f64 = 100.0;
/// Lowest fraction of events shown.
const LOWEST_FRACTION: f64 = 1e-6;

/// Writes the score distributions of `background` (name, scores) and `signals` to `path`: fraction of the valid events in
/// each bin, on a logarithmic axis. The outer bins, on grey, hold everything below and above the range.
///
/// # Errors
/// [`PlotError`].
pub fn scores(
    background: (&str, &Scores),
    signals: &[(&str, &Scores)],
    model: &str,
    path: &Path,
) -> Result<(), PlotError> {
    let binning =
        Binning::of(std::iter::once(background).chain(signals.iter().copied()).map(|(_, scores)| scores));
    let of_background = binning.fractions(background.1);
    let of_signals: Vec<_> = signals.iter().map(|(_, scores)| binning.fractions(scores)).collect();
    let smallest = std::iter::once(&of_background).chain(&of_signals).flatten().copied();
    let lowest = smallest.filter(|fraction| *fraction > 0.0).fold(0.1, f64::min).max(LOWEST_FRACTION);
    let y = Axis::logarithmic(10f64.powf(lowest.log10().floor()), 1.0);
    let frame = Frame {
        title: &format!("Anomaly scores of {model}"),
        legend: legend(background.0, signals),
        x: binning.axis,
        y,
        x_name: "anomaly score",
        y_name: "fraction of events per bin",
        x_tick: &|value| binning.axis.tick(*value),
        y_tick: &|value| y.tick(*value),
    };
    frame.write(path, |chart| {
        outer_bins(chart, &binning, y)?;
        let outline = binning.outline(&of_background, y);
        let mut area = outline.clone();
        area.extend([(binning.axis.high(), y.low()), (binning.axis.low(), y.low())]);
        chart.draw_series([Polygon::new(area, GREY.mix(0.3))])?;
        chart.draw_series(LineSeries::new(outline, GREY.stroke_width(1)))?;
        for (index, fractions) in of_signals.iter().enumerate() {
            chart.draw_series(LineSeries::new(binning.outline(fractions, y), line(colour(index))))?;
        }
        Ok(())
    })
}

/// Bins of equal width on the axis; the first and the last hold what lies outside of them.
struct Binning {
    /// Includes the outer bins.
    axis: Axis,
}

impl Binning {
    fn of<'a>(samples: impl Iterator<Item = &'a Scores>) -> Self {
        let ranges = samples.filter_map(|sample| {
            let left_out = ((sample.len() as f64 * OUTSIDE) as u64).min(sample.len() / 2);
            Some((sample.highest(sample.len() - left_out)?, sample.highest(left_out + 1)?))
        });
        let (low, high) = ranges
            .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
            .map_or((0.0, 1.0), |(low, high)| (f64::from(low), f64::from(high)));
        let inner = if low > 0.0 && high / low >= WIDE {
            Axis::logarithmic(low, high)
        } else {
            Axis::linear(low, high)
        };
        // An outer bin on each side, as wide as the others.
        let axis = inner.extended(1.0 / BINS as f64);
        Self { axis }
    }

    fn edge(&self, index: usize) -> f64 {
        self.axis.value(index as f64 / (BINS + 2) as f64)
    }

    /// Fraction of the sample in each bin, the outer ones included.
    fn fractions(&self, sample: &Scores) -> Vec<f64> {
        let passing = |index: usize| match index {
            0 => sample.len(),
            index if index == BINS + 2 => 0,
            index => sample.passing(self.edge(index) as f32),
        };
        let events = sample.len().max(1) as f64;
        (0..BINS + 2).map(|index| (passing(index) - passing(index + 1)) as f64 / events).collect()
    }

    /// The histogram's upper edge, an empty bin at the axis' low end.
    fn outline(&self, fractions: &[f64], y: Axis) -> Vec<(f64, f64)> {
        let steps = fractions.iter().enumerate().flat_map(|(index, fraction)| {
            let height = fraction.max(y.low());
            [(self.edge(index), height), (self.edge(index + 1), height)]
        });
        std::iter::once((self.axis.low(), y.low()))
            .chain(steps)
            .chain(std::iter::once((self.axis.high(), y.low())))
            .collect()
    }
}

fn legend(background: &str, signals: &[(&str, &Scores)]) -> Vec<(Mark, String)> {
    let names = signals.iter().enumerate();
    let of_signals = names.map(|(index, (name, _))| (Mark::Line(colour(index)), (*name).to_owned()));
    std::iter::once((Mark::Fill(GREY), background.to_owned())).chain(of_signals).collect()
}

/// Marks the bins that hold what lies outside of the range.
fn outer_bins(chart: &mut Chart<'_, '_>, binning: &Binning, y: Axis) -> Drawn {
    let shade: ShapeStyle = GREY.mix(0.12).filled();
    let edges = [(0, 1, HPos::Left, "underflow"), (BINS + 2, BINS + 1, HPos::Right, "overflow")];
    for (outside, inside, side, name) in edges {
        let (outside, inside) = (binning.edge(outside), binning.edge(inside));
        chart.draw_series([Rectangle::new([(outside, y.low()), (inside, y.high())], shade)])?;
        let style = text(13).color(&GREY).pos(Pos::new(side, VPos::Top));
        chart.draw_series([Text::new(name, (inside, y.high()), style)])?;
    }
    Ok(())
}
