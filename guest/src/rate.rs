//! The rate limit of one address: a state machine with one atomic step a request.
//!
//! State: when the cool-down ends (`ready_at`), how many requests passed in it, how many
//! violations in a row there were. A refused request extends the cool-down too, by the penalty for
//! each violation. Other programs know of `last_action` only, which is `ready_at` less the
//! cool-down; where they have written it, our finer state is forgotten.

use crate::outcome::{Failure, Stop};
use crate::ports::Ports;
use crate::record::{Limit, OurLimit};
use crate::settings;

const DAY: f64 = 86_400.0;
/// Seconds that a record is kept after its cool-down, to tell when the last request was.
const KEPT: f64 = DAY;

/// What the tenant has configured.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Seconds.
    pub cool_down: f64,
    /// Requests let through in one cool-down.
    pub burst: u32,
    /// Seconds for each violation in a row.
    pub penalty: f64,
}

/// What a request does to the limit.
#[derive(Clone, Debug)]
pub struct Step {
    /// Whether the request passes.
    pub passes: bool,
    /// Whole seconds until the next would.
    pub wait: u32,
    /// The record afterwards.
    pub after: Limit,
}

impl Policy {
    /// As configured; `None` when the limit is off.
    ///
    /// # Errors
    /// Bad settings.
    pub fn configured(ports: &dyn Ports) -> Result<Option<Self>, Stop> {
        let cool_down = settings::RATE_LIMITING.read_u32(ports).map_err(Failure::from)?;
        if cool_down == 0 {
            return Ok(None);
        }
        Ok(Some(Self {
            cool_down: cool_down.into(),
            burst: settings::RATE_LIMIT_BURST.read_u32(ports).map_err(Failure::from)?,
            penalty: settings::RATE_LIMIT_PENALTY.read_u32(ports).map_err(Failure::from)?.into(),
        }))
    }

    /// One request at `now`, in seconds since 1970.
    #[must_use]
    pub fn step(&self, before: Option<&Limit>, now: f64) -> Step {
        let (ready_at, passed, violations) = self.state(before, now);
        let (passes, passed, violations) = if now >= ready_at {
            (true, 1, 0)
        } else if passed < self.burst && violations == 0 {
            (true, passed + 1, 0)
        } else {
            (false, passed, violations.saturating_add(1))
        };
        let pause = (self.cool_down + f64::from(violations) * self.penalty).min(DAY);
        let last_action = now + pause - self.cool_down;
        let ours = OurLimit { written: last_action, at: now, passed, violations };
        // A passing request within the burst may be followed by the next at once.
        let wait = if passes && passed < self.burst { 0.0 } else { pause };
        Step { passes, wait: seconds(wait), after: Limit { last_action, ours: Some(ours) } }
    }

    /// Seconds until a request would pass, if it would not now.
    #[must_use]
    pub fn refuses(&self, before: Option<&Limit>, now: f64) -> Option<u32> {
        let (ready_at, passed, violations) = self.state(before, now);
        let passes = now >= ready_at || (passed < self.burst && violations == 0);
        (!passes).then(|| seconds(ready_at - now))
    }

    /// `ready_at`, requests passed, violations.
    fn state(&self, before: Option<&Limit>, now: f64) -> (f64, u32, u32) {
        let Some(limit) = before else { return (0.0, 0, 0) };
        let ready_at = (sane(limit.last_action, now) + self.cool_down).min(now + DAY);
        match ours(limit) {
            Some(ours) => (ready_at, ours.passed, ours.violations),
            None => (ready_at, 1, 0),
        }
    }
}

/// When the record has nothing to say any more, in seconds since 1970.
#[must_use]
pub fn ends(limit: &Limit, now: f64) -> u64 {
    // With the longest cool-down there can be: what is configured may have changed.
    (sane(limit.last_action, now) + DAY + KEPT).ceil() as u64
}

/// Whole seconds since the last request, at least 0.
#[must_use]
pub fn since_last(limit: &Limit, now: f64) -> i64 {
    let at = ours(limit).map_or(limit.last_action, |ours| ours.at);
    (now - at).max(0.0).floor() as i64
}

/// A time more than two days ahead is read as now, which refuses.
fn sane(last_action: f64, now: f64) -> f64 {
    if last_action.is_finite() && last_action <= now + 2.0 * DAY { last_action } else { now }
}

#[allow(clippy::float_cmp)] // the very value, or somebody else's
fn ours(limit: &Limit) -> Option<&OurLimit> {
    limit.ours.as_ref().filter(|ours| ours.written == limit.last_action)
}

fn seconds(wait: f64) -> u32 {
    wait.max(0.0).ceil() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: f64 = 1_800_000_000.25;

    fn policy(cool_down: f64, burst: u32, penalty: f64) -> Policy {
        Policy { cool_down, burst, penalty }
    }

    fn foreign(last_action: f64) -> Limit {
        Limit { last_action, ours: None }
    }

    #[test]
    fn the_first_request_passes_and_the_next_waits() {
        let policy = policy(30.0, 1, 0.0);
        let first = policy.step(None, NOW);
        assert!(first.passes);
        assert_eq!(first.after.last_action, NOW);
        let second = policy.step(Some(&first.after), NOW + 10.0);
        assert!(!second.passes);
        assert_eq!(second.wait, 30);
        assert!(policy.step(Some(&second.after), NOW + 40.0).passes);
    }

    #[test]
    fn a_refused_request_extends_the_cool_down() {
        let policy = policy(30.0, 1, 0.0);
        let first = policy.step(None, NOW);
        let second = policy.step(Some(&first.after), NOW + 29.0);
        assert!(!policy.step(Some(&second.after), NOW + 31.0).passes);
    }

    #[test]
    fn a_burst_passes_but_not_after_a_violation() {
        let policy = policy(30.0, 2, 0.0);
        let first = policy.step(None, NOW);
        let second = policy.step(Some(&first.after), NOW + 1.0);
        let third = policy.step(Some(&second.after), NOW + 2.0);
        assert_eq!((first.passes, second.passes, third.passes), (true, true, false));
        assert_eq!((first.wait, second.wait), (0, 30));
    }

    #[test]
    fn penalties_stack_up_to_a_day_and_end_with_the_cool_down() {
        let policy = policy(10.0, 1, 5.0);
        let mut step = policy.step(None, NOW);
        for violation in 1..=3 {
            step = policy.step(Some(&step.after), NOW);
            assert_eq!(step.wait, 10 + 5 * violation);
        }
        assert!(policy.step(Some(&step.after), NOW + 25.0).passes);
        for _ in 0..20_000 {
            step = policy.step(Some(&step.after), NOW);
        }
        assert_eq!(step.wait, 86_400);
        assert!(policy.step(Some(&step.after), NOW + DAY).passes);
    }

    #[test]
    fn what_another_program_wrote_counts() {
        assert!(!policy(30.0, 1, 0.0).step(Some(&foreign(NOW - 1.0)), NOW).passes);
        assert!(policy(30.0, 1, 0.0).step(Some(&foreign(NOW - 30.0)), NOW).passes);
        let policy = policy(30.0, 2, 0.0);
        assert!(policy.step(Some(&foreign(NOW - 1.0)), NOW).passes, "it let one through");
        let mut known = policy.step(None, NOW).after;
        known.ours.as_mut().unwrap().violations = 3;
        known.last_action -= 31.0;
        assert!(policy.step(Some(&known), NOW).passes, "ours is ignored when theirs is newer");
    }

    #[test]
    fn a_time_far_ahead_is_read_as_now_and_refuses() {
        let policy = policy(30.0, 1, 0.0);
        for ahead in [3.0 * DAY, f64::INFINITY, f64::NAN] {
            let limit = foreign(NOW + ahead);
            assert_eq!(policy.refuses(Some(&limit), NOW), Some(30));
        }
        assert_eq!(policy.refuses(Some(&foreign(NOW + 1.9 * DAY)), NOW), Some(86_400));
    }

    #[test]
    fn the_time_since_the_last_request_is_the_true_one() {
        let policy = policy(10.0, 1, 100.0);
        let step = policy.step(Some(&policy.step(None, NOW).after), NOW);
        assert_eq!(since_last(&step.after, NOW + 7.9), 7);
        assert_eq!(since_last(&foreign(NOW + 5.0), NOW), 0);
    }

    proptest! {
        #[test]
        fn a_wait_never_exceeds_a_day_and_waiting_it_out_passes(
            cool_down in 1u32..86_400, burst in 1u32..5, penalty in 0u32..86_400,
            pauses in proptest::collection::vec(0u32..200_000, 1..20),
        ) {
            let policy = policy(cool_down.into(), burst, penalty.into());
            let (mut limit, mut now) = (None, NOW);
            for pause in pauses {
                now += f64::from(pause);
                let foretold = policy.refuses(limit.as_ref(), now);
                let step = policy.step(limit.as_ref(), now);
                prop_assert_eq!(step.passes, foretold.is_none());
                prop_assert!(step.wait <= 86_400);
                prop_assert!(policy.step(Some(&step.after), now + f64::from(step.wait)).passes);
                limit = Some(step.after);
            }
        }
    }
}
