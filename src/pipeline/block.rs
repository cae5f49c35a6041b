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
    /// Place of the run in the order of events: the number of its first one, or of the first that was dropped before it.
    pub sequence: u64,
    /// How many places it takes: one for each event, and for those that were dropped before them.
    pub places: u64,
    /// The events that were decided.
    pub run: Run,
    /// When the first decisions were made, nanoseconds after the start.
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
            places: 0,
            run: Run { batch: 0, first: 0, len: 0 },
            decided_ns: 0,
            models,
            rows: Vec::with_capacity(capacity),
            decisions: Vec::with_capacity(capacity),
            latencies_ns: Vec::with_capacity(capacity),
            scores: Vec::with_capacity(capacity * models),
        }
    }

    /// Begins the block of another run, with its place in the order and how many places it takes.
    pub fn begin(&mut self, (sequence, places): (u64, u64), run: Run) {
        self.sequence = sequence;
        self.places = places;
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

    /// Whether no event is accepted.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.rows.is_empty()
    }

    /// Puts the runs of `quiet`, which end where this block's begins, before it.
    pub(super) fn follow(&mut self, quiet: &QuietRuns) {
        self.sequence = quiet.sequence;
        self.places += quiet.places;
        self.run = Run { first: quiet.run.first, len: quiet.run.len + self.run.len, ..self.run };
        self.decided_ns = quiet.decided_ns;
    }

    /// The accepted events, in event order.
    pub fn accepted(&self) -> impl Iterator<Item = Accepted<'_>> {
        let events = self.rows.iter().zip(&self.decisions).zip(&self.latencies_ns);
        events.zip(self.scores.chunks_exact(self.models)).map(|(((row, decision), latency_ns), scores)| {
            Accepted { row: *row, decision: *decision, latency_ns: *latency_ns, scores }
        })
    }
}

/// Runs that follow each other in time and in the file, and of which no event was accepted: the sink has to know that
/// they are done, and a block each would have it wake up for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct QuietRuns {
    sequence: u64,
    places: u64,
    run: Run,
    decided_ns: u64,
}

impl QuietRuns {
    /// Those of a block that accepts nothing.
    pub(super) fn of(block: &DecidedBlock) -> Self {
        debug_assert!(block.is_quiet(), "{} events are accepted", block.rows.len());
        Self { sequence: block.sequence, places: block.places, run: block.run, decided_ns: block.decided_ns }
    }

    /// Whether the run with this place in time comes next.
    pub(super) fn are_followed_by(&self, sequence: u64, run: Run) -> bool {
        let end = Run { first: self.run.first + self.run.len, ..run };
        self.sequence + self.places == sequence && self.run.batch == run.batch && end == run
    }

    /// How long ago the first of them was decided.
    pub(super) fn age_ns(&self, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.decided_ns)
    }

    /// Makes `block` theirs.
    pub(super) fn fill(&self, block: &mut DecidedBlock) {
        block.begin((self.sequence, self.places), self.run);
        block.decided_ns = self.decided_ns;
    }
}
