use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::common::{Fixture, names_in, trigsieve};

#[test]
fn the_log_is_json_and_a_flood_a_line_a_second() {
    let fixture = Fixture::new(0);
    let out = fixture.path("out");
    let mut serve =
        trigsieve(&["serve", "--source", "udp://127.0.0.1:0", "--engine", "rten", "--threshold", "1"])
            .args(["--http", ":0", "--log-format", "json", "--model"])
            .arg(&fixture.model)
            .arg("--sink")
            .arg(format!("file:{}", out.display()))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
    let mut lines = BufReader::new(serve.stderr.take().unwrap()).lines().map(|line| -> Value {
        let line = line.unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    });
    let said = |line: &Value| line["message"].as_str().unwrap_or_default().to_owned();
    let port: u16 = lines
        .by_ref()
        .find_map(|line| said(&line).strip_prefix("receiving from udp://127.0.0.1:")?.parse().ok())
        .expect("the address");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for number in 0..3000_u32 {
        socket.send_to(&number.to_le_bytes(), ("127.0.0.1", port)).unwrap();
        if number % 100 == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    std::thread::sleep(Duration::from_millis(1500));
    kill_process(Pid::from_child(&serve), Signal::TERM).unwrap();
    let rest: Vec<Value> = lines.collect();
    assert!(serve.wait().unwrap().success());
    let floods: Vec<u64> = rest
        .iter()
        .filter(|line| line["cause"] == "malformed")
        .map(|line| line["times"].as_u64().unwrap())
        .collect();
    let report = names_in(&out).into_iter().find(|name| name.starts_with("serve-")).unwrap();
    let report: Value = serde_json::from_slice(&std::fs::read(out.join(report)).unwrap()).unwrap();
    let malformed = report["frames_malformed"].as_u64().unwrap();
    assert!(malformed > 1000, "{malformed}");
    // Sending took a part of a second, on a busy machine some seconds.
    assert!((1..=10).contains(&floods.len()), "{floods:?}");
    assert_eq!(floods.iter().sum::<u64>(), malformed);
    assert!(rest.iter().all(|line| line["timestamp"].is_string() && line["level"].is_string()));
}
