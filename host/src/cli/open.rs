//! From the command line to a tenant that can be called.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::{Builder, Runtime as Tokio};

use super::options::Common;
use crate::component::{Limits, Runtime};
use crate::error::SetupError;
use crate::mail::outbox::Outbox;
use crate::settings::{Config, DEFAULT_TENANT, Settings, environment};
use crate::store::sqlite::{Options, SqliteStore};
use crate::tenant::Tenant;

/// How many overdue keys one pass looks at.
const SWEEP_KEYS: u32 = 16;
/// How long a pass may take: whoever made the call waits for the end of the process.
const SWEEP_TIME: Duration = Duration::from_millis(200);

/// One tenant, and what runs its calls.
pub(super) struct Program {
    tokio: Tokio,
    tenant: Tenant,
    outbox: PathBuf,
}

impl Program {
    /// Read the settings and set up the tenant they describe.
    pub(super) fn open(common: &Common) -> anyhow::Result<Self> {
        let variables = environment()?;
        let config = Config::load(common.config.as_deref(), variables.into_iter())?;
        let settings = config.tenant(&common.tenant)?;
        let tokio = Builder::new_multi_thread().enable_all().build().context("threads")?;
        let tenant = tokio.block_on(async {
            let runtime = Runtime::new(Limits::default())?;
            set_up(&runtime, settings, &common.data).await
        })?;
        Ok(Self { tokio, tenant, outbox: outbox(&common.data) })
    }

    pub(super) fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// The folder that mail goes to, where no mail account is set.
    pub(super) fn outbox(&self) -> Option<&Path> {
        self.tenant.settings().host.smtp.is_none().then_some(&self.outbox)
    }

    pub(super) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.tokio.block_on(future)
    }

    /// Remove some of what has run out. The reply is out by now: nothing that happens here changes
    /// how the program ends.
    pub(super) fn sweep(&self) {
        let pass = async { tokio::time::timeout(SWEEP_TIME, self.tenant.sweep(SWEEP_KEYS)).await };
        match self.block_on(pass) {
            Ok(Ok(keys)) => tracing::debug!(keys, "swept"),
            Ok(Err(error)) => tracing::debug!("not swept: {error}"),
            Err(_) => tracing::debug!("not swept to the end: out of time"),
        }
    }

    /// Finish what is in hand and end.
    pub(super) fn close(self) {
        self.tokio.block_on(self.tenant.close());
    }
}

/// A tenant whose records, mail and key are in the folder `data`.
async fn set_up(
    runtime: &Runtime,
    mut settings: Settings,
    data: &Path,
) -> Result<Tenant, SetupError> {
    // Never the embedded store or the outbox in place of what somebody has configured.
    let missing = [
        ("mongo_uri", settings.host.mongo.is_some(), "this build has no MongoDB store"),
        ("mail_info", settings.host.smtp.is_some(), "this build has no SMTP mailer"),
    ];
    if let Some((key, _, problem)) = missing.iter().find(|(_, set, _)| *set) {
        return Err(SetupError::Settings(settings.complaint(key, problem)));
    }
    settings.ensure_secret_key(data)?;
    let store = Arc::new(SqliteStore::open(database(data, &settings.tenant), &Options::default())?);
    Tenant::builder(runtime)
        .settings(settings)
        .shared_store(Arc::clone(&store) as _)
        .shared_database(store)
        .mailer(Outbox::new(outbox(data)))
        .build()
        .await
}

/// Each tenant has a file of its own. Names of tenants hold no dot and no slash.
fn database(data: &Path, tenant: &str) -> PathBuf {
    if tenant == DEFAULT_TENANT {
        data.join("portcullis.db")
    } else {
        data.join("tenants").join(format!("{tenant}.db"))
    }
}

fn outbox(data: &Path) -> PathBuf {
    data.join("outbox")
}
