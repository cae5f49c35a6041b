use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The right to decide a frame, which its source has given to this process for a time and will give to another when it ends.
///
/// Results that nobody else may write too (a file, in a folder that several processes share) are completed under a claim that
/// is held. Once lost it stays lost, even when the source is back: somebody else may have the frame by then.
#[derive(Debug)]
pub struct Claim {
    since: Instant,
    /// End of the right, ns after `since`; 0 when lost.
    until_ns: AtomicU64,
    given_up: AtomicBool,
    is_repeated: bool,
}

impl Claim {
    /// Held for `term` after `asked`, a time before the source gave it. Repeated: the frame was given to somebody before.
    #[must_use]
    pub fn new(asked: Instant, term: Duration, is_repeated: bool) -> Self {
        let until_ns = AtomicU64::new(nanoseconds(term));
        Self { since: asked, until_ns, given_up: AtomicBool::new(false), is_repeated }
    }

    /// Whether the frame may have been decided before.
    #[must_use]
    pub fn is_repeated(&self) -> bool {
        self.is_repeated
    }

    /// Whether nobody else can have the frame now.
    pub fn is_held(&self) -> bool {
        let now = nanoseconds(self.since.elapsed());
        // Relaxed: what the claim protects is ordered by the source's messages, not by this number.
        let until = self.until_ns.load(Ordering::Relaxed);
        if now >= until {
            self.until_ns.store(0, Ordering::Relaxed);
        }
        now < until
    }

    /// The source has confirmed, just now, an extension by `term` that was asked for at `asked`. Too late when the claim has
    /// run out meanwhile.
    pub fn renew(&self, asked: Instant, term: Duration) {
        if self.is_held() {
            let until = nanoseconds(asked.saturating_duration_since(self.since) + term);
            // Of several renewals the latest counts; a claim that was lost in between stays lost.
            let later = |now: u64| (now != 0 && now < until).then_some(until);
            let _ = self.until_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, later);
        }
    }

    /// The results are not kept here: the source must give the frame again.
    pub fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
    }

    /// Whether somebody here has given it up.
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::Claim;
    use std::time::{Duration, Instant};

    #[test]
    fn a_claim_is_renewed_in_time_or_lost_for_good() {
        let term = Duration::from_millis(60);
        let claim = Claim::new(Instant::now(), term, false);
        std::thread::sleep(term / 3);
        claim.renew(Instant::now(), term);
        std::thread::sleep(term * 4 / 5);
        assert!(claim.is_held());
        std::thread::sleep(term);
        claim.renew(Instant::now(), term);
        assert!(!claim.is_held());
    }
}
