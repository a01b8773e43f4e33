//! A configured tenant, as the gateway sees it: what is set for it, and its handle while it is open.
//!
//! A tenant is opened when somebody first asks for it, and closed when nobody has for a while. Its
//! handle is kept in a [`Slot`], which outlives the settings: after a reload that changes nothing of
//! it, the new site has the old one's slot.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use serde_json::Value as Json;
use tokio::time::timeout;
use tracing::Instrument;

use super::admin::AdminToken;
use super::limits::Limits;
use super::pages::Theme;
use super::reply::{Kind, Refusal};
use super::slot::{Lease, Refused, Slot};
use crate::component::Runtime;
use crate::error::SetupError;
use crate::settings::{GatewaySettings, Settings, Value};

/// How long a request waits for its tenant to be opened. The opening goes on.
const OPENING: Duration = Duration::from_secs(10);

/// A configured tenant.
pub(crate) struct Site {
    /// All that is set.
    pub(crate) settings: Settings,
    /// How often a peer may ask.
    pub(crate) limits: Arc<Limits>,
    /// Who may do more.
    pub(crate) admin: AdminToken,
    /// What its pages look like.
    pub(super) theme: Arc<Theme>,
    pub(super) slot: Arc<Slot>,
}

impl Site {
    /// A site for these settings. What `former` has is kept where the settings allow.
    ///
    /// # Errors
    /// A theme that cannot be used.
    pub(crate) fn new(
        settings: Settings,
        runtime: &Runtime,
        folder: &Path,
        former: Option<&Site>,
    ) -> Result<Self, SetupError> {
        let kept = former.filter(|it| it.slot.serves(&settings));
        let slot = kept.map_or_else(
            || Arc::new(Slot::new(&settings, runtime, folder)),
            |it| Arc::clone(&it.slot),
        );
        let gateway = &settings.host.gateway;
        let same_limits = |it: &&Site| {
            let other = it.gateway();
            (other.peer_limit, other.peer_secret_limit)
                == (gateway.peer_limit, gateway.peer_secret_limit)
        };
        let limits = former.filter(same_limits);
        // Read anew each time: a reload is how a theme is changed.
        let theme = Theme::load(gateway.theme.as_deref())
            .map_err(|problem| SetupError::Settings(settings.complaint("theme", &problem)))?;
        Ok(Self {
            limits: limits.map_or_else(|| Arc::new(Limits::new(gateway)), |it| it.limits.clone()),
            admin: AdminToken::new(&settings, folder),
            theme,
            slot,
            settings,
        })
    }

    /// What is set for the gateway.
    pub(crate) fn gateway(&self) -> &GatewaySettings {
        &self.settings.host.gateway
    }

    /// Open the tenant, or wait for whoever is at it.
    pub(crate) async fn open(&self) -> Result<Arc<Lease>, Refusal> {
        let asked = Instant::now();
        // A task of its own: whoever hangs up does not stop it, and others wait for the same one.
        let opening = tokio::spawn(Arc::clone(&self.slot).open(asked).in_current_span());
        let refused = match timeout(OPENING, opening).await {
            Ok(Ok(Ok(lease))) => return Ok(lease),
            Ok(Ok(Err(refused))) => refused,
            Ok(Err(_)) => Refused { kind: Kind::Other, text: "the tenant cannot be opened" },
            Err(_) => Refused { kind: Kind::Storage, text: "the store does not answer" },
        };
        let Refused { kind, text } = refused;
        Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, kind, text).retry_after(5))
    }

    /// Whether a sign-in needs a code.
    pub(crate) fn requires_mfa(&self) -> bool {
        matches!(self.settings.values.get("require_mfa"), Some(Value::Boolean(true)))
    }

    /// Digits of a code.
    pub(crate) fn code_length(&self) -> i64 {
        self.integer("code_length").unwrap_or(6)
    }

    /// How long a code is good for.
    pub(crate) fn code_ttl(&self) -> Duration {
        let seconds = self.integer("code_ttl").and_then(|it| u64::try_from(it).ok());
        Duration::from_secs(seconds.unwrap_or(600))
    }

    /// The fewest characters of a password that is set.
    pub(super) fn min_password_length(&self) -> i64 {
        self.integer("min_password_length").unwrap_or(8)
    }

    /// The message of an outcome that the gateway itself tells: its text, or its number.
    pub(crate) fn message(&self, code: u16, text: &str) -> Json {
        match self.settings.values.get("readable_errors") {
            Some(Value::Boolean(false)) => code.into(),
            _ => text.into(),
        }
    }

    fn integer(&self, key: &str) -> Option<i64> {
        match self.settings.values.get(key) {
            Some(Value::Integer(value)) => Some(*value),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::Limits as CallLimits;

    fn site(folder: &Path) -> Site {
        let runtime = Runtime::new(CallLimits::default()).unwrap();
        Site::new(Settings::default(), &runtime, folder, None).unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_tenant_is_opened_once_and_stays_open_while_somebody_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let site = site(folder.path());
        assert!(!site.slot.is_open() && !site.slot.has_store());
        let (one, other) = tokio::join!(site.open(), site.open());
        let (one, other) = (one.unwrap(), other.unwrap());
        assert!(Arc::ptr_eq(&one, &other));
        assert!(site.slot.has_store());
        drop(other);
        site.slot.close_if_idle(Duration::ZERO).await;
        assert!(site.slot.is_open());
        one.touch();
        drop(one);
        // Somebody has just asked for it.
        site.slot.close_if_idle(Duration::from_secs(3600)).await;
        assert!(site.slot.is_open());
        site.slot.close_if_idle(Duration::ZERO).await;
        assert!(!site.slot.is_open());
        let again = site.open().await.unwrap();
        assert!(again.tenant.coredb().user_count().await.is_ok());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_tenant_that_has_changed_is_not_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let site = site(folder.path());
        let lease = site.open().await.unwrap();
        site.slot.retire(Duration::ZERO).await;
        assert!(lease.tenant.coredb().user_count().await.is_err());
        assert_eq!(site.open().await.err().unwrap().status, StatusCode::SERVICE_UNAVAILABLE);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_the_settings_leave_alone_is_kept_at_a_reload() {
        let folder = tempfile::tempdir().unwrap();
        let former = site(folder.path());
        let runtime = Runtime::new(CallLimits::default()).unwrap();
        let renewed =
            |settings| Site::new(settings, &runtime, folder.path(), Some(&former)).unwrap();
        let same = renewed(Settings::default());
        assert!(Arc::ptr_eq(&same.slot, &former.slot));
        assert!(Arc::ptr_eq(&same.limits, &former.limits));
        let other = renewed(Settings::default().with("code_length", 8));
        assert!(!Arc::ptr_eq(&other.slot, &former.slot));
        let mut settings = Settings::default();
        settings.host.gateway.peer_limit = None;
        let other = renewed(settings);
        assert!(Arc::ptr_eq(&other.slot, &former.slot));
        assert!(!Arc::ptr_eq(&other.limits, &former.limits));
    }
}
