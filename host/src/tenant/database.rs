//! The database server that a tenant's settings name.

use std::sync::Arc;

use super::TenantBuilder;
use crate::error::SetupError;
use crate::settings::Settings;
use crate::store::mongo::{MongoStore, Options};

/// Connect to the MongoDB deployment that the settings name; `None` when they name none.
pub(crate) async fn connect(settings: &Settings) -> Result<Option<MongoStore>, SetupError> {
    let Some(mongo) = &settings.host.mongo else { return Ok(None) };
    let store = MongoStore::connect(&mongo.uri, &mongo.database, &options(settings)).await;
    store.map(Some).map_err(|error| complaint(settings, error))
}

/// The same in one attempt, and only if the database is there already: nothing is made.
#[cfg(feature = "cli")]
pub(crate) async fn existing(settings: &Settings) -> Result<Option<MongoStore>, SetupError> {
    let Some(mongo) = &settings.host.mongo else { return Ok(None) };
    let options = Options { attempts: 1, ..options(settings) };
    let store = MongoStore::existing(&mongo.uri, &mongo.database, &options).await;
    store.map_err(|error| complaint(settings, error))
}

fn options(settings: &Settings) -> Options {
    let host = &settings.host;
    Options {
        attempts: host.connection.attempts,
        delay: host.connection.delay,
        timeout: host.connection.timeout,
        certs: host.certs.clone(),
    }
}

fn complaint(settings: &Settings, error: SetupError) -> SetupError {
    match error {
        SetupError::Settings(problem) => {
            SetupError::Settings(settings.complaint("db_name", &problem))
        }
        SetupError::Store(problem) => SetupError::Store(settings.complaint("mongo_uri", &problem)),
        other => other,
    }
}

/// Connect to the tenant's MongoDB deployment, if its settings name one and it was given no store.
pub(super) async fn fill(mut tenant: TenantBuilder) -> Result<TenantBuilder, SetupError> {
    if tenant.store.is_some() {
        return Ok(tenant);
    }
    let Some(store) = connect(&tenant.settings).await? else { return Ok(tenant) };
    let store = Arc::new(store);
    tenant.database.get_or_insert(store.clone());
    tenant.store = Some(store);
    if !tenant.settings.origins.contains_key("secret_key") {
        tracing::warn!(
            tenant = tenant.settings.tenant,
            "no `secret_key` is set: the one in the data folder is used, and every other host of \
             this database must have the same, or refuses the codes of this one"
        );
    }
    Ok(tenant)
}
