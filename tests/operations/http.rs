use std::io::Read;
use std::time::{Duration, Instant};

use trigsieve::serve::{HttpLimits, State};

use crate::common::in_process::FAILING_RUN;
use crate::common::{constant, sum_of_squares, write_bundle};
use crate::running::{Answer, Running, TOKEN};

const MENU: &str = "
[[path]]
name = \"loose\"
model = \"squares\"
threshold = 3.0

[[path]]
name = \"tight\"
model = \"squares\"
threshold = 300.0
prescale = 2
";

fn running() -> Running {
    Running::start(MENU, false, HttpLimits::default())
}

fn settled(running: &Running, events: u64) -> bool {
    running.service.monitor().snapshot().events_settled == events
}

#[test]
fn metrics_are_the_counts_of_the_service() {
    let running = running();
    // What is in force is told before anything comes.
    let metrics = running.metrics();
    assert_eq!(metrics["trigsieve_deployment_generation"], 1.0);
    assert_eq!(metrics["trigsieve_path_prescale{path=\"tight\",model=\"squares\"}"], 2.0);
    assert!(metrics.keys().any(|name| name.starts_with("trigsieve_model_info")), "{metrics:#?}");
    // 2 of 5 events pass `loose`, 1 `tight`, 1 is invalid; then as many again, but for the prescale of `tight`.
    let frame: &[f32] = &[0.0, 0.5, 2.0, 20.0, f32::NAN];
    running.send(1, &[frame, frame]);
    running.send(1, &[frame]);
    running.send_bytes(
        b"This is no frame at all, whatever its length may be, and so it closes the connection.....",
    );
    running.wait_until(|running| {
        let is_done = settled(running, 10) && running.service.monitor().connections_open() == 0;
        is_done && running.service.control().watch().looks() >= 2
    });
    let metrics = running.metrics();
    let expected = [
        ("trigsieve_ready", 1.0),
        ("trigsieve_events_in_total", 15.0),
        ("trigsieve_events_scored_total", 10.0),
        ("trigsieve_events_invalid_total", 2.0),
        ("trigsieve_events_delivered_total", 10.0),
        ("trigsieve_events_accepted_total", 6.0),
        ("trigsieve_events_settled_total", 10.0),
        ("trigsieve_events_dropped_total{cause=\"duplicate\"}", 5.0),
        ("trigsieve_events_dropped_total{cause=\"queue_full\"}", 0.0),
        ("trigsieve_frames_in_total", 3.0),
        ("trigsieve_frames_malformed_total", 1.0),
        ("trigsieve_frames_lost", 0.0),
        ("trigsieve_connections_total", 3.0),
        ("trigsieve_connections_open", 0.0),
        ("trigsieve_path_passed_total{path=\"loose\",model=\"squares\"}", 4.0),
        ("trigsieve_path_accepted_total{path=\"loose\",model=\"squares\"}", 4.0),
        ("trigsieve_path_passed_total{path=\"tight\",model=\"squares\"}", 2.0),
        ("trigsieve_path_accepted_total{path=\"tight\",model=\"squares\"}", 1.0),
        ("trigsieve_path_prescale{path=\"tight\",model=\"squares\"}", 2.0),
        ("trigsieve_dead_time_ratio{cause=\"queue_full\",window=\"start\"}", 0.0),
        ("trigsieve_deployment_generation", 1.0),
    ];
    for (name, value) in expected {
        assert_eq!(metrics.get(name), Some(&value), "{name} in {metrics:#?}");
    }
    let snapshot = running.service.monitor().snapshot();
    let latency = metrics["trigsieve_decision_latency_seconds{quantile=\"1\",window=\"start\"}"];
    assert!((latency - snapshot.latency_ns.decision.max as f64 * 1e-9).abs() < 1e-15);
    assert!(metrics["process_resident_memory_bytes"] > 1e6);
    let info = metrics.keys().find(|name| name.starts_with("trigsieve_model_info")).unwrap();
    assert!(info.contains("model=\"squares\"") && info.contains(&snapshot.models[0].sha256), "{info}");
}

#[test]
fn recent_rates_are_those_of_the_events_sent() {
    let running = running();
    let frames = vec![&[2.0_f32, 0.0][..]; 200];
    running.wait_until(|running| running.service.control().watch().looks() >= 1);
    running.send(1, &frames);
    let sent = Instant::now();
    let looks = running.service.control().watch().looks();
    running.wait_until(|running| running.service.control().watch().looks() >= looks + 2);
    let (_, recent) = running.service.control().watch().recent();
    // 400 events, of which half pass, came within the window.
    assert!((recent.events_in_hz * recent.seconds - 400.0).abs() < 1e-6, "{recent:?}");
    assert!((recent.paths[0].accepted_hz * recent.seconds - 200.0).abs() < 1e-6, "{recent:?}");
    assert_eq!(recent.decision_ns.count, 400);
    // After the window they are gone.
    running.wait_until(|running| running.service.control().watch().recent().1.events_in_hz == 0.0);
    assert!(sent.elapsed() > Duration::from_secs(9), "{:?}", sent.elapsed());
    assert_eq!(running.metrics()["trigsieve_event_rate_hertz{stage=\"in\"}"], 0.0);
    let history: serde_json::Value =
        serde_json::from_str(&running.ask("GET", "/api/history", &[]).body).unwrap();
    let rates = history["events_in_hz"].as_array().unwrap().iter().map(|rate| rate.as_f64().unwrap());
    assert!(rates.clone().count() > 8 && rates.clone().sum::<f64>() > 0.0, "{history}");
    for path in history["paths"].as_array().unwrap() {
        assert_eq!(path["accepted_hz"].as_array().unwrap().len(), rates.clone().count(), "{path}");
    }
}

#[test]
fn health_tells_what_state_the_service_is_in() {
    let running = running();
    assert_eq!(running.ask("GET", "/healthz", &[]).status, 200);
    assert_eq!(running.ask("GET", "/readyz", &[]).status, 200);
    running.send(FAILING_RUN, &[&[1.0]]);
    running.wait_until(|running| running.service.control().state() == State::Failed);
    let answer = running.ask("GET", "/readyz", &[]);
    assert_eq!((answer.status, &*answer.body), (503, "not ready: failed\n"));
    assert_eq!(running.ask("GET", "/healthz", &[]).status, 200);
    assert_eq!(running.metrics()["trigsieve_ready"], 0.0);
    let end = running.service.drain(Duration::from_secs(10));
    assert!(end.error.unwrap().to_string().contains("the disk is full"));
}

#[test]
fn everything_but_a_reload_is_read_only() {
    let running = running();
    for path in ["/metrics", "/healthz", "/readyz", "/api/status", "/api/history"] {
        assert_eq!(running.ask("GET", path, &[]).status, 200, "{path}");
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            assert_eq!(running.ask(method, path, &[]).status, 405, "{method} {path}");
        }
    }
    // Without a token there is no reload at all.
    let bearer = format!("Bearer {TOKEN}");
    assert_eq!(running.ask("POST", "/reload", &[("Authorization", &bearer)]).status, 404);
    assert_eq!(running.ask("GET", "/../../etc/passwd", &[]).status, 404);
    for path in ["/metrics", "/nothing"] {
        let head = running.ask("GET", path, &[]).head;
        for header in
            ["content-security-policy: default-src 'none'", "nosniff", "no-store", "x-frame-options: deny"]
        {
            assert!(head.contains(header), "{header} is not in {head}");
        }
    }
}

#[test]
fn a_reload_needs_the_token_and_a_menu_that_works() {
    let running = Running::start(MENU, true, HttpLimits::default());
    let bearer = format!("Bearer {TOKEN}");
    let right = [("Authorization", &*bearer)];
    for wrong in [&[][..], &[("Authorization", "Bearer correct-horse-battery-stapl")]] {
        let answer = running.ask("POST", "/reload", wrong);
        assert_eq!(answer.status, 401);
        assert!(answer.head.contains("www-authenticate: bearer"), "{}", answer.head);
    }
    assert_eq!(running.ask("GET", "/reload", &right).status, 405);
    std::fs::write(running.fixture.path("menu.toml"), "path = 3").unwrap();
    let answer = running.ask("POST", "/reload", &right);
    assert!(answer.status == 422 && answer.body.contains("menu.toml"), "{answer:?}");
    std::fs::write(running.fixture.path("menu.toml"), MENU).unwrap();
    write_bundle(&running.fixture.model, "squares", &constant());
    let answer = running.ask("POST", "/reload", &right);
    assert!(answer.status == 422 && answer.body.contains("the model squares is degenerate"), "{answer:?}");
    write_bundle(&running.fixture.model, "squares", &sum_of_squares());
    std::fs::write(running.fixture.path("menu.toml"), MENU.replace("tight", "tighter")).unwrap();
    let answer = running.ask("POST", "/reload", &right);
    assert!(answer.status == 200 && answer.body.contains("\"generation\":2"), "{answer:?}");
    // Before any event.
    let tighter = "trigsieve_path_passed_total{path=\"tighter\",model=\"squares\"}";
    assert_eq!(running.metrics()[tighter], 0.0);
    running.send(1, &[&[1.0, 20.0]]);
    running.wait_until(|running| settled(running, 2));
    let metrics = running.metrics();
    assert_eq!(metrics["trigsieve_deployment_generation"], 2.0);
    assert_eq!(metrics["trigsieve_reloads_refused_total"], 2.0);
    assert_eq!(metrics[tighter], 1.0);
}

#[test]
fn requests_are_bounded() {
    let limits = HttpLimits {
        connections: 3,
        head_time: Duration::from_secs(2),
        life_time: Duration::from_secs(4),
        last_time: Duration::from_millis(300),
        ..HttpLimits::default()
    };
    let running = Running::start(MENU, false, limits);
    let long = "x".repeat(20 << 10);
    // The connection can be reset with the answer on its way.
    let is_refused = |headers: &[(&str, &str)]| {
        let answer = running.try_ask("GET", "/healthz", headers);
        answer.is_none_or(|answer| answer.status == 431)
    };
    assert!(is_refused(&[("X-Long", &long)]));
    let many: Vec<(&str, &str)> = vec![("X-Many", "1"); 100];
    assert!(is_refused(&many));
    // Who does not finish his request is closed, and holds a place no longer than that.
    let mut slow: Vec<_> = (0..3).map(|_| running.connect()).collect();
    std::thread::sleep(Duration::from_millis(100));
    let mut one_too_many = running.connect();
    let start = Instant::now();
    let mut nothing = Vec::new();
    // Closed, or reset as it was closed.
    let _ = one_too_many.read_to_end(&mut nothing);
    assert!(nothing.is_empty() && start.elapsed() < Duration::from_millis(1500), "{:?}", start.elapsed());
    for stream in &mut slow {
        let _ = stream.read_to_end(&mut Vec::new());
    }
    let waited = start.elapsed();
    assert!(waited < Duration::from_secs(30), "{waited:?}");
    assert_eq!(running.ask("GET", "/healthz", &[]).status, 200);
    // A connection has an end even if requests come again and again.
    let again = "GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n";
    let (start, mut stream) = (Instant::now(), running.connect());
    let mut buffer = [0; 4096];
    loop {
        let sent = std::io::Write::write_all(&mut stream, again.as_bytes());
        if sent.is_err() || !matches!(stream.read(&mut buffer), Ok(1..)) {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "it goes on and on");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(start.elapsed() > Duration::from_secs(2), "{:?}", start.elapsed());
    let answer = Answer::read(running.connect(), b"NONSENSE\r\n\r\n");
    assert_eq!(answer.unwrap().status, 400);
}
