//! From the command line to a tenant that can be called.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use tokio::runtime::{Builder, Runtime as Tokio};

use super::options::Common;
use crate::audit::Log;
use crate::component::{By, Caller, Limits, Runtime};
use crate::error::SetupError;
use crate::mail::queue::Budget;
use crate::settings::{Config, Settings, environment};
use crate::store::Store;
use crate::store::sqlite::{Options, SqliteStore};
use crate::tenant::{Tenant, database, embedded_store};

/// How many overdue keys one pass looks at.
const SWEEP_KEYS: u32 = 16;
/// How long a pass may take: whoever made the call waits for the end of the process.
const SWEEP_TIME: Duration = Duration::from_millis(200);

/// How much mail one pass after a call delivers. An attempt may take longer than the pass begins
/// new ones; cut, it would be made a second time.
const DELIVERY: Budget =
    Budget { mails: 16, time: Duration::from_millis(200), attempt: Duration::from_secs(3) };

/// One tenant, and what runs its calls.
pub(super) struct Program {
    tokio: Tokio,
    tenant: Tenant,
    outbox: PathBuf,
}

impl Program {
    /// Read the settings and set up the tenant they describe.
    pub(super) fn open(common: &Common) -> anyhow::Result<Self> {
        let settings = load_settings(common)?;
        let tokio = Builder::new_multi_thread().enable_all().build().context("threads")?;
        let tenant = tokio.block_on(async {
            let runtime = runtime(common)?;
            Tenant::builder(&runtime).settings(settings).data_dir(&common.data).build().await
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

    /// Deliver mail that waits, for as long as the program runs.
    pub(super) fn serve_mail(&self) {
        self.tokio.spawn(self.tenant.serve_mail());
    }

    /// Deliver some of the mail that waits and is due. As with [`sweep`](Program::sweep), the reply
    /// is out by now.
    pub(super) fn deliver(&self) {
        match self.block_on(self.tenant.deliver_mail(&DELIVERY)) {
            Ok(passed) => tracing::debug!(?passed, "mail that waited"),
            Err(error) => tracing::debug!("mail that waits was not delivered: {error}"),
        }
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

/// Leave an event of the operator's in the audit log of a tenant that is not opened for it, after
/// something was done or could not be. Where there is no store yet, none is made for this.
pub(super) fn note(common: &Common, settings: &Settings, event: &str, outcome: &str) {
    let noted =
        Builder::new_multi_thread().enable_all().build().context("threads").and_then(|it| {
            it.block_on(async {
                if let Some(store) = existing(common, settings).await? {
                    leave(settings, store, event, outcome).await;
                }
                Ok(())
            })
        });
    if let Err(error) = noted {
        let tenant = &settings.tenant;
        let error = format!("{error:#}");
        tracing::error!(tenant, error, event, outcome, "an event is missing from the audit log");
    }
}

/// Leave an event of the operator's in the audit log of this store.
pub(super) async fn leave(settings: &Settings, store: Arc<dyn Store>, event: &str, outcome: &str) {
    let days = settings.host.audit_days;
    let log = Log::new(&settings.tenant, days, store, None, Arc::new(SystemTime::now));
    let operator = Caller::default().named(By::Operator);
    let until = Instant::now() + Limits::default().time;
    log.write(log.event(event, outcome, &operator), until).await;
}

/// Where the records of a tenant are, if there is a log to be kept and a place for it.
async fn existing(common: &Common, settings: &Settings) -> anyhow::Result<Option<Arc<dyn Store>>> {
    if settings.host.audit_days == 0 {
        return Ok(None);
    }
    if settings.host.mongo.is_some() {
        let store = database::existing(settings).await?;
        return Ok(store.map(|store| Arc::new(store) as Arc<dyn Store>));
    }
    let file = embedded_store(&common.data, &settings.tenant)?;
    if !file.is_file() {
        return Ok(None);
    }
    Ok(Some(Arc::new(SqliteStore::open(file, &Options::default())?)))
}

/// How it ended, as the audit log calls it.
pub(super) fn ending<T, E>(ended: &Result<T, E>) -> &'static str {
    if ended.is_ok() { "done" } else { "failed" }
}

/// The settings of the tenant that is meant.
pub(super) fn load_settings(common: &Common) -> Result<Settings, SetupError> {
    let variables = environment()?;
    Config::load(common.config.as_deref(), variables.into_iter())?.tenant(&common.tenant)
}

/// What runs the calls. Its compiled code is kept in the data folder, if there is one: a command that
/// needs none makes none.
pub(super) fn runtime(common: &Common) -> Result<Runtime, SetupError> {
    match common.data.is_dir() {
        true => Runtime::with_cache(Limits::default(), compiled(&common.data)),
        false => Runtime::new(Limits::default()),
    }
}

/// Where the compiled code is kept.
pub(super) fn compiled(data: &Path) -> PathBuf {
    data.join("compiled")
}

fn outbox(data: &Path) -> PathBuf {
    data.join("outbox")
}
