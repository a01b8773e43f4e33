//! An event of the audit log, and which of them are wanted.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// The most events that one [`Query`] is answered with.
pub const MAX_EVENTS: u32 = 1000;

/// Something that has happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// Its key: the time in 12 hexadecimal digits, a hyphen and 16 random ones.
    #[serde(default)]
    pub key: String,
    /// When, in milliseconds since 1970 (UTC).
    pub at: u64,
    /// What: `sign-in`, `registration` and so on. Whether it was done, the outcome tells.
    pub event: String,
    /// The code of the outcome, `done`, or the kind of an error (`storage`, `component` …), after
    /// which it is not known what was done.
    pub outcome: String,
    /// Who: `stranger`, `session` (somebody with a token that was found good), `admin`, `application`
    /// or `operator`.
    pub by: String,
    /// The account, in lower case; none for what concerns no account, or one that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// The account's new address, in lower case, where its address was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The IP address that it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<IpAddr>,
    /// The function that was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// The request that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// For how many events it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

/// Which events are wanted; by default the first [`MAX_EVENTS`] of all.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Only those behind the event of this key.
    pub after: Option<String>,
    /// Only from this time on, in milliseconds since 1970.
    pub since: Option<u64>,
    /// Only before this time, in milliseconds since 1970.
    pub until: Option<u64>,
    /// Only of this account, in any letter case; also the change that gave it this address.
    pub about: Option<String>,
    /// Only of this name.
    pub event: Option<String>,
    /// How many, at most [`MAX_EVENTS`]; 0: that many.
    pub limit: u32,
}

/// Some events, the oldest first.
#[derive(Clone, Debug, Default)]
pub struct Events {
    /// Those that are wanted.
    pub events: Vec<Event>,
    /// Where there may be more: the key after which to go on.
    pub next: Option<String>,
    /// The key of the last one that was looked at, wanted or not.
    pub last: Option<String>,
}
