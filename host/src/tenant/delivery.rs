//! Getting mail out through a transport, at once or later.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tracing::Instrument;

use super::mail::store_error;
use super::{Tenant, TenantBuilder};
use crate::component::Caller;
use crate::error::{CallError, SetupError};
use crate::mail::queue::{Budget, Options, Parts, Passed, QueuedMailer};
use crate::mail::smtp::{SmtpAccount, SmtpTransport};
use crate::mail::transport::{Failure, Outgoing, Transport};
use crate::metrics::{MailAttempt, Metrics};
use crate::random::jittered;

/// The pause between two passes when nothing is left to do: how late a mail may be.
const PAUSE: Duration = Duration::from_secs(2);

/// The longest pause while the store does not answer.
const LONGEST_PAUSE: Duration = Duration::from_secs(32);

/// How mail leaves.
pub(super) struct Way {
    /// The sender.
    pub(super) from: String,
    /// Who makes the attempts.
    pub(super) transport: Arc<dyn Transport>,
}

/// Put a queue between the tenant and its transport, if it has one or its settings name a mail
/// account.
pub(super) fn connect(
    mut tenant: TenantBuilder,
) -> Result<(TenantBuilder, Option<QueuedMailer>), SetupError> {
    let way = match (tenant.transport.take(), &tenant.mailer, &tenant.settings.host.smtp) {
        (Some(_), Some(_), _) => {
            let problem = "the tenant was given a mailer and a transport: give one of them";
            return Err(SetupError::Mail(problem.into()));
        }
        (Some(way), None, _) => way,
        (None, None, Some(account)) => smtp(account, tenant.settings.host.certs.as_deref())?,
        (None, _, _) => return Ok((tenant, None)),
    };
    // Without a store or a key there will be no tenant, and its builder says so.
    let (Some(store), false) = (&tenant.store, tenant.settings.secret_keys.is_empty()) else {
        return Ok((tenant, None));
    };
    let parts = Parts {
        tenant: &tenant.settings.tenant,
        from: &way.from,
        keys: &tenant.settings.secret_keys,
        store: Arc::clone(store),
        database: tenant.database.clone(),
        transport: Arc::new(Measured {
            transport: way.transport,
            metrics: Arc::clone(tenant.runtime.metrics()),
        }),
        clock: Arc::clone(&tenant.clock),
    };
    // Of a short call a half is left to queue the mail, or to take back what was done.
    let mut options = Options::default();
    options.patience = options.patience.min(tenant.runtime.limits().time / 2);
    let queue = QueuedMailer::new(parts, options)?;
    tenant.mailer = Some(Arc::new(queue.clone()));
    Ok((tenant, Some(queue)))
}

/// A transport whose attempts are counted.
struct Measured {
    transport: Arc<dyn Transport>,
    metrics: Arc<Metrics>,
}

#[async_trait]
impl Transport for Measured {
    async fn deliver(&self, mail: &Outgoing) -> Result<(), Failure> {
        let begun = Instant::now();
        let span = tracing::debug_span!("mail");
        let delivered = self.transport.deliver(mail).instrument(span).await;
        let result = match &delivered {
            Ok(()) => MailAttempt::Sent,
            Err(Failure::Temporary(_)) => MailAttempt::Temporary,
            Err(Failure::Permanent(_)) => MailAttempt::Permanent,
        };
        self.metrics.attempted(result, begun);
        delivered
    }

    async fn check(&self) -> Result<(), Failure> {
        self.transport.check().await
    }
}

/// The way that the settings name.
fn smtp(account: &SmtpAccount, certs: Option<&Path>) -> Result<Way, SetupError> {
    let transport = SmtpTransport::new(account, certs)?;
    Ok(Way { from: account.from.clone(), transport: Arc::new(transport) })
}

impl Tenant {
    /// Deliver some of the mail that waits: see
    /// [`QueuedMailer::pass`](crate::mail::queue::QueuedMailer::pass). Does nothing where mail
    /// does not go through a transport.
    ///
    /// # Errors
    /// [`CallError::Store`] when the store does not answer, [`CallError::Usage`] when the tenant
    /// is closed.
    pub async fn deliver_mail(&self, budget: &Budget) -> Result<Passed, CallError> {
        let Some(queue) = &self.inner.queue else { return Ok(Passed::default()) };
        let ticket = self.ticket()?;
        let passed = queue.pass(budget).await.map_err(store_error);
        drop(ticket);
        passed
    }

    /// Deliver mail that waits for as long as the tenant lives: until it is closed or its last
    /// clone is gone. To be spawned once in a program that runs for long; further ones, in any
    /// number of processes, share the work.
    ///
    /// Ends at once where mail does not go through a transport. While the store does not
    /// answer, it asks ever more seldom, at last every half minute.
    pub fn serve_mail(&self) -> impl Future<Output = ()> + Send + use<> {
        // Of itself it keeps nothing alive.
        let tenant = Arc::downgrade(&self.inner);
        let serves = self.inner.queue.is_some();
        async move {
            if !serves {
                return;
            }
            let mut failures = 0;
            loop {
                let Some(inner) = tenant.upgrade() else { return };
                let queue = inner.queue.clone();
                let passed = Tenant { inner, caller: Caller::default() }
                    .deliver_mail(&Budget::default())
                    .await;
                let pause = match passed {
                    Ok(passed) => {
                        failures = 0;
                        // Others may have in hand what this pass could do nothing with.
                        let goes_on = passed.more && passed.delivered + passed.dropped > 0;
                        if goes_on { Duration::ZERO } else { PAUSE }
                    }
                    Err(CallError::Usage(_)) => return,
                    Err(error) => {
                        tracing::warn!(%error, "mail that waits cannot be delivered");
                        failures += 1;
                        PAUSE.saturating_mul(1 << failures.min(4)).min(LONGEST_PAUSE)
                    }
                };
                match (failures, queue) {
                    // A mail that is due at once need not wait for the next round.
                    (0, Some(queue)) => {
                        let _ = tokio::time::timeout(jittered(pause), queue.arrival()).await;
                    }
                    _ => tokio::time::sleep(jittered(pause)).await,
                }
            }
        }
    }
}
