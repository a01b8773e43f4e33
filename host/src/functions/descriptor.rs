//! What is known about a function without calling it.

use std::fmt;

use serde::{Serialize, Serializer};

use super::arguments::{self, Given, Signature};
use super::call::{Prepared, Run};
use super::table::Interface;
use crate::error::CallError;

/// One of the functions, as it is named, called and answered everywhere outside WIT.
///
/// It serialises to what a program needs that makes calls by name: everything here but the code.
#[derive(Serialize)]
pub struct Function {
    /// Where it belongs.
    pub interface: Interface,
    /// Its name, in the Python spelling; no two functions share one.
    pub name: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Its parameters, in their order.
    pub parameters: &'static [Parameter],
    /// What it answers with.
    pub returns: Returns,
    /// Whether it hashes or checks a password, and so takes its place among the few calls that may
    /// do so at once.
    pub hashes: bool,
    /// Turns arguments into a call: the one thing that differs in code from function to function.
    #[serde(skip)]
    pub(super) prepare: fn(&Given<'_>) -> Result<Run, CallError>,
}

impl Function {
    /// Its parameter of this name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&'static Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    /// Read the arguments, one JSON object whose keys are the names of the parameters, and hold the
    /// call ready. Nothing happens before [`Prepared::run`].
    ///
    /// # Errors
    /// [`CallError::Usage`] when the text is no object or larger than
    /// [`MAX_ARGUMENTS`](super::MAX_ARGUMENTS), or a key is unknown, missing, given twice or of a
    /// wrong type. The text names the function, the key, what was expected and what was found; it
    /// never holds the value of a secret parameter.
    pub fn prepare(&'static self, arguments: &str) -> Result<Prepared, CallError> {
        self.prepare_given(&self.read(arguments, &[])?)
    }

    /// Read the arguments, and what may stand beside them.
    pub(crate) fn read<'a>(
        &'static self,
        arguments: &'a str,
        beside: &'static [Parameter],
    ) -> Result<Given<'a>, CallError> {
        let name = self.to_string();
        arguments::read(Signature { name, parameters: self.parameters, beside }, arguments)
    }

    /// As [`Function::prepare`], of what was read.
    pub(crate) fn prepare_given(&'static self, given: &Given<'_>) -> Result<Prepared, CallError> {
        (self.prepare)(given).map(|run| Prepared::new(self, run))
    }

    /// As [`Function::prepare`], but for what is missing: the required parameters without a value,
    /// in their order. For a caller that can ask for them.
    ///
    /// # Errors
    /// As [`Function::prepare`], but for missing keys and wrong types.
    pub fn missing(
        &'static self,
        arguments: &str,
    ) -> Result<impl Iterator<Item = &'static Parameter> + use<>, CallError> {
        let given = self.read(arguments, &[])?;
        let names: Vec<&str> = given.names().collect();
        Ok(self.parameters.iter().filter(move |parameter| {
            parameter.default.is_none() && !names.contains(&parameter.name)
        }))
    }
}

/// As in `auth.register_user`.
impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.interface.name(), self.name)
    }
}

/// A parameter of a function.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Parameter {
    /// Its name, which is its key in a JSON call.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What it is when nobody says; without one it is required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Default>,
    /// Whether its value is a password or a code, which is never shown, logged or echoed.
    pub secret: bool,
}

impl Parameter {
    pub(crate) const fn new(name: &'static str, kind: Kind, default: Option<Default>) -> Self {
        Self { name, kind, default, secret: false }
    }

    pub(crate) const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }
}

/// What a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A string.
    Text,
    /// Any JSON value, taken literally.
    Json,
    /// An integer of 64 bits.
    Integer,
    /// `true` or `false`.
    Boolean,
}

impl Kind {
    /// As it is put to people: `a string`.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Json => "any JSON value",
            Self::Integer => "an integer of 64 bits",
            Self::Boolean => "true or false",
        }
    }
}

/// What a parameter is when nobody says.
///
/// `Display` is the Python spelling; in JSON they are `null`, `false` and `true`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    /// Nothing. `null` in JSON means the same as leaving the key out.
    None,
    /// No.
    False,
    /// Yes.
    True,
}

impl fmt::Display for Default {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::False => "False",
            Self::True => "True",
        })
    }
}

impl Serialize for Default {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_none(),
            Self::False => serializer.serialize_bool(false),
            Self::True => serializer.serialize_bool(true),
        }
    }
}

/// What a function answers with when it does not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Returns {
    /// An outcome of the table, success or refusal.
    Outcome,
    /// Data, or the outcome that refuses it.
    Data,
    /// An integer.
    Integer,
    /// Nothing: no error means that it is done.
    Nothing,
}

impl fmt::Display for Returns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Outcome => "outcome",
            Self::Data => "data",
            Self::Integer => "integer",
            Self::Nothing => "nothing",
        })
    }
}
