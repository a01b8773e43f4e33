//! Who is signed in.

use serde::{Deserialize, Serialize};

/// What stands in `sessions`: the sessions of an address, or whose a token is.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Sessions {
    /// Under the digest of a token: the key of its user.
    #[serde(default)]
    pub of: Option<String>,
    /// Under the digest of a token: when its session ends at the latest.
    #[serde(default)]
    pub until: u64,
    /// Under an address: its sessions.
    #[serde(default)]
    pub list: Vec<OpenSession>,
}

/// A session of a user.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct OpenSession {
    /// Names it to its owner.
    pub id: String,
    /// SHA-256 of the token, in hexadecimal digits.
    pub digest: String,
    /// When it was opened, in seconds since 1970.
    pub made: u64,
    /// When it was used.
    pub seen: u64,
    /// When it ends.
    pub until: u64,
    /// Whether a code was part of the sign-in.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub second_factor: bool,
    /// What signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The [state](crate::sessions) that the user had.
    pub state: String,
}
