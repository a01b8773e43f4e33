//! Mail that the server did not take at once, kept in the store until it does.
//!
//! [`QueuedMailer`] hands a message to a [`Transport`] at once. What then becomes of it:
//!
//! | the server | the caller is told | the mail |
//! |---|---|---|
//! | takes it | accepted | is out; nothing was stored |
//! | refuses it for good | refused, with the server's reason | is gone |
//! | refuses it for now, cannot be reached, breaks off | queued | is in the store |
//! | has not answered after [`Options::patience`] | queued | is in the store, the attempt goes on |
//! | did not answer others just before | queued | is in the store without an attempt |
//! | any of the last three, and the store is down or the queue full | an error | is gone |
//!
//! So a caller who is told that all is well has a mail that is out or stored, and one whose mail is
//! gone is told. A caller who stops waiting is told neither; the mail then still goes one of these
//! ways, unless its guard no longer holds.
//!
//! [`QueuedMailer::pass`] works on what is due. Any number of hosts do so at once: each record is
//! claimed by a conditional write, and only who has the claim makes the attempt.
//!
//! | a record that is due | ends or goes on |
//! |---|---|
//! | its `valid-until` has passed | removed, logged |
//! | its guard no longer holds: the code was used or replaced, the user is gone | removed |
//! | it cannot be opened with any key of this tenant | waits for a host that can, until its end |
//! | it was tampered with | removed, logged |
//! | the server takes it | removed |
//! | the server refuses it for good | removed, logged; nobody is left to be told |
//! | the server refuses it for now | waits 5, 10, 20 … 120 s, less up to a half by chance |
//! | the wait would end after `valid-until` | removed, logged |
//!
//! # How often a mail arrives
//!
//! Once, where the server's answer was seen and the record could be removed after it. Again, with
//! the same Message-ID and the same bytes, when the connection broke after the content and before
//! the answer, when the process died between the answer and the removal, when the store was down
//! for that whole time and the process ended before it came back, or when the clocks of two
//! hosts are further apart than [`LEASE`] less [`ATTEMPT`].
//!
//! # What stands in the store
//!
//! A mail holds a live code. Its text and both addresses are sealed with a key that is made from
//! the tenant's secret key (`seal`); in the open are times, counts and the guard, which names the
//! account and holds the digest of its code and no more of it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lettre::Address;
use lettre::message::Mailbox;
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;

use super::render::random;
use super::transport::Transport;
use crate::contract::settings::SecretKey;
use crate::error::SetupError;
use crate::store::{Database, Error, Store};

mod circuit;
mod delay;
mod hand_over;
mod pass;
mod record;
mod seal;
mod settle;
#[cfg(test)]
mod tests;

use circuit::Circuit;
use seal::Keys;

pub use pass::{Budget, Passed};

/// The longest that one attempt may take, whatever its [`Transport`] says of itself. It then counts
/// as one that failed for now.
pub const ATTEMPT: Duration = Duration::from_secs(10);

/// For how long a claim keeps others away. Longer than a claim (`STORE`), an attempt
/// ([`ATTEMPT`]) and what follows it (`settle`) take together; after a crash, a mail waits for
/// this long.
pub const LEASE: Duration = Duration::from_secs(30);

/// The longest that the queue waits for one answer of the store.
const STORE: Duration = Duration::from_secs(4);

/// Attempts of the worker at one time, so that a server that hangs for some mails does not hold up
/// the others.
const WORKERS: u32 = 4;

/// First attempts at one time: as many as a runtime admits calls by default. Beyond it mail is
/// queued without one.
const FIRST_ATTEMPTS: u32 = 256;

/// Mails that are out and whose record could not be removed, of which a process keeps the keys.
const REMEMBERED: usize = 1024;

/// Where the queue learns the time.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// How a [`QueuedMailer`] works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many mails may wait; further ones are refused. 10,000 by default. Mails without a guard,
    /// which hold no code, are refused when half of that waits, whatever it is. Hosts that put mails
    /// in at the same moment may exceed it by as many as these are.
    pub capacity: u32,
    /// How long the caller waits for the server. 4 s by default, which leaves a call of ten seconds
    /// time to queue the mail, or to take back what it did.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { capacity: 10_000, patience: Duration::from_secs(4) }
    }
}

/// What a queue is made of.
pub struct Parts<'a> {
    /// The name of the tenant: mail that was sealed for one cannot be opened by another.
    pub tenant: &'a str,
    /// The sender, an address alone. Its domain is that of the Message-IDs.
    pub from: &'a str,
    /// The tenant's keys, the one that seals first. See
    /// [`Settings::secret_keys`](crate::Settings::secret_keys).
    pub keys: &'a [SecretKey],
    /// Where the records live, those of the queue and those that guards look at. It must answer
    /// [`Store::overdue`]: a store that cannot tell never gives a mail back.
    pub store: Arc<dyn Store>,
    /// Counts the records. Without it their keys are listed to be counted.
    pub database: Option<Arc<dyn Database>>,
    /// Who makes the attempts.
    pub transport: Arc<dyn Transport>,
    /// The time by which mails run out.
    pub clock: Clock,
}

/// Sends mail through a [`Transport`], and keeps it in the store while that cannot take it.
///
/// Cheap to clone; all clones are the same queue. Needs a [`tokio`] runtime with its timer.
#[derive(Clone)]
pub struct QueuedMailer {
    inner: Arc<Inner>,
}

struct Inner {
    tenant: String,
    from: Mailbox,
    keys: Keys,
    store: Arc<dyn Store>,
    database: Option<Arc<dyn Database>>,
    transport: Arc<dyn Transport>,
    clock: Clock,
    options: Options,
    /// The name that this process claims under, for whoever looks at the records.
    worker: String,
    circuit: Circuit,
    /// One for each first attempt under way.
    first: Arc<Semaphore>,
    /// One for each record being worked on.
    working: Arc<Semaphore>,
    /// The keys of records whose mail is out and which could not be removed.
    sent: Mutex<VecDeque<String>>,
    /// Told of each mail that is due at once.
    arrived: Notify,
}

impl QueuedMailer {
    /// A queue over this store. Nothing is read or written yet.
    ///
    /// # Errors
    /// [`SetupError::Mail`] for a sender that is no address, and without a key or randomness.
    pub fn new(parts: Parts<'_>, options: Options) -> Result<Self, SetupError> {
        let from: Address = parts.from.parse().map_err(|_| {
            SetupError::Mail("the sender must be one e-mail address and nothing else".into())
        })?;
        let worker = random().map_err(|_| {
            SetupError::Mail("the system gives no random bytes: no queue can be made".into())
        })?;
        Ok(Self {
            inner: Arc::new(Inner {
                tenant: parts.tenant.to_owned(),
                from: Mailbox::new(None, from),
                keys: Keys::new(parts.tenant, parts.keys)?,
                store: parts.store,
                database: parts.database,
                transport: parts.transport,
                clock: parts.clock,
                options,
                worker,
                circuit: Circuit::default(),
                first: Arc::new(Semaphore::new(FIRST_ATTEMPTS as usize)),
                working: Arc::new(Semaphore::new(WORKERS as usize)),
                sent: Mutex::default(),
                arrived: Notify::new(),
            }),
        })
    }

    /// Wait until a mail comes in that is due at once, in this process.
    pub async fn arrival(&self) {
        self.inner.arrived.notified().await;
    }

    /// Take no more mail, begin no more attempts, and wait for those under way: at most [`LEASE`].
    pub async fn close(&self) {
        let Inner { first, working, .. } = &*self.inner;
        // An error means that another clone has closed it, which has the same effect.
        let all = async {
            let _first = first.acquire_many(FIRST_ATTEMPTS).await;
            first.close();
            let _working = working.acquire_many(WORKERS).await;
            working.close();
        };
        if timeout(LEASE, all).await.is_err() {
            first.close();
            working.close();
        }
    }
}

/// The tenant alone: everything else is a secret or says nothing.
impl fmt::Debug for QueuedMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueuedMailer").field("tenant", &self.inner.tenant).finish_non_exhaustive()
    }
}

impl Inner {
    /// Seconds since 1970.
    fn now(&self) -> Result<u64, Error> {
        (self.clock)()
            .duration_since(UNIX_EPOCH)
            .map(|since| since.as_secs())
            .map_err(|_| Error::Other("the clock stands before 1970".into()))
    }

    fn sent(&self) -> std::sync::MutexGuard<'_, VecDeque<String>> {
        // What a panicking thread left behind is a list of keys, whole or one short.
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the store answers, or that it did not in time.
async fn bounded<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(STORE, answer).await.unwrap_or_else(|_| {
        Err(Error::Unavailable(format!("no answer within {} s", STORE.as_secs())))
    })
}
