//! The database server that a tenant's settings name.

use std::sync::Arc;

use super::TenantBuilder;
use crate::error::SetupError;
use crate::settings::Settings;
use crate::store::mongo::{MongoStore, Options};

/// Connect to the MongoDB deployment that the settings name; `None` when they name none.
pub(crate) async fn connect(settings: &Settings) -> Result<Option<MongoStore>, SetupError> {
    let host = &settings.host;
    let Some(mongo) = &host.mongo else { return Ok(None) };
    let options = Options {
        attempts: host.connection.attempts,
        delay: host.connection.delay,
        timeout: host.connection.timeout,
        certs: host.certs.clone(),
    };
    match MongoStore::connect(&mongo.uri, &mongo.database, &options).await {
        Ok(store) => Ok(Some(store)),
        Err(SetupError::Settings(problem)) => {
            Err(SetupError::Settings(settings.complaint("db_name", &problem)))
        }
        Err(SetupError::Store(problem)) => {
            Err(SetupError::Store(settings.complaint("mongo_uri", &problem)))
        }
        Err(other) => Err(other),
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
