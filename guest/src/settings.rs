//! What the tenant has configured: every key that the logic reads, with its default and limits.
//!
//! A value is read when it is needed. [`check`] reads all of them once, when a tenant starts; a
//! value that is bad all the same, because a host did not ask, makes the function fail that needs
//! it, so that nothing is decided by a setting nobody meant.

use crate::outcome::Failure;
use crate::ports::{Ports, Value};

pub use crate::bindings::exports::portcullis::auth::upkeep::BadSetting;

/// Where the code goes in the subject and the body.
pub const PLACEHOLDER: &str = "{verifcode}";

/// The most passes times memory in KiB of a password hash: four passes over 64 MiB. What is stored
/// may ask for no more, so nothing dearer is made.
pub const MOST_WORK: u64 = 4 * 65_536;

/// A key that is true or false.
pub struct Switch {
    key: &'static str,
    default: bool,
}

/// A key that is a whole number within limits.
pub struct Number {
    key: &'static str,
    default: i64,
    least: i64,
    most: i64,
}

/// A key that is a text.
pub struct Text {
    key: &'static str,
    default: &'static str,
    check: fn(&str) -> Result<(), &'static str>,
}

/// Blocked users are refused by every function of `auth`.
pub const BLOCKING: Switch = Switch { key: "blocking", default: true };
/// Replies hold texts, not numbers.
pub const READABLE_ERRORS: Switch = Switch { key: "readable_errors", default: true };
/// Foreign and older password hashes are replaced on sign-in.
pub const UPGRADE_HASHES: Switch = Switch { key: "upgrade_hashes", default: true };
/// A sign-in always needs the second step.
pub const REQUIRE_MFA: Switch = Switch { key: "require_mfa", default: false };
/// Owners are told by mail what becomes of their accounts.
pub const NOTICES: Switch = Switch { key: "notices", default: true };

/// Seconds between two requests of one address; 0: no limit.
pub const RATE_LIMITING: Number = number("rate_limiting", 0, 0, DAY);
/// Requests let through in one cool-down.
pub const RATE_LIMIT_BURST: Number = number("rate_limit_burst", 1, 1, 1000);
/// Seconds added to the cool-down for each violation in a row.
pub const RATE_LIMIT_PENALTY: Number = number("rate_limit_penalty", 0, 0, DAY);
/// Digits of a code. Four are 10,000 possibilities, of which five guesses are allowed.
pub const CODE_LENGTH: Number = number("code_length", 6, 4, 32);
/// Seconds that a code lives.
pub const CODE_TTL: Number = number("code_ttl", 600, 10, DAY);
/// Wrong guesses that kill a code.
pub const CODE_ATTEMPTS: Number = number("code_attempts", 5, 1, 100);
/// Wrong guesses in a row from which on the next must wait; 0: never.
pub const GUESS_LIMIT: Number = number("guess_limit", 10, 0, 1000);
/// Code mails to one address in one window, for each use of a code; 0: no limit.
pub const MAIL_LIMIT: Number = number("mail_limit", 5, 0, 100);
/// That window, in seconds.
pub const MAIL_LIMIT_WINDOW: Number = number("mail_limit_window", 600, 1, DAY);
/// Characters of a password being set. The most is [`crate::password::MOST_BYTES`].
pub const MIN_PASSWORD_LENGTH: Number = number("min_password_length", 8, 1, 128);
/// Memory of one argon2id hash in KiB; the least is what OWASP's cheat sheet on password storage
/// asks for.
pub const HASH_MEMORY: Number = number("hash.memory_kib", 19_456, 19_456, 65_536);
/// Passes of argon2id; the least is OWASP's for that memory.
pub const HASH_PASSES: Number = number("hash.passes", 2, 2, 16);
/// Lanes of argon2id; they are computed one after the other.
pub const HASH_LANES: Number = number("hash.lanes", 1, 1, 16);
/// Seconds after which a user of our making who never verified is removed; 0: never.
pub const UNVERIFIED_TTL: Number = number("unverified_ttl", 7 * DAY, 0, 10 * 365 * DAY);
/// Bytes of a user's custom data as JSON text.
pub const CUSTOM_DATA_LIMIT: Number = number("custom_data_limit", 65_536, 2, 1 << 19);
/// Seconds after which a session that is not used ends.
pub const SESSION_IDLE: Number = number("session_idle", 7 * DAY, 60, 400 * DAY);
/// Seconds after which a session ends, used or not: 30 days, as NIST SP 800-63B section 2.1.3 has it.
pub const SESSION_LIFE: Number = number("session_life", 30 * DAY, 60, 400 * DAY);

/// The subject of a code mail.
pub const MAIL_SUBJECT: Text =
    Text { key: "mail_subject", default: "Verification Code", check: subject };
/// The text of a code mail, plain or HTML.
pub const MAIL_BODY: Text =
    Text { key: "mail_body", default: "Your verification code is: {verifcode}", check: body };

const DAY: i64 = 86_400;

const SWITCHES: [&Switch; 5] =
    [&BLOCKING, &READABLE_ERRORS, &UPGRADE_HASHES, &REQUIRE_MFA, &NOTICES];
const NUMBERS: [&Number; 17] = [
    &RATE_LIMITING,
    &RATE_LIMIT_BURST,
    &RATE_LIMIT_PENALTY,
    &CODE_LENGTH,
    &CODE_TTL,
    &CODE_ATTEMPTS,
    &GUESS_LIMIT,
    &MAIL_LIMIT,
    &MAIL_LIMIT_WINDOW,
    &MIN_PASSWORD_LENGTH,
    &HASH_MEMORY,
    &HASH_PASSES,
    &HASH_LANES,
    &UNVERIFIED_TTL,
    &CUSTOM_DATA_LIMIT,
    &SESSION_IDLE,
    &SESSION_LIFE,
];
const TEXTS: [&Text; 2] = [&MAIL_SUBJECT, &MAIL_BODY];

const fn number(key: &'static str, default: i64, least: i64, most: i64) -> Number {
    Number { key, default, least, most }
}

fn subject(text: &str) -> Result<(), &'static str> {
    match text {
        "" => Err("must not be empty"),
        _ if text.len() > 500 => Err("must have at most 500 bytes"),
        _ if text.chars().any(char::is_control) => {
            Err("must not hold a line break or other control character")
        }
        _ => Ok(()),
    }
}

fn body(text: &str) -> Result<(), &'static str> {
    match text {
        _ if text.len() > 64 * 1024 => Err("must have at most 65536 bytes"),
        _ if !text.contains(PLACEHOLDER) => Err("must hold {verifcode}, where the code goes"),
        _ => Ok(()),
    }
}

fn bad(key: &str, problem: impl Into<String>) -> BadSetting {
    BadSetting { key: key.to_owned(), problem: problem.into() }
}

impl From<BadSetting> for Failure {
    fn from(bad: BadSetting) -> Self {
        Self::Settings(format!("{}: {}", bad.key, bad.problem))
    }
}

impl Switch {
    /// The value, or the default.
    ///
    /// # Errors
    /// The value is not true or false.
    pub fn read(&self, ports: &dyn Ports) -> Result<bool, BadSetting> {
        match ports.setting(self.key) {
            None => Ok(self.default),
            Some(Value::Boolean(value)) => Ok(value),
            Some(_) => Err(bad(self.key, "must be true or false")),
        }
    }
}

impl Number {
    /// The value, or the default; never negative.
    ///
    /// # Errors
    /// The value is no whole number or beyond the limits.
    pub fn read(&self, ports: &dyn Ports) -> Result<u64, BadSetting> {
        let Self { key, default, least, most } = *self;
        match ports.setting(key) {
            None => Ok(default.unsigned_abs()),
            Some(Value::Integer(value)) if (least..=most).contains(&value) => {
                Ok(value.unsigned_abs())
            }
            Some(Value::Integer(value)) if value < least => Err(bad(
                key,
                format!("{value} is too small: must be a whole number from {least} to {most}"),
            )),
            Some(Value::Integer(value)) => Err(bad(
                key,
                format!("{value} is too large: must be a whole number from {least} to {most}"),
            )),
            Some(_) => Err(bad(key, format!("must be a whole number from {least} to {most}"))),
        }
    }

    /// [`Number::read`] for limits that fit 32 bits, as those of all keys but the times do.
    ///
    /// # Errors
    /// As [`Number::read`].
    pub fn read_u32(&self, ports: &dyn Ports) -> Result<u32, BadSetting> {
        self.read(ports).map(|value| u32::try_from(value).unwrap_or(u32::MAX))
    }
}

impl Text {
    /// The value, or the default.
    ///
    /// # Errors
    /// The value does not fit.
    pub fn read(&self, ports: &dyn Ports) -> Result<String, BadSetting> {
        let text = match ports.setting(self.key) {
            None => return Ok(self.default.to_owned()),
            Some(Value::Text(text)) => text,
            // From the environment, where nothing tells a text from a number.
            Some(Value::Integer(number)) => number.to_string(),
            Some(Value::Boolean(_)) => return Err(bad(self.key, "must be a text")),
        };
        (self.check)(&text).map_err(|problem| bad(self.key, problem))?;
        Ok(text)
    }
}

/// Whether a hash of the configured cost could be checked again: what a stored hash may ask for is
/// bounded.
///
/// # Errors
/// Memory times passes is too much. A value that is bad by itself is not told again.
pub fn affordable_hash(ports: &dyn Ports) -> Result<(), BadSetting> {
    let (Ok(memory), Ok(passes)) = (HASH_MEMORY.read(ports), HASH_PASSES.read(ports)) else {
        return Ok(());
    };
    let most = MOST_WORK / memory;
    if passes <= most {
        return Ok(());
    }
    Err(bad(HASH_PASSES.key, format!("{passes} is too large: at most {most} with that memory_kib")))
}

/// Read every setting and tell what is wrong, unknown keys among `given` included.
#[must_use]
pub fn check(ports: &dyn Ports, given: &[String]) -> Vec<BadSetting> {
    let mut found = Vec::new();
    found.extend(SWITCHES.iter().filter_map(|switch| switch.read(ports).err()));
    found.extend(NUMBERS.iter().filter_map(|number| number.read(ports).err()));
    found.extend(TEXTS.iter().filter_map(|text| text.read(ports).err()));
    if let (Ok(0), Ok(1..)) = (RATE_LIMITING.read(ports), RATE_LIMIT_PENALTY.read(ports)) {
        found.push(bad(RATE_LIMIT_PENALTY.key, "needs rate_limiting above 0"));
    }
    found.extend(affordable_hash(ports).err());
    match ports.secret_keys().as_slice() {
        [] => found.push(bad("secret_key", "is missing: codes cannot be kept without it")),
        keys if keys.iter().any(|key| key.secret.len() < 32) => {
            found.push(bad("secret_key", "must have at least 32 bytes"));
        }
        _ => {}
    }
    found.extend(
        given.iter().filter(|key| !known(key)).map(|key| bad(key, "is not a known setting")),
    );
    found
}

fn known(key: &str) -> bool {
    SWITCHES.iter().any(|s| s.key == key)
        || NUMBERS.iter().any(|s| s.key == key)
        || TEXTS.iter().any(|s| s.key == key)
}
