//! Users and their open codes.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{OURS, as_written};

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
    /// Whether the address was vouched for by an application, and not proven by a code.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub unproven: bool,
    /// A random text that is replaced when all sessions are to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
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
    /// Proves the mailbox of a new address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_mail: Option<OpenCode>,
}

/// What a code is for. Each function takes codes of one use only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Proves that the caller reads the mailbox.
    Mailbox,
    /// The second step of a sign-in, after the password.
    Mfa,
    /// Proves that somebody who is signed in reads the mailbox of the address he asks for.
    NewMail,
}

impl Use {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Mailbox, Self::Mfa, Self::NewMail];

    /// The name in the store and in the digest.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mailbox => "mailbox",
            Self::Mfa => "mfa",
            Self::NewMail => "new_mail",
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
    /// Whoever asked for the code has guesses of his own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<OwnGuesses>,
    /// The new address that it proves, in the form that was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// The guesses of whoever can show one of these proofs.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct OwnGuesses {
    /// Digests of proofs: see [`Proofs`](crate::proof::Proofs).
    pub proofs: Vec<String>,
    /// Wrong guesses that the code survives, plus one.
    pub left: u32,
}

impl User {
    /// The open code of one use.
    #[must_use]
    pub fn code(&self, of: Use) -> Option<&OpenCode> {
        let codes = &self.ours.as_ref()?.codes;
        match of {
            Use::Mailbox => codes.mailbox.as_ref(),
            Use::Mfa => codes.mfa.as_ref(),
            Use::NewMail => codes.new_mail.as_ref(),
        }
    }

    /// Whether the owner has proven to read the mailbox.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.verified && !self.ours.as_ref().is_some_and(|ours| ours.unproven)
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

/// A null that is there is data, and not the absence of any.
fn data<'de, D: serde::Deserializer<'de>>(de: D) -> Result<Option<Box<RawValue>>, D::Error> {
    as_written(de).map(Some)
}
