//! The records of one address as they stand in the store.
//!
//! The fields `email`, `password`, `verification_code`, `blocked`, `verified` and `custom_data`
//! of `users`, `email` and `blocked` of `blocked`, and `email` and `last_action` of `limit` are
//! shared with other programs. What is ours alone stands in one object named `portcullis` in each
//! record, and in the collections `guesses` and `sessions`.
//!
//! - `user`: users and their open codes;
//! - `counts`: what is counted about an address;
//! - `sessions`: who is signed in;
//! - this file: blocks and rate limits, and reading all of them at once.

mod counts;
mod sessions;
mod user;

pub use counts::{Count, Counts, DeviceCounts, Mailed};
pub use sessions::{OpenSession, Sessions};
pub use user::{Codes, OpenCode, OurUser, OwnGuesses, Use, User, code_path};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::outcome::{Failure, Stop};
use crate::ports::{Entry, Ports};

/// The collection of users.
pub const USERS: &str = "users";
/// The collection of block records.
pub const BLOCKED: &str = "blocked";
/// The collection of rate limits.
pub const LIMIT: &str = "limit";
/// The collection of counts: wrong guesses and mails sent.
pub const GUESSES: &str = "guesses";
/// The collection of sessions: by address, and by the digest of each token.
pub const SESSIONS: &str = "sessions";
/// The field of a record that holds what is ours alone.
pub const OURS: &str = "portcullis";

/// Something that was read, and the version under which it was.
#[derive(Clone, Debug)]
pub struct Stored<T> {
    /// Opaque.
    pub version: String,
    /// The record.
    pub record: T,
}

/// Everything that is recorded about one address.
#[derive(Clone, Debug, Default)]
pub struct Records {
    /// From `users`.
    pub user: Option<Stored<User>>,
    /// From `blocked`.
    pub block: Option<Stored<Block>>,
    /// From `limit`.
    pub limit: Option<Stored<Limit>>,
    /// From `guesses`.
    pub counts: Option<Stored<Counts>>,
    /// From `sessions`.
    pub sessions: Option<Stored<Sessions>>,
    /// The address is blocked, and the caller must not learn more than that nobody is there.
    pub shut: bool,
}

/// A block record.
#[derive(Clone, Debug, Deserialize)]
pub struct Block {
    /// Anything but false or nothing blocks.
    #[serde(default, deserialize_with = "not_false")]
    pub blocked: bool,
}

/// A rate limit.
#[derive(Clone, Debug, Deserialize)]
pub struct Limit {
    /// `ready_at` less the cool-down, in seconds since 1970.
    #[serde(default)]
    pub last_action: f64,
    /// Ours; holds only while `last_action` is what we wrote.
    #[serde(default, rename = "portcullis")]
    pub ours: Option<OurLimit>,
}

/// What is ours of a rate limit.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct OurLimit {
    /// The `last_action` that we wrote.
    pub written: f64,
    /// When the last request came.
    pub at: f64,
    /// Requests let through in this cool-down.
    pub passed: u32,
    /// Violations in a row.
    pub violations: u32,
}

impl Records {
    /// Read everything about one address.
    ///
    /// # Errors
    /// The store's own, or a record that contradicts its layout: nothing is decided on it.
    pub fn load(ports: &dyn Ports, key: &str) -> Result<Self, Stop> {
        let mut records = Self::default();
        for entry in ports.load(key)? {
            match entry.collection.as_str() {
                USERS => records.user = Some(parse(entry)?),
                BLOCKED => records.block = Some(parse(entry)?),
                LIMIT => records.limit = Some(parse(entry)?),
                GUESSES => records.counts = Some(parse(entry)?),
                SESSIONS => records.sessions = Some(parse(entry)?),
                _ => {}
            }
        }
        Ok(records)
    }

    /// Whether a block record says blocked. No record means not blocked.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.block.as_ref().is_some_and(|block| block.record.blocked)
    }
}

/// A value of ours as JSON text.
#[must_use]
pub fn json(value: &impl Serialize) -> String {
    // Texts, numbers and plain records of ours: none of them can fail.
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

fn parse<T: DeserializeOwned>(entry: Entry) -> Result<Stored<T>, Stop> {
    match serde_json::from_str(&entry.document) {
        Ok(record) => Ok(Stored { version: entry.version, record }),
        Err(error) => Err(Failure::Store(format!(
            "a record in {} is damaged (line {}, column {})",
            entry.collection,
            error.line(),
            error.column()
        ))
        .into()),
    }
}

/// A value as it was written: what other programs left in a field may be of any type.
fn as_written<'de, D: serde::Deserializer<'de>>(de: D) -> Result<Box<RawValue>, D::Error> {
    Box::<RawValue>::deserialize(de)
}

fn not_false<'de, D: serde::Deserializer<'de>>(de: D) -> Result<bool, D::Error> {
    Ok(!matches!(as_written(de)?.get(), "false" | "null"))
}
