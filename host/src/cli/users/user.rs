//! A user as the component writes him, and as he is shown.

use std::borrow::Cow;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::anyhow;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The line of a user, as `users.write` of the contract makes it.
#[derive(Deserialize)]
pub(super) struct User<'a> {
    #[serde(borrow)]
    pub(super) email: Cow<'a, str>,
    #[serde(borrow, default)]
    address: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    password: Option<Cow<'a, str>>,
    pub(super) verified: bool,
    #[serde(default)]
    unproven: bool,
    pub(super) blocked: bool,
    #[serde(borrow)]
    custom_data: &'a RawValue,
    #[serde(default)]
    made: Option<u64>,
    #[serde(borrow, default)]
    other: Option<&'a RawValue>,
}

/// All of a user but his password hash: of that only the kind.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    email: &'a str,
    address: &'a str,
    password: &'a str,
    verified: bool,
    unproven: bool,
    blocked: bool,
    made: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_data: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    other: Option<&'a RawValue>,
}

impl<'a> User<'a> {
    pub(super) fn parse(line: &'a str) -> anyhow::Result<Self> {
        // The reader's own words might quote a hash.
        serde_json::from_str(line).map_err(|_| anyhow!("the component wrote no user"))
    }

    /// When he was made.
    pub(super) fn made(&self) -> Option<String> {
        let made = UNIX_EPOCH.checked_add(Duration::from_secs(self.made?))?;
        // Beyond the year 9999 there is no such text, and asking for one panics.
        (self.made? < 253_402_300_800).then(|| humantime::format_rfc3339_seconds(made).to_string())
    }

    /// As a list has him.
    pub(super) fn brief(&'a self) -> Shown<'a> {
        Shown { custom_data: None, other: None, ..self.whole() }
    }

    /// All that may be shown.
    pub(super) fn whole(&'a self) -> Shown<'a> {
        Shown {
            email: &self.email,
            address: self.address.as_deref().unwrap_or(&self.email),
            password: self.password.as_deref().map_or("none", kind),
            verified: self.verified,
            unproven: self.unproven,
            blocked: self.blocked,
            made: self.made(),
            custom_data: Some(self.custom_data),
            other: self.other,
        }
    }
}

/// Which kind of hash this is, and nothing more of it.
fn kind(hash: &str) -> &'static str {
    const KINDS: [&str; 7] = [
        "argon2id",
        "argon2i",
        "argon2d",
        "scrypt",
        "pbkdf2-sha256",
        "pbkdf2-sha512",
        "pbkdf2-sha1",
    ];
    let name = hash.strip_prefix('$').and_then(|rest| rest.split('$').next()).unwrap_or_default();
    match name {
        "2a" | "2b" | "2x" | "2y" => "bcrypt",
        "pbkdf2" => "pbkdf2-sha1",
        name => KINDS.into_iter().find(|kind| *kind == name).unwrap_or("unknown"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_hash_only_the_kind_is_shown() {
        for (hash, shown) in [
            ("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA", "argon2id"),
            ("$2b$12$abcdefghijklmnopqrstuv", "bcrypt"),
            ("$scrypt$ln=16,r=8,p=1$c2FsdA$aGFzaA", "scrypt"),
            ("a password in the open", "unknown"),
            ("$something of somebody's", "unknown"),
            ("", "unknown"),
        ] {
            assert_eq!(kind(hash), shown, "{hash}");
        }
    }

    #[test]
    fn a_user_is_shown_without_his_hash_and_with_his_data_to_the_letter() {
        let line = r#"{"email":"ann@example.com","password":"$2b$10$secret","verified":true,"blocked":false,"custom_data":{"a": 1.50},"made":0}"#;
        let user = User::parse(line).unwrap();
        let shown = serde_json::to_string(&user.whole()).unwrap();
        assert!(shown.contains(r#""password":"bcrypt""#), "{shown}");
        assert!(shown.contains(r#""custom_data":{"a": 1.50}"#), "{shown}");
        assert!(shown.contains(r#""made":"1970-01-01T00:00:00Z""#), "{shown}");
        assert!(!shown.contains("secret"), "{shown}");
    }
}
