use std::path::Path;

use plotters::backend::SVGBackend;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{BLACK, Color, IntoFont, RGBColor, ShapeStyle, TextStyle, WHITE};

use super::quantity::{Quantity, Scale};
use crate::ArenaError;
use crate::durable::write_atomically;
use crate::statistics::Summary;

/// Width of the axis in pixels.
const AXIS_WIDTH: i32 = 560;
/// Height of a model's row.
const ROW: i32 = 20;
/// Half the height of a box.
const HALF_BOX: i32 = 6;
/// Above the first row: the title and the legend.
const TOP: i32 = 72;
/// Below the last row: the axis.
const BOTTOM: i32 = 58;
const RIGHT: i32 = 30;
/// Width of a character of a model's name at most, and characters of a name at most.
const CHARACTER: f64 = 7.2;
const LONGEST_NAME: usize = 48;

/// Blue of Okabe and Ito's palette for the boxes, vermilion for the median: told apart by everyone.
const BOX: RGBColor = RGBColor(0, 114, 178);
const MEDIAN: RGBColor = RGBColor(213, 94, 0);
const GREY: RGBColor = RGBColor(110, 110, 110);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// Draws a box for each model of `quantity`, the best on top, and writes the SVG to `path`, complete or not at all.
pub(super) fn draw(quantity: &Quantity<'_>, path: &Path) -> Result<(), ArenaError> {
    let mut svg = String::new();
    Plot::of(quantity)
        .draw(&mut svg)
        .map_err(|error| ArenaError::Draw { path: path.to_owned(), reason: error.to_string() })?;
    write_atomically(path, svg.as_bytes())
}

struct Plot<'a> {
    quantity: &'a Quantity<'a>,
    /// Pixel of the axis' low end.
    left: i32,
    /// Pixel of the axis.
    bottom: i32,
}

impl<'a> Plot<'a> {
    fn of(quantity: &'a Quantity<'a>) -> Self {
        let longest = quantity.boxes.iter().map(|(name, _)| shown(name).chars().count()).max().unwrap_or(0);
        let left = (longest as f64 * CHARACTER) as i32 + 24;
        Self { quantity, left, bottom: TOP + quantity.boxes.len() as i32 * ROW }
    }

    fn draw(&self, svg: &mut String) -> Drawn {
        let size = ((self.left + AXIS_WIDTH + RIGHT) as u32, (self.bottom + BOTTOM) as u32);
        let area = SVGBackend::with_string(svg, size).into_drawing_area();
        area.fill(&WHITE)?;
        self.head(&area)?;
        self.grid(&area)?;
        for (index, (name, summary)) in self.quantity.boxes.iter().enumerate() {
            self.row(&area, TOP + index as i32 * ROW + ROW / 2, name, summary)?;
        }
        self.axis(&area)?;
        area.present()
    }

    fn head(&self, area: &Area<'_>) -> Drawn {
        let title = ("sans-serif", 18).into_font().color(&BLACK);
        area.draw(&Text::new(self.quantity.title.clone(), (12, 12), title))?;
        let legend =
            "box: quartiles, median · whiskers: furthest value within 1.5 box lengths · circles: beyond";
        area.draw(&Text::new(legend, (12, 42), text(13).color(&GREY)))
    }

    fn grid(&self, area: &Area<'_>) -> Drawn {
        for (value, is_major) in self.ticks() {
            let x = self.x(value);
            let weight = if is_major { 0.2 } else { 0.07 };
            area.draw(&PathElement::new(vec![(x, TOP), (x, self.bottom)], BLACK.mix(weight)))?;
        }
        for index in (1..self.quantity.boxes.len() as i32).step_by(2) {
            let top = TOP + index * ROW;
            let stripe = [(self.left, top), (self.left + AXIS_WIDTH, top + ROW)];
            area.draw(&Rectangle::new(stripe, BLACK.mix(0.04).filled()))?;
        }
        Ok(())
    }

    fn row(&self, area: &Area<'_>, y: i32, name: &str, summary: &Summary) -> Drawn {
        let style = text(13).pos(Pos::new(HPos::Right, VPos::Center));
        area.draw(&Text::new(shown(name), (self.left - 10, y), style))?;
        let (low, high) = (self.x(summary.lower_quartile), self.x(summary.upper_quartile));
        let whisker = |from: f64, to: i32| PathElement::new(vec![(self.x(from), y), (to, y)], thin(BOX));
        let end = |value: f64| {
            let x = self.x(value);
            PathElement::new(vec![(x, y - 3), (x, y + 3)], thin(BOX))
        };
        area.draw(&whisker(summary.lower_whisker, low))?;
        area.draw(&whisker(summary.upper_whisker, high))?;
        area.draw(&end(summary.lower_whisker))?;
        area.draw(&end(summary.upper_whisker))?;
        let corners = [(low, y - HALF_BOX), (high, y + HALF_BOX)];
        area.draw(&Rectangle::new(corners, BOX.mix(0.3).filled()))?;
        area.draw(&Rectangle::new(corners, thin(BOX)))?;
        for outlier in &summary.outliers {
            area.draw(&Circle::new((self.x(*outlier), y), 2, thin(BOX)))?;
        }
        let median = self.x(summary.median);
        area.draw(&PathElement::new(
            vec![(median, y - HALF_BOX - 1), (median, y + HALF_BOX + 1)],
            MEDIAN.stroke_width(3),
        ))
    }

    fn axis(&self, area: &Area<'_>) -> Drawn {
        let frame = [(self.left, TOP), (self.left + AXIS_WIDTH, self.bottom)];
        area.draw(&Rectangle::new(frame, thin(BLACK)))?;
        let below = text(13).pos(Pos::new(HPos::Center, VPos::Top));
        for (value, _) in self.ticks().into_iter().filter(|(_, is_major)| *is_major) {
            area.draw(&Text::new(self.label(value), (self.x(value), self.bottom + 6), below.clone()))?;
        }
        let middle = self.left + AXIS_WIDTH / 2;
        let name = text(15).pos(Pos::new(HPos::Center, VPos::Top));
        area.draw(&Text::new(self.quantity.axis.clone(), (middle, self.bottom + 28), name))
    }

    /// Where a value lies, clamped to the axis.
    fn x(&self, value: f64) -> i32 {
        let place = match self.quantity.scale {
            Scale::Unit => value,
            // The logarithm of 0 is minus infinity, and is clamped like everything below the axis.
            Scale::Decades { from, to } => (value.log10() - f64::from(from)) / f64::from(to - from),
        };
        self.left + (place.clamp(0.0, 1.0) * f64::from(AXIS_WIDTH)).round() as i32
    }

    /// Values with a line, and whether it is a strong one with a label.
    fn ticks(&self) -> Vec<(f64, bool)> {
        match self.quantity.scale {
            Scale::Unit => (0..=20).map(|tick| (f64::from(tick) / 20.0, tick % 4 == 0)).collect(),
            Scale::Decades { from, to } => {
                let decade = |exponent| {
                    (1..10).map(move |digit| (f64::from(digit) * 10f64.powi(exponent), digit == 1))
                };
                let ends = std::iter::once((10f64.powi(to), true));
                (from..to).flat_map(decade).chain(ends).collect()
            }
        }
    }

    fn label(&self, value: f64) -> String {
        match self.quantity.scale {
            Scale::Decades { from, .. } if value <= 10f64.powi(from) * 1.5 => format!("≤ {}", plain(value)),
            _ => plain(value),
        }
    }
}

/// At most six decimals, without trailing zeros.
fn plain(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A name that leaves room for the plot: its middle is cut, since families share a beginning and variants an end.
fn shown(name: &str) -> String {
    let characters: Vec<char> = name.chars().collect();
    if characters.len() <= LONGEST_NAME {
        return name.to_owned();
    }
    let half = (LONGEST_NAME - 1) / 2;
    let (start, end) = (&characters[..half], &characters[characters.len() - half..]);
    start.iter().chain(std::iter::once(&'…')).chain(end).collect()
}

fn text(size: i32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&BLACK)
}

fn thin(colour: RGBColor) -> ShapeStyle {
    colour.stroke_width(1)
}
