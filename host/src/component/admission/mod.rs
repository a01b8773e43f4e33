//! Who may start when.
//!
//! Hashing is meant to be expensive: without a bound on how many calls do it at once, a hundred
//! sign-ins take the memory of the machine, and without a bound on how many wait, everybody waits
//! until they time out. So the number of hashing calls is fixed, the queue before them is short and
//! nobody stands in it for long, and who does not fit is told so at once.
//!
//! Other calls have a door of their own with a queue of their own: they never wait for hashing.
//!
//! At both doors tenants share ([`Door`] has the rules): whoever floods one waits behind his own
//! calls. And a call that waits for its store lends its permit to the next, so that a tenant whose
//! database is down does not keep the others from hashing. One that has hashed lends nothing, because
//! the memory of both would be in use: while such a call waits long, its tenant leaves others as many
//! permits as he has.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::{timeout, timeout_at};

use super::{Limits, Work};
use crate::error::CallError;
use crate::metrics::Metrics;
use door::{Door, Place, Width};

mod door;
#[cfg(test)]
mod tests;

/// After so long a call that waits for its host lends its permit. Stores that are well answer
/// sooner, and each further call at once takes memory.
const PATIENCE: Duration = Duration::from_millis(5);

/// Which tenant a call is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TenantId(u64);

impl TenantId {
    /// One that nobody else in this process has.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// The doors to the two pools.
pub(super) struct Admission {
    hashing: Arc<Gate>,
    plain: Arc<Gate>,
    metrics: Arc<Metrics>,
}

impl Admission {
    pub(super) fn new(limits: &Limits, metrics: Arc<Metrics>) -> Self {
        let hashing = Width {
            permits: limits.hashing,
            places: limits.queue,
            spare: limits.spare(),
            is_shared: false,
        };
        let plain =
            Width { permits: limits.plain, places: limits.queue_plain, spare: 0, is_shared: true };
        let (hashing, plain) = (Arc::new(Gate::new(hashing)), Arc::new(Gate::new(plain)));
        Self { hashing, plain, metrics }
    }

    /// How many calls may hash now, and how many wait for it.
    pub(super) fn hashing(&self) -> (usize, usize) {
        self.hashing.door().crowd()
    }

    /// Enter now, or wait for one's turn until then.
    pub(super) async fn enter(
        &self,
        tenant: TenantId,
        work: Work,
        until: Instant,
    ) -> Result<Permit, CallError> {
        let (gate, name) = match work {
            Work::Hashing => (&self.hashing, "hashing"),
            Work::Plain => (&self.plain, "plain"),
        };
        gate.enter(tenant, until).await.map_err(|advice| {
            self.metrics.refused(name);
            // Whole seconds, as HTTP tells them (RFC 9110 section 10.2.3), and none too early.
            let seconds = advice.as_millis().div_ceil(1000).max(1);
            let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
            CallError::Overloaded { retry_after: Duration::from_secs(seconds) }
        })
    }
}

/// How whoever waits hears of his turn; or, if another has got his place, when to come again.
type Turn = oneshot::Sender<Result<Permit, Duration>>;

/// A door, behind a lock that is never held while anybody is told anything.
struct Gate {
    door: Mutex<Door<Turn>>,
    lends: bool,
}

impl Gate {
    fn new(width: Width) -> Self {
        Self { lends: width.spare > 0, door: Mutex::new(Door::new(width)) }
    }

    fn door(&self) -> MutexGuard<'_, Door<Turn>> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn enter(self: &Arc<Self>, tenant: TenantId, until: Instant) -> Result<Permit, Duration> {
        let now = Instant::now();
        if self.door().pass(tenant, now) {
            return Ok(Permit::new(self, tenant));
        }
        let (turn, heard) = oneshot::channel();
        let number = match self.change(|door| door.wait(tenant, turn, now)) {
            Place::Taken(number) => number,
            Place::TakenFrom(number, loser, advice) => {
                // One who has given up in this moment does not want to know.
                let _ = loser.send(Err(advice));
                number
            }
            Place::None(advice) => return Err(advice),
        };
        let leave = |door: &mut Door<Turn>| door.give_up(tenant, number, Instant::now());
        let _waiting = Waiting { gate: self, leave };
        match timeout_at(until.into(), heard).await {
            Ok(Ok(answer)) => answer,
            _ => Err(self.door().advise(tenant, Instant::now())),
        }
    }

    /// Do this to the door, and tell everybody whose turn it is then.
    fn change<T>(self: &Arc<Self>, change: impl FnOnce(&mut Door<Turn>) -> T) -> T {
        let mut door = self.door();
        let changed = change(&mut door);
        while let Some((tenant, turn)) = door.next() {
            drop(door);
            let refused = turn.send(Ok(Permit::new(self, tenant)));
            door = self.door();
            if let Err(Ok(permit)) = refused {
                // He has gone in this moment: the next, then.
                permit.had().since = None;
                door.end(tenant, None, Instant::now());
            }
        }
        changed
    }
}

/// Something that ends when this is dropped, such as a place in a queue, whether or not its turn has
/// come.
struct Waiting<'a, F: Fn(&mut Door<Turn>)> {
    gate: &'a Arc<Gate>,
    leave: F,
}

impl<F: Fn(&mut Door<Turn>)> Drop for Waiting<'_, F> {
    fn drop(&mut self) {
        self.gate.change(&self.leave);
    }
}

/// Leave to run one call; given back when dropped.
pub(super) struct Permit {
    gate: Arc<Gate>,
    tenant: TenantId,
    had: Mutex<Had>,
}

/// How long a permit was had.
struct Had {
    /// Since when it is; nobody has it if it is lent or over.
    since: Option<Instant>,
    before: Duration,
    is_lent: bool,
}

impl Permit {
    fn new(gate: &Arc<Gate>, tenant: TenantId) -> Self {
        let had = Had { since: Some(Instant::now()), before: Duration::ZERO, is_lent: false };
        Self { gate: Arc::clone(gate), tenant, had: Mutex::new(had) }
    }

    fn had(&self) -> MutexGuard<'_, Had> {
        self.had.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wait for an answer of the host. If that takes long, somebody else computes meanwhile.
    pub(super) async fn lend_while<T>(&self, answer: impl Future<Output = T>) -> T {
        let mut answer = pin!(answer);
        if let Some(answer) = self.soon(answer.as_mut()).await {
            return answer;
        }
        let lends = self.lend();
        let answer = answer.await;
        if lends {
            self.come_back().await;
        }
        answer
    }

    /// Wait for an answer of the host, and keep the permit. If that takes long, the tenant gets fewer
    /// of them.
    pub(super) async fn keep_while<T>(&self, answer: impl Future<Output = T>) -> T {
        let mut answer = pin!(answer);
        if let Some(answer) = self.soon(answer.as_mut()).await {
            return answer;
        }
        self.gate.door().stall(self.tenant, true);
        let leave = |door: &mut Door<Turn>| door.stall(self.tenant, false);
        let _stalled = Waiting { gate: &self.gate, leave };
        answer.await
    }

    /// The answer, unless it takes long; where nothing is lent it may.
    async fn soon<T>(&self, answer: impl Future<Output = T>) -> Option<T> {
        match self.gate.lends {
            true => timeout(PATIENCE, answer).await.ok(),
            false => Some(answer.await),
        }
    }

    fn lend(&self) -> bool {
        let mut had = self.had();
        let Some(since) = had.since else { return false };
        if !self.gate.change(|door| door.lend(self.tenant)) {
            return false;
        }
        *had = Had { since: None, before: had.before + since.elapsed(), is_lent: true };
        true
    }

    async fn come_back(&self) {
        // From here on the door knows, whatever becomes of this future.
        self.had().is_lent = false;
        let (turn, heard) = oneshot::channel();
        let number = self.gate.change(|door| door.come_back(self.tenant, turn));
        if let Some(number) = number {
            let leave = |door: &mut Door<Turn>| {
                door.stay_away(self.tenant, number, Instant::now());
            };
            let _waiting = Waiting { gate: &self.gate, leave };
            match heard.await {
                // The same in another box, which is thrown away.
                Ok(Ok(permit)) => permit.had().since = None,
                _ => return,
            }
        }
        self.had().since = Some(Instant::now());
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Had { since, before, is_lent } = *self.had();
        let now = Instant::now();
        match since {
            Some(since) => {
                let took = before + since.elapsed();
                self.gate.change(|door| door.end(self.tenant, Some(took), now));
            }
            None if is_lent => self.gate.change(|door| door.end_lent(self.tenant, now)),
            None => {}
        }
    }
}
