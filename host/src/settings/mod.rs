//! What a tenant has configured.
//!
//! [`Config`] reads a TOML file, one table a tenant, with the environment over it:
//!
//! ```toml
//! [tenants.default]
//! rate_limiting = 30
//! hash = { passes = 3 }
//! mail_body_file = "mail/code.html"   # relative to this file
//! ```
//!
//! The same by the environment: `PORTCULLIS_TENANTS__DEFAULT__HASH__PASSES=3`; see
//! [`environment()`] for the form.
//!
//! The table `[gateway]` says how the program serves HTTP, for all tenants; in the environment that
//! is `PORTCULLIS_GATEWAY__LISTEN=0.0.0.0:8080`.
//!
//! Any value that is a text may stand in a file of its own, named by the key with `_file` behind
//! it: at most 64 KiB of UTF-8, without the line ending at its end. Other names of the Python
//! package are taken too: `rate_limit` for `rate_limiting`, and `attempts`, `delay`, `timeout` for
//! `db_attempts`, `db_delay`, `db_timeout`. A key given twice in one source, however spelled, is
//! refused.
//!
//! Who looks at what: the shape is settled here, [`host_keys`] are typed and checked here, and
//! everything else is for the component, which checks it when the tenant starts. Every
//! [`Settings`] remembers where each key came from, so that what the component finds wrong is told
//! with its place.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

mod config;
mod environment;
mod file;
mod gateway;
pub mod host_keys;
mod layer;
mod mail_account;
mod origin;
pub mod secret_key;
#[cfg(feature = "gateway")]
mod server;
mod taker;
#[cfg(test)]
mod tests;

pub use self::config::{Config, DEFAULT_FILE};
pub use self::environment::environment;
#[cfg(all(feature = "gateway", test))]
pub(crate) use self::gateway::RESERVED;
#[cfg(feature = "gateway")]
pub(crate) use self::gateway::digest_from_text;
pub use self::gateway::{GatewaySettings, PeerLimit};
pub use self::host_keys::HostSettings;
pub use self::origin::Origin;
#[cfg(feature = "gateway")]
pub use self::server::ServerSettings;
pub use crate::contract::settings::{SecretKey, Value};
use crate::error::SetupError;

/// The tenant that is meant when none is named.
pub const DEFAULT_TENANT: &str = "default";

/// The settings of one tenant.
///
/// Keys of tables are written with a dot (`hash.passes`). What the component reads is looked at by
/// the component itself when the tenant starts; see
/// [`upkeep`](crate::contract::upkeep).
#[derive(Clone)]
pub struct Settings {
    /// The tenant's name.
    pub tenant: String,
    /// What is set, for the component. None of it is a secret.
    pub values: BTreeMap<String, Value>,
    /// The keys for digests, the one that makes new ones first.
    pub secret_keys: Vec<SecretKey>,
    /// What is set for the host.
    pub host: HostSettings,
    /// Where each key was given, the host's included.
    pub origins: BTreeMap<String, Origin>,
}

/// The tenant `default` with nothing set.
impl Default for Settings {
    fn default() -> Self {
        Self {
            tenant: DEFAULT_TENANT.to_owned(),
            values: BTreeMap::new(),
            secret_keys: Vec::new(),
            host: HostSettings::default(),
            origins: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// A tenant with nothing set.
    ///
    /// # Errors
    /// [`SetupError::Settings`] for a name other than 1 to 63 of a to z, 0 to 9 and, not first,
    /// the hyphen.
    pub fn new(tenant: &str) -> Result<Self, SetupError> {
        check_name(tenant).map_err(SetupError::Settings)?;
        Ok(Self { tenant: tenant.to_owned(), ..Self::default() })
    }

    /// With a value for the component, given by the program.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.origins.insert(key.to_owned(), Origin::Program);
        self.values.insert(key.to_owned(), value.into());
        self
    }

    /// With a key for digests, given by the program: the first makes new ones, those that follow
    /// are only read with. See [`secret_key::from_bytes`].
    #[must_use]
    pub fn with_secret_key(mut self, key: SecretKey) -> Self {
        self.origins.insert("secret_key".to_owned(), Origin::Program);
        self.secret_keys.push(key);
        self
    }

    /// Where no `secret_key` is set, use the one in the folder, made now if there is none; old keys
    /// stay behind it. See [`secret_key::load_or_make`].
    ///
    /// # Errors
    /// As [`secret_key::load_or_make`].
    pub fn ensure_secret_key(&mut self, folder: &Path) -> Result<(), SetupError> {
        if self.origins.contains_key("secret_key") {
            return Ok(());
        }
        let key = secret_key::load_or_make(folder)?;
        // It may be listed as old, too: on the way from the folder to a configured key and back.
        self.secret_keys.retain(|old| old.id != key.id);
        self.secret_keys.insert(0, key);
        Ok(())
    }

    /// Whether a tenant that was set up with the one need not be set up anew for the other. Where a
    /// key was given does not count, nor what only the gateway reads.
    #[cfg(feature = "gateway")]
    pub(crate) fn serves_as(&self, other: &Self) -> bool {
        self.tenant == other.tenant
            && self.values == other.values
            && self.secret_keys == other.secret_keys
            && self.host.serves_as(&other.host)
    }

    /// The keys that are set for the component, as `upkeep.check-settings` wants them.
    pub fn given(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// Where a key was given; for a table, where the first of its keys was.
    #[must_use]
    pub fn locate(&self, key: &str) -> Option<&Origin> {
        let inside = |other: &str| other.strip_prefix(key).is_some_and(|it| it.starts_with('.'));
        self.origins.get(key).or_else(|| {
            self.origins.iter().find(|(other, _)| inside(other)).map(|(_, origin)| origin)
        })
    }

    /// The text of a complaint about a setting: key, problem and place.
    #[must_use]
    pub fn complaint(&self, key: &str, problem: &str) -> String {
        origin::complaint(&self.tenant, key, problem, self.locate(key))
    }
}

/// Keys and where they were given; no values, which may be secrets.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("tenant", &self.tenant)
            .field("origins", &self.origins)
            .finish_non_exhaustive()
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Boolean(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Value::Integer(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Value::Text(value.to_owned())
    }
}

/// A tenant's name must fit a DNS label, a file name and a variable name.
fn check_name(name: &str) -> Result<(), String> {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    if (1..=63).contains(&name.len()) && name.bytes().all(allowed) && !name.starts_with('-') {
        return Ok(());
    }
    Err(format!(
        "`{}` is no tenant name: 1 to 63 of a to z, 0 to 9 and, not first, the hyphen",
        name.escape_debug()
    ))
}

/// The folder that a file lies in.
fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}
