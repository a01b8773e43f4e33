//! `/v1/session` and `/v1/sessions`: signing in, and what somebody may do who is.
//!
//! A program keeps the token it is given and sends it as `Authorization: Bearer`. For a browser,
//! `"cookie": true` puts it where no script can read it; what changes something then needs a request
//! from the gateway's own origin.

use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::{delete, get, post};
use serde::Serialize;
use zeroize::Zeroizing;

use super::reply::{self, Passwords, Refusal};
use super::routes::{Access, Answer, Body, Counts, Route};
use crate::contract::types::Outcome;
use crate::error::CallError;
use crate::functions::{Given, Parameter, Reply, Signature, read};

mod own;
mod sign_in;

use own::{
    CONFIRM, EMAIL, confirm_email, end, end_others, list, request_email, sign_out, who_am_i,
};
use sign_in::{SIGN_IN, sign_in};
pub(crate) use sign_in::{client, give_cookies};

/// Their part of the table of routes.
pub(super) fn routes() -> Vec<Route> {
    let route = |method, path, summary, body, counts, ok, handler| Route {
        method,
        path,
        summary,
        access: Access::Session,
        body,
        query: &[],
        counts,
        answers: vec![
            Answer::json(StatusCode::OK, "Done, or answered.", ok),
            Answer::json(StatusCode::UNAUTHORIZED, "Nobody is signed in.", "Outcome"),
        ],
        handler,
    };
    let mut routes = vec![
        Route {
            access: Access::Public,
            answers: sign_in_answers(),
            ..route(
                Method::POST,
                "/v1/session",
                "Sign in with a password, or with the code that was mailed in the first step.",
                Body::Json(SIGN_IN, &[]),
                Counts::Secret,
                "SignedIn",
                post(sign_in),
            )
        },
        route(
            Method::GET,
            "/v1/session",
            "Who is signed in.",
            Body::None,
            Counts::Nothing,
            "Identity",
            get(who_am_i),
        ),
        Route {
            // Who has a token that opens nothing is signed out as well.
            access: Access::Public,
            ..route(
                Method::DELETE,
                "/v1/session",
                "Sign out.",
                Body::None,
                Counts::Request,
                "Outcome",
                delete(sign_out),
            )
        },
        route(
            Method::GET,
            "/v1/sessions",
            "One's own sessions, the one used last first.",
            Body::None,
            Counts::Nothing,
            "Sessions",
            get(list),
        ),
        route(
            Method::DELETE,
            "/v1/sessions",
            "End all of one's own sessions but this one.",
            Body::None,
            Counts::Request,
            "Outcome",
            delete(end_others),
        ),
        route(
            Method::DELETE,
            "/v1/sessions/{id}",
            "End one of one's own sessions.",
            Body::None,
            Counts::Request,
            "Outcome",
            delete(end),
        ),
        route(
            Method::POST,
            "/v1/session/email",
            "Mail a code to a new address.",
            Body::Json(EMAIL, &[]),
            Counts::Secret,
            "Outcome",
            post(request_email),
        ),
        route(
            Method::POST,
            "/v1/session/email/confirm",
            "Give the account the new address, with the code that was mailed there.",
            Body::Json(CONFIRM, &[]),
            Counts::Secret,
            "Outcome",
            post(confirm_email),
        ),
    ];
    for route in routes.iter_mut().filter(|route| route.path.starts_with("/v1/session/email")) {
        route.answers.extend(refusals());
    }
    routes
}

fn sign_in_answers() -> Vec<Answer> {
    let mut answers = vec![
        Answer::json(StatusCode::OK, "Signed in, or a code was mailed.", "SignedIn"),
        Answer::json(StatusCode::UNAUTHORIZED, "A secret is wrong.", "Outcome"),
    ];
    answers.extend(refusals());
    answers
}

/// What a secret or an address can be answered with.
fn refusals() -> Vec<Answer> {
    vec![
        Answer::json(StatusCode::BAD_REQUEST, "An input is refused.", "Outcome"),
        Answer::json(StatusCode::FORBIDDEN, "The address is blocked.", "Outcome"),
        Answer::json(StatusCode::NOT_FOUND, "There is no such user.", "Outcome"),
        Answer::json(StatusCode::CONFLICT, "The address has a user.", "Outcome"),
        Answer::json(StatusCode::TOO_MANY_REQUESTS, "Too often.", "Outcome"),
    ]
}

/// Data in the envelope of a success.
#[derive(Serialize)]
struct Done<T> {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<serde_json::Value>,
    #[serde(flatten)]
    data: T,
}

#[derive(Serialize)]
struct Message<T> {
    success: bool,
    message: T,
}

fn done(data: impl Serialize) -> Response {
    let text = Zeroizing::new(serde_json::to_string(&data).unwrap_or_default());
    reply::json(StatusCode::OK, text.as_str().to_owned(), None)
}

fn refused(outcome: Outcome, ticket: Option<&str>) -> Response {
    let status = reply::status(&outcome, Passwords::Checked);
    let retry_after = outcome.retry_after.map(u64::from);
    reply::json(status, Reply::Outcome(outcome).envelope_with(ticket), retry_after)
}

fn wrong(error: CallError) -> Refusal {
    Refusal::of_call(error, false)
}

fn arguments<'a>(
    name: &str,
    parameters: &'static [Parameter],
    text: &'a str,
) -> Result<Given<'a>, Refusal> {
    let signature = Signature { name: name.to_owned(), parameters, beside: &[] };
    read(signature, text).map_err(wrong)
}
