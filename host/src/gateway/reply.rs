//! What is answered: an outcome with its status, or an error that is no outcome.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::contract::types::Outcome;
use crate::error::CallError;

/// What went wrong, for a program that must tell the cases apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// The request is wrong.
    Usage,
    /// The store does not answer.
    Storage,
    /// A setting is unusable.
    Settings,
    /// Too many requests at once, or the gateway is about to end.
    Overloaded,
    /// The component was stopped.
    Component,
    /// Anything else.
    Other,
    /// A token is missing or wrong.
    Unauthorized,
    /// Another site has made the request.
    Forbidden,
    /// There is nothing here.
    NotFound,
    /// The body is too large.
    TooLarge,
    /// The body is of another type.
    Unsupported,
    /// This peer asks too often.
    Limited,
}

/// An answer without an outcome.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) kind: Kind,
    /// Holds no secret.
    pub(crate) error: String,
    /// In seconds.
    pub(crate) retry_after: Option<u64>,
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, kind: Kind, error: impl Into<String>) -> Self {
        Self { status, kind, error: error.into(), retry_after: None }
    }

    /// With the advice to come back.
    pub(crate) fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    pub(crate) fn usage(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Kind::Usage, error)
    }

    pub(crate) fn unauthorized(error: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, Kind::Unauthorized, error)
    }

    /// Something needs the admin token that did not come.
    pub(crate) fn admin_only(what: &str) -> Self {
        Self::unauthorized(format!("{what} needs the admin token, as `Authorization: Bearer`"))
    }

    pub(crate) fn forbidden(error: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, Kind::Forbidden, error)
    }

    pub(crate) fn not_found(error: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, Kind::NotFound, error)
    }

    /// Why a call was not decided. What a store or component says of itself is for whoever runs the
    /// host: only he is told, and the log.
    pub(crate) fn of_call(error: CallError, admin: bool) -> Self {
        let text = error.to_string();
        let told = |general: &str| if admin { text.clone() } else { general.to_owned() };
        let internal = StatusCode::INTERNAL_SERVER_ERROR;
        let refusal = match error {
            CallError::Usage(error) => return Self::usage(error),
            CallError::Overloaded { retry_after } => {
                return Self::new(StatusCode::SERVICE_UNAVAILABLE, Kind::Overloaded, text)
                    .retry_after(retry_after.as_secs());
            }
            CallError::Store(_) => {
                let general = told("the store does not answer");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, Kind::Storage, general).retry_after(1)
            }
            CallError::Settings(_) => {
                Self::new(internal, Kind::Settings, told("a setting is wrong"))
            }
            CallError::Component(_) => {
                Self::new(internal, Kind::Component, told("the component was stopped"))
            }
            CallError::Other(_) => Self::new(internal, Kind::Other, told("the call failed")),
        };
        tracing::warn!(error = text, "a call was not decided");
        refusal
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self { status, kind, error, retry_after } = self;
        // Text and numbers: nothing here can fail to be written.
        let body = serde_json::to_string(&Body { error: &error, kind, retry_after });
        let mut response = json(status, body.unwrap_or_default(), retry_after);
        if let (Kind::Overloaded, Some(seconds)) = (kind, retry_after) {
            response.extensions_mut().insert(SentAway { seconds });
        }
        response
    }
}

/// Goes with an answer that sends somebody away because there is too much to do.
#[derive(Clone, Copy)]
pub(super) struct SentAway {
    /// When he is advised to come again.
    pub(super) seconds: u64,
}

/// What a function does with passwords: a 501 means that the policy refused the one to be set, or
/// that the one that was checked is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passwords {
    /// It sets one; a wrong one it calls 500.
    Set,
    /// It checks one, or has nothing to do with any.
    Checked,
}

/// The status of an outcome.
pub(crate) fn status(outcome: &Outcome, passwords: Passwords) -> StatusCode {
    if outcome.success {
        return StatusCode::OK;
    }
    match (outcome.code, passwords) {
        (501, Passwords::Set) => StatusCode::UNPROCESSABLE_ENTITY,
        (302 | 417 | 500 | 501 | 502, _) => StatusCode::UNAUTHORIZED,
        (403, _) => StatusCode::FORBIDDEN,
        (404 | 412 | 423, _) => StatusCode::NOT_FOUND,
        (402, _) => StatusCode::CONFLICT,
        (401, _) => StatusCode::TOO_MANY_REQUESTS,
        (410 | 420 | 421, _) => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// An answer of JSON text; a wait is told in its header, too.
pub(crate) fn json(status: StatusCode, text: String, retry_after: Option<u64>) -> Response {
    let mut response = (status, text).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(seconds) = retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if status == StatusCode::UNAUTHORIZED {
        // HTTP wants it with every 401.
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}
