//! What a tenant has configured.

use std::collections::BTreeMap;

pub use crate::contract::settings::{SecretKey, Value};

/// The settings of one tenant.
///
/// Keys of tables are written with a dot (`hash.passes`). What the component reads is looked at by
/// the component itself when the tenant starts; see
/// [`upkeep`](crate::contract::upkeep).
#[derive(Clone, Default)]
pub struct Settings {
    /// The tenant's name.
    pub tenant: String,
    /// What is set, for the component.
    pub values: BTreeMap<String, Value>,
    /// The keys for digests, the one that makes new ones first.
    pub secret_keys: Vec<SecretKey>,
}
