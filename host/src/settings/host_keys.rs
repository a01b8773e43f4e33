//! The settings that the host itself reads; the component never sees them.
//!
//! | key | default | meaning |
//! |---|---|---|
//! | `mongo_uri`, `db_name` | none: the embedded store | the MongoDB deployment and database |
//! | `mail_info` | none: the outbox folder | SMTP account: `server`, `port`, `username`, `password` |
//! | `mail_tls` | `auto` | `implicit`, `starttls`, `none`; `auto`: implicit on port 465, else STARTTLS |
//! | `mail_from` | `mail_info.username` | the sender, an e-mail address |
//! | `db_attempts` | 6 | attempts at the first connection to the database, 1 to 1000 |
//! | `db_delay` | 10 | seconds between two of them, at most 3600 |
//! | `db_timeout` | 5000 | milliseconds that each may take, 1 to 600000 |
//! | `certs` | the platform's roots | file of CA certificates (PEM) for TLS to the database, and beside the platform's to the mail server |
//! | `secret_key` | made once in the data folder | 32 bytes, base64 |
//! | `old_secret_keys` | none | former keys, only read with: a list, or one text with white space between them |
//! | `audit_days` | 90 | days that events of the audit log are kept, 0 to 3650; 0: no log |
//!
//! Those of the gateway stand with [`GatewaySettings`].

use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use super::gateway::{self, GatewaySettings};
use super::layer::Layer;
use super::mail_account;
use super::origin::{Origin, wrong};
use super::secret_key::{SecretKey, decode};
use super::taker::Taker;
use crate::error::SetupError;
pub use crate::mail::account::{MailTls, SmtpAccount};

/// What the host does for a tenant by its settings. Not `Debug`: it holds passwords.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct HostSettings {
    /// The MongoDB database; none: the embedded store.
    pub mongo: Option<Mongo>,
    /// The mail account; none: the outbox.
    pub smtp: Option<SmtpAccount>,
    /// How the first connection to a database server is made.
    pub connection: Connection,
    /// CA certificates (PEM): for a database server instead of the platform's, for a mail server
    /// beside them.
    pub certs: Option<PathBuf>,
    /// Days that events of the audit log are kept; 0: there is no log.
    pub audit_days: u32,
    /// Its part of the gateway.
    pub gateway: GatewaySettings,
}

impl HostSettings {
    /// Whether both lead to the same store and the same mail account, in the same way.
    #[cfg(feature = "gateway")]
    pub(super) fn serves_as(&self, other: &Self) -> bool {
        self.mongo == other.mongo
            && self.smtp == other.smtp
            && self.connection == other.connection
            && self.certs == other.certs
            && self.audit_days == other.audit_days
    }
}

/// A MongoDB database.
#[derive(Clone, PartialEq, Eq)]
pub struct Mongo {
    /// The connection string, with the password in it.
    pub uri: Zeroizing<String>,
    /// The name of the database.
    pub database: String,
}

/// How the first connection to a database server is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// How often it is tried.
    pub attempts: u32,
    /// The pause between two attempts.
    pub delay: Duration,
    /// How long one attempt may take.
    pub timeout: Duration,
}

impl Default for Connection {
    fn default() -> Self {
        Self { attempts: 6, delay: Duration::from_secs(10), timeout: Duration::from_millis(5000) }
    }
}

/// Refuse what is understood but was left out of this build. Ignoring it would put the users of a
/// shared database into a local file, or a code that somebody waits for into a folder.
///
/// The only place that knows: with a store or mailer of that kind, its line goes.
fn refuse_what_is_not_built_in(taker: &Taker<'_>) -> Result<(), SetupError> {
    for (key, what, feature, built_in) in [
        ("mongo_uri", "MongoDB", "mongodb", cfg!(feature = "mongodb")),
        ("mail_info.server", "SMTP", "smtp", cfg!(feature = "smtp")),
    ] {
        if built_in {
            continue;
        }
        if let Some(origin) = taker.origin(key) {
            let problem = format!(
                "needs support for {what}, which this build was made without (feature `{feature}`)"
            );
            let key = key.split('.').next().unwrap_or(key);
            return Err(wrong(taker.tenant, key, &problem, origin));
        }
    }
    Ok(())
}

/// What was taken for the host.
pub(super) struct Taken {
    /// The settings.
    pub(super) settings: HostSettings,
    /// The keys for digests, the one that makes new ones first.
    pub(super) secret_keys: Vec<SecretKey>,
    /// Where each key had been given.
    pub(super) origins: Vec<(String, Origin)>,
}

/// Take the host's keys out of `entries`. Paths are relative to `folder`.
pub(super) fn take(tenant: &str, entries: &mut Layer, folder: &Path) -> Result<Taken, SetupError> {
    let mut taker = Taker::new(tenant, entries);
    let settings = HostSettings {
        mongo: mongo(&mut taker)?,
        smtp: mail_account::take(&mut taker)?,
        connection: connection(&mut taker)?,
        certs: certs(&mut taker, folder)?,
        audit_days: taker.integer("audit_days", 0..=3650)?.unwrap_or(90),
        gateway: gateway::take(&mut taker, folder)?,
    };
    let secret_keys = secret_keys(&mut taker)?;
    refuse_what_is_not_built_in(&taker)?;
    Ok(Taken { settings, secret_keys, origins: taker.taken() })
}

fn mongo(taker: &mut Taker<'_>) -> Result<Option<Mongo>, SetupError> {
    let uri = taker.text("mongo_uri")?;
    let name = taker.text("db_name")?;
    match (uri, name) {
        (None, None) => Ok(None),
        (Some((uri, origin)), _)
            if !uri.starts_with("mongodb://") && !uri.starts_with("mongodb+srv://") =>
        {
            let problem = "must begin with mongodb:// or mongodb+srv://";
            Err(wrong(taker.tenant, "mongo_uri", problem, &origin))
        }
        (Some((uri, _)), Some((name, _))) => {
            Ok(Some(Mongo { uri, database: name.as_str().to_owned() }))
        }
        (Some((_, origin)), None) => {
            Err(wrong(taker.tenant, "db_name", "is missing: `mongo_uri` needs it", &origin))
        }
        (None, Some((_, origin))) => {
            Err(wrong(taker.tenant, "db_name", "is for MongoDB: it needs `mongo_uri`", &origin))
        }
    }
}

fn connection(taker: &mut Taker<'_>) -> Result<Connection, SetupError> {
    let default = Connection::default();
    Ok(Connection {
        attempts: taker.integer("db_attempts", 1..=1000)?.unwrap_or(default.attempts),
        delay: taker.integer("db_delay", 0..=3600)?.map_or(default.delay, Duration::from_secs),
        timeout: taker
            .integer("db_timeout", 1..=600_000)?
            .map_or(default.timeout, Duration::from_millis),
    })
}

fn certs(taker: &mut Taker<'_>, folder: &Path) -> Result<Option<PathBuf>, SetupError> {
    let Some((path, origin)) = taker.text("certs")? else { return Ok(None) };
    let path = folder.join(path.as_str());
    if !path.is_file() {
        let problem = format!("must be a file of certificates: {} is none", path.display());
        return Err(wrong(taker.tenant, "certs", &problem, &origin));
    }
    Ok(Some(path))
}

fn secret_keys(taker: &mut Taker<'_>) -> Result<Vec<SecretKey>, SetupError> {
    let mut keys: Vec<SecretKey> = Vec::new();
    let mut add = |taker: &Taker<'_>, name: &str, text: &str, origin: &Origin| {
        let key = decode(text).map_err(|problem| wrong(taker.tenant, name, &problem, origin))?;
        if keys.iter().any(|other| other.id == key.id) {
            let problem = format!("holds a key twice (id {})", key.id);
            return Err(wrong(taker.tenant, name, &problem, origin));
        }
        keys.push(key);
        Ok(())
    };
    if let Some((text, origin)) = taker.text("secret_key")? {
        add(taker, "secret_key", &text, &origin)?;
    }
    for (text, origin) in taker.list("old_secret_keys")? {
        add(taker, "old_secret_keys", &text, &origin)?;
    }
    Ok(keys)
}
