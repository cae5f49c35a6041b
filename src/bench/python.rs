use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zerocopy::IntoBytes as _;

use super::{BenchError, Measurement};
use crate::latency::histogram;
use crate::score::fast_int8_saturates;

const SCRIPT: &str = include_str!("peer.py");

/// A Python process with the events in its memory, which scores them with its own ONNX Runtime when asked. It ends with this
/// value.
#[derive(Debug)]
pub struct PythonPeer {
    interpreter: PathBuf,
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    events: usize,
    /// What it runs.
    pub versions: PythonVersions,
}

/// Versions of the peer.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct PythonVersions {
    /// Of the interpreter.
    pub python: String,
    /// Of its ONNX Runtime.
    pub onnxruntime: String,
}

#[derive(Serialize)]
struct Header {
    k: usize,
    events: usize,
    /// As the engine does.
    precise: bool,
}

#[derive(Serialize)]
struct Request<'a> {
    graph: &'a Path,
    batch: usize,
    seconds: f64,
}

#[derive(Deserialize)]
struct Timed {
    events: u64,
    seconds: f64,
    calls_ns: Vec<u64>,
}

impl PythonPeer {
    /// Starts `interpreter` and gives it the events, `values` of `k` inputs each.
    ///
    /// # Errors
    /// [`BenchError::Python`] when there is no such program, or it has no numpy or onnxruntime.
    pub fn start(interpreter: &Path, values: &[f32], k: usize) -> Result<Self, BenchError> {
        let failed = |reason: String| failed(interpreter, reason);
        let mut command = Command::new(interpreter);
        command.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
        let (Some(requests), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed("it has no standard input and output".to_owned()));
        };
        let events = values.len() / k;
        let (interpreter, answers) = (interpreter.to_owned(), BufReader::new(answers));
        let mut peer =
            Self { interpreter, child, requests, answers, events, versions: PythonVersions::default() };
        // One that cannot start closes its input: what it says about that is in the answer that is missing.
        let header = Header { k, events, precise: fast_int8_saturates() };
        let _ = peer.send(&header).and_then(|()| peer.requests.write_all(values.as_bytes()));
        peer.versions = peer.answer()?;
        Ok(peer)
    }

    /// The scores of all events, `batch` a call.
    ///
    /// # Errors
    /// [`BenchError::Python`].
    pub fn scores(&mut self, graph: &Path, batch: usize) -> Result<Vec<f32>, BenchError> {
        let mut scores = vec![0.0; self.events];
        let asked = self.send(&Request { graph, batch, seconds: 0.0 });
        match asked.and_then(|()| self.answers.read_exact(scores.as_mut_bytes())) {
            Ok(()) => Ok(scores),
            Err(_) => Err(self.last_words()),
        }
    }

    /// Calls for `time`.
    ///
    /// # Errors
    /// [`BenchError::Python`].
    pub fn calls(&mut self, graph: &Path, batch: usize, time: Duration) -> Result<Measurement, BenchError> {
        let _ = self.send(&Request { graph, batch, seconds: time.as_secs_f64() });
        let timed: Timed = self.answer()?;
        let mut latencies = histogram();
        // Its loop begins with the first batch, and the last one is what is left.
        let batches = self.events.div_ceil(batch);
        for (call, call_ns) in timed.calls_ns.iter().enumerate() {
            let first = (call % batches) * batch;
            latencies.saturating_record_n(*call_ns, batch.min(self.events - first) as u64);
        }
        Ok(Measurement { throughput_hz: timed.events as f64 / timed.seconds, latencies })
    }

    fn send(&mut self, message: &impl Serialize) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        self.requests.write_all(&line)?;
        self.requests.flush()
    }

    fn answer<T: for<'de> Deserialize<'de>>(&mut self) -> Result<T, BenchError> {
        let mut line = String::new();
        match self.answers.read_line(&mut line) {
            Ok(1..) => serde_json::from_str(&line)
                .map_err(|error| failed(&self.interpreter, format!("not an answer of the peer: {error}"))),
            _ => Err(self.last_words()),
        }
    }

    /// Why it ended: the last line of its traceback.
    fn last_words(&mut self) -> BenchError {
        let mut text = String::new();
        let read = self.child.stderr.as_mut().map(|stderr| stderr.read_to_string(&mut text));
        let words = text.lines().rev().find(|line| !line.trim().is_empty());
        let reason = match (read, words) {
            (Some(Ok(_)), Some(line)) => line.to_owned(),
            _ => "ended without an answer".to_owned(),
        };
        failed(&self.interpreter, reason)
    }
}

impl Drop for PythonPeer {
    fn drop(&mut self) {
        // It may have ended already; nobody can be told, and nothing is lost.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn failed(interpreter: &Path, reason: String) -> BenchError {
    BenchError::Python { interpreter: interpreter.display().to_string(), reason }
}
