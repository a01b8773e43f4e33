//! What goes on whether or not anybody asks: idle tenants are closed, and those that are not open are
//! looked after now and then, so that their mail leaves and what has run out goes.

use std::sync::{Arc, Weak};
use std::time::Duration;
#[cfg(feature = "smtp")]
use std::time::Instant;

use super::Shared;
use super::site::Site;
#[cfg(feature = "smtp")]
use super::slot::Lease;
#[cfg(feature = "smtp")]
use crate::mail::queue::Budget;

/// How long nobody must have asked for a tenant before it is closed.
const IDLE: Duration = Duration::from_secs(600);

/// The pause between two rounds.
const PAUSE: Duration = Duration::from_secs(60);

/// Every so many rounds the tenants that are not open are visited; the first time at the first.
const VISIT_EVERY: u64 = 10;

/// The pause between the visits to two tenants: nothing here is urgent.
const LEISURE: Duration = Duration::from_millis(20);

/// To be run beside a gateway; ends with it.
pub(super) async fn run(gateway: Weak<Shared>) {
    for round in 0_u64.. {
        let Some(tenants) = gateway.upgrade().map(|it| it.tenants()) else { return };
        let names: Vec<String> = tenants.all().map(|it| it.settings.tenant.clone()).collect();
        drop(tenants);
        for name in names {
            // Looked up each time: a round may take long, and the settings change meanwhile.
            let Some(tenants) = gateway.upgrade().map(|it| it.tenants()) else { return };
            let Some(site) = tenants.get(&name).cloned() else { continue };
            drop(tenants);
            site.limits.tidy();
            if site.slot.is_open() {
                site.slot.close_if_idle(IDLE).await;
            } else if round % VISIT_EVERY == 0 && site.slot.has_store() {
                visit(&site).await;
                tokio::time::sleep(LEISURE).await;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Open a tenant, do what waits there, and close it unless somebody has come meanwhile.
async fn visit(site: &Arc<Site>) {
    // The reason is in the log.
    let Ok(lease) = site.open().await else { return };
    #[cfg(feature = "smtp")]
    deliver(&lease).await;
    lease.sweep().await;
    drop(lease);
    site.slot.close_if_idle(IDLE).await;
}

/// Send the mail that waits and is due.
#[cfg(feature = "smtp")]
async fn deliver(lease: &Lease) {
    /// After this no further mail is begun: there are other tenants. An attempt is never cut off,
    /// because it would be made a second time.
    const LONGEST: Duration = Duration::from_secs(120);

    let begun = Instant::now();
    while begun.elapsed() < LONGEST {
        match lease.tenant.deliver_mail(&Budget::default()).await {
            Ok(passed) if passed.more && passed.delivered + passed.dropped > 0 => {}
            Ok(_) => return,
            Err(error) => {
                let tenant = &lease.tenant.settings().tenant;
                tracing::warn!(tenant, %error, "mail is not delivered");
                return;
            }
        }
    }
}
