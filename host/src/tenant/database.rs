//! The database server that a tenant's settings name.

use std::sync::Arc;

use super::TenantBuilder;
use crate::error::SetupError;
use crate::store::mongo::{MongoStore, Options};

/// Connect to the tenant's MongoDB deployment, if its settings name one and it was given no store.
pub(super) async fn fill(mut tenant: TenantBuilder) -> Result<TenantBuilder, SetupError> {
    let host = &tenant.settings.host;
    let (None, Some(mongo)) = (&tenant.store, &host.mongo) else { return Ok(tenant) };
    let options = Options {
        attempts: host.connection.attempts,
        delay: host.connection.delay,
        timeout: host.connection.timeout,
        certs: host.certs.clone(),
    };
    let store =
        MongoStore::connect(&mongo.uri, &mongo.database, &options).await.map_err(|error| {
            SetupError::Store(tenant.settings.complaint("mongo_uri", &told(&error)))
        })?;
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

/// The problem without the kind of error, which a complaint about a setting has already.
fn told(error: &SetupError) -> String {
    match error {
        SetupError::Store(text) | SetupError::Settings(text) => text.clone(),
        other => other.to_string(),
    }
}
