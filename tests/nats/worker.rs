//! Workers on a shared consumer, and what they leave.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use async_nats::ConnectOptions;
use trigsieve::serve::DecisionRecord;
use trigsieve_frame::{Frame, FrameBuffer, HEADER_BYTES, Header, Limits, Rows};

use crate::common::{Fixture, trigsieve};
use crate::server::{last_lines, messages};
use crate::service::{PATIENCE, Row};

/// A `trigsieve serve` between two streams; killed when dropped.
pub struct Worker {
    child: Child,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts it with the fixture's model, compiled-in engine.
    pub fn start(fixture: &Fixture, args: &[&str]) -> Self {
        Self::with_model(&[args, &["--model", fixture.model.to_str().unwrap()]].concat())
    }

    /// The same with a model of choice.
    pub fn with_model(args: &[&str]) -> Self {
        Self::of(trigsieve(&["-v", "serve", "--create", "--engine", "rten"]).args(args))
    }

    /// With a command line of its own.
    pub fn of(command: &mut Command) -> Self {
        command.env_remove("RUST_LOG").env("NO_COLOR", "1");
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (stderr, text) = (child.stderr.take().unwrap(), Arc::clone(&log));
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                text.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        Self { child, log, reader: Some(reader) }
    }

    /// Waits for a text in its log.
    pub fn wait_for(&mut self, text: &str) {
        let start = Instant::now();
        while !self.log().contains(text) {
            assert!(start.elapsed() < PATIENCE, "no `{text}`:\n{}", self.log());
            assert!(self.child.try_wait().unwrap().is_none(), "it has ended:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// A number of its metrics, of all its sources or sinks; the worker has an `--http` side.
    pub fn metric(&self, name: &str) -> f64 {
        let log = self.log();
        let page = log.split_once("metrics at http://").expect("an HTTP side").1;
        let mut stream = TcpStream::connect(page.split('/').next().unwrap()).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let values = text.lines().filter(|line| line.starts_with(&format!("{name}{{")));
        let values: Vec<f64> = values.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
        assert!(!values.is_empty(), "no {name} in\n{text}");
        values.iter().sum()
    }

    /// What it said so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Ends it without notice.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, and waits for that.
    pub fn end(self) -> (ExitStatus, String) {
        let id = rustix::process::Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        // It may have ended by itself.
        let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        self.wait()
    }

    /// Waits until it ends.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(start.elapsed() < PATIENCE, "it does not end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        };
        self.reader.take().unwrap().join().unwrap();
        (status, self.log())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the last of a worker:\n{}", last_lines(&self.log(), 60));
        }
    }
}

/// What a stream of results has.
pub struct Results {
    /// The decisions, by frame.
    pub decisions: BTreeMap<(u32, u32, u64), DecisionRecord>,
    /// The accepted events, sorted.
    pub accepted: Vec<Row>,
}

/// Reads a stream of results. Nothing in it may be there twice.
pub fn results(url: &str, stream: &str) -> Results {
    results_with(url, ConnectOptions::new(), stream)
}

/// The same with other options.
pub fn results_with(url: &str, options: ConnectOptions, stream: &str) -> Results {
    let (mut decisions, mut accepted) = (BTreeMap::new(), Vec::new());
    let mut subjects = BTreeSet::new();
    let mut sizes = BTreeMap::new();
    for (subject, payload) in messages(url, options, stream) {
        assert!(subjects.insert(subject.clone()), "{subject} is there twice");
        if subject.contains(".decisions.") {
            let record: DecisionRecord = serde_json::from_slice(&payload).unwrap();
            let name = (record.run, record.source, record.first_event_id);
            assert!(subject.ends_with(&format!(".{}.{}.{}", name.0, name.1, name.2)), "{subject}");
            assert!(decisions.insert(name, record).is_none(), "{name:?} is decided twice");
        } else {
            let rows = rows_of(&payload);
            sizes.insert(subject.replace(".accepted.", ".decisions."), rows.len());
            accepted.extend(rows);
        }
    }
    for (name, record) in &decisions {
        let subject = format!("{stream}.decisions.{}.{}.{}", name.0, name.1, name.2);
        let found = sizes.remove(&subject).unwrap_or(0);
        assert_eq!(found, record.accepted.places.len(), "{subject}: accepted events and their decision");
    }
    assert!(sizes.is_empty(), "accepted events without a decision: {sizes:?}");
    accepted.sort();
    Results { decisions, accepted }
}

impl Results {
    /// Events with a decision.
    pub fn events(&self) -> u64 {
        self.decisions.values().map(|record| u64::from(record.events)).sum()
    }
}

/// The rows of a message with accepted events: a frame, and the block behind it.
fn rows_of(payload: &[u8]) -> Vec<Row> {
    let header = Header::parse(payload.first_chunk().unwrap(), &Limits::default()).unwrap();
    let len = HEADER_BYTES + header.payload_bytes as usize;
    let mut buffer = FrameBuffer::default();
    buffer.space(len).copy_from_slice(&payload[..len]);
    let frame = Frame::of_message(buffer, len, &Limits::default()).unwrap();
    let (head, body) = payload[len..].split_at(16);
    assert_eq!(&head[..6], b"TSVD\x01\x00");
    let models = usize::from(u16::from_le_bytes([head[6], head[7]]));
    let n = u32::from_le_bytes(head[8..12].try_into().unwrap()) as usize;
    assert_eq!(n, header.events as usize);
    assert_eq!(head[12..16], trigsieve_frame::crc32c(body).to_le_bytes());
    let words: Vec<u32> = body.chunks(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect();
    assert_eq!(words.len(), n * (2 + models));
    let k = header.k as usize;
    let inputs = |event: usize| match frame.rows() {
        Rows::F32(values) => values[event * k..][..k].iter().map(|value| value.to_bits()).collect(),
        Rows::I16(values) => values[event * k..][..k].iter().map(|value| *value as u32).collect(),
    };
    (0..n)
        .map(|event| {
            let scores = words[2 * n + event * models..][..models].to_vec();
            (frame.event_id(event), frame.bunch_crossing(event), inputs(event), scores, words[event])
        })
        .collect()
}
