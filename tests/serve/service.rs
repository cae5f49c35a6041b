//! A `trigsieve serve` under test, and senders.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, UInt32Type, UInt64Type};
use trigsieve::event::EventTable;

use crate::common::{Fixture, success, trigsieve};

/// Longest wait for anything; slow machines are slow.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running service; killed when dropped.
pub struct Serve {
    child: Child,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    /// Folder of its files.
    pub folder: PathBuf,
}

/// How a service ended.
pub struct Ended {
    /// Its exit.
    pub status: ExitStatus,
    /// Standard error.
    pub log: String,
    /// The report in its folder.
    pub report: serde_json::Value,
}

impl Serve {
    /// Serves the fixture's model with everything accepted from -1 up; `args` has the sources and all else.
    pub fn start(fixture: &Fixture, name: &str, args: &[&str]) -> Self {
        Self::of(
            &fixture.model,
            &fixture.path(name),
            &[args, &["--engine", "rten", "--threshold", "-1"]].concat(),
        )
    }

    /// Serves `model`, files in `folder`.
    pub fn of(model: &Path, folder: &Path, args: &[&str]) -> Self {
        let mut command = trigsieve(&["serve"]);
        let sink = format!("file:{}", folder.display());
        command.args(args).arg("--model").arg(model).args(["--sink", &sink]);
        command.env_remove("RUST_LOG").env("NO_COLOR", "1");
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (stderr, text) = (child.stderr.take().unwrap(), Arc::clone(&log));
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                text.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        Self { child, log, reader: Some(reader), folder: folder.to_owned() }
    }

    /// Waits until a line of the log has `text`, and gives the line.
    pub fn wait_for(&mut self, text: &str) -> String {
        let start = Instant::now();
        loop {
            let log = self.log.lock().unwrap().clone();
            if let Some(line) = log.lines().find(|line| line.contains(text)) {
                return line.to_owned();
            }
            assert!(start.elapsed() < PATIENCE, "no `{text}` in the log:\n{log}");
            assert!(self.child.try_wait().unwrap().is_none(), "the service has ended:\n{log}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The address that it receives on with this scheme.
    pub fn address(&mut self, scheme: &str) -> String {
        let line = self.wait_for(&format!("receiving from {scheme}"));
        line.split_whitespace().last().unwrap().to_owned()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Standard input of the service.
    pub fn stdin(&mut self) -> std::process::ChildStdin {
        self.child.stdin.take().unwrap()
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str) {
        let killed =
            Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status().unwrap();
        assert!(killed.success());
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ended {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(start.elapsed() < PATIENCE, "the service does not end:\n{}", self.log.lock().unwrap());
            std::thread::sleep(Duration::from_millis(10));
        };
        self.reader.take().unwrap().join().unwrap();
        let log = self.log.lock().unwrap().clone();
        Ended { status, log, report: report_in(&self.folder) }
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A number of the report.
pub fn count(report: &serde_json::Value, pointer: &str) -> u64 {
    report
        .pointer(pointer)
        .and_then(serde_json::Value::as_u64)
        .unwrap_or_else(|| panic!("{pointer} in {report:#}"))
}

fn report_in(folder: &Path) -> serde_json::Value {
    if !folder.is_dir() {
        return serde_json::Value::Null;
    }
    let reports = files_in(folder, "serve-", ".json");
    match reports.as_slice() {
        [] => serde_json::Value::Null,
        [one] => serde_json::from_slice(&std::fs::read(one).unwrap()).unwrap(),
        more => panic!("{more:?}"),
    }
}

/// Files of a folder by start and end of their names, sorted.
pub fn files_in(folder: &Path, start: &str, end: &str) -> Vec<PathBuf> {
    let names =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.starts_with(start) && name.ends_with(end)).collect();
    names.sort();
    names.iter().map(|name| folder.join(name)).collect()
}

/// An accepted event: id, crossing, inputs, scores and decision, everything but the latency.
pub type Row = (u64, u64, Vec<u32>, Vec<u32>, u32);

/// The accepted events of one file or more, sorted.
pub fn rows(files: &[PathBuf]) -> Vec<Row> {
    let mut rows = Vec::new();
    for file in files {
        let table = EventTable::open(file).unwrap();
        for batch in table.batches() {
            let (record, k) = (batch.record_batch(), table.schema().k);
            let schema = record.schema();
            let scores: Vec<_> = schema
                .fields()
                .iter()
                .filter(|field| field.name().starts_with("score_"))
                .map(|field| {
                    record.column_by_name(field.name()).unwrap().as_primitive::<Float32Type>().values()
                })
                .collect();
            let decisions = record.column_by_name("decision").unwrap().as_primitive::<UInt32Type>();
            let ids = record.column_by_name("event_id").unwrap().as_primitive::<UInt64Type>();
            for row in 0..record.num_rows() {
                let inputs = match batch.rows().values() {
                    trigsieve::event::Values::F32(values) => {
                        values[row * k..(row + 1) * k].iter().map(|value| value.to_bits()).collect()
                    }
                    trigsieve::event::Values::I16(values) => {
                        values[row * k..(row + 1) * k].iter().map(|value| *value as u32).collect()
                    }
                };
                let scores = scores.iter().map(|scores| scores[row].to_bits()).collect();
                let crossing = batch.bunch_crossings()[row];
                rows.push((ids.value(row), crossing, inputs, scores, decisions.value(row)));
            }
        }
    }
    rows.sort();
    rows
}

/// What a service has left.
pub fn served(folder: &Path) -> Vec<Row> {
    rows(&files_in(folder, "tagged-", ".arrow"))
}

/// What an offline replay accepts of the fixture's events.
pub fn replayed(fixture: &Fixture, threshold: &str) -> Vec<Row> {
    let out = fixture.path("offline");
    let mut command = trigsieve(&["replay", "--engine", "rten", "--threshold", threshold, "--force"]);
    success(command.arg(&fixture.events).arg("--model").arg(&fixture.model).arg("-o").arg(&out));
    rows(&[out.join("tagged.arrow")])
}

/// `trigsieve send` of the fixture's events.
pub fn send(fixture: &Fixture, to: &str, args: &[&str]) -> Command {
    let mut command = trigsieve(&["send"]);
    command.arg(&fixture.events).args(["--to", to]).args(args);
    command
}

/// What `send --report` wrote.
pub fn send_report(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Reads what a socket has to say until it closes.
pub fn read_to_end(stream: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A connection that was reset has said all it had to.
    let _ = stream.read_to_end(&mut bytes);
    bytes
}
