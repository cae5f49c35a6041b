use crate::source::Run;

/// An accepted event of a block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Accepted<'a> {
    /// Row in the record batch.
    pub row: u32,
    /// One bit a path, before prescales; see [`crate::trigger::INVALID_BIT`].
    pub decision: u32,
    /// From scheduled arrival to decision, saturating.
    pub latency_ns: u32,
    /// Score by model.
    pub scores: &'a [f32],
}

/// The decisions on one run of events. Blocks circulate between a worker and the sink, so that none is allocated
/// while events flow.
#[derive(Debug)]
pub struct DecidedBlock {
    /// Place of the run in the order of events.
    pub sequence: u64,
    /// The events that were decided.
    pub run: Run,
    /// When the decisions were made, nanoseconds after the start.
    pub decided_ns: u64,
    models: usize,
    rows: Vec<u32>,
    decisions: Vec<u32>,
    latencies_ns: Vec<u32>,
    scores: Vec<f32>,
}

impl DecidedBlock {
    /// A block with room for `capacity` accepted events of `models` scores each.
    #[must_use]
    pub fn with_capacity(capacity: usize, models: usize) -> Self {
        Self {
            sequence: 0,
            run: Run { batch: 0, first: 0, len: 0 },
            decided_ns: 0,
            models,
            rows: Vec::with_capacity(capacity),
            decisions: Vec::with_capacity(capacity),
            latencies_ns: Vec::with_capacity(capacity),
            scores: Vec::with_capacity(capacity * models),
        }
    }

    /// Begins the block of another run.
    pub fn begin(&mut self, sequence: u64, run: Run) {
        self.sequence = sequence;
        self.run = run;
        self.rows.clear();
        self.decisions.clear();
        self.latencies_ns.clear();
        self.scores.clear();
    }

    /// Adds an accepted event, its scores in model order.
    pub fn push(&mut self, row: u32, decision: u32, scores: impl Iterator<Item = f32>) {
        self.rows.push(row);
        self.decisions.push(decision);
        self.scores.extend(scores.take(self.models));
    }

    /// Says when the decisions were made, and with that how long after each accepted event's arrival (by row).
    pub fn stamp(&mut self, decided_ns: u64, arrival_ns: impl Fn(u32) -> u64) {
        self.decided_ns = decided_ns;
        let latency =
            |row: &u32| u32::try_from(decided_ns.saturating_sub(arrival_ns(*row))).unwrap_or(u32::MAX);
        self.latencies_ns.extend(self.rows.iter().map(latency));
    }

    /// The accepted events, in event order.
    pub fn accepted(&self) -> impl Iterator<Item = Accepted<'_>> {
        let events = self.rows.iter().zip(&self.decisions).zip(&self.latencies_ns);
        events.zip(self.scores.chunks_exact(self.models)).map(|(((row, decision), latency_ns), scores)| {
            Accepted { row: *row, decision: *decision, latency_ns: *latency_ns, scores }
        })
    }
}
