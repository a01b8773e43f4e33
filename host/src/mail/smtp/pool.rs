//! A few connections that are kept for the next mail.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};

use super::session::{Session, Time};

/// Connections at once, those in use and those kept: servers allow one client a handful.
pub(super) const CONNECTIONS: usize = 8;
/// How long a connection is kept without use: servers may end it after five minutes (RFC 5321
/// section 4.5.3.2.7), routers on the way forget it sooner.
const IDLE: Duration = Duration::from_secs(30);
/// How long leaving a server may take.
const PARTING: Duration = Duration::from_secs(2);

/// Hands out the right to use a connection, and keeps those that are idle.
pub(super) struct Pool {
    slots: Arc<Semaphore>,
    idle: Arc<Idle>,
}

#[derive(Default)]
struct Idle {
    sessions: Mutex<Vec<Kept>>,
}

struct Kept {
    session: Session,
    /// Tells it from one that was kept earlier.
    since: Instant,
    /// Takes it away in time.
    end: JoinHandle<()>,
}

/// The right to use one connection. Dropped, it is free for others; a connection that was in use is
/// then closed, however far it had come.
pub(super) struct Slot {
    permit: OwnedSemaphorePermit,
    idle: Arc<Idle>,
}

impl Pool {
    pub(super) fn new() -> Self {
        Self { slots: Arc::new(Semaphore::new(CONNECTIONS)), idle: Arc::default() }
    }

    /// Wait for a connection to be free, no longer than that.
    pub(super) async fn slot(&self, end: Instant) -> Option<Slot> {
        let permit = timeout_at(end, Arc::clone(&self.slots).acquire_owned()).await.ok()?.ok()?;
        Some(Slot { permit, idle: Arc::clone(&self.idle) })
    }
}

impl Slot {
    /// The connection that was used last, if one is kept.
    pub(super) fn kept(&self) -> Option<Session> {
        let kept = self.idle.sessions().pop()?;
        kept.end.abort();
        Some(kept.session)
    }

    /// Keep a session that is between two mails.
    pub(super) fn keep(self, session: Session) {
        let since = Instant::now();
        let idle = Arc::downgrade(&self.idle);
        let end = tokio::spawn(take_away(idle, since));
        self.idle.sessions().push(Kept { session, since, end });
        drop(self.permit);
    }
}

impl Idle {
    fn sessions(&self) -> MutexGuard<'_, Vec<Kept>> {
        // Nothing that is done under the lock can stop half-way.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// End a session that nobody has used for long.
async fn take_away(idle: Weak<Idle>, since: Instant) {
    sleep(IDLE).await;
    let Some(idle) = idle.upgrade() else { return };
    let kept = {
        let mut sessions = idle.sessions();
        let at = sessions.iter().position(|it| it.since == since);
        at.map(|at| sessions.remove(at))
    };
    if let Some(kept) = kept {
        kept.session.quit(Time::new(PARTING)).await;
    }
}

/// Leave the server as it should be left, where there is still somebody to do so.
impl Drop for Pool {
    fn drop(&mut self) {
        let kept = std::mem::take(&mut *self.idle.sessions());
        for Kept { session, end, .. } in kept {
            end.abort();
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(session.quit(Time::new(PARTING)));
            }
        }
    }
}
