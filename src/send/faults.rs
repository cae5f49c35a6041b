use serde::Serialize;

/// What the mock detector does wrong, as probabilities of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// It is not sent.
    pub drop: f64,
    /// It is sent twice.
    pub duplicate: f64,
    /// A bit of it is flipped.
    pub corrupt: f64,
    /// It is sent after the next one.
    pub reorder: f64,
    /// Seed of the dice.
    pub seed: u64,
}

/// The faults that were made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FaultCounts {
    /// Frames not sent.
    pub dropped_frames: u64,
    /// Events in them.
    pub dropped_events: u64,
    /// Frames sent twice.
    pub duplicated_frames: u64,
    /// Events in them.
    pub duplicated_events: u64,
    /// Frames with a flipped bit.
    pub corrupted_frames: u64,
    /// Events in them.
    pub corrupted_events: u64,
    /// Frames sent after the next one.
    pub reordered_frames: u64,
}

/// Throws the dice for each frame.
pub(super) struct Faulty {
    faults: Faults,
    dice: fastrand::Rng,
    counts: FaultCounts,
    held: Option<Vec<u8>>,
    out: Vec<Vec<u8>>,
}

impl Faulty {
    pub(super) fn new(faults: Faults) -> Self {
        let dice = fastrand::Rng::with_seed(faults.seed);
        Self { faults, dice, counts: FaultCounts::default(), held: None, out: Vec::new() }
    }

    pub(super) fn counts(&self) -> FaultCounts {
        self.counts
    }

    /// What goes out in place of `frame`.
    pub(super) fn through<'a>(
        &'a mut self,
        frame: &'a [u8],
        events: u64,
    ) -> Box<dyn Iterator<Item = &'a [u8]> + 'a> {
        if self.faults == (Faults { seed: self.faults.seed, ..Faults::default() }) {
            return Box::new(std::iter::once(frame));
        }
        self.out.clear();
        let late = self.held.take();
        if self.happens(self.faults.drop) {
            self.counts.dropped_frames += 1;
            self.counts.dropped_events += events;
        } else {
            self.send(frame, events);
        }
        self.out.extend(late);
        Box::new(self.out.iter().map(Vec::as_slice))
    }

    fn send(&mut self, frame: &[u8], events: u64) {
        let mut bytes = frame.to_vec();
        if self.happens(self.faults.corrupt) {
            let bit = self.dice.usize(0..bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            self.counts.corrupted_frames += 1;
            self.counts.corrupted_events += events;
        } else if self.happens(self.faults.duplicate) {
            self.out.push(bytes.clone());
            self.counts.duplicated_frames += 1;
            self.counts.duplicated_events += events;
        }
        if self.happens(self.faults.reorder) {
            self.counts.reordered_frames += 1;
            self.held = Some(bytes);
        } else {
            self.out.push(bytes);
        }
    }

    /// What is still held back.
    pub(super) fn rest(&mut self) -> impl Iterator<Item = &[u8]> {
        self.out.clear();
        self.out.extend(self.held.take());
        self.out.iter().map(Vec::as_slice)
    }

    fn happens(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.dice.f64() < probability
    }
}
