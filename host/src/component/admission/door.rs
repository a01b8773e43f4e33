//! Whose turn it is, at one of the doors: bookkeeping alone, without a clock, a lock or a task.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::TenantId;

/// What a call is taken to cost until one was seen.
const FIRST_GUESS: Duration = Duration::from_millis(50);

/// The longest advice. Whoever has to wait longer is better off without a promise.
const LONGEST_ADVICE: Duration = Duration::from_secs(60);

/// How many calls pass a door at once, and who waits before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Width {
    /// Calls at once.
    pub(super) permits: usize,
    /// Calls that may wait.
    pub(super) places: usize,
    /// Calls that may have lent their permit to others while they wait for their host.
    pub(super) spare: usize,
    /// Whether a tenant has at most as many permits as are free, so that there are always some for
    /// the next: where calls wait for their stores more than they compute, one whose store does
    /// not answer would soon have all of them.
    pub(super) is_shared: bool,
}

/// A door, and the calls (each with something of type `W` to tell it so) that wait before it.
///
/// Every tenant has a line of his own. A permit that becomes free goes to the tenant who has the
/// fewest, and among equals to the one who has waited longest since his last turn. If all places
/// are taken, a call of a tenant with fewer of them takes that of the last in the longest line.
pub(super) struct Door<W> {
    width: Width,
    free: usize,
    waiting: usize,
    lent: usize,
    numbers: u64,
    lines: HashMap<TenantId, Line<W>>,
    /// Tenants with somebody in their line, the one whose turn is next first.
    ring: VecDeque<TenantId>,
    /// Calls that come back for the permit they had lent; before all others, but for tenants who have
    /// fewer.
    returning: VecDeque<(u64, TenantId, W)>,
    /// A moving average of how long a call keeps its permit.
    typical: Duration,
}

struct Line<W> {
    waiters: VecDeque<(u64, W)>,
    running: usize,
    lent: usize,
    /// Of those that run, how many wait for their host and keep their permit all the same.
    stalled: usize,
    /// When everybody who was told to come back has had his turn.
    promised: Instant,
}

/// What becomes of a call that cannot pass at once.
pub(super) enum Place<W> {
    /// It waits under this number.
    Taken(u64),
    /// So does this one; the other has lost its place to it, and gets this advice.
    TakenFrom(u64, W, Duration),
    /// There is none: this is when to come again.
    None(Duration),
}

impl<W> Door<W> {
    pub(super) fn new(width: Width) -> Self {
        Self {
            free: width.permits,
            width,
            waiting: 0,
            lent: 0,
            numbers: 0,
            lines: HashMap::new(),
            ring: VecDeque::new(),
            returning: VecDeque::new(),
            typical: FIRST_GUESS,
        }
    }

    /// How many calls have a permit, and how many wait for one or to have it back.
    pub(super) fn crowd(&self) -> (usize, usize) {
        let running = self.width.permits.saturating_sub(self.free);
        (running, self.waiting + self.returning.len())
    }

    /// Pass at once, if there is a permit and nobody else's turn.
    pub(super) fn pass(&mut self, tenant: TenantId, now: Instant) -> bool {
        let line = self.lines.entry(tenant).or_insert_with(|| Line::new(now));
        // Whoever waits while a permit is free waits for one of his own tenant's.
        let may = self.free > 0 && line.waiters.is_empty();
        let passes = may && self.width.lets(line, self.free, self.lent);
        if passes {
            line.running += 1;
            self.free -= 1;
        }
        passes
    }

    /// Wait. Afterwards [`next`](Door::next) has to be asked.
    pub(super) fn wait(&mut self, tenant: TenantId, waiter: W, now: Instant) -> Place<W> {
        let robbed = if self.waiting < self.width.places {
            None
        } else {
            match self.last_of_longest(tenant) {
                Some((loser, waiter)) => Some((waiter, self.advise(loser, now))),
                None => return Place::None(self.advise(tenant, now)),
            }
        };
        self.numbers += 1;
        let number = self.numbers;
        let line = self.lines.entry(tenant).or_insert_with(|| Line::new(now));
        if line.waiters.is_empty() {
            self.ring.push_back(tenant);
        }
        line.waiters.push_back((number, waiter));
        self.waiting += 1;
        match robbed {
            Some((waiter, advice)) => Place::TakenFrom(number, waiter, advice),
            None => Place::Taken(number),
        }
    }

    /// The last in the longest line, if that stays longer than this tenant's.
    fn last_of_longest(&mut self, tenant: TenantId) -> Option<(TenantId, W)> {
        let length = |id| self.lines.get(id).map_or(0, |line| line.waiters.len());
        let longest = *self.ring.iter().max_by_key(|id| length(id))?;
        if length(&longest) <= length(&tenant) + 1 {
            return None;
        }
        let (_, waiter) = self.lines.get_mut(&longest)?.waiters.pop_back()?;
        self.waiting -= 1;
        Some((longest, waiter))
    }

    /// Give up waiting. Whoever has had his turn meanwhile is not there any more.
    pub(super) fn give_up(&mut self, tenant: TenantId, number: u64, now: Instant) {
        let Some(line) = self.lines.get_mut(&tenant) else { return };
        let before = line.waiters.len();
        line.waiters.retain(|(it, _)| *it != number);
        let gone = before - line.waiters.len();
        self.waiting -= gone;
        if gone > 0 && line.waiters.is_empty() {
            self.ring.retain(|id| *id != tenant);
        }
        self.tidy(tenant, now);
    }

    /// Whom to tell that he has a permit now. To be asked until it is nobody.
    pub(super) fn next(&mut self) -> Option<(TenantId, W)> {
        if self.free == 0 {
            return None;
        }
        let (free, lent, width) = (self.free, self.lent, self.width);
        let running = |id| self.lines.get(id).map_or(0, |line| line.running);
        let lets = |id| self.lines.get(id).is_some_and(|line| width.lets(line, free, lent));
        let may = self.ring.iter().enumerate().filter(|(_, id)| lets(id));
        let next = may.map(|(at, id)| (at, running(id))).min_by_key(|(_, running)| *running);
        if let Some((_, tenant, _)) = self.returning.front()
            && next.is_none_or(|(_, others)| running(tenant) <= others)
        {
            let (_, tenant, waiter) = self.returning.pop_front()?;
            self.take_back(tenant);
            return Some((tenant, waiter));
        }
        let (at, _) = next?;
        let tenant = self.ring.remove(at)?;
        let line = self.lines.get_mut(&tenant)?;
        let (_, waiter) = line.waiters.pop_front()?;
        line.running += 1;
        self.free -= 1;
        self.waiting -= 1;
        if !line.waiters.is_empty() {
            self.ring.push_back(tenant);
        }
        Some((tenant, waiter))
    }

    /// A call has ended, which has had its permit for so long, if it was begun. Ask
    /// [`next`](Door::next).
    pub(super) fn end(&mut self, tenant: TenantId, took: Option<Duration>, now: Instant) {
        if let Some(took) = took {
            self.typical = self.typical - self.typical / 8 + took / 8;
        }
        self.free += 1;
        if let Some(line) = self.lines.get_mut(&tenant) {
            line.running -= 1;
        }
        self.tidy(tenant, now);
    }

    /// Let others have the permit of a call that waits for its host; not if too many do so already.
    /// Ask [`next`](Door::next).
    pub(super) fn lend(&mut self, tenant: TenantId) -> bool {
        let Some(line) = self.lines.get_mut(&tenant) else { return false };
        let may = line.lent < self.width.spare - self.lent;
        if may {
            line.running -= 1;
            line.lent += 1;
            self.lent += 1;
            self.free += 1;
        }
        may
    }

    /// A call waits long for its host and keeps its permit; or does so no longer. Ask
    /// [`next`](Door::next) then.
    pub(super) fn stall(&mut self, tenant: TenantId, stalls: bool) {
        if let Some(line) = self.lines.get_mut(&tenant) {
            line.stalled = if stalls { line.stalled + 1 } else { line.stalled.saturating_sub(1) };
        }
    }

    /// Take it back at once, or, if that cannot be, wait for it. Ask [`next`](Door::next).
    pub(super) fn come_back(&mut self, tenant: TenantId, waiter: W) -> Option<u64> {
        if self.free > 0 {
            self.take_back(tenant);
            return None;
        }
        self.numbers += 1;
        self.returning.push_back((self.numbers, tenant, waiter));
        Some(self.numbers)
    }

    /// Give up coming back. Whoever has the permit again by now is not there any more.
    pub(super) fn stay_away(&mut self, tenant: TenantId, number: u64, now: Instant) {
        let before = self.returning.len();
        self.returning.retain(|(it, ..)| *it != number);
        if self.returning.len() < before {
            self.end_lent(tenant, now);
        }
    }

    fn take_back(&mut self, tenant: TenantId) {
        self.free -= 1;
        self.lent -= 1;
        if let Some(line) = self.lines.get_mut(&tenant) {
            line.lent -= 1;
            line.running += 1;
        }
    }

    /// A call has ended that had lent its permit. Ask [`next`](Door::next): its tenant may have a
    /// turn again.
    pub(super) fn end_lent(&mut self, tenant: TenantId, now: Instant) {
        self.lent -= 1;
        if let Some(line) = self.lines.get_mut(&tenant) {
            line.lent -= 1;
        }
        self.tidy(tenant, now);
    }

    fn tidy(&mut self, tenant: TenantId, now: Instant) {
        if self.lines.get(&tenant).is_some_and(|line| line.is_over(now)) {
            self.lines.remove(&tenant);
        }
    }

    /// When to come again: after those who wait now, and after those who were sent away before,
    /// each of whom gets a turn of his own.
    pub(super) fn advise(&mut self, tenant: TenantId, now: Instant) -> Duration {
        self.lines.retain(|id, line| *id == tenant || !line.is_over(now));
        let sharing = self.lines.values().filter(|line| line.running + line.waiters.len() > 0);
        let sharing = u32::try_from(sharing.count().max(1)).unwrap_or(u32::MAX);
        let permits = u32::try_from(self.width.permits.max(1)).unwrap_or(u32::MAX);
        let each = self.typical.saturating_mul(sharing) / permits;
        let line = self.lines.entry(tenant).or_insert_with(|| Line::new(now));
        let waiting = u32::try_from(line.waiters.len()).unwrap_or(u32::MAX);
        let queue = each.saturating_mul(waiting);
        let promised = line.promised.max(now + queue.min(LONGEST_ADVICE)) + each;
        line.promised = promised.min(now + LONGEST_ADVICE);
        line.promised - now
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    #[cfg(test)]
    pub(super) fn lent(&self) -> usize {
        self.lent
    }

    /// Whether somebody wants to come back.
    #[cfg(test)]
    pub(super) fn is_awaited(&self) -> bool {
        !self.returning.is_empty()
    }

    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        let counts = (self.free, self.waiting, self.lent);
        counts == (self.width.permits, 0, 0) && self.ring.is_empty() && self.returning.is_empty()
    }
}

impl Width {
    /// Whether one more call of this tenant may run.
    fn lets<W>(&self, line: &Line<W>, free: usize, lent: usize) -> bool {
        // Only as many as could all lend their permits, if his store does not answer, and each of them
        // takes one from what the next may lend. The first is always let in.
        let could_lend = line.lent + 2 * line.running < self.spare.saturating_sub(lent);
        let is_first = line.running == 0 && line.lent == 0;
        // Where permits are kept by calls that wait, there must always be some for the next tenant.
        let leaves_some = line.running < free.max(1);
        (self.spare == 0 || could_lend || is_first)
            && (leaves_some || !(self.is_shared || line.stalled > 0))
    }
}

impl<W> Line<W> {
    fn new(now: Instant) -> Self {
        Self { waiters: VecDeque::new(), running: 0, lent: 0, stalled: 0, promised: now }
    }

    fn is_over(&self, now: Instant) -> bool {
        self.running == 0 && self.lent == 0 && self.waiters.is_empty() && self.promised <= now
    }
}
