//! The JSON form of what a function answers.

use serde::Serialize;
use serde_json::Number;
use serde_json::value::RawValue;

use super::descriptor::Returns;
use crate::audit::Told;
use crate::contract::sessions::{Identity, Known, Listed, Opened, Session, SignedIn};
use crate::contract::types::{Answer, Outcome};
use crate::error::CallError;

/// The answer to a call that was decided.
#[derive(Clone, Debug)]
pub enum Reply {
    /// An outcome: a success, or a refusal.
    Outcome(Outcome),
    /// Data, as the JSON text that was stored, on one line.
    Data(Box<RawValue>),
    /// An integer.
    Integer(Number),
    /// It is done, and there is nothing to say.
    Nothing,
}

/// `{"success": …, "message": …}` and what may stand beside it.
#[derive(Serialize)]
struct Envelope<'a> {
    success: bool,
    message: Message<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Message<'a> {
    Text(&'a str),
    Code(u16),
    Data(&'a RawValue),
    Integer(&'a Number),
    Nothing,
}

impl Reply {
    /// Whether what was asked for was done or answered. Only an outcome can say no.
    #[must_use]
    pub fn success(&self) -> bool {
        match self {
            Self::Outcome(outcome) => outcome.success,
            Self::Data(_) | Self::Integer(_) | Self::Nothing => true,
        }
    }

    /// The number of the outcome, if it is one.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Outcome(outcome) => Some(outcome.code),
            Self::Data(_) | Self::Integer(_) | Self::Nothing => None,
        }
    }

    /// As the command line prints it: an integer is bare, and nothing is `None`. One line, without
    /// its end.
    #[must_use]
    pub fn line(&self) -> Option<String> {
        match self {
            Self::Integer(number) => Some(number.to_string()),
            Self::Nothing => None,
            Self::Outcome(_) | Self::Data(_) => Some(self.envelope()),
        }
    }

    /// `{"success": …, "message": …}`, with `detail` and `retry_after` where there is one. The
    /// message is the outcome's text (its number where the tenant wants numbers), the data, the
    /// integer, or null.
    #[must_use]
    pub fn envelope(&self) -> String {
        self.envelope_with(None)
    }

    /// [`envelope`](Reply::envelope), with the ticket to which a code that was mailed is bound.
    pub(crate) fn envelope_with(&self, ticket: Option<&str>) -> String {
        let (message, detail, retry_after) = match self {
            Self::Outcome(outcome) => {
                (message(outcome), outcome.detail.as_deref(), outcome.retry_after)
            }
            Self::Data(data) => (Message::Data(data), None, None),
            Self::Integer(number) => (Message::Integer(number), None, None),
            Self::Nothing => (Message::Nothing, None, None),
        };
        let envelope = Envelope { success: self.success(), message, detail, retry_after, ticket };
        // Text, numbers and JSON that was checked: nothing here can fail to be written.
        serde_json::to_string(&envelope).unwrap_or_default()
    }
}

/// Without `readable_errors` the component's text is the number in digits, which no text of the
/// table is; in JSON it is a number then.
fn message(outcome: &Outcome) -> Message<'_> {
    if outcome.message == outcome.code.to_string() {
        Message::Code(outcome.code)
    } else {
        Message::Text(&outcome.message)
    }
}

/// What a function of the component can answer with.
pub(super) trait Answers {
    /// What the list of functions calls it.
    const RETURNS: Returns;

    fn reply(self) -> Result<Reply, CallError>;

    /// What the audit log and the metrics are told of it.
    fn told(&self) -> Told {
        Told::done()
    }
}

impl Answers for Outcome {
    const RETURNS: Returns = Returns::Outcome;
    fn reply(self) -> Result<Reply, CallError> {
        Ok(Reply::Outcome(self))
    }

    fn told(&self) -> Told {
        Told { success: self.success, code: Some(self.code), about: None }
    }
}

impl Answers for Answer {
    const RETURNS: Returns = Returns::Data;
    fn reply(self) -> Result<Reply, CallError> {
        match self {
            Self::Data(json) => json.reply(),
            Self::Refused(outcome) => outcome.reply(),
        }
    }

    fn told(&self) -> Told {
        match self {
            Self::Refused(outcome) => outcome.told(),
            _ => Told::done(),
        }
    }
}

impl Answers for SignedIn {
    const RETURNS: Returns = Returns::Data;
    fn reply(self) -> Result<Reply, CallError> {
        match self {
            Self::Opened(opened) => data(&OpenedJson::from(&opened)),
            Self::Outcome(outcome) => outcome.reply(),
        }
    }

    fn told(&self) -> Told {
        match self {
            Self::Opened(opened) => {
                Told { code: Some(202), about: Some(opened.identity.email.clone()), ..Told::done() }
            }
            Self::Outcome(outcome) => outcome.told(),
        }
    }
}

impl Answers for Known {
    const RETURNS: Returns = Returns::Data;
    fn reply(self) -> Result<Reply, CallError> {
        match self {
            Self::Identity(identity) => data(&IdentityJson::from(&identity)),
            Self::Outcome(outcome) => outcome.reply(),
        }
    }

    fn told(&self) -> Told {
        match self {
            Self::Outcome(outcome) => outcome.told(),
            _ => Told::done(),
        }
    }
}

impl Answers for Listed {
    const RETURNS: Returns = Returns::Data;
    fn reply(self) -> Result<Reply, CallError> {
        match self {
            Self::Sessions(sessions) => {
                data(&sessions.iter().map(SessionJson::from).collect::<Vec<_>>())
            }
            Self::Outcome(outcome) => outcome.reply(),
        }
    }

    fn told(&self) -> Told {
        match self {
            Self::Outcome(outcome) => outcome.told(),
            _ => Told::done(),
        }
    }
}

fn data(value: &impl Serialize) -> Result<Reply, CallError> {
    let written = serde_json::value::to_raw_value(value);
    written.map(Reply::Data).map_err(|error| CallError::Other(error.to_string()))
}

/// A session just opened, as JSON.
#[derive(Serialize)]
pub struct OpenedJson<'a> {
    token: &'a str,
    device: &'a str,
    #[serde(flatten)]
    identity: IdentityJson<'a>,
}

/// Who is signed in, as JSON.
#[derive(Serialize)]
pub struct IdentityJson<'a> {
    email: &'a str,
    proven: bool,
    session: SessionJson<'a>,
}

/// A session, as JSON.
#[derive(Serialize)]
pub struct SessionJson<'a> {
    id: &'a str,
    made: u64,
    seen: u64,
    until: u64,
    second_factor: bool,
    client: Option<&'a str>,
    current: bool,
}

impl<'a> From<&'a Opened> for OpenedJson<'a> {
    fn from(opened: &'a Opened) -> Self {
        let Opened { token, device, identity } = opened;
        Self { token, device, identity: identity.into() }
    }
}

impl<'a> From<&'a Identity> for IdentityJson<'a> {
    fn from(identity: &'a Identity) -> Self {
        let Identity { email, proven, session } = identity;
        Self { email, proven: *proven, session: session.into() }
    }
}

impl<'a> From<&'a Session> for SessionJson<'a> {
    fn from(session: &'a Session) -> Self {
        Self {
            id: &session.id,
            made: session.made,
            seen: session.seen,
            until: session.until,
            second_factor: session.second_factor,
            client: session.client.as_deref(),
            current: session.current,
        }
    }
}

/// JSON text.
impl Answers for String {
    const RETURNS: Returns = Returns::Data;
    fn reply(self) -> Result<Reply, CallError> {
        // Inside strings JSON has no raw line breaks, so these are white space, and a reply that
        // stays on one line can be read line by line.
        let line = self.replace(['\n', '\r'], " ");
        RawValue::from_string(line)
            .map(Reply::Data)
            .map_err(|error| CallError::Component(format!("it answered with broken JSON: {error}")))
    }
}

impl Answers for () {
    const RETURNS: Returns = Returns::Nothing;
    fn reply(self) -> Result<Reply, CallError> {
        Ok(Reply::Nothing)
    }
}

impl Answers for i64 {
    const RETURNS: Returns = Returns::Integer;
    fn reply(self) -> Result<Reply, CallError> {
        Ok(Reply::Integer(self.into()))
    }
}

impl Answers for u64 {
    const RETURNS: Returns = Returns::Integer;
    fn reply(self) -> Result<Reply, CallError> {
        Ok(Reply::Integer(self.into()))
    }
}
