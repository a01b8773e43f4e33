//! The arguments of a JSON call: read strictly, refused by name.
//!
//! The text is scanned once and nothing is built from it but the values themselves: a value stays
//! a slice of the text (serde_json's `RawValue`, found without recursion, so that no depth of
//! nesting can hurt) until the parameter's kind reads it. Custom data is handed on letter by letter;
//! how large and deep it may be is for the component to say.
//!
//! No message here holds the value of a secret parameter.

use std::fmt::{self, Write as _};

use serde::de::{Deserializer as _, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::descriptor::Parameter;
use crate::error::CallError;

/// The most bytes that the arguments of one call may have.
pub const MAX_ARGUMENTS: usize = 1 << 20;

/// Characters of somebody else's text that a message repeats.
const EXCERPT: usize = 40;

/// What takes arguments: its name, for messages, and its parameters.
#[derive(Clone)]
pub(crate) struct Signature {
    pub(crate) name: String,
    pub(crate) parameters: &'static [Parameter],
    /// What it takes beside them.
    pub(crate) beside: &'static [Parameter],
}

impl Signature {
    fn parameters(&self) -> impl Iterator<Item = &'static Parameter> + use<> {
        self.parameters.iter().chain(self.beside)
    }

    fn parameter(&self, name: &str) -> Option<&'static Parameter> {
        self.parameters().find(|parameter| parameter.name == name)
    }
}

/// The keys that a caller gave, each one a parameter and there once.
pub(crate) struct Given<'a> {
    signature: Signature,
    values: Vec<(&'static Parameter, &'a RawValue)>,
}

/// Read one JSON object of arguments.
pub(crate) fn read(signature: Signature, text: &str) -> Result<Given<'_>, CallError> {
    if text.len() > MAX_ARGUMENTS {
        return Err(usage(&signature, format_args!("the arguments exceed {MAX_ARGUMENTS} bytes")));
    }
    // Looked at first, because serde's own message for a wrong type repeats the value.
    let start = text.trim_ascii_start();
    if !start.starts_with('{') {
        let found = if start.is_empty() { "nothing" } else { shape(start) };
        return Err(usage(
            &signature,
            format_args!("the arguments must be one JSON object, found {found}"),
        ));
    }
    let mut reader = Reader { signature: &signature, values: Vec::new(), refused: None };
    let mut json = serde_json::Deserializer::from_str(text);
    let read = json.deserialize_map(&mut reader).and_then(|()| json.end());
    match (reader.refused, read) {
        (Some(refused), _) => Err(refused),
        (None, Err(error)) => {
            Err(usage(&signature, format_args!("the arguments are not valid JSON: {error}")))
        }
        (None, Ok(())) => {
            let values = reader.values;
            Ok(Given { signature, values })
        }
    }
}

/// Collects the keys of the object and stops at the first that does not belong there.
struct Reader<'s, 'a> {
    signature: &'s Signature,
    values: Vec<(&'static Parameter, &'a RawValue)>,
    refused: Option<CallError>,
}

impl<'de> Visitor<'de> for &mut Reader<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            let refusal = match self.signature.parameter(&key) {
                None => unknown(self.signature, &key),
                Some(known) if self.values.iter().any(|(given, _)| *given == known) => {
                    format!("\"{key}\" is given twice")
                }
                Some(known) => {
                    self.values.push((known, map.next_value()?));
                    continue;
                }
            };
            self.refused = Some(usage(self.signature, format_args!("{refusal}")));
            return Err(A::Error::custom("refused"));
        }
        Ok(())
    }
}

fn unknown(signature: &Signature, key: &str) -> String {
    let names: Vec<&str> = signature.parameters().map(|parameter| parameter.name).collect();
    let takes = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    let near = super::near(key, names.into_iter());
    let hint = near.first().map_or_else(String::new, |near| format!(", did you mean \"{near}\"?"));
    format!("unknown key \"{}\"{hint} (it takes {takes})", excerpt(key))
}

impl Given<'_> {
    /// The keys that are there.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.values.iter().map(|(parameter, _)| parameter.name)
    }

    /// A required string.
    pub(crate) fn text(&self, name: &str) -> Result<Zeroizing<String>, CallError> {
        let raw = self.required(name)?;
        string(raw).ok_or_else(|| self.wrong(name, raw))
    }

    /// A string; `null` and nothing are `None`.
    pub(crate) fn optional_text(&self, name: &str) -> Result<Option<Zeroizing<String>>, CallError> {
        let Some(raw) = self.present(name) else { return Ok(None) };
        string(raw).map(Some).ok_or_else(|| self.wrong(name, raw))
    }

    /// Any JSON value, as it was written; `null` is one.
    pub(super) fn json(&self, name: &str) -> Result<Zeroizing<String>, CallError> {
        self.required(name).map(|raw| Zeroizing::new(raw.get().to_owned()))
    }

    /// Any JSON value, as it was written; `null` and nothing are `None`.
    pub(super) fn optional_json(&self, name: &str) -> Option<Zeroizing<String>> {
        self.present(name).map(|raw| Zeroizing::new(raw.get().to_owned()))
    }

    /// An integer, written as one (`6`, neither `6.0` nor `"6"`); `null` and nothing are `None`.
    pub(crate) fn optional_integer(&self, name: &str) -> Result<Option<i64>, CallError> {
        let Some(raw) = self.present(name) else { return Ok(None) };
        // JSON knows no plus sign and no leading zeros, so that what parses here is an integer.
        raw.get().parse().map(Some).map_err(|_| self.wrong(name, raw))
    }

    /// `true` or `false`, or what it is when nobody says.
    pub(crate) fn boolean(&self, name: &str, default: bool) -> Result<bool, CallError> {
        let Some(raw) = self.value(name) else { return Ok(default) };
        match raw.get() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(self.wrong(name, raw)),
        }
    }

    /// Whether there is a value that says more than leaving the key out would.
    #[cfg(feature = "gateway")]
    pub(crate) fn says(&self, name: &str) -> bool {
        let default = self.signature.parameter(name).and_then(|known| known.default);
        let left_out = match default {
            Some(super::Default::True) => "true",
            Some(super::Default::False) => "false",
            Some(super::Default::None) | None => "null",
        };
        self.value(name).is_some_and(|raw| raw.get() != left_out)
    }

    fn value(&self, name: &str) -> Option<&RawValue> {
        self.values.iter().find(|(parameter, _)| parameter.name == name).map(|(_, raw)| *raw)
    }

    /// The value, if there is one and it is not `null`.
    fn present(&self, name: &str) -> Option<&RawValue> {
        self.value(name).filter(|raw| raw.get() != "null")
    }

    fn required(&self, name: &str) -> Result<&RawValue, CallError> {
        self.value(name).ok_or_else(|| {
            let kind =
                self.signature.parameter(name).map_or("given", |known| known.kind.describe());
            usage(&self.signature, format_args!("missing key \"{name}\", which must be {kind}"))
        })
    }

    fn wrong(&self, name: &str, raw: &RawValue) -> CallError {
        let known = self.signature.parameter(name);
        let kind = known.map_or("another value", |known| known.kind.describe());
        let secret = known.is_none_or(|known| known.secret);
        let raw = raw.get();
        let found = match raw.as_bytes().first() {
            Some(b'[' | b'{') => shape(raw).to_owned(),
            // A string where one was expected, and that could not be read.
            Some(b'"') if kind == "a string" => "one with half a surrogate pair".to_owned(),
            _ if secret => shape(raw).to_owned(),
            _ => excerpt(raw),
        };
        usage(&self.signature, format_args!("\"{name}\" must be {kind}, found {found}"))
    }
}

/// What a JSON text is, without telling its value.
fn shape(json: &str) -> &'static str {
    match json.as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        Some(b'-' | b'0'..=b'9') => "a number",
        _ => "something else",
    }
}

/// The string that a JSON text is. One with escapes passes through the parser's own buffer.
fn string(raw: &RawValue) -> Option<Zeroizing<String>> {
    let json = raw.get();
    let plain = serde_json::from_str::<&str>(json).map(str::to_owned);
    plain.or_else(|_| serde_json::from_str(json)).ok().map(Zeroizing::new)
}

/// The beginning of somebody else's text, so that it fits on a line and moves no terminal.
pub(super) fn excerpt(text: &str) -> String {
    let mut excerpt = String::new();
    for c in text.chars().take(EXCERPT) {
        if matches!(c, ' '..='~') || c.is_alphanumeric() {
            excerpt.push(c);
        } else {
            let _ = write!(excerpt, "{}", c.escape_unicode());
        }
    }
    if text.chars().nth(EXCERPT).is_some() {
        excerpt.push('…');
    }
    excerpt
}

fn usage(signature: &Signature, problem: fmt::Arguments<'_>) -> CallError {
    CallError::Usage(format!("{}: {problem}", signature.name))
}

/// A value that outlives the call's arguments: what is text is overwritten when it is dropped.
pub(super) trait Keep {
    type Kept;
    fn keep(self) -> Self::Kept;
}

/// The opposite of [`Keep`].
pub(super) trait Lend {
    type Lent<'a>
    where
        Self: 'a;
    fn lend(&self) -> Self::Lent<'_>;

    /// It, where it is a text.
    fn text(&self) -> Option<&str> {
        None
    }
}

impl Keep for &str {
    type Kept = Zeroizing<String>;
    fn keep(self) -> Self::Kept {
        Zeroizing::new(self.to_owned())
    }
}

impl Keep for Option<&str> {
    type Kept = Option<Zeroizing<String>>;
    fn keep(self) -> Self::Kept {
        self.map(Keep::keep)
    }
}

impl Lend for Zeroizing<String> {
    type Lent<'a> = &'a str;
    fn lend(&self) -> &str {
        self
    }

    fn text(&self) -> Option<&str> {
        Some(self)
    }
}

impl Lend for Option<Zeroizing<String>> {
    type Lent<'a> = Option<&'a str>;
    fn lend(&self) -> Option<&str> {
        self.as_deref().map(String::as_str)
    }
}

/// What is copied is the same kept and lent.
macro_rules! copied {
    ($($Type:ty),*) => {$(
        impl Keep for $Type {
            type Kept = Self;
            fn keep(self) -> Self { self }
        }
        impl Lend for $Type {
            type Lent<'a> = Self;
            fn lend(&self) -> Self { *self }
        }
    )*};
}
copied!(bool, Option<i64>);
