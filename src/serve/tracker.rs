use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::time::{Duration, Instant};

use super::Monitor;
use trigsieve_frame::{Frame, Header};

/// Gaps of a sender that are remembered, so that a late frame is told from a duplicate; of more, the first is forgotten.
const GAPS: usize = 65_536;
/// Gaps of all senders from which on none of them remembers more than it does.
const GAPS_OF_ALL: usize = 1 << 20;
/// Frames of a sender that were not taken and may come again; of more, the first is forgotten.
const NOT_TAKEN: usize = 1024;
/// What a gap counts as at most: a number far ahead does not make the count of lost frames wrap.
const LOST_AT_ONCE: u64 = 1 << 40;
/// Datagrams of all senders that may wait for those that they overtook.
const HELD: usize = 1024;
/// Senders that are remembered; of more, the one that was silent longest is forgotten.
const SENDERS: usize = 4096;

/// What a frame is to its sender's numbering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Not seen before.
    New,
    /// Seen before.
    Duplicate,
}

/// How long a frame that overtook others waits for them.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// At most this many frames of a sender wait.
    pub frames: usize,
    /// And none longer than this.
    pub time: Duration,
}

impl Default for Window {
    fn default() -> Self {
        Self { frames: 64, time: Duration::from_millis(20) }
    }
}

/// Follows the numbers of every sender's frames: counts gaps, finds duplicates, puts datagrams back in order.
#[derive(Debug)]
pub(super) struct Tracker {
    window: Window,
    senders: HashMap<(u32, u32), Sender>,
    ticks: u64,
    ended: u64,
    /// Frames held, over all senders.
    held: usize,
    /// Gaps remembered, over all senders.
    gaps: usize,
}

#[derive(Debug, Default)]
struct Sender {
    /// The lowest number that has neither come nor been given up.
    next: u64,
    /// Given up below `next`: counted as lost until they come after all.
    missing: Gaps,
    /// Came, and was not taken: may come again.
    not_taken: BTreeSet<u64>,
    held: BTreeMap<u64, (Frame, Instant)>,
    last_tick: u64,
    has_ended: bool,
}

impl Tracker {
    pub(super) fn new(window: Window) -> Self {
        Self { window, senders: HashMap::new(), ticks: 0, ended: 0, held: 0, gaps: 0 }
    }

    /// Senders that have said that they are done.
    pub(super) fn ended(&self) -> u64 {
        self.ended
    }

    /// Looks at a frame of a sender that keeps its order.
    pub(super) fn see(&mut self, header: &Header, monitor: &Monitor) -> Verdict {
        let has_room = self.gaps < GAPS_OF_ALL;
        let sender = self.sender(header);
        let gaps_before = sender.missing.set_room(has_room);
        let number = header.sequence;
        let verdict = if number >= sender.next {
            sender.give_up_to(number, monitor);
            // The end of a sender is not a frame in its numbering, and is said more than once.
            sender.next = number.saturating_add(u64::from(!header.end));
            Verdict::New
        } else if sender.missing.take(number) {
            monitor.frame_found();
            Verdict::New
        } else if sender.not_taken.remove(&number) {
            Verdict::New
        } else {
            Verdict::Duplicate
        };
        let gaps_after = sender.missing.len();
        self.gaps = self.gaps + gaps_after - gaps_before;
        self.note_end(header);
        verdict
    }

    /// A frame that was new has not been taken after all.
    pub(super) fn not_taken(&mut self, header: &Header) {
        let sender = self.senders.get_mut(&(header.run, header.source));
        if let Some(sender) = sender.filter(|_| header.events > 0) {
            sender.not_taken.insert(header.sequence);
            if sender.not_taken.len() > NOT_TAKEN {
                sender.not_taken.pop_first();
            }
        }
    }

    /// Takes a datagram's frame; gives those whose turn it is, in order.
    pub(super) fn reorder(
        &mut self,
        frame: Frame,
        received: Instant,
        monitor: &Monitor,
    ) -> Vec<(Frame, Instant)> {
        let header = *frame.header();
        let most = if self.held < HELD { self.window.frames } else { 0 };
        let has_room = self.gaps < GAPS_OF_ALL;
        let sender = self.sender(&header);
        let (held_before, gaps_before) = (sender.held.len(), sender.missing.set_room(has_room));
        let number = header.sequence;
        let mut ready = Vec::new();
        if header.end {
            ready.extend(sender.give_up_to(number, monitor));
        } else if number < sender.next || sender.held.contains_key(&number) {
            // Late or seen before: no use to wait with it.
            if sender.missing.take(number) {
                monitor.frame_found();
                ready.push((frame, received));
            } else {
                monitor.duplicate(header.events.into());
            }
        } else if number == sender.next {
            ready.push((frame, received));
            sender.next = number.saturating_add(1);
        } else {
            sender.held.insert(number, (frame, received));
            if sender.held.len() > most
                && let Some(first) = sender.held.keys().next().copied()
            {
                ready.extend(sender.give_up_to(first, monitor));
            }
        }
        ready.extend(sender.in_turn());
        let (held_after, gaps_after) = (sender.held.len(), sender.missing.len());
        self.held = self.held + held_after - held_before;
        self.gaps = self.gaps + gaps_after - gaps_before;
        self.note_end(&header);
        ready
    }

    /// Gives the frames that have waited too long, and those behind them.
    pub(super) fn overdue(&mut self, now: Instant, monitor: &Monitor) -> Vec<(Frame, Instant)> {
        let time = self.window.time;
        self.release(|since| now.duration_since(since) > time, monitor)
    }

    /// Gives all frames that wait, in the order of each sender.
    pub(super) fn release_all(&mut self, monitor: &Monitor) -> Vec<(Frame, Instant)> {
        self.release(|_| true, monitor)
    }

    /// Gives the frames that have waited long enough, and those behind them.
    fn release(&mut self, is_due: impl Fn(Instant) -> bool, monitor: &Monitor) -> Vec<(Frame, Instant)> {
        let mut ready = Vec::new();
        let has_room = self.gaps < GAPS_OF_ALL;
        for sender in self.senders.values_mut().filter(|sender| !sender.held.is_empty()) {
            let gaps_before = sender.missing.set_room(has_room);
            while let Some(last) =
                sender.held.iter().filter(|(_, (_, since))| is_due(*since)).map(|(n, _)| *n).max()
            {
                ready.extend(sender.give_up_to(last, monitor));
                ready.extend(sender.in_turn());
            }
            self.gaps = self.gaps + sender.missing.len() - gaps_before;
        }
        self.held = self.senders.values().map(|sender| sender.held.len()).sum();
        ready
    }

    /// The end of a sender whose frames go other ways too.
    pub(super) fn end(&mut self, header: &Header) {
        self.sender(header);
        self.note_end(header);
    }

    fn sender(&mut self, header: &Header) -> &mut Sender {
        self.ticks += 1;
        let (ticks, key) = (self.ticks, (header.run, header.source));
        if self.senders.len() >= SENDERS && !self.senders.contains_key(&key) {
            self.forget_one();
        }
        let window = self.window.frames as u64;
        let sender = self.senders.entry(key).or_insert_with(|| {
            // A sender that is met in the middle of its run has not lost what it sent before.
            Sender { next: if header.sequence <= window { 0 } else { header.sequence }, ..Sender::default() }
        });
        sender.last_tick = ticks;
        sender
    }

    fn forget_one(&mut self) {
        let idle = |(_, sender): &(&(u32, u32), &Sender)| sender.held.is_empty();
        let oldest = self.senders.iter().filter(idle).min_by_key(|(_, sender)| sender.last_tick);
        if let Some(sender) = oldest.map(|(key, _)| *key).and_then(|key| self.senders.remove(&key)) {
            self.gaps -= sender.missing.len();
        }
    }

    fn note_end(&mut self, header: &Header) {
        let sender = self.senders.get_mut(&(header.run, header.source));
        if let Some(sender) = sender.filter(|sender| header.end && !sender.has_ended) {
            sender.has_ended = true;
            self.ended += 1;
        }
    }
}

impl Sender {
    /// Stops waiting for what is missing below `number`: counts it as lost, and gives what was held there, in order.
    fn give_up_to(&mut self, number: u64, monitor: &Monitor) -> Vec<(Frame, Instant)> {
        let mut ready = Vec::new();
        while self.next < number {
            let gap_end = self.held.keys().next().copied().map_or(number, |first| first.min(number));
            let lost = gap_end - self.next;
            monitor.frames_lost(lost.min(LOST_AT_ONCE));
            self.missing.add(self.next..gap_end);
            self.next = gap_end;
            ready.extend(self.in_turn());
        }
        ready
    }

    fn in_turn(&mut self) -> Vec<(Frame, Instant)> {
        let mut ready = Vec::new();
        while let Some(held) = self.held.remove(&self.next) {
            ready.push(held);
            // Nothing comes after the last number there is.
            self.next = self.next.saturating_add(1);
        }
        ready
    }
}

/// Numbers that have not come, by ranges: a gap takes the same memory and time however long it is.
#[derive(Debug, Default)]
struct Gaps {
    /// First number, and the one behind the last.
    ranges: BTreeMap<u64, u64>,
    /// Most of them, for now.
    most: usize,
}

impl Gaps {
    /// Whether there may be more of them than there are; how many there are.
    fn set_room(&mut self, has_room: bool) -> usize {
        self.most = if has_room { GAPS } else { self.len() };
        self.len()
    }

    fn len(&self) -> usize {
        self.ranges.len()
    }

    fn add(&mut self, gap: Range<u64>) {
        if !gap.is_empty() {
            self.ranges.insert(gap.start, gap.end);
        }
        if self.len() > self.most {
            self.ranges.pop_first();
        }
    }

    /// Takes a number out; whether it was there.
    fn take(&mut self, number: u64) -> bool {
        let gap = self.ranges.range(..=number).next_back().map(|(start, end)| *start..*end);
        let Some(gap) = gap.filter(|gap| gap.contains(&number)) else { return false };
        self.ranges.remove(&gap.start);
        self.add(gap.start..number);
        self.add(number + 1..gap.end);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Tracker, Verdict, Window};
    use crate::serve::Monitor;
    use trigsieve_frame::{Batch, Frame, FrameBuffer, Ids, Limits, Rows, encode};

    fn frame(sequence: u64, end: bool) -> Frame {
        frame_of(1, sequence, end)
    }

    fn frame_of(source: u32, sequence: u64, end: bool) -> Frame {
        let ids = Ids::From { event_id: sequence, bunch_crossing: 0 };
        let values = [0.0];
        let rows = Rows::F32(if end { &[] } else { &values });
        let batch = Batch { run: 1, source, sequence, encoding: 0, k: 1, ids, rows, end };
        let mut bytes = Vec::new();
        encode(&batch, &mut bytes);
        let mut buffer = FrameBuffer::default();
        buffer.space(bytes.len()).copy_from_slice(&bytes);
        Frame::of_message(buffer, bytes.len(), &Limits::default()).unwrap()
    }

    fn tracker() -> (Tracker, Monitor) {
        let window = Window { frames: 3, time: Duration::from_millis(20) };
        (Tracker::new(window), Monitor::new(1))
    }

    /// Sequence numbers in the order in which they come out.
    fn through(tracker: &mut Tracker, monitor: &Monitor, sequences: &[u64]) -> Vec<u64> {
        let now = Instant::now();
        let out = sequences.iter().flat_map(|n| tracker.reorder(frame(*n, false), now, monitor));
        out.map(|(frame, _)| frame.header().sequence).collect()
    }

    #[test]
    fn what_overtook_is_put_back_in_order() {
        let (mut tracker, monitor) = tracker();
        assert_eq!(through(&mut tracker, &monitor, &[0, 2, 3, 1, 4, 6, 5]), [0, 1, 2, 3, 4, 5, 6]);
        let seen = monitor.snapshot();
        assert_eq!((seen.frames_lost, seen.events_dropped.duplicate), (0, 0));
    }

    #[test]
    fn a_gap_is_given_up_when_the_window_is_full_and_a_late_frame_is_taken() {
        let (mut tracker, monitor) = tracker();
        assert_eq!(through(&mut tracker, &monitor, &[0, 2, 3, 4, 5]), [0, 2, 3, 4, 5]);
        assert_eq!(monitor.snapshot().frames_lost, 1);
        assert_eq!(through(&mut tracker, &monitor, &[1]), [1]);
        assert_eq!(monitor.snapshot().frames_lost, 0);
        assert!(through(&mut tracker, &monitor, &[1, 5]).is_empty());
        assert_eq!(monitor.snapshot().events_dropped.duplicate, 2);
    }

    #[test]
    fn a_gap_is_given_up_after_the_window_s_time() {
        let (mut tracker, monitor) = tracker();
        let start = Instant::now();
        assert!(tracker.reorder(frame(1, false), start, &monitor).is_empty());
        assert!(tracker.overdue(start + Duration::from_millis(10), &monitor).is_empty());
        let out = tracker.overdue(start + Duration::from_millis(30), &monitor);
        assert_eq!((out.len(), monitor.snapshot().frames_lost), (1, 1));
    }

    #[test]
    fn the_end_counts_what_was_lost_before_it() {
        let (mut tracker, monitor) = tracker();
        through(&mut tracker, &monitor, &[0, 1]);
        tracker.reorder(frame(4, true), Instant::now(), &monitor);
        tracker.reorder(frame(4, true), Instant::now(), &monitor);
        assert_eq!((monitor.snapshot().frames_lost, tracker.ended()), (2, 1));
    }

    #[test]
    fn what_is_held_is_bounded_over_all_senders() {
        let (mut tracker, monitor) = tracker();
        let now = Instant::now();
        let mut out = 0;
        for source in 0..3000 {
            let mut ahead = frame_of(source, 1, false);
            out += tracker.reorder(ahead, now, &monitor).len();
            ahead = frame_of(source, 2, false);
            out += tracker.reorder(ahead, now, &monitor).len();
        }
        let held: usize = tracker.senders.values().map(|sender| sender.held.len()).sum();
        assert_eq!((held, tracker.held, out), (super::HELD, super::HELD, 6000 - super::HELD));
    }

    #[test]
    fn long_gaps_cost_nothing_and_what_was_lost_in_them_is_found() {
        let (mut tracker, monitor) = tracker();
        let far = u64::MAX - 10;
        for source in 0..5000 {
            tracker.see(frame_of(source, 0, false).header(), &monitor);
            assert_eq!(tracker.see(frame_of(source, far, false).header(), &monitor), Verdict::New);
        }
        let seen = monitor.snapshot().frames_lost;
        assert_eq!(seen, 5000 * super::LOST_AT_ONCE);
        for number in [1, far - 1, 70_000] {
            assert_eq!(tracker.see(frame_of(4999, number, false).header(), &monitor), Verdict::New);
            assert_eq!(tracker.see(frame_of(4999, number, false).header(), &monitor), Verdict::Duplicate);
        }
        assert_eq!(monitor.snapshot().frames_lost, seen - 3);
        let gaps: usize = tracker.senders.values().map(|sender| sender.missing.len()).sum();
        assert!(gaps < 4100 && gaps == tracker.gaps, "{gaps}, {}", tracker.gaps);
    }

    #[test]
    fn gaps_are_bounded_over_all_senders_and_the_last_ones_remembered() {
        let (mut tracker, monitor) = tracker();
        let see = |tracker: &mut Tracker, source, number| {
            tracker.see(frame_of(source, number, false).header(), &monitor)
        };
        // Every second frame is missing, of twice as many as one sender remembers; then of others.
        for source in 0..20 {
            for pair in 0..2 * super::GAPS as u64 {
                see(&mut tracker, source, 2 * pair + 1);
            }
        }
        let gaps: usize = tracker.senders.values().map(|sender| sender.missing.len()).sum();
        assert!(gaps == tracker.gaps && gaps <= super::GAPS_OF_ALL + 1, "{gaps}, {}", tracker.gaps);
        let last = 4 * super::GAPS as u64 - 2;
        assert_eq!(see(&mut tracker, 3, last), Verdict::New);
        assert_eq!(see(&mut tracker, 3, 0), Verdict::Duplicate, "the first ones are forgotten");
    }

    #[test]
    fn the_last_number_there_is_does_not_begin_anew() {
        let (mut tracker, monitor) = tracker();
        for number in [0, 1, u64::MAX] {
            assert_eq!(tracker.see(frame(number, false).header(), &monitor), Verdict::New);
        }
        assert_eq!(tracker.see(frame(1, false).header(), &monitor), Verdict::Duplicate);
        let (mut tracker, monitor) = self::tracker();
        assert_eq!(through(&mut tracker, &monitor, &[0, u64::MAX]), [0]);
        assert_eq!(tracker.release_all(&monitor).len(), 1);
        assert_eq!(through(&mut tracker, &monitor, &[0]), [0_u64; 0]);
    }

    #[test]
    fn what_was_not_taken_may_come_again_once() {
        let (mut tracker, monitor) = tracker();
        let frame = frame(0, false);
        assert_eq!(tracker.see(frame.header(), &monitor), Verdict::New);
        tracker.not_taken(frame.header());
        assert_eq!(tracker.see(frame.header(), &monitor), Verdict::New);
        assert_eq!(tracker.see(frame.header(), &monitor), Verdict::Duplicate);
    }

    #[test]
    fn all_that_waits_is_given_at_the_end() {
        let (mut tracker, monitor) = tracker();
        assert_eq!(through(&mut tracker, &monitor, &[0, 2, 4]), [0]);
        let out = tracker.release_all(&monitor);
        let out: Vec<_> = out.iter().map(|(frame, _)| frame.header().sequence).collect();
        assert_eq!((out, tracker.held, monitor.snapshot().frames_lost), (vec![2, 4], 0, 2));
    }

    #[test]
    fn who_joins_in_the_middle_has_lost_nothing() {
        let (mut tracker, monitor) = tracker();
        assert_eq!(through(&mut tracker, &monitor, &[1000, 1001]), [1000, 1001]);
        assert_eq!(monitor.snapshot().frames_lost, 0);
    }
}
