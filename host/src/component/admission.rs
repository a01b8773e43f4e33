//! Who may start when.
//!
//! Hashing is meant to be expensive: without a bound on how many calls do it at once, a hundred
//! sign-ins take the memory of the machine, and without a bound on how many wait, everybody waits
//! until they time out. So the number of hashing calls is fixed, the queue before them is short,
//! and who does not fit is told so at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;

use super::{Limits, Work};
use crate::error::CallError;

/// What a hashing call is taken to cost until one was seen.
const FIRST_GUESS: Duration = Duration::from_millis(50);

/// The doors to the two pools.
pub(super) struct Admission {
    hashing: Arc<Semaphore>,
    permits: usize,
    plain: Arc<Semaphore>,
    waiting: AtomicUsize,
    queue: usize,
    /// A moving average of what a hashing call takes, in microseconds. Only for `retry_after`.
    typical: AtomicU64,
}

/// Leave to run one call; given back when dropped.
pub(super) struct Permit {
    admission: Arc<Admission>,
    work: Work,
    since: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Admission {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            hashing: Arc::new(Semaphore::new(limits.hashing)),
            permits: limits.hashing.max(1),
            plain: Arc::new(Semaphore::new(limits.plain)),
            waiting: AtomicUsize::new(0),
            queue: limits.queue,
            typical: AtomicU64::new(FIRST_GUESS.as_micros() as u64),
        }
    }

    /// Enter now, or wait for one's turn until the deadline if the work is hashing. First come,
    /// first served.
    pub(super) async fn enter(
        self: &Arc<Self>,
        work: Work,
        deadline: Instant,
    ) -> Result<Permit, CallError> {
        let permit = match work {
            Work::Plain => Arc::clone(&self.plain).try_acquire_owned().ok(),
            Work::Hashing => match Arc::clone(&self.hashing).try_acquire_owned() {
                Ok(permit) => Some(permit),
                Err(_) => self.wait(deadline).await,
            },
        };
        match permit {
            Some(permit) => Ok(Permit {
                admission: Arc::clone(self),
                work,
                since: Instant::now(),
                _permit: permit,
            }),
            None => Err(CallError::Overloaded { retry_after: self.retry_after(work) }),
        }
    }

    async fn wait(&self, deadline: Instant) -> Option<OwnedSemaphorePermit> {
        let _place = Place::take(self)?;
        let turn = Arc::clone(&self.hashing).acquire_owned();
        timeout_at(deadline.into(), turn).await.ok()?.ok()
    }

    /// When those who wait now should be through: whole seconds, at least one.
    fn retry_after(&self, work: Work) -> Duration {
        if work == Work::Plain {
            return Duration::from_secs(1);
        }
        let waiting = self.waiting.load(Ordering::Relaxed) as u64;
        let each = self.typical.load(Ordering::Relaxed);
        let micros = each.saturating_mul(waiting) / self.permits as u64;
        Duration::from_secs(micros.div_ceil(1_000_000).max(1))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.work == Work::Hashing {
            let took = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
            // Two calls at once may lose one of their samples; it is an estimate.
            let typical = self.admission.typical.load(Ordering::Relaxed);
            let next = typical - typical / 8 + took / 8;
            self.admission.typical.store(next, Ordering::Relaxed);
        }
    }
}

/// A place in the queue.
struct Place<'a>(&'a Admission);

impl<'a> Place<'a> {
    fn take(admission: &'a Admission) -> Option<Self> {
        admission
            .waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |waiting| {
                (waiting < admission.queue).then_some(waiting + 1)
            })
            .ok()
            .map(|_| Self(admission))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(hashing: usize, queue: usize) -> Arc<Admission> {
        Arc::new(Admission::new(&Limits { hashing, queue, plain: 1, ..Limits::default() }))
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once() {
        let admission = admission(1, 0);
        let _first = admission.enter(Work::Hashing, soon()).await.unwrap();
        let second = admission.enter(Work::Hashing, soon()).await;
        assert!(matches!(second, Err(CallError::Overloaded { .. })));
    }

    #[tokio::test]
    async fn who_waits_enters_when_another_leaves() {
        let admission = admission(1, 1);
        let first = admission.enter(Work::Hashing, soon()).await.unwrap();
        let second = tokio::spawn({
            let admission = Arc::clone(&admission);
            async move { admission.enter(Work::Hashing, soon()).await.map(drop) }
        });
        while admission.waiting.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        drop(first);
        second.await.unwrap().unwrap();
        assert_eq!(admission.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn who_waits_gives_up_at_the_deadline_and_leaves_the_queue() {
        let admission = admission(1, 1);
        let _first = admission.enter(Work::Hashing, soon()).await.unwrap();
        let near = Instant::now() + Duration::from_millis(20);
        let second = admission.enter(Work::Hashing, near).await;
        assert!(matches!(second, Err(CallError::Overloaded { .. })));
        assert_eq!(admission.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn calls_that_do_not_hash_pass_those_that_do() {
        let admission = admission(1, 0);
        let _hashing = admission.enter(Work::Hashing, soon()).await.unwrap();
        admission.enter(Work::Plain, soon()).await.unwrap();
    }

    #[test]
    fn the_advice_grows_with_the_queue() {
        let admission = admission(2, 1000);
        assert_eq!(admission.retry_after(Work::Hashing).as_secs(), 1);
        admission.waiting.store(400, Ordering::Relaxed);
        assert_eq!(admission.retry_after(Work::Hashing).as_secs(), 10);
    }
}
