use std::path::Path;
use std::time::Duration;

use trigsieve_export::{Emulated, Emulator, Events, Tools};

use super::{BenchError, Measurement, Subject};
use crate::event::Values;
use crate::latency::histogram;
use crate::model::FixedProgram;
use crate::source::{Cursor, EventSet};

/// Events that the emulator is compared and timed on, at most: half a second or so each time.
const MOST_EVENTS: u64 = 20_000;
/// Events that it is asked for at once.
const REQUEST_EVENTS: usize = 250;

/// A program's C++ emulator with the first events in memory. It ends with this value.
#[derive(Debug)]
pub struct EmulatorPeer {
    /// Name of the model.
    pub model: String,
    emulator: Emulator,
    program: FixedProgram,
    requests: Vec<Events>,
    next: usize,
}

impl EmulatorPeer {
    /// Compiles the emulator of the subject's program in `folder`, and gives it the first events of `set`; none for a subject
    /// that is no program. `note` hears what begins.
    ///
    /// # Errors
    /// [`BenchError::Emulator`]: a tool is missing, or there is no firmware for a layer.
    pub fn start(
        subject: &Subject,
        set: &EventSet,
        (tools, folder): (&Tools, &Path),
        note: &mut dyn FnMut(&str),
    ) -> Result<Option<Self>, BenchError> {
        let Some(program) = subject.factory.program() else { return Ok(None) };
        let emulator = Emulator::build(program.program(), folder, tools, note)?;
        let (model, requests) = (subject.model.clone(), requests(set, program));
        Ok(Some(Self { model, emulator, program: program.clone(), requests, next: 0 }))
    }

    /// Which C++ it is, and by which compiler.
    #[must_use]
    pub fn describe(&self) -> String {
        self.emulator.describe()
    }

    /// The scores of the first events of the set.
    ///
    /// # Errors
    /// [`BenchError::Emulator`].
    pub fn scores(&mut self) -> Result<Vec<f32>, BenchError> {
        let mut scores = Vec::new();
        for request in &self.requests {
            let found = self.emulator.run(request)?;
            let value = |event: &Emulated| self.program.program().score_value(event.score.into());
            scores.extend(found.iter().map(value));
        }
        Ok(scores)
    }

    /// Calls for `time` by the emulator's own clock, which leaves out how its events come and its scores go.
    ///
    /// # Errors
    /// [`BenchError::Emulator`].
    pub fn calls(&mut self, time: Duration) -> Result<Measurement, BenchError> {
        let mut latencies = histogram();
        let (mut events, mut spent_ns) = (0, 0);
        while u128::from(spent_ns) < time.as_nanos() {
            let found = self.emulator.run(&self.requests[self.next])?;
            self.next = (self.next + 1) % self.requests.len();
            for event in &found {
                latencies.saturating_record(event.time_ns);
                spent_ns += event.time_ns;
            }
            events += found.len();
        }
        Ok(Measurement { throughput_hz: events as f64 / (spent_ns as f64 * 1e-9), latencies })
    }
}

/// The first events of the set as the firmware's inputs.
fn requests(set: &EventSet, program: &FixedProgram) -> Vec<Events> {
    let program = program.program();
    let (mut requests, mut cursor) = (Vec::new(), Cursor::default());
    let mut left = set.len().min(MOST_EVENTS);
    while left > 0 {
        let run = set.run_at(cursor, left.min(REQUEST_EVENTS as u64));
        let mut events = Events::none(program.k());
        // Their scores are what is asked for.
        let unknown = vec![0; run.len as usize];
        match set.rows(run).values() {
            Values::I16(rows) => events.add_i16(program, rows, &unknown),
            Values::F32(rows) => events.add_f32(program, rows, &unknown),
        }
        requests.push(events);
        set.advance(&mut cursor, run);
        left -= u64::from(run.len);
    }
    requests
}
