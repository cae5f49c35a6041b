use std::path::Path;

use hdrhistogram::Histogram;

use super::axis::Axis;
use super::frame::thin;
use crate::statistics::Scores;

fn svg(draw: impl Fn(&Path) -> Result<(), super::PlotError>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plot.svg");
    draw(&path).unwrap();
    std::fs::read_to_string(&path).unwrap()
}

fn exponential(events: u32, mean: f32) -> Vec<f32> {
    (0..events).map(|event| -mean * ((event as f32 + 0.5) / events as f32).ln()).collect()
}

#[test]
fn plots_name_axes_and_curves() {
    let (background, signal) =
        (Scores::new(&exponential(20_000, 1.0)), Scores::new(&exponential(3_000, 3.0)));
    let signals = [("leptoquark & co", &signal)];
    let roc = svg(|path| super::roc(&background, &signals, &[1e-2, 1e-3], "l1_ae", path));
    let scores = svg(|path| super::scores(("minimum_bias", &background), &signals, "l1_ae", path));
    let significance = svg(|path| super::significance(&background, &signals, "l1_ae", path));
    for (plot, words) in [
        (roc, ["ROC curves of l1_ae", "background efficiency", "signal efficiency", "10⁻³"]),
        (scores, ["Anomaly scores of l1_ae", "fraction of events per bin", "minimum_bias", "overflow"]),
        (
            significance,
            ["Significance improvement", "√ background efficiency", "maximum", "background efficiency"],
        ),
    ] {
        assert!(words.iter().all(|word| plot.contains(word)), "{words:?}");
        assert!(plot.contains("leptoquark &amp; co"), "names are escaped");
        assert!(plot.len() < 200_000, "{} bytes", plot.len());
    }
}

#[test]
fn a_latency_plot_has_percentiles_and_units() {
    let mut histogram = Histogram::new(3).unwrap();
    (1..=100_000).for_each(|event| histogram.record(5_000_000 / event).unwrap());
    let empty = Histogram::new(3).unwrap();
    let plot = svg(|path| super::latency(&[("decision", &histogram), ("queue", &empty)], "Latency", path));
    for word in ["percentile of events", "latency", "99.99 %", "1 µs", "1 ms", "decision"] {
        assert!(plot.contains(word), "{word}");
    }
    assert!(!plot.contains("queue"), "an empty histogram has no curve");
}

#[test]
fn degenerate_samples_are_drawn_all_the_same() {
    for values in [vec![], vec![1.0], vec![2.0; 5], vec![-1.0, 0.0, 1.0]] {
        let sample = Scores::new(&values);
        let signals = [("a", &sample)];
        svg(|path| super::roc(&sample, &signals, &[1e-2], "m", path));
        svg(|path| super::scores(("b", &sample), &signals, "m", path));
        svg(|path| super::significance(&sample, &signals, "m", path));
        svg(|path| super::roc(&sample, &[], &[], "m", path));
    }
    svg(|path| super::latency(&[], "none", path));
}

#[test]
fn an_unwritable_place_is_named() {
    let error = super::latency(&[], "none", Path::new("/nowhere/plot.svg")).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/plot.svg: "), "{error}");
}

#[test]
fn ticks_are_readable() {
    let wide = Axis::logarithmic(1e-6, 1e6);
    let narrow = Axis::linear(0.0, 0.2);
    let labels =
        |axis: Axis, values: &[f64]| values.iter().map(|value| axis.tick(*value)).collect::<Vec<_>>();
    assert_eq!(labels(wide, &[1e-6, 1e-2, 0.1, 1.0, 1e3, 1e4]), ["10⁻⁶", "10⁻²", "0.1", "1", "1000", "10⁴"]);
    assert_eq!(labels(narrow, &[0.0, 0.01, 0.15]), ["0", "0.01", "0.15"]);
}

#[test]
fn axes_go_there_and_back() {
    for axis in [Axis::logarithmic(1e-3, 1e5), Axis::linear(-2.0, 7.0)] {
        for place in [0.0, 0.3, 1.0] {
            assert!((axis.place(axis.value(place)) - place).abs() < 1e-12);
        }
        assert_eq!((axis.place(f64::NEG_INFINITY), axis.place(f64::INFINITY)), (0.0, 1.0));
    }
}

#[test]
fn thinning_keeps_the_ends() {
    let (x, y) = (Axis::linear(0.0, 1.0), Axis::linear(0.0, 1.0));
    let points: Vec<_> = (0..=1_000_000).map(|i| f64::from(i) / 1e6).map(|v| (v, v)).collect();
    let kept = thin(points, x, y);
    assert!(kept.len() < 4000, "{}", kept.len());
    assert_eq!(kept.last(), Some(&(1.0, 1.0)));
}

#[test]
fn a_throughput_plot_has_batches_and_names() {
    let point = |batch: usize, hz: f64| super::ThroughputPoint {
        batch,
        median_hz: hz,
        low_hz: 0.9 * hz,
        high_hz: 1.1 * hz,
    };
    let curves = [
        ("l1_ae onnx float, call".to_owned(), vec![point(1, 1.5e5), point(1024, 4e6)]),
        ("l1_ae fixed fixed, replay".to_owned(), vec![point(1024, 3e7)]),
    ];
    let plot = svg(|path| super::throughput(&curves, "Throughput", path));
    for word in ["l1_ae onnx float, call", "l1_ae fixed fixed, replay", "events / s", "events a call", "10⁶"]
    {
        assert!(plot.contains(word), "{word}");
    }
    // Three points, and one for each name.
    assert_eq!(plot.matches("<circle").count(), 5);
}
