//! The handle of a tenant, while it is open.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::task::AbortHandle;

use super::reply::Kind;
use crate::component::Runtime;
use crate::error::SetupError;
use crate::random::jittered;
use crate::settings::Settings;
use crate::tenant::Tenant;

/// How often what has run out is removed from an open tenant.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Keys that one pass of that looks at.
const SWEEP_KEYS: u32 = 256;

/// Passes in a row; what is left then waits for the next time.
const SWEEP_PASSES: u32 = 64;

/// What a tenant's handle is opened from, and is kept in.
pub(crate) struct Slot {
    runtime: Runtime,
    settings: Settings,
    folder: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: Option<Arc<Lease>>,
    /// When opening failed last, and why.
    failed: Option<(Instant, Refused)>,
    /// Whether it is not to be opened again: its settings are no longer in force.
    retired: bool,
}

/// Why a tenant was not opened.
#[derive(Clone)]
pub(super) struct Refused {
    pub(super) kind: Kind,
    pub(super) text: &'static str,
}

/// A tenant that is open, and stays so while somebody has this.
pub(crate) struct Lease {
    /// The tenant, called by nobody in particular.
    pub(crate) tenant: Tenant,
    begun: Instant,
    /// When somebody asked for it last, in milliseconds after `begun`; 0: nobody has.
    used: AtomicU64,
    sweeper: std::sync::OnceLock<AbortHandle>,
}

impl Slot {
    /// For a tenant that nobody has opened yet.
    pub(super) fn new(settings: &Settings, runtime: &Runtime, folder: &Path) -> Self {
        Self {
            runtime: runtime.clone(),
            settings: settings.clone(),
            folder: folder.to_owned(),
            state: Mutex::default(),
        }
    }

    /// Whether it may be kept for a tenant with these settings.
    pub(super) fn serves(&self, settings: &Settings) -> bool {
        self.settings.serves_as(settings)
    }

    /// The handle. One task opens at a time; who has waited for one that failed is told the same.
    pub(super) async fn open(self: Arc<Self>, asked: Instant) -> Result<Arc<Lease>, Refused> {
        let mut state = self.state.lock().await;
        if let Some(lease) = &state.open {
            return Ok(Arc::clone(lease));
        }
        if state.retired {
            return Err(Refused { kind: Kind::Storage, text: "the tenant has changed" });
        }
        if let Some((when, refused)) = &state.failed
            && *when >= asked
        {
            return Err(refused.clone());
        }
        let builder = Tenant::builder(&self.runtime).settings(self.settings.clone());
        match builder.data_dir(&self.folder).build().await {
            Ok(tenant) => {
                let lease = Lease::begin(tenant);
                state.open = Some(Arc::clone(&lease));
                state.failed = None;
                Ok(lease)
            }
            Err(error) => {
                let tenant = &self.settings.tenant;
                tracing::error!(tenant, %error, "the tenant cannot be opened");
                let refused = match error {
                    SetupError::Settings(_) => {
                        Refused { kind: Kind::Settings, text: "a setting is wrong" }
                    }
                    SetupError::Store(_) => {
                        Refused { kind: Kind::Storage, text: "the store does not answer" }
                    }
                    _ => Refused { kind: Kind::Other, text: "the tenant cannot be opened" },
                };
                state.failed = Some((Instant::now(), refused.clone()));
                Err(refused)
            }
        }
    }

    /// The handle, if the tenant is open. It is not opened for this.
    pub(super) fn opened(&self) -> Option<Arc<Lease>> {
        self.state.try_lock().ok()?.open.clone()
    }

    /// Whether the tenant is open, or about to be.
    pub(super) fn is_open(&self) -> bool {
        self.state.try_lock().map_or(true, |state| state.open.is_some())
    }

    /// Whether there is a store that may have something to do.
    pub(super) fn has_store(&self) -> bool {
        if self.settings.host.mongo.is_some() {
            return true;
        }
        let file = crate::tenant::embedded_store(&self.folder, &self.settings.tenant);
        file.is_ok_and(|file| file.is_file())
    }

    /// Close the tenant, unless somebody has it or has asked for it within `idle`, or mail waits
    /// for it to be delivered.
    pub(super) async fn close_if_idle(&self, idle: Duration) {
        // Whoever is at it right now has a use for it.
        let Ok(mut state) = self.state.try_lock() else { return };
        let Some(lease) = &state.open else { return };
        if Arc::strong_count(lease) > 1 || !lease.is_idle(idle) || lease.has_mail().await {
            return;
        }
        // Nobody opens it again before it is closed: the lock is held.
        if let Some(lease) = state.open.take() {
            lease.end().await;
        }
    }

    /// Close the tenant for good when those who have it have done with it, at most after `time`.
    pub(super) async fn retire(&self, time: Duration) {
        let mut state = self.state.lock().await;
        state.retired = true;
        let Some(lease) = state.open.take() else { return };
        let end = Instant::now() + time;
        while Arc::strong_count(&lease) > 1 && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        lease.end().await;
    }
}

impl Lease {
    /// Begin what goes on for as long as the tenant is open.
    fn begin(tenant: Tenant) -> Arc<Self> {
        #[cfg(feature = "smtp")]
        tokio::spawn(tenant.serve_mail());
        let lease = Arc::new(Self {
            tenant,
            begun: Instant::now(),
            used: AtomicU64::new(0),
            sweeper: std::sync::OnceLock::new(),
        });
        let sweeper = tokio::spawn(sweep_forever(Arc::downgrade(&lease)));
        let _ = lease.sweeper.set(sweeper.abort_handle());
        lease
    }

    /// Somebody asks for it.
    pub(super) fn touch(&self) {
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.used.store(now.max(1), Ordering::Relaxed);
    }

    fn is_idle(&self, idle: Duration) -> bool {
        let used = self.used.load(Ordering::Relaxed);
        used == 0 || self.begun.elapsed().saturating_sub(Duration::from_millis(used)) >= idle
    }

    async fn has_mail(&self) -> bool {
        #[cfg(feature = "smtp")]
        return self.tenant.mail_queue().await.is_ok_and(|it| it.is_some_and(|it| it.length > 0));
        #[cfg(not(feature = "smtp"))]
        false
    }

    async fn end(&self) {
        if let Some(sweeper) = self.sweeper.get() {
            sweeper.abort();
        }
        self.tenant.clone().close().await;
    }

    /// Remove what has run out.
    pub(super) async fn sweep(&self) {
        for _ in 0..SWEEP_PASSES {
            match self.tenant.sweep(SWEEP_KEYS).await {
                Ok(keys) if keys >= SWEEP_KEYS => {}
                Ok(_) => return,
                Err(error) => {
                    let tenant = &self.tenant.settings().tenant;
                    tracing::warn!(tenant, %error, "what has run out is not removed");
                    return;
                }
            }
        }
    }
}

async fn sweep_forever(lease: Weak<Lease>) {
    loop {
        tokio::time::sleep(jittered(SWEEP_EVERY)).await;
        let Some(lease) = lease.upgrade() else { return };
        lease.sweep().await;
    }
}
