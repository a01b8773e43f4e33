//! A folder with everything that a tenant needs.
//!
//! ```text
//! portcullis.db     the store of the tenant `default`
//! tenants/NAME.db   the store of any other tenant
//!   ….before-restore-TIME  beside it, what a restored backup has taken the place of
//! outbox/           mail, one `.eml` file each
//! secret.key        the key for digests, made at the first start
//! compiled/         the component as machine code, kept by the program for its next start
//! ```
//!
//! Tenants may share the folder: each has a store of its own, and the name of the tenant is part
//! of every digest.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::TenantBuilder;
use crate::error::SetupError;
use crate::mail::outbox::Outbox;
use crate::settings::{DEFAULT_TENANT, Settings};
use crate::store::sqlite::{Options, SqliteStore};

/// Take from the folder, if there is to be one, what the tenant was not given. Files are made for
/// their owner alone.
pub(super) async fn fill(mut tenant: TenantBuilder) -> Result<TenantBuilder, SetupError> {
    let Some(folder) = tenant.data_dir.take() else { return Ok(tenant) };
    // Opening a store waits for the disk, and for other processes that open it.
    tokio::task::spawn_blocking(move || fill_now(tenant, &folder))
        .await
        .map_err(|error| SetupError::Store(format!("opening it failed: {error}")))?
}

fn fill_now(mut tenant: TenantBuilder, folder: &Path) -> Result<TenantBuilder, SetupError> {
    let Settings { tenant: name, host, .. } = &tenant.settings;
    // Never the folder in place of what somebody has configured: the users of a shared database
    // would be split, and a code that somebody waits for would lie in a file.
    for (key, unserved) in [
        ("mongo_uri", host.mongo.is_some() && tenant.store.is_none()),
        // Where it can be served, that is done when everything else is there.
        ("mail_info", !cfg!(feature = "smtp") && host.smtp.is_some() && tenant.mailer.is_none()),
    ] {
        if unserved {
            let problem = "is set, and the tenant was given nothing that serves it";
            return Err(SetupError::Settings(tenant.settings.complaint(key, problem)));
        }
    }
    let file = folder.join(file_name(name)?);
    tenant.settings.ensure_secret_key(folder)?;
    if tenant.store.is_none() {
        let store = Arc::new(SqliteStore::open(file, &Options::default())?);
        tenant.database.get_or_insert(store.clone());
        tenant.store = Some(store);
    }
    if !tenant.has_way_for_mail() {
        let outbox = Outbox::new(folder.join("outbox"));
        // Behind a queue, where there is one: mail for strangers waits in it until they have
        // their answer.
        #[cfg(feature = "smtp")]
        let tenant = tenant.transport(crate::mail::outbox::FROM, outbox);
        #[cfg(not(feature = "smtp"))]
        let tenant = tenant.mailer(outbox);
        return Ok(tenant);
    }
    Ok(tenant)
}

/// The file of the embedded store that a tenant has in the folder.
#[cfg(feature = "gateway")]
pub(crate) fn embedded_store(folder: &Path, tenant: &str) -> Result<PathBuf, SetupError> {
    file_name(tenant).map(|name| folder.join(name))
}

fn file_name(tenant: &str) -> Result<PathBuf, SetupError> {
    if tenant == DEFAULT_TENANT {
        return Ok("portcullis.db".into());
    }
    // What is no name of a tenant could lead out of the folder.
    Settings::new(tenant)?;
    Ok(Path::new("tenants").join(format!("{tenant}.db")))
}
