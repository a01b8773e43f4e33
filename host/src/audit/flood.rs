//! How much of what strangers are refused is written: a flood of them must not fill the store.

use std::time::{Duration, Instant};

/// Events at once: what a morning of forgotten passwords brings, and the begin of any attack.
const BURST: f64 = 500.0;

/// And then each second. That is 86,400 events a day at the most; with half a kilobyte each, index
/// included, 43 MB a day, and 4 GB in the 90 days that they are kept. An honest service stays far below:
/// with 100,000 sign-ins a day of which a tenth fails, one is refused every nine seconds.
const PER_SECOND: f64 = 1.0;

/// How often it is said how many were not written: each time is an event too.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// What may still be written, and how much was not.
pub(super) struct Flood {
    room: f64,
    since: Instant,
    missed: u64,
    told: Option<Instant>,
}

impl Flood {
    pub(super) fn new(now: Instant) -> Self {
        Self { room: BURST, since: now, missed: 0, told: None }
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

    /// How many were counted and are to be told now: none soon after some were told.
    pub(super) fn take(&mut self, now: Instant) -> u64 {
        let early = self.told.is_some_and(|told| now < told + TELL_EVERY);
        if early || self.missed == 0 {
            return 0;
        }
        self.told = Some(now);
        self.take_all()
    }

    /// How many were counted and not told.
    pub(super) fn take_all(&mut self) -> u64 {
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
        assert_eq!((flood.take(now), flood.take(now)), (1500, 0));
        let later = now + Duration::from_secs(20);
        assert_eq!((0..2000).filter(|_| flood.admits(later)).count(), 20);
    }

    #[test]
    fn what_was_not_written_is_told_once_a_minute_and_none_of_it_twice() {
        let now = Instant::now();
        let mut flood = Flood::new(now);
        assert_eq!(flood.take(now), 0);
        let mut told = 0;
        let mut times = 0;
        for second in 0..600 {
            let now = now + Duration::from_secs(second);
            (0..100).for_each(|_| _ = flood.admits(now));
            let missed = flood.take(now);
            told += missed;
            times += usize::from(missed > 0);
        }
        assert_eq!(times, 10);
        told += flood.take_all();
        assert_eq!(told, 600 * 100 - 500 - 599);
        assert_eq!(flood.take_all(), 0);
    }
}
