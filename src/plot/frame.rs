//! What all plots share: size, fonts, palette, title, legend, axes, and the way to the file.

use std::path::Path;

use plotters::backend::SVGBackend;
use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{BLACK, Color, IntoFont, RGBColor, ShapeStyle, TextStyle, WHITE};

use super::PlotError;
use super::axis::Axis;
use crate::durable::write_atomically;

/// Width of every plot in pixels.
const WIDTH: u32 = 800;
/// Height of the drawing below title and legend.
const HEIGHT: u32 = 500;
/// Height of the title.
const TITLE: u32 = 44;
/// Height of a line of the legend.
const LEGEND_LINE: u32 = 22;
/// Entries in a line of the legend.
const LEGEND_COLUMNS: usize = 2;
/// Room for the y axis' labels and description, shared by title and legend as their left edge.
const LEFT: u32 = 84;
const RIGHT: u32 = 28;

/// Okabe and Ito, Color Universal Design (2008), in an order in which neighbours differ in lightness; without
/// yellow, which is too light for a line on white.
const PALETTE: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(0, 0, 0),
];
/// Reference lines and the background sample.
pub(super) const GREY: RGBColor = RGBColor(110, 110, 110);

pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Axis, Axis>>;
pub(super) type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// Colour of the curve of this number; more curves than colours share them.
pub(super) fn colour(index: usize) -> RGBColor {
    PALETTE[index % PALETTE.len()]
}

/// How a legend shows what it names.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mark {
    Line(RGBColor),
    Thin(RGBColor),
    Dashes(RGBColor),
    /// With an error bar.
    Point(RGBColor),
    Dot(RGBColor),
    Fill(RGBColor),
}

/// Title, legend and axes of a plot.
pub(super) struct Frame<'a> {
    pub(super) title: &'a str,
    pub(super) legend: Vec<(Mark, String)>,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) x_name: &'a str,
    pub(super) y_name: &'a str,
    pub(super) x_tick: &'a dyn Fn(&f64) -> String,
    pub(super) y_tick: &'a dyn Fn(&f64) -> String,
}

impl Frame<'_> {
    /// Draws the frame, lets `curves` draw into it, and writes the SVG to `path`, complete or not at all.
    pub(super) fn write(
        &self,
        path: &Path,
        curves: impl FnOnce(&mut Chart<'_, '_>) -> Drawn,
    ) -> Result<(), PlotError> {
        let mut svg = String::new();
        self.draw(&mut svg, curves)
            .map_err(|error| PlotError::Draw { path: path.to_owned(), reason: error.to_string() })?;
        write_atomically(path, svg.as_bytes())
            .map_err(|source| PlotError::Io { path: path.to_owned(), source })
    }

    fn draw(&self, svg: &mut String, curves: impl FnOnce(&mut Chart<'_, '_>) -> Drawn) -> Drawn {
        let head = TITLE + self.legend.len().div_ceil(LEGEND_COLUMNS) as u32 * LEGEND_LINE;
        let root = SVGBackend::with_string(svg, (WIDTH, head + HEIGHT)).into_drawing_area();
        root.fill(&WHITE)?;
        let (top, bottom) = root.split_vertically(head);
        self.draw_head(&top)?;
        let mut chart = self.axes(&bottom)?;
        curves(&mut chart)?;
        drop(chart);
        root.present()
    }

    fn draw_head(&self, area: &Area<'_>) -> Drawn {
        let title = ("sans-serif", 20).into_font().color(&BLACK);
        area.draw(&Text::new(self.title.to_owned(), (LEFT as i32, 14), title))?;
        let column_width = (WIDTH - LEFT - RIGHT) as i32 / LEGEND_COLUMNS as i32;
        for (index, (mark, name)) in self.legend.iter().enumerate() {
            let x = LEFT as i32 + (index % LEGEND_COLUMNS) as i32 * column_width;
            let y = TITLE as i32 + (index / LEGEND_COLUMNS) as i32 * LEGEND_LINE as i32 + 6;
            draw_mark(area, *mark, (x, y))?;
            let style = text(15).pos(Pos::new(HPos::Left, VPos::Center));
            area.draw(&Text::new(name.clone(), (x + 40, y + 1), style))?;
        }
        Ok(())
    }

    fn axes<'b>(&self, area: &Area<'b>) -> Result<Chart<'b, 'b>, DrawingAreaErrorKind<std::io::Error>> {
        let mut chart = ChartBuilder::on(area)
            .margin_top(12)
            .margin_right(RIGHT)
            .margin_bottom(10)
            .margin_left(8)
            .x_label_area_size(58)
            .y_label_area_size(LEFT - 8)
            .build_cartesian_2d(self.x, self.y)?;
        chart
            .configure_mesh()
            .bold_line_style(BLACK.mix(0.14))
            .light_line_style(BLACK.mix(0.045))
            .axis_style(BLACK.mix(0.7))
            .x_desc(self.x_name)
            .y_desc(self.y_name)
            .label_style(text(15))
            .axis_desc_style(text(17))
            .x_label_formatter(self.x_tick)
            .y_label_formatter(self.y_tick)
            .draw()?;
        Ok(chart)
    }
}

/// Text of this many pixels.
pub(super) fn text(size: i32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&BLACK)
}

/// A line of full weight, for data.
pub(super) fn line(colour: RGBColor) -> ShapeStyle {
    colour.stroke_width(2)
}

fn draw_mark(area: &Area<'_>, mark: Mark, (x, y): (i32, i32)) -> Drawn {
    let segment =
        |from: i32, to: i32, style: ShapeStyle| PathElement::new(vec![(x + from, y), (x + to, y)], style);
    match mark {
        Mark::Line(colour) => area.draw(&segment(0, 30, colour.stroke_width(3))),
        Mark::Thin(colour) => area.draw(&segment(0, 30, colour.mix(0.45).stroke_width(1))),
        Mark::Dashes(colour) => [(0, 7), (11, 18), (22, 30)]
            .into_iter()
            .try_for_each(|(from, to)| area.draw(&segment(from, to, colour.stroke_width(1)))),
        Mark::Point(colour) => {
            area.draw(&PathElement::new(vec![(x + 15, y - 8), (x + 15, y + 8)], colour.stroke_width(1)))?;
            area.draw(&Circle::new((x + 15, y), 4, colour.filled()))
        }
        Mark::Dot(colour) => area.draw(&Circle::new((x + 15, y), 4, colour.filled())),
        Mark::Fill(colour) => {
            area.draw(&Rectangle::new([(x, y - 6), (x + 30, y + 6)], colour.mix(0.3).filled()))
        }
    }
}

/// Leaves out points that lie within half a pixel of the one before, on axes of this size in pixels: a curve of a
/// million events draws as one of a thousand.
pub(super) fn thin(points: impl IntoIterator<Item = (f64, f64)>, x: Axis, y: Axis) -> Vec<(f64, f64)> {
    let pixel = |(a, b): (f64, f64)| {
        ((x.place(a) * 2.0 * f64::from(WIDTH)).round(), (y.place(b) * 2.0 * f64::from(HEIGHT)).round())
    };
    let mut kept: Vec<(f64, f64)> = Vec::new();
    let mut last = None;
    for point in points {
        match kept.last_mut() {
            // The newest of a pixel's points stands for it, so that a curve ends where its data end.
            Some(previous) if last == Some(pixel(point)) => *previous = point,
            _ => kept.push(point),
        }
        last = Some(pixel(point));
    }
    kept
}
