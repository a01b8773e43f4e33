//! A tenant: settings, a store and a mailer, on whose behalf calls are made.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;

#[cfg(feature = "gateway")]
use crate::audit::Event;
use crate::audit::{Events, Log, Query, Subject, Told};
#[cfg(feature = "gateway")]
use crate::component::By;
use crate::component::{After, Body, Call, Caller, Host, Runtime, Work};
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
#[cfg(feature = "cli")]
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
    audit: Arc<Log>,
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
        self.begin(work, Box::new(|it| Box::pin(call(it))), None).await
    }

    /// As [`run`](Tenant::run), and what comes of it is in the audit log before it is told.
    pub(crate) async fn decide<R, F, Fut>(
        &self,
        subject: Subject,
        tell: fn(&R) -> Told,
        work: Work,
        call: F,
    ) -> Result<R, CallError>
    where
        F: FnOnce(Call) -> Fut + Send + 'static,
        Fut: Future<Output = wasmtime::Result<Result<R, Failure>>> + Send + 'static,
        R: Send + 'static,
    {
        let audit = &self.inner.audit;
        if !audit.is_kept() || !subject.is_told() {
            return self.run(work, call).await;
        }
        let (log, caller) = (Arc::clone(audit), self.caller.clone());
        let after: After<R> = Box::new(move |answer, aftermath| {
            let event = log.draft(&subject, &caller, &aftermath, answer.as_ref().map(tell));
            Box::pin(async move {
                if let Some(event) = event {
                    log.write(event, aftermath.until).await;
                }
            })
        });
        self.begin(work, Box::new(|it| Box::pin(call(it))), Some(after)).await
    }

    async fn begin<R: Send + 'static>(
        &self,
        work: Work,
        body: Body<R>,
        after: Option<After<R>>,
    ) -> Result<R, CallError> {
        let Inner { runtime, host, .. } = &*self.inner;
        let ticket = self.ticket()?;
        runtime.run(Arc::clone(host), self.caller.clone(), ticket, work, body, after).await
    }

    /// Write into the audit log what was done by other ways than a function: after it was done, and
    /// before anybody is told. What cannot be written within [`Limits::time`](crate::Limits::time) is
    /// logged.
    #[cfg(feature = "cli")]
    pub(crate) async fn note(&self, name: &'static str, about: Option<&str>, outcome: &str) {
        let event = self.inner.audit.event(name, outcome, &self.caller);
        self.write_event(Event { about: about.map(str::to_lowercase), ..event }).await;
    }

    /// Write into the audit log what a stranger was refused. A flood of these is counted only.
    #[cfg(feature = "gateway")]
    pub(crate) async fn note_refusal(&self, name: &'static str, outcome: &str) {
        let caller = self.caller.clone().named(By::Stranger);
        if let Some(event) = self.inner.audit.refusal(name, outcome, &caller) {
            self.write_event(event).await;
        }
    }

    /// Carried through even if nobody waits for it any more.
    #[cfg(feature = "gateway")]
    async fn write_event(&self, event: Event) {
        let Ok(ticket) = self.ticket() else { return };
        let log = Arc::clone(&self.inner.audit);
        let until = std::time::Instant::now() + self.inner.runtime.limits().time;
        let write = async move {
            log.write(event, until).await;
            drop(ticket);
        };
        let _ = tokio::spawn(write).await;
    }

    /// The audit log: what has happened to accounts, the oldest first.
    ///
    /// # Errors
    /// [`CallError::Store`] when the store does not answer within
    /// [`Limits::time`](crate::Limits::time), [`CallError::Other`] for a tenant without a
    /// [`database`](TenantBuilder::database).
    pub async fn audit(&self, query: &Query) -> Result<Events, CallError> {
        let _ticket = self.ticket()?;
        let time = self.inner.runtime.limits().time;
        tokio::time::timeout(time, self.inner.audit.read(query))
            .await
            .unwrap_or_else(|_| Err(CallError::Store("no answer in time".into())))
    }

    /// Count a call of this function, and how it ends.
    pub(crate) async fn watched<R>(
        &self,
        function: &'static str,
        call: impl Future<Output = Result<R, CallError>>,
        tell: fn(&R) -> Told,
    ) -> Result<R, CallError> {
        let Inner { runtime, host, .. } = &*self.inner;
        let begun = Instant::now();
        let tenant = &host.settings.tenant;
        let span = tracing::info_span!("call", function, tenant);
        let answer = call.instrument(span).await;
        let ended = answer.as_ref().map(|answer| tell(answer).code);
        runtime.metrics().called(tenant, function, ended, begun.elapsed());
        answer
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
    /// guesses, users who never verified, and events of the audit log. Returns how many keys it has looked at; as many as
    /// `limit` means that there may be more.
    ///
    /// # Errors
    /// As the variants of [`CallError`] say. What was removed before stays removed.
    pub async fn sweep(&self, limit: u32) -> Result<u32, CallError> {
        let limits = self.inner.runtime.limits();
        let until = Instant::now() + limits.time.saturating_sub(limits.grace());
        let keys = self
            .run(Work::Plain, async move |mut call: Call| {
                let upkeep = call.exports.upkeep(&mut call.store)?;
                upkeep.call_sweep(&mut call.store, limit).await
            })
            .await?;
        let (ticket, log) = (self.ticket()?, Arc::clone(&self.inner.audit));
        // In a task of its own, and without a say in the answer: what has become of the other records
        // is told, whatever the store does here.
        let events = tokio::spawn(async move {
            log.settle(until).await;
            let events = tokio::time::timeout_at(until.into(), log.sweep(limit)).await;
            drop(ticket);
            events.unwrap_or_else(|_| Err(CallError::Store("no answer in time".into())))
        });
        let events = events.await.unwrap_or_else(|error| Err(CallError::Other(error.to_string())));
        if let Err(error) = &events {
            let tenant = &self.inner.host.settings.tenant;
            tracing::warn!(tenant, %error, "events that have run out are not removed");
        }
        Ok(keys.max(events.unwrap_or(0)))
    }

    /// Refuse further calls on all clones of this tenant and wait until those in hand are finished,
    /// at most [`Limits::time`](crate::Limits::time), and the attempts at mail under way with what
    /// follows them. With the last clone the store is gone, and its connections are closed.
    pub async fn close(self) {
        // An error means that another clone is being closed, which has the same effect.
        let all = self.inner.tickets.acquire_many(TICKETS).await;
        self.inner.tickets.close();
        drop(all);
        self.inner.audit.settle(Instant::now() + self.inner.runtime.limits().time).await;
        #[cfg(feature = "smtp")]
        if let Some(queue) = &self.inner.queue {
            queue.close().await;
        }
    }
}
