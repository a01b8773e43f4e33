//! The settings that the host itself reads; the component never sees them.
//!
//! | key | default | meaning |
//! |---|---|---|
//! | `mongo_uri`, `db_name` | none: the embedded store | the MongoDB deployment and database |
//! | `mail_info` | none: the outbox folder | SMTP account: `server`, `port`, `username`, `password` |
//! | `db_attempts` | 6 | attempts at the first connection to the database, 1 to 1000 |
//! | `db_delay` | 10 | seconds between two of them, at most 3600 |
//! | `db_timeout` | 5000 | milliseconds that each may take, 1 to 600000 |
//! | `certs` | the platform's roots | file of CA certificates (PEM) for TLS to database and mail server |
//! | `secret_key` | made once in the data folder | 32 bytes, base64 |
//! | `old_secret_keys` | none | former keys, only read with: a list, or one text with white space between them |

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use super::layer::{Entry, Found, Layer};
use super::origin::{Origin, wrong};
use super::secret_key::{SecretKey, decode};
use crate::error::SetupError;

/// The four keys of `mail_info`.
const MAIL_INFO: [&str; 4] =
    ["mail_info.server", "mail_info.port", "mail_info.username", "mail_info.password"];

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
    /// CA certificates (PEM) instead of the platform's.
    pub certs: Option<PathBuf>,
}

/// A MongoDB database.
#[derive(Clone)]
pub struct Mongo {
    /// The connection string, with the password in it.
    pub uri: Zeroizing<String>,
    /// The name of the database.
    pub database: String,
}

/// An account on a mail server.
#[derive(Clone)]
pub struct SmtpAccount {
    /// Host name or address.
    pub server: String,
    /// Port, not 0.
    pub port: u16,
    /// Name to sign in with.
    pub username: String,
    /// Password to sign in with.
    pub password: Zeroizing<String>,
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

/// Refuse what is understood but not built in. Ignoring it would put the users of a shared
/// database into a local file, or a code that somebody waits for into a folder.
fn refuse_what_is_not_built_in(taker: &Taker<'_>) -> Result<(), SetupError> {
    for (key, what, built_in) in [
        ("mongo_uri", "MongoDB", cfg!(feature = "mongodb")),
        ("mail_info.server", "SMTP", cfg!(feature = "smtp")),
    ] {
        if let Some(origin) = taker.origin(key).filter(|_| !built_in) {
            let problem = format!("needs support for {what}, which this build was made without");
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
    let mut taker = Taker { tenant, folder, entries, taken: Vec::new() };
    let settings = HostSettings {
        mongo: mongo(&mut taker)?,
        smtp: smtp(&mut taker)?,
        connection: connection(&mut taker)?,
        certs: certs(&mut taker)?,
    };
    let secret_keys = secret_keys(&mut taker)?;
    refuse_what_is_not_built_in(&taker)?;
    Ok(Taken { settings, secret_keys, origins: taker.taken })
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

fn smtp(taker: &mut Taker<'_>) -> Result<Option<SmtpAccount>, SetupError> {
    let table = "must be a table of server, port, username and password";
    if let Some(entry) = taker.entries.get("mail_info") {
        return Err(wrong(taker.tenant, "mail_info", table, &entry.origin));
    }
    let mut given = taker.entries.iter().filter(|(key, _)| key.starts_with("mail_info."));
    let Some((_, first)) = given.clone().next() else { return Ok(None) };
    let somewhere = first.origin.clone();
    if let Some((key, entry)) = given.find(|(key, _)| !MAIL_INFO.contains(&key.as_str())) {
        let problem = "is unknown: `mail_info` has server, port, username and password";
        return Err(wrong(taker.tenant, key, problem, &entry.origin));
    }
    if let Some(missing) = MAIL_INFO.iter().find(|key| !taker.entries.contains_key(**key)) {
        let problem = "is missing: `mail_info` needs server, port, username and password";
        return Err(wrong(taker.tenant, missing, problem, &somewhere));
    }
    let [server, port, username, password] = MAIL_INFO;
    let port = taker.integer(port, 1..=65535)?;
    match (taker.text(server)?, port, taker.text(username)?, taker.text(password)?) {
        (Some((server, _)), Some(port), Some((username, _)), Some((password, _))) => {
            Ok(Some(SmtpAccount {
                server: server.as_str().to_owned(),
                port,
                username: username.as_str().to_owned(),
                password,
            }))
        }
        _ => Err(wrong(taker.tenant, "mail_info", table, &somewhere)),
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

fn certs(taker: &mut Taker<'_>) -> Result<Option<PathBuf>, SetupError> {
    let Some((path, origin)) = taker.text("certs")? else { return Ok(None) };
    let path = taker.folder.join(path.as_str());
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

/// Takes typed values out of a layer.
struct Taker<'a> {
    tenant: &'a str,
    folder: &'a Path,
    entries: &'a mut Layer,
    taken: Vec<(String, Origin)>,
}

impl Taker<'_> {
    fn take(&mut self, key: &str) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        self.taken.push((key.to_owned(), entry.origin.clone()));
        Some(entry)
    }

    /// Where a key that was taken had been given.
    fn origin(&self, key: &str) -> Option<&Origin> {
        self.taken.iter().find(|(taken, _)| taken == key).map(|(_, origin)| origin)
    }

    /// A text that is not empty.
    fn text(&mut self, key: &str) -> Result<Option<(Zeroizing<String>, Origin)>, SetupError> {
        let Some(entry) = self.take(key) else { return Ok(None) };
        let text = match (entry.value, entry.raw) {
            (Found::Text(text), _) | (_, Some(text)) => text,
            _ => return Err(wrong(self.tenant, key, "must be a text", &entry.origin)),
        };
        if text.is_empty() {
            return Err(wrong(self.tenant, key, "is empty", &entry.origin));
        }
        Ok(Some((text, entry.origin)))
    }

    /// An integer of a range that the target type holds.
    fn integer<T: TryFrom<i64>>(
        &mut self,
        key: &str,
        range: RangeInclusive<i64>,
    ) -> Result<Option<T>, SetupError> {
        let Some(entry) = self.take(key) else { return Ok(None) };
        let value = match entry.value {
            Found::Integer(value) if range.contains(&value) => T::try_from(value).ok(),
            _ => None,
        };
        if value.is_none() {
            let problem = format!("must be an integer from {} to {}", range.start(), range.end());
            return Err(wrong(self.tenant, key, &problem, &entry.origin));
        }
        Ok(value)
    }

    /// A list of texts, or one text with white space between them.
    fn list(&mut self, key: &str) -> Result<Vec<(Zeroizing<String>, Origin)>, SetupError> {
        let Some(entry) = self.take(key) else { return Ok(Vec::new()) };
        let texts = match entry.value {
            Found::List(texts) => texts,
            Found::Text(text) => {
                text.split_whitespace().map(|text| Zeroizing::new(text.to_owned())).collect()
            }
            _ => return Err(wrong(self.tenant, key, "must be a list of texts", &entry.origin)),
        };
        Ok(texts.into_iter().map(|text| (text, entry.origin.clone())).collect())
    }
}
