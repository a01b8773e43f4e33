//! How long a mail waits for its next attempt.

use std::time::Duration;

use crate::random::jittered;

/// The first wait of a mail; each further one is twice as long.
const FIRST: Duration = Duration::from_secs(5);

/// The longest wait of a mail.
const LONGEST: Duration = Duration::from_secs(120);

/// Seconds until the next attempt, after so many.
///
/// 5, 10, 20, 40, 80, 120, 120 …, less up to a half by chance, so that what has failed together is
/// not tried together.
pub(super) fn until_next(attempts: u32) -> u64 {
    let doubled = FIRST.saturating_mul(2u32.saturating_pow(attempts.saturating_sub(1)));
    // Whole seconds; nothing is ever due at once.
    jittered(doubled.min(LONGEST)).as_secs().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_two_minutes_and_are_spread() {
        for (attempts, most) in [
            (0, 5),
            (1, 5),
            (2, 10),
            (3, 20),
            (4, 40),
            (5, 80),
            (6, 120),
            (7, 120),
            (u32::MAX, 120),
        ] {
            for _ in 0..200 {
                let wait = until_next(attempts);
                assert!(wait >= most / 2 && wait <= most, "{attempts}: {wait}");
            }
        }
        let waits: Vec<_> = (0..200).map(|_| until_next(7)).collect();
        assert!(waits.iter().any(|wait| *wait != waits[0]));
    }

    #[test]
    fn no_wait_is_shorter_than_the_one_before_until_the_longest() {
        for attempts in 1..5 {
            for _ in 0..200 {
                assert!(until_next(attempts) <= until_next(attempts + 1));
            }
        }
    }
}
