//! The host's side of one call.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::admission::{Permit, TenantId};
use super::bounds::Bounds;
use super::limits::RANDOM;
use super::{Caller, Limits, Work};
use crate::contract::caller;
use crate::contract::settings::{self, SecretKey, Value};
use crate::contract::wasi::clocks::wall_clock::{self, Datetime};
use crate::contract::wasi::random::random;
use crate::mail::Mailer;
use crate::metrics::{Metrics, Present};
use crate::settings::Settings;
use crate::store::{Database, Store};

/// After that many turns a call is one that computes for long.
pub(super) const LONG: u32 = 3;

/// Where the component learns the time.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// What the calls of one tenant reach.
pub(crate) struct Host {
    /// By which calls are shared out between tenants.
    pub(crate) id: TenantId,
    pub(crate) settings: Settings,
    pub(crate) store: Arc<dyn Store>,
    /// Only if it was granted.
    pub(crate) database: Option<Arc<dyn Database>>,
    pub(crate) mailer: Option<Arc<dyn Mailer>>,
    pub(crate) clock: Clock,
}

/// What turns out about a call while it is made.
#[derive(Default)]
pub(super) struct Seen {
    /// Whose call it is, by a token that the component has found good.
    pub(super) account: OnceLock<String>,
    /// The address that a user was moved to, by a commit that was made.
    pub(super) moved: OnceLock<String>,
}

/// What one instance has of its host: the imports of the component, and its bounds. Made for one
/// call and gone with it.
pub struct State {
    pub(super) host: Arc<Host>,
    pub(super) caller: Caller,
    pub(super) bounds: Bounds,
    /// By which the call was admitted.
    permit: Arc<Permit>,
    pub(super) metrics: Arc<Metrics>,
    /// The instance counts for as long as this is there.
    _present: Present,
    /// Bytes of a document that a store may answer with.
    pub(super) document: usize,
    /// When the call is stopped.
    pub(super) end: Instant,
    /// Until when a store or mailer may take; before [`State::end`] by this.
    pub(super) grace: Duration,
    /// What turned out about the call, for the audit log.
    pub(super) seen: Arc<Seen>,
    /// Conflicts in a row.
    pub(super) conflicts: u32,
    /// Turns that the call has had to compute.
    pub(super) ticks: u32,
    /// Set when these are many.
    pub(super) is_long: Arc<AtomicBool>,
}

impl State {
    pub(super) fn new(
        host: Arc<Host>,
        caller: Caller,
        permit: Arc<Permit>,
        metrics: &Arc<Metrics>,
        limits: &Limits,
        work: Work,
        end: Instant,
    ) -> Self {
        let memory = match work {
            Work::Hashing => limits.memory,
            Work::Plain => limits.memory_plain,
        };
        Self {
            host,
            caller,
            bounds: Bounds::new(memory),
            permit,
            _present: metrics.instance(),
            metrics: Arc::clone(metrics),
            document: limits.document,
            end,
            grace: limits.grace(),
            seen: Arc::default(),
            conflicts: 0,
            ticks: 0,
            is_long: Arc::default(),
        }
    }

    /// Wait for the store or the mailer. If that takes long, another call may hash meanwhile; unless
    /// this one has hashed, because the memory of both would be in use then.
    pub(super) async fn wait_for<T>(&self, answer: impl Future<Output = T>) -> T {
        match self.ticks < LONG {
            true => self.permit.lend_while(answer).await,
            false => self.permit.keep_while(answer).await,
        }
    }

    /// Until when a store may take, so that the component can still say that it did not answer.
    pub(super) fn store_deadline(&self) -> Instant {
        self.end.checked_sub(self.grace).unwrap_or(self.end)
    }

    /// Until when a mailer may take, so that the component can still take back what it did.
    pub(super) fn mail_deadline(&self) -> Instant {
        self.end.checked_sub(2 * self.grace).unwrap_or(self.end)
    }
}

impl settings::Host for State {
    async fn tenant(&mut self) -> wasmtime::Result<String> {
        Ok(self.host.settings.tenant.clone())
    }

    async fn get(&mut self, key: String) -> wasmtime::Result<Option<Value>> {
        Ok(self.host.settings.values.get(&key).cloned())
    }

    async fn secret_keys(&mut self) -> wasmtime::Result<Vec<SecretKey>> {
        Ok(self.host.settings.secret_keys.clone())
    }
}

impl caller::Host for State {
    async fn hide_accounts(&mut self) -> wasmtime::Result<bool> {
        Ok(self.caller.hide_accounts)
    }

    async fn ticket(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.caller.ticket.as_deref().cloned())
    }

    async fn device(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.caller.device.as_deref().cloned())
    }

    async fn recognised(&mut self, account: String) -> wasmtime::Result<()> {
        // One token has one account: what is told once more is the same.
        let _ = self.seen.account.set(account);
        Ok(())
    }
}

impl wall_clock::Host for State {
    async fn now(&mut self) -> wasmtime::Result<Datetime> {
        // A clock before 1970 is broken; nothing that depends on time may be decided with it.
        let since = (self.host.clock)()
            .duration_since(UNIX_EPOCH)
            .map_err(|_| wasmtime::Error::msg("the clock stands before 1970"))?;
        Ok(datetime(since))
    }

    async fn resolution(&mut self) -> wasmtime::Result<Datetime> {
        Ok(datetime(Duration::from_nanos(1)))
    }
}

fn datetime(time: Duration) -> Datetime {
    Datetime { seconds: time.as_secs(), nanoseconds: time.subsec_nanos() }
}

/// From the operating system, every time: a call needs a few dozen bytes.
impl random::Host for State {
    async fn get_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        let len = match usize::try_from(len) {
            Ok(bytes) if len <= RANDOM => bytes,
            _ => return Err(wasmtime::Error::msg("more random bytes than a call may take")),
        };
        let mut bytes = vec![0; len];
        getrandom::fill(&mut bytes).map_err(no_randomness)?;
        Ok(bytes)
    }

    async fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        getrandom::u64().map_err(no_randomness)
    }
}

fn no_randomness(error: getrandom::Error) -> wasmtime::Error {
    wasmtime::Error::msg(format!("the system gives no random bytes: {error}"))
}
