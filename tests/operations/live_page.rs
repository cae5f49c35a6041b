use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use trigsieve::model::{Precision, sha256_hex};
use trigsieve::serve::HttpLimits;
use trigsieve::statistics::{ScoreDistribution, Scores};
use trigsieve::trigger::{Calibration, Menu};

use crate::browser::Browser;
use crate::common::sum_of_squares;
use crate::running::Running;

/// All that the page shows as text, and the number of the look that it comes from.
const SHOWN: &str = r#"({
    look: Number(document.body.dataset.look),
    state: document.getElementById('state').textContent,
    banner: document.getElementById('banner').hidden ? '' : document.getElementById('banner').textContent,
    ids: Object.fromEntries([...document.querySelectorAll('main [id]')].map((one) => [one.id, one.innerText])),
    paths: Object.fromEntries([...document.querySelectorAll('#paths tr')].map((row) =>
        [row.dataset.path, [...row.cells].map((cell) => cell.innerText)])),
    hashes: Object.fromEntries([...document.querySelectorAll('[data-model]')].map((one) => [one.dataset.model, one.innerText])),
    drifts: Object.fromEntries([...document.querySelectorAll('[data-scores]')].map((one) =>
        [one.dataset.scores, one.querySelector('.drift').innerText])),
    canvases: [...document.querySelectorAll('canvas')].map((one) => one.width * one.height),
})"#;

/// Inputs of an event whose score is 3 times their square: 400 different ones, 5 of them above 300 and 100 of them above 3.
fn inputs(number: u64) -> f32 {
    match number % 400 {
        0..5 => 11.0 + number as f32 % 7.0,
        5..100 => 1.5,
        rest => rest as f32 / 1000.0,
    }
}

/// Two paths, calibrated on what [`inputs`] makes.
fn menu() -> String {
    let scores: Vec<f32> = (0..40_000).map(|number| 3.0 * inputs(number) * inputs(number)).collect();
    let calibration = Calibration {
        target_rate_hz: 1.0,
        input_rate_hz: 100.0,
        rate_hz: 1.0,
        rate_error_hz: 0.1,
        threshold_error: 0.1,
        background_events: 40_000,
        background_invalid: 0,
        events_passing: 500,
        background: "b".to_owned(),
        background_sha256: "b".to_owned(),
        model_sha256: sha256_hex(&sum_of_squares()),
        engine: "rten".to_owned(),
        precision: Precision::Float,
        scores: ScoreDistribution::of(&Scores::new(&scores)),
    };
    let mut menu = Menu::of_calibration("tight", "squares", 300.0, calibration);
    let mut loose = menu.paths[0].clone();
    (loose.name, loose.threshold, loose.prescale) = ("loose".to_owned(), Some(3.0), 7);
    menu.paths.push(loose);
    toml::to_string(&menu).unwrap()
}

/// Sends frames of 50 events, some 40 a second, until told to stop.
fn flow(running: &Running, stop: &Arc<AtomicBool>) -> std::thread::JoinHandle<()> {
    let (mut sender, stop) = (running.sender(1), Arc::clone(stop));
    std::thread::spawn(move || {
        let mut number = 0;
        while !stop.load(Ordering::SeqCst) {
            let mut events: Vec<f32> = (number..number + 50).map(inputs).collect();
            if number % 5000 == 0 {
                events.push(f32::NAN);
            }
            sender.send(&events);
            number += 50;
            std::thread::sleep(Duration::from_millis(25));
        }
    })
}

/// Counters that the page shows in full, by element.
const COUNTERS: [(&str, &str); 8] = [
    ("in-total", "trigsieve_events_in_total"),
    ("accepted-total", "trigsieve_events_accepted_total"),
    ("invalid-total", "trigsieve_events_invalid_total"),
    ("dropped-queue-full", "trigsieve_events_dropped_total{cause=\"queue_full\"}"),
    ("dropped-refused", "trigsieve_events_dropped_total{cause=\"refused\"}"),
    ("frames-in", "trigsieve_frames_in_total"),
    ("frames-malformed", "trigsieve_frames_malformed_total"),
    ("frames-lost", "trigsieve_frames_lost"),
];

fn path_metric(kind: &str, path: &str) -> String {
    format!("trigsieve_path_{kind}{{path=\"{path}\",model=\"squares\"}}")
}

/// A number as it is shown in full.
fn whole(shown: &str) -> f64 {
    shown.replace(['\u{2009}', ' '], "").parse().unwrap_or_else(|_| panic!("`{shown}` is no number"))
}

/// Whether a number with three digits and a unit is `value`, up to its rounding.
#[track_caller]
fn assert_measures(shown: &str, value: f64) {
    let text: String = shown.chars().filter(|c| !c.is_whitespace()).collect();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = match unit {
        "Hz" | "s" => 1.0,
        "kHz" => 1e3,
        "MHz" => 1e6,
        "ms" => 1e-3,
        "µs" => 1e-6,
        "ns" => 1e-9,
        "%" => 1e-2,
        _ => panic!("`{shown}` has no unit"),
    };
    let places = number.split_once('.').map_or(0, |(_, places)| places.len());
    let found: f64 = number.parse().unwrap_or_else(|_| panic!("`{shown}` is no number"));
    let half_a_digit = 0.501 * 10_f64.powi(-(places as i32)) * scale;
    assert!((found * scale - value).abs() <= half_a_digit, "the page shows {shown}, /metrics says {value}");
    let shows_three = number.chars().filter(char::is_ascii_digit).count() >= 3 || unit == "%" || value == 0.0;
    assert!(shows_three, "{shown}");
}

/// The page and `/metrics` of the same look, with `/metrics` of before.
fn same_look(
    running: &Running,
    browser: &mut Browser,
) -> (BTreeMap<String, f64>, Value, BTreeMap<String, f64>) {
    let until = Instant::now() + Duration::from_secs(120);
    loop {
        let before = running.metrics();
        let look = before["trigsieve_look_number"];
        browser.wait_until(&format!("Number(document.body.dataset.look) > {look}"));
        let shown = browser.evaluate(SHOWN);
        let after = running.metrics();
        if shown["look"].as_f64() == Some(after["trigsieve_look_number"]) {
            return (before, shown, after);
        }
        assert!(Instant::now() < until, "page and metrics never meet");
    }
}

fn check_rates(shown: &Value, metrics: &BTreeMap<String, f64>) {
    let measure = |id: &str, value: f64| assert_measures(shown["ids"][id].as_str().unwrap(), value);
    measure("in-rate", metrics["trigsieve_event_rate_hertz{stage=\"in\"}"]);
    measure("accepted-rate", metrics["trigsieve_event_rate_hertz{stage=\"accepted\"}"]);
    let dead: f64 = metrics
        .iter()
        .filter(|(name, _)| name.starts_with("trigsieve_dead_time_ratio") && name.contains("recent"))
        .map(|(_, fraction)| fraction)
        .sum();
    measure("dead-time", dead);
    for (id, quantile) in
        [("p50", "0.5"), ("p99", "0.99"), ("p999", "0.999"), ("p9999", "0.9999"), ("max", "1")]
    {
        let name = format!("trigsieve_decision_latency_seconds{{quantile=\"{quantile}\",window=\"recent\"}}");
        measure(&format!("latency-{id}"), metrics[&name]);
    }
    for path in ["tight", "loose"] {
        let cells = &shown["paths"][path];
        for (cell, kind) in [(1, "accepted"), (2, "passed")] {
            let name = format!("trigsieve_path_rate_hertz{{path=\"{path}\",kind=\"{kind}\"}}");
            assert_measures(cells[cell].as_str().unwrap(), metrics[&name]);
        }
        assert_eq!(whole(cells[3].as_str().unwrap()), metrics[&path_metric("prescale", path)]);
        assert_eq!(whole(cells[4].as_str().unwrap()), metrics[&path_metric("threshold", path)]);
    }
    let drift = metrics["trigsieve_score_drift_distance{model=\"squares\"}"];
    let error = metrics["trigsieve_score_drift_error{model=\"squares\"}"];
    let words = shown["drifts"]["squares"].as_str().unwrap();
    assert!(words.contains(&format!("{drift:.3} ± {error:.3}")), "{words}, {drift} {error}");
    let hash = shown["hashes"]["squares"].as_str().unwrap();
    let in_force = metrics
        .keys()
        .any(|name| name.starts_with("trigsieve_model_info") && name.contains(&format!("sha256=\"{hash}")));
    assert!(hash.len() == 16 && in_force, "{hash}");
}

#[test]
fn the_page_shows_the_numbers_of_the_metrics() {
    let running = Running::start(&menu(), false, HttpLimits::default());
    let stop = Arc::new(AtomicBool::new(false));
    let sending = flow(&running, &stop);
    running.send_bytes(&[7; 100]);
    let mut browser = Browser::open(&format!("http://{}/", running.http.address()));
    browser.wait_until("Number(document.body?.dataset.look) > 2");

    // While events flow: rates are those of the same second; counters lie between those of before and after.
    for _ in 0..3 {
        let (before, shown, after) = same_look(&running, &mut browser);
        assert_eq!(shown["state"], "RECEIVING");
        check_rates(&shown, &after);
        assert!(after["trigsieve_event_rate_hertz{stage=\"in\"}"] > 0.0);
        for (id, metric) in COUNTERS {
            let number = whole(shown["ids"][id].as_str().unwrap());
            assert!(
                (before[metric]..=after[metric]).contains(&number),
                "{id}: {number}, {before:?} {after:?}"
            );
        }
        for path in ["tight", "loose"] {
            let (number, metric) =
                (whole(shown["paths"][path][5].as_str().unwrap()), path_metric("accepted_total", path));
            assert!((before[&metric]..=after[&metric]).contains(&number), "{path}: {number}");
        }
        assert_eq!(shown["banner"], "");
        // Rates, latencies, scores and two small ones, all drawn.
        let canvases = shown["canvases"].as_array().unwrap();
        assert!(
            canvases.len() == 5 && canvases.iter().all(|area| area.as_f64().unwrap() > 1000.0),
            "{canvases:?}"
        );
    }

    // At rest: all of them are the same.
    stop.store(true, Ordering::SeqCst);
    sending.join().unwrap();
    running.wait_until(|running| {
        let seen = running.service.monitor().snapshot();
        seen.events_settled == seen.events_in && seen.connections_open == 0
    });
    let (before, shown, after) = same_look(&running, &mut browser);
    for (id, metric) in COUNTERS {
        assert_eq!(whole(shown["ids"][id].as_str().unwrap()), after[metric], "{id}");
        assert_eq!(before[metric], after[metric], "{metric}");
    }
    assert!(after["trigsieve_events_in_total"] > 1000.0 && after["trigsieve_events_invalid_total"] > 0.0);
    assert_eq!(after["trigsieve_frames_malformed_total"], 1.0);
    for path in ["tight", "loose"] {
        let number = whole(shown["paths"][path][5].as_str().unwrap());
        assert_eq!(number, after[&path_metric("accepted_total", path)], "{path}");
        assert!(number > 0.0);
    }
    assert_eq!(browser.complaints(), &[] as &[String]);
}

#[test]
fn a_page_without_contact_shows_no_figures() {
    let running = Running::start(&menu(), false, HttpLimits::default());
    running.send(1, &[&[20.0, 1.0]]);
    let mut browser = Browser::open(&format!("http://{}/", running.http.address()));
    browser.wait_until("document.getElementById('in-total')?.innerText === '2'");
    let Running { http, service, .. } = running;
    drop(http);
    let start = Instant::now();
    browser.wait_until("document.getElementById('state')?.innerText === 'NO CONTACT'");
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    let shown = browser.evaluate(SHOWN);
    assert!(shown["banner"].as_str().unwrap().starts_with("NO CONTACT WITH THE SERVICE FOR"), "{shown}");
    assert!(shown["look"].is_null());
    let figures = "[...document.querySelectorAll('.figure, .detail span, #paths td:not(:first-child)')].map((one) => one.innerText)";
    let figures = browser.evaluate(figures);
    assert!(figures.as_array().unwrap().iter().all(|figure| figure == "–"), "{figures}");
    assert_eq!(browser.evaluate("document.title"), "NO CONTACT trigsieve");
    assert!(service.drain(Duration::from_secs(10)).is_drained);
}

#[test]
fn drift_is_an_alarm_on_the_page() {
    let running = Running::start(&menu(), false, HttpLimits::default());
    // Nothing came when the watch looked first, so these are the window.
    running.wait_until(|running| running.service.control().watch().looks() >= 1);
    running.send(1, &vec![&[2.0_f32; 100][..]; 20]);
    let alarm = "trigsieve_score_drift_alarm{model=\"squares\"}";
    running.wait_until(|running| running.metrics().get(alarm) == Some(&1.0));
    let mut browser = Browser::open(&format!("http://{}/", running.http.address()));
    browser.wait_until("document.getElementById('banner')?.innerText === 'SCORES HAVE DRIFTED: squares'");
    let words = browser.evaluate("document.querySelector('[data-scores] .drift').innerText");
    assert!(words.as_str().unwrap().starts_with("DRIFT ALARM"), "{words}");
}
