//! Users on their way from one database to another, one line of JSON each.
//!
//! What is read is judged as registration judges it, because nobody else does before it is written.
//! What is written says what a user is and never what he has in hand: no code, no session.

use serde_json::Deserializer;

use crate::address::Address;
use crate::bindings::exports::portcullis::auth::users::{NewUser, StoredUser};
use crate::changes::{Changes, UserChange};
use crate::code::CLOCK_TOLERANCE;
use crate::json::{self, Fields};
use crate::outcome::{Refusal, Stop};
use crate::password;
use crate::ports::Ports;
use crate::record::{BLOCKED, Block, OURS, User, json};
use crate::settings;

/// The most bytes of what other programs have left in a record: with the largest custom data it still
/// fits into a document.
const MOST_OTHER: u64 = 1 << 18;
/// The most fields of it: a host takes so many edits of one record, and some are ours.
const MOST_OTHER_FIELDS: usize = 64;
/// What is never a field of another program: ours, and what stores keep beside a record.
const OWN_FIELDS: [&str; 9] = [
    "email",
    "password",
    "verification_code",
    "blocked",
    "verified",
    "custom_data",
    OURS,
    "portcullis_meta",
    "_id",
];

/// The users of these lines, each or what is wrong with its line.
#[must_use]
pub fn read(ports: &dyn Ports, lines: &[String]) -> Vec<Result<NewUser, String>> {
    lines.iter().map(|line| read_one(ports, line)).collect()
}

/// The lines of these users, each or what is wrong with its documents.
#[must_use]
pub fn write(users: &[StoredUser]) -> Vec<Result<String, String>> {
    users.iter().map(write_one).collect()
}

/// A line as it was given.
#[derive(Default)]
struct Line<'a> {
    email: Option<String>,
    address: Option<String>,
    password: Option<String>,
    verified: bool,
    unproven: bool,
    blocked: bool,
    custom_data: Option<&'a str>,
    made: Option<u64>,
    other: Option<&'a str>,
}

impl<'a> Line<'a> {
    fn parse(text: &'a str) -> Result<Self, String> {
        let fields = object(text)?;
        let mut line = Self::default();
        let mut seen: Vec<&str> = Vec::new();
        for (name, value) in fields.iter() {
            if seen.contains(&name) {
                return Err(format!("{}: is there twice", shown(name)));
            }
            seen.push(name);
            match name {
                "email" => line.email = text_or_null(name, value)?,
                "address" => line.address = text_or_null(name, value)?,
                "password" => line.password = text_or_null(name, value)?,
                "verified" => line.verified = boolean(name, value)?,
                "unproven" => line.unproven = boolean(name, value)?,
                "blocked" => line.blocked = boolean(name, value)?,
                "custom_data" => line.custom_data = Some(value),
                "made" => line.made = seconds(name, value)?,
                "other" => line.other = Some(value),
                _ => return Err(format!("{}: is not a known field", shown(name))),
            }
        }
        Ok(line)
    }
}

fn read_one(ports: &dyn Ports, text: &str) -> Result<NewUser, String> {
    let line = Line::parse(text)?;
    let email = line.email.ok_or("email: is missing")?;
    let refused = |field: &str, refusal: Refusal| {
        format!("{field}: {}", refusal.detail.unwrap_or_else(|| refusal.code.text().to_owned()))
    };
    let address = Address::new(&email).map_err(|refusal| refused("email", refusal))?;
    let given = match &line.address {
        None => &address.given,
        Some(given) if given.eq_ignore_ascii_case(&address.key) => given,
        Some(_) => return Err("address: is not the email in other letter case".to_owned()),
    };
    if let Some(hash) = &line.password {
        password::check(hash).map_err(|problem| format!("password: {problem}"))?;
    }
    let limit = settings::CUSTOM_DATA_LIMIT.read(ports).map_err(|bad| bad.problem)?;
    let data = line.custom_data.unwrap_or("null");
    json::check(data, limit).map_err(|refusal| {
        refusal.detail.unwrap_or_else(|| "custom_data: cannot be kept".to_owned())
    })?;
    let latest = ports.now().as_secs().saturating_add(CLOCK_TOLERANCE);
    if line.made.is_some_and(|made| made > latest) {
        return Err("made: lies in the future".to_owned());
    }

    let mut user = UserChange::made_at(given, data, line.made, ports);
    user.verified(line.verified);
    user.unproven(line.unproven);
    user.close_foreign_code(ports);
    user.password(line.password.as_deref());
    for (name, value) in other(line.other)?.iter().flat_map(Fields::iter) {
        user.set(&[name], Some(value.to_owned()));
    }
    let mut changes = Changes::of(&address.key);
    user.put(ports, &mut changes).map_err(|stop| match stop {
        Stop::Refused(refusal) => refused("line", refusal),
        Stop::Failed(failure) => format!("line: {failure:?}"),
    })?;
    changes.put(BLOCKED, None, &[(&["blocked"], Some(json(&line.blocked)))], None);
    Ok(NewUser { key: address.key, puts: changes.into_puts() })
}

/// What other programs have left, if it can be kept.
fn other(given: Option<&str>) -> Result<Option<Fields<'_>>, String> {
    let Some(text) = given.filter(|text| *text != "null") else { return Ok(None) };
    json::check(text, MOST_OTHER).map_err(|refusal| {
        let problem = refusal.detail.unwrap_or_default();
        format!("other: {}", problem.strip_prefix("custom_data: ").unwrap_or(&problem))
    })?;
    let fields = object(text).map_err(|problem| format!("other: {problem}"))?;
    if fields.iter().count() > MOST_OTHER_FIELDS {
        return Err(format!("other: has more than {MOST_OTHER_FIELDS} fields"));
    }
    let own = fields.iter().find(|(name, _)| name.is_empty() || OWN_FIELDS.contains(name));
    if let Some((name, _)) = own {
        return Err(format!("other: {}: is no field of another program", shown(name)));
    }
    Ok(Some(fields))
}

fn write_one(stored: &StoredUser) -> Result<String, String> {
    let fields = object(&stored.user).map_err(|problem| format!("users: {problem}"))?;
    let damaged = |_| "users: the record is damaged".to_owned();
    let user: User = serde_json::from_str(&stored.user).map_err(damaged)?;
    let blocked = match &stored.blocked {
        None => false,
        Some(document) => {
            let block: Block = serde_json::from_str(document)
                .map_err(|_| "blocked: the record is damaged".to_owned())?;
            block.blocked
        }
    };
    let email = fields.get("email").map(|value| text_or_null("email", value)).transpose()?;
    let email = email.flatten().ok_or("email: is missing")?;
    if let Some(value) = fields.get("password") {
        text_or_null("password", value)?;
    }

    let mut line = Object::new();
    line.field("email", &json(&email));
    let ours = user.ours.unwrap_or_default();
    if let Some(address) = &ours.address {
        line.field("address", &json(address));
    }
    line.field("password", &json(&user.password));
    line.field("verified", &json(&user.verified));
    if ours.unproven {
        line.field("unproven", "true");
    }
    line.field("blocked", &json(&blocked));
    line.field("custom_data", user.custom_data.as_ref().map_or("{}", |data| data.get()));
    if let Some(made) = ours.made {
        line.field("made", &json(&made));
    }
    let mut other = Object::new();
    for (name, value) in fields.iter().filter(|(name, _)| !OWN_FIELDS.contains(name)) {
        other.field(name, value);
    }
    if !other.is_empty() {
        line.field("other", &other.text());
    }
    Ok(line.text())
}

/// An object as it is put together, from values that are JSON already.
struct Object(String);

impl Object {
    fn new() -> Self {
        Self(String::from("{"))
    }

    fn is_empty(&self) -> bool {
        self.0.len() == 1
    }

    /// Between the parts of a value there may be line breaks; in its texts they are written `\n`.
    fn field(&mut self, name: &str, value: &str) {
        if !self.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(&json(&name));
        self.0.push(':');
        self.0.extend(value.chars().map(|c| if matches!(c, '\n' | '\r') { ' ' } else { c }));
    }

    fn text(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// The fields of an object. What is wrong with the text is told by its place, without quoting it.
fn object(text: &str) -> Result<Fields<'_>, String> {
    if !text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{') {
        return Err("is no JSON object".to_owned());
    }
    let mut reader = Deserializer::from_str(text);
    serde::Deserialize::deserialize(&mut reader)
        .and_then(|fields| reader.end().map(|()| fields))
        .map_err(|error: serde_json::Error| format!("is no JSON: {error}"))
}

fn text_or_null(name: &str, value: &str) -> Result<Option<String>, String> {
    // Not what the reader says of it, which quotes the value.
    serde_json::from_str(value).map_err(|_| format!("{name}: must be a text"))
}

fn boolean(name: &str, value: &str) -> Result<bool, String> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("{name}: must be true or false")),
    }
}

fn seconds(name: &str, value: &str) -> Result<Option<u64>, String> {
    serde_json::from_str(value)
        .map_err(|_| format!("{name}: must be a whole number of seconds since 1970"))
}

/// A name of a field as it may be told: in one line, and not longer than a line.
fn shown(name: &str) -> String {
    let name = json(&name.chars().take(40).collect::<String>());
    name.trim_matches('"').to_owned()
}
