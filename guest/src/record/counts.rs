//! What is counted about an address: wrong guesses, and mails.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Counts of one address.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Counts {
    /// Wrong passwords in a row.
    #[serde(default)]
    pub password: Option<Count>,
    /// Wrong codes in a row.
    #[serde(default)]
    pub code: Option<Count>,
    /// Wrong codes in a row, by callers who had asked for them.
    #[serde(default)]
    pub tickets: Option<Count>,
    /// Those of browsers and programs in which the owner has signed in before.
    #[serde(default)]
    pub devices: BTreeMap<String, DeviceCounts>,
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

/// Wrong guesses in a row that were made with one device.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub struct DeviceCounts {
    /// Passwords.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Count>,
    /// Codes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Count>,
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
    /// For new addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub new_mail: Vec<u64>,
}
