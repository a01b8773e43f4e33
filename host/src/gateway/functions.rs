//! `POST /v1/INTERFACE/FUNCTION`: every function of the component, for the public or for whoever has
//! the admin token.

use std::sync::LazyLock;

use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use zeroize::Zeroizing;

use super::body::JsonText;
use super::reply::{self, Passwords, Refusal};
use super::routes::{Access, Answer, Body, Content, Counts, Route};
use super::visit::Visit;
use crate::error::CallError;
use crate::functions::{
    Default, FUNCTIONS, Function, Given, Interface, Kind, Parameter, Reply, Returns,
};
use crate::random;

/// What anybody may call. All of these check a secret or send mail.
const PUBLIC: [&str; 10] = [
    "register_user",
    "register_user_no_pass",
    "verify_user",
    "authenticate_user",
    "verify_mfa_code",
    "generate_code",
    "reset_password_no_verif",
    "verify_reset_code_and_reset_password",
    "delete_user",
    "delete_user_with_verif",
];

/// Of these, what a password alone would do: not public where a second factor is required.
const BY_PASSWORD_ALONE: [&str; 2] = ["reset_password_no_verif", "delete_user"];

/// What mails a code, which is bound to a ticket then.
const MAILS_CODE: [&str; 4] =
    ["register_user", "register_user_no_pass", "generate_code", "authenticate_user"];

/// What takes such a code, and so its ticket.
const TAKES_CODE: [&str; 4] = [
    "verify_user",
    "verify_mfa_code",
    "verify_reset_code_and_reset_password",
    "delete_user_with_verif",
];

/// What sets a password.
const SETS_PASSWORD: [&str; 4] = [
    "register_user",
    "register_user_no_verif",
    "reset_password_no_verif",
    "verify_reset_code_and_reset_password",
];

/// What a function of these takes beside its own parameters.
const TICKET: &[Parameter] = &[Parameter::new("ticket", Kind::Text, Some(Default::None)).secret()];

/// The most bytes of a ticket or device that somebody gives: ours are far shorter.
pub(super) const LONGEST_TICKET: usize = 1024;

/// The paths, which the table lends out.
static PATHS: LazyLock<Vec<(String, &'static Function)>> = LazyLock::new(|| {
    let path = |it: &'static Function| (format!("/v1/{}/{}", it.interface.name(), it.name), it);
    FUNCTIONS.iter().map(path).collect()
});

/// Their part of the table of routes.
pub(super) fn routes() -> Vec<Route> {
    PATHS.iter().map(|(path, function)| route(path, function)).collect()
}

fn route(path: &'static str, function: &'static Function) -> Route {
    let public = PUBLIC.contains(&function.name);
    Route {
        method: Method::POST,
        path,
        summary: function.summary,
        access: if public { Access::PublicOrAdmin } else { Access::Admin },
        body: Body::Json(function.parameters, beside(function)),
        query: &[],
        counts: if public { Counts::Secret } else { Counts::Request },
        answers: answers(function),
        handler: post(move |visit: Visit, body: JsonText| call(function, visit, body)),
    }
}

/// What may be answered, the errors aside that every call can end with.
fn answers(function: &Function) -> Vec<Answer> {
    let success = match function.returns {
        Returns::Nothing => {
            return vec![Answer {
                status: StatusCode::NO_CONTENT,
                about: "It is done.",
                content: Content::Empty,
            }];
        }
        Returns::Integer => "Integer",
        Returns::Data => "Data",
        Returns::Outcome => "Outcome",
    };
    let mut answers = vec![Answer::json(StatusCode::OK, "Done, or answered.", success)];
    if function.interface == Interface::Coredb || function.returns == Returns::Integer {
        return answers;
    }
    let refusals: &[(StatusCode, &str)] = match function.interface {
        Interface::Auth => &[
            (StatusCode::BAD_REQUEST, "An input is refused."),
            (StatusCode::UNAUTHORIZED, "A secret is wrong, or the admin token is missing."),
            (StatusCode::FORBIDDEN, "The address is blocked."),
            (StatusCode::NOT_FOUND, "There is no such user."),
            (StatusCode::CONFLICT, "The address has a user."),
            (StatusCode::UNPROCESSABLE_ENTITY, "The password to be set is refused."),
            (StatusCode::TOO_MANY_REQUESTS, "Too often."),
            (StatusCode::INTERNAL_SERVER_ERROR, "Done in part, or failed."),
        ],
        Interface::Sessions => &[
            (StatusCode::BAD_REQUEST, "An input is refused."),
            (StatusCode::UNAUTHORIZED, "A secret is wrong, or the admin token is missing."),
            (StatusCode::FORBIDDEN, "The address is blocked."),
            (StatusCode::NOT_FOUND, "There is no such user."),
            (StatusCode::CONFLICT, "The address has a user."),
            (StatusCode::TOO_MANY_REQUESTS, "Too often."),
        ],
        _ => &[
            (StatusCode::BAD_REQUEST, "An input is refused."),
            (StatusCode::NOT_FOUND, "There is no such user, record or field."),
        ],
    };
    answers.extend(refusals.iter().map(|(status, about)| Answer::json(*status, about, "Outcome")));
    answers
}

fn beside(function: &Function) -> &'static [Parameter] {
    if TAKES_CODE.contains(&function.name) { TICKET } else { &[] }
}

async fn call(
    function: &'static Function,
    visit: Visit,
    JsonText(text): JsonText,
) -> Result<Response, Refusal> {
    let admin = visit.is_admin();
    let require_mfa = visit.site().requires_mfa();
    if !admin && require_mfa && BY_PASSWORD_ALONE.contains(&function.name) {
        return Err(Refusal::admin_only(&format!(
            "{function}, where a second factor is required,"
        )));
    }
    let usage = |error: CallError| Refusal::of_call(error, admin);
    let given = function.read(&text, beside(function)).map_err(usage)?;
    let call = function.prepare_given(&given).map_err(usage)?;
    if !admin {
        check_for_stranger(function, &given, &visit)?;
    }
    let mut caller = visit.caller(admin);
    if let Some(ticket) = ticket(function, &given).map_err(usage)? {
        caller = caller.with_ticket(ticket.as_str());
    } else if !admin && require_mfa && function.name == "verify_mfa_code" {
        let problem = "missing key \"ticket\": the one that came when the code was mailed";
        return Err(Refusal::usage(format!("{function}: {problem}")));
    }
    let made = if MAILS_CODE.contains(&function.name) { Some(new_ticket()?) } else { None };
    if let Some(made) = &made {
        caller = caller.with_ticket(made.as_str());
    }
    drop(given);
    drop(text);
    let tenant = visit.tenant(caller).await?;
    let reply = call.run(&tenant).await.map_err(usage)?;
    Ok(answer(function, &reply, made.as_deref().map(String::as_str)))
}

/// What only an application may decide about its users.
fn check_for_stranger(
    function: &Function,
    given: &Given<'_>,
    visit: &Visit,
) -> Result<(), Refusal> {
    for key in ["ignore_rate_limit", "custom_data"] {
        if function.parameter(key).is_some() && given.says(key) {
            return Err(Refusal::admin_only(&format!("{function}: \"{key}\"")));
        }
    }
    if function.parameter("cust_length").is_some() {
        let length = given.optional_integer("cust_length");
        let length = length.map_err(|error| Refusal::of_call(error, false))?;
        if length.is_some_and(|length| length < visit.site().code_length()) {
            let what = format!("{function}: a \"cust_length\" below the setting `code_length`");
            return Err(Refusal::admin_only(&what));
        }
    }
    Ok(())
}

fn ticket(function: &Function, given: &Given<'_>) -> Result<Option<Zeroizing<String>>, CallError> {
    if beside(function).is_empty() {
        return Ok(None);
    }
    bounded(given.optional_text("ticket")?, "ticket")
}

/// A ticket or device, if it could be one.
pub(super) fn bounded(
    text: Option<Zeroizing<String>>,
    name: &str,
) -> Result<Option<Zeroizing<String>>, CallError> {
    match &text {
        Some(given) if given.is_empty() || given.len() > LONGEST_TICKET => {
            Err(CallError::Usage(format!("\"{name}\" is none of ours")))
        }
        _ => Ok(text),
    }
}

/// 256 random bits for one undertaking.
pub(crate) fn new_ticket() -> Result<Zeroizing<String>, Refusal> {
    random::token().map_err(|error| {
        let problem = format!("the system gives no random bytes: {error}");
        Refusal::of_call(CallError::Other(problem), false)
    })
}

fn answer(function: &Function, reply: &Reply, ticket: Option<&str>) -> Response {
    let Reply::Outcome(outcome) = reply else {
        return match reply {
            Reply::Nothing => StatusCode::NO_CONTENT.into_response(),
            _ => reply::json(StatusCode::OK, reply.envelope(), None),
        };
    };
    let passwords =
        if SETS_PASSWORD.contains(&function.name) { Passwords::Set } else { Passwords::Checked };
    // A question is answered whatever the answer is.
    let asked = function.name.starts_with("is_") && matches!(outcome.code, 301 | 302 | 401 | 423);
    let status = if asked { StatusCode::OK } else { reply::status(outcome, passwords) };
    let ticket = ticket.filter(|_| outcome.success && outcome.code == 201);
    reply::json(status, reply.envelope_with(ticket), outcome.retry_after.map(u64::from))
}
