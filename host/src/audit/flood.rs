//! How much of what strangers are refused is written: a flood of them must not fill the store.

use std::time::Instant;

/// Events at once.
const BURST: f64 = 500.0;

/// And then each second.
const PER_SECOND: f64 = 50.0;

/// What may still be written, and how much was not.
pub(super) struct Flood {
    room: f64,
    since: Instant,
    missed: u64,
}

impl Flood {
    pub(super) fn new(now: Instant) -> Self {
        Self { room: BURST, since: now, missed: 0 }
    }

    /// Whether one more is written; it is counted otherwise.
    pub(super) fn admits(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.since).as_secs_f64();
        self.since = self.since.max(now);
        self.room = (self.room + passed * PER_SECOND).min(BURST);
        let admits = self.room >= 1.0;
        match admits {
            true => self.room -= 1.0,
            false => self.missed = self.missed.saturating_add(1),
        }
        admits
    }

    /// How many were counted since this was asked last.
    pub(super) fn take(&mut self) -> u64 {
        std::mem::take(&mut self.missed)
    }

    /// They are not told yet after all.
    pub(super) fn give_back(&mut self, missed: u64) {
        self.missed = self.missed.saturating_add(missed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_flood_is_counted_and_a_trickle_is_written() {
        let now = Instant::now();
        let mut flood = Flood::new(now);
        let written = (0..2000).filter(|_| flood.admits(now)).count();
        assert_eq!(written, 500);
        assert_eq!((flood.take(), flood.take()), (1500, 0));
        let later = now + Duration::from_secs(2);
        assert_eq!((0..2000).filter(|_| flood.admits(later)).count(), 100);
    }
}
