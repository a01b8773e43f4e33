//! Whether callers wait for the server.
//!
//! A server that does not answer would make every call that mails last as long as the patience
//! with it, and hold what calls are admitted by: a dead mail server would keep people from signing
//! in. So, once it has let one caller wait in vain, mail is queued without an attempt, and one
//! caller at a time tries whether it is back.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a failure takes that makes the next callers not wait. One that is told sooner costs
/// nobody anything.
const SLOW: Duration = Duration::from_secs(1);

/// How long nobody tries after a slow failure.
const REST: Duration = Duration::from_secs(5);

/// Until when the server is left alone; none: it answers.
#[derive(Default)]
pub(super) struct Circuit(Mutex<Option<Instant>>);

impl Circuit {
    /// Whether this caller makes an attempt. After a rest, only the first one who asks does.
    pub(super) fn lets_through(&self) -> bool {
        self.asked_at(Instant::now())
    }

    /// What an attempt has shown that began then and ended now: `answered`, or not.
    pub(super) fn learn(&self, began: Instant, answered: bool) {
        let now = Instant::now();
        let slow = !answered && now.saturating_duration_since(began) >= SLOW;
        self.set(slow.then(|| now + REST));
    }

    /// The server has let a caller wait in vain.
    pub(super) fn rest(&self) {
        self.set(Some(Instant::now() + REST));
    }

    fn asked_at(&self, now: Instant) -> bool {
        let mut until = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match *until {
            None => true,
            Some(end) if now < end => false,
            Some(_) => {
                *until = Some(now + REST);
                true
            }
        }
    }

    fn set(&self, until: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_let_through_while_the_server_answers() {
        let circuit = Circuit::default();
        let now = Instant::now();
        assert!((0..10).all(|_| circuit.lets_through()));
        circuit.learn(now, true);
        circuit.learn(now, false); // refused, and at once
        assert!((0..10).all(|_| circuit.lets_through()));
    }

    #[test]
    fn after_a_slow_failure_nobody_waits_and_then_one_at_a_time() {
        let circuit = Circuit::default();
        let now = Instant::now();
        circuit.rest();
        assert!(!circuit.asked_at(now));
        let later = now + 2 * REST;
        assert!(circuit.asked_at(later));
        assert!(!circuit.asked_at(later));
        assert!(circuit.asked_at(later + REST));
        circuit.learn(now, true);
        assert!(circuit.asked_at(now) && circuit.asked_at(now));
    }

    #[test]
    fn a_failure_is_slow_by_the_time_it_took() {
        let circuit = Circuit::default();
        let Some(began) = Instant::now().checked_sub(2 * SLOW) else { return };
        circuit.learn(began, false);
        assert!(!circuit.lets_through());
        circuit.learn(began, true);
        assert!(circuit.lets_through());
    }
}
