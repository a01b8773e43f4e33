//! The records of one address as they stand in the store.
//!
//! The fields `email`, `password`, `verification_code`, `blocked`, `verified` and `custom_data`
//! of `users`, `email` and `blocked` of `blocked`, and `email` and `last_action` of `limit` are
//! shared with other programs. What is ours alone stands in one object named `portcullis` in each
//! record, and in the collection `guesses`.

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
}

/// A user.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct User {
    /// A password hash; `None` for a user who has no password. Whatever else another program has
    /// left here is a hash that no password fits.
    #[serde(default, deserialize_with = "text_or_none")]
    pub password: Option<String>,
    /// Whether the mailbox was proven.
    #[serde(default, deserialize_with = "exactly_true")]
    pub verified: bool,
    /// JSON, as it was written.
    #[serde(default, deserialize_with = "data")]
    pub custom_data: Option<Box<RawValue>>,
    /// What no other program reads.
    #[serde(default, rename = "portcullis")]
    pub ours: Option<OurUser>,
}

/// What is ours of a user.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct OurUser {
    /// The address in the form that its owner gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// When the user was made, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<u64>,
    /// The open codes.
    #[serde(default)]
    pub codes: Codes,
}

/// The open codes of a user, one for each use.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Codes {
    /// Proves the mailbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mailbox: Option<OpenCode>,
    /// The second step of a sign-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mfa: Option<OpenCode>,
}

/// What a code is for. Each function takes codes of one use only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Proves that the caller reads the mailbox.
    Mailbox,
    /// The second step of a sign-in, after the password.
    Mfa,
}

impl Use {
    /// The name in the store and in the digest.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mailbox => "mailbox",
            Self::Mfa => "mfa",
        }
    }
}

/// A code that waits to be given back.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct OpenCode {
    /// Keyed digest, base64.
    pub digest: String,
    /// The id of the key that made it.
    pub key: String,
    /// When it ends, in seconds since 1970.
    pub until: u64,
    /// Wrong guesses that it survives, plus one.
    pub left: u32,
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

/// Counts of one address.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Counts {
    /// Wrong passwords in a row.
    #[serde(default)]
    pub password: Option<Count>,
    /// Wrong codes in a row.
    #[serde(default)]
    pub code: Option<Count>,
    /// When code mails were asked for.
    #[serde(default)]
    pub mailed: Mailed,
}

/// Wrong guesses in a row.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct Count {
    /// How many.
    pub wrong: u32,
    /// When the last was made, in seconds since 1970.
    pub last: u64,
}

/// When code mails were asked for, by use, in seconds since 1970.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub struct Mailed {
    /// For mailbox codes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mailbox: Vec<u64>,
    /// For the second step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mfa: Vec<u64>,
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

impl User {
    /// The open code of one use.
    #[must_use]
    pub fn code(&self, of: Use) -> Option<&OpenCode> {
        let codes = &self.ours.as_ref()?.codes;
        match of {
            Use::Mailbox => codes.mailbox.as_ref(),
            Use::Mfa => codes.mfa.as_ref(),
        }
    }

    /// The form of the address to which mail goes.
    #[must_use]
    pub fn mail_address<'a>(&'a self, key: &'a str) -> &'a str {
        self.ours.as_ref().and_then(|ours| ours.address.as_deref()).unwrap_or(key)
    }

    /// The custom data as JSON text.
    #[must_use]
    pub fn custom_data(&self) -> &str {
        self.custom_data.as_ref().map_or("{}", |data| data.get())
    }
}

/// The path to a user's open code of one use, and on into it.
#[must_use]
pub fn code_path(of: Use, into: &[&str]) -> Vec<String> {
    [&[OURS, "codes", of.name()], into].concat().into_iter().map(str::to_owned).collect()
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

fn text_or_none<'de, D: serde::Deserializer<'de>>(de: D) -> Result<Option<String>, D::Error> {
    let value = as_written(de)?;
    Ok(match value.get() {
        "null" | r#""""# => None,
        text if text.starts_with('"') => {
            Some(serde_json::from_str(text).map_err(serde::de::Error::custom)?)
        }
        // Something is there, so the user is not one without a password.
        _ => Some("(not a text)".to_owned()),
    })
}

fn exactly_true<'de, D: serde::Deserializer<'de>>(de: D) -> Result<bool, D::Error> {
    Ok(as_written(de)?.get() == "true")
}

fn not_false<'de, D: serde::Deserializer<'de>>(de: D) -> Result<bool, D::Error> {
    Ok(!matches!(as_written(de)?.get(), "false" | "null"))
}

/// A null that is there is data, and not the absence of any.
fn data<'de, D: serde::Deserializer<'de>>(de: D) -> Result<Option<Box<RawValue>>, D::Error> {
    as_written(de).map(Some)
}
