//! A tenant: settings, a store and a mailer, on whose behalf calls are made.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::component::{Call, Caller, Host, Runtime, Work};
use crate::contract::types::Failure;
use crate::error::CallError;
use crate::settings::Settings;

mod builder;
#[cfg(all(feature = "sqlite", feature = "outbox"))]
mod data_dir;
#[cfg(feature = "mongodb")]
pub(crate) mod database;
#[cfg(feature = "smtp")]
mod delivery;
mod mail;
mod users;

pub use builder::TenantBuilder;
#[cfg(feature = "gateway")]
pub(crate) use data_dir::embedded_store;
pub use mail::MailQueue;

/// Calls that a tenant can have in hand; far more than any runtime admits.
const TICKETS: u32 = 1 << 20;

/// What calls are made on. Cheap to clone; all clones are the same tenant.
///
/// The connections of the store close when the last clone is gone and the calls in hand are
/// finished; [`Tenant::close`] waits for these.
#[derive(Clone)]
pub struct Tenant {
    inner: Arc<Inner>,
    /// On whose behalf calls are made on this clone.
    caller: Caller,
}

struct Inner {
    runtime: Runtime,
    host: Arc<Host>,
    /// Where mail waits, if it goes out through a transport.
    #[cfg(feature = "smtp")]
    queue: Option<crate::mail::queue::QueuedMailer>,
    /// One for each call in hand.
    tickets: Arc<Semaphore>,
}

impl Tenant {
    /// Begin to describe a tenant whose calls run in `runtime`.
    pub fn builder(runtime: &Runtime) -> TenantBuilder {
        TenantBuilder::new(runtime.clone())
    }

    /// What the tenant was set up with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.inner.host.settings
    }

    /// The same tenant, for calls of this caller.
    #[must_use]
    pub fn called_by(&self, caller: Caller) -> Self {
        Self { inner: Arc::clone(&self.inner), caller }
    }

    /// Make one call in an instance of its own. The typed functions are made of this.
    ///
    /// The call begins as soon as it is admitted, and is then finished (or stopped at
    /// [`Limits::time`](crate::Limits::time)) even if the future that this function returned is
    /// dropped.
    ///
    /// Needs a [`tokio`] runtime with its timer.
    ///
    /// # Errors
    /// As the variants of [`CallError`] say.
    pub async fn run<R, F, Fut>(&self, work: Work, call: F) -> Result<R, CallError>
    where
        F: FnOnce(Call) -> Fut + Send + 'static,
        Fut: Future<Output = wasmtime::Result<Result<R, Failure>>> + Send + 'static,
        R: Send + 'static,
    {
        let Inner { runtime, host, .. } = &*self.inner;
        let ticket = self.ticket()?;
        runtime.run(Arc::clone(host), self.caller.clone(), ticket, work, call).await
    }

    /// Where its records are, and the administration of them, if it was granted.
    #[cfg(feature = "cli")]
    pub(crate) fn records(
        &self,
    ) -> (Arc<dyn crate::store::Store>, Option<Arc<dyn crate::store::Database>>) {
        let host = &self.inner.host;
        (Arc::clone(&host.store), host.database.clone())
    }

    /// Leave to begin something that [`close`](Tenant::close) then waits for.
    fn ticket(&self) -> Result<OwnedSemaphorePermit, CallError> {
        Arc::clone(&self.inner.tickets)
            .try_acquire_owned()
            .map_err(|_| CallError::Usage("the tenant is closed".into()))
    }

    /// Look at up to `limit` overdue keys and remove what has run out: limits, codes, counts of
    /// guesses, and users who never verified. Returns how many keys it has looked at; as many as
    /// `limit` means that there may be more.
    ///
    /// # Errors
    /// As the variants of [`CallError`] say. What was removed before stays removed.
    pub async fn sweep(&self, limit: u32) -> Result<u32, CallError> {
        self.run(Work::Plain, async move |mut call: Call| {
            let upkeep = call.exports.upkeep(&mut call.store)?;
            upkeep.call_sweep(&mut call.store, limit).await
        })
        .await
    }

    /// Refuse further calls on all clones of this tenant and wait until those in hand are finished,
    /// at most [`Limits::time`](crate::Limits::time), and the attempts at mail under way with what
    /// follows them. With the last clone the store is gone, and its connections are closed.
    pub async fn close(self) {
        // An error means that another clone is being closed, which has the same effect.
        let all = self.inner.tickets.acquire_many(TICKETS).await;
        self.inner.tickets.close();
        drop(all);
        #[cfg(feature = "smtp")]
        if let Some(queue) = &self.inner.queue {
            queue.close().await;
        }
    }
}
