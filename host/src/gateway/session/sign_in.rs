//! Signing in.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;
use axum::response::Response;
use zeroize::Zeroizing;

use super::{Done, arguments, done, refused, wrong};
use crate::contract::sessions::{Opened, SignedIn};
use crate::functions::{Default, Given, IdentityJson, Kind, OpenedJson, Parameter};
use crate::gateway::body::JsonText;
use crate::gateway::cookies;
use crate::gateway::functions::{bounded, new_ticket};
use crate::gateway::reply::Refusal;
use crate::gateway::visit::Visit;

/// What it takes.
pub(super) const SIGN_IN: &[Parameter] = &[
    Parameter::new("email", Kind::Text, None),
    Parameter::new("password", Kind::Text, Some(Default::None)).secret(),
    Parameter::new("code", Kind::Text, Some(Default::None)).secret(),
    Parameter::new("ticket", Kind::Text, Some(Default::None)).secret(),
    Parameter::new("mfa", Kind::Boolean, Some(Default::False)),
    Parameter::new("cookie", Kind::Boolean, Some(Default::False)),
    Parameter::new("device", Kind::Text, Some(Default::None)).secret(),
];

/// Characters of a browser's name that are kept.
const CLIENT: usize = 200;

/// How somebody signs in.
enum Secret {
    Password { password: Zeroizing<String>, mfa: bool },
    Code(Zeroizing<String>),
}

pub(super) async fn sign_in(
    visit: Visit,
    headers: HeaderMap,
    JsonText(text): JsonText,
) -> Result<Response, Refusal> {
    let given = arguments("session", SIGN_IN, &text)?;
    let email = given.text("email").map_err(wrong)?;
    let cookie = given.boolean("cookie", false).map_err(wrong)?;
    let mut ticket = bounded(given.optional_text("ticket").map_err(wrong)?, "ticket");
    let device = bounded(given.optional_text("device").map_err(wrong)?, "device").map_err(wrong)?;
    let secret = secret(&given)?;
    if cookie {
        // Without a cookie there is nothing yet that another site could use; but it could sign its
        // visitor in as somebody else.
        visit.check_not_foreign()?;
    }
    let admin = visit.is_admin();
    let mut caller = visit.caller(admin);
    if let Some(device) = device {
        caller = caller.with_device(device.as_str());
    }
    let (caller, made) = match &secret {
        Secret::Password { .. } => {
            let made = new_ticket()?;
            (caller.with_ticket(made.as_str()), Some(made))
        }
        Secret::Code(_) => {
            if cookie && matches!(ticket, Ok(None)) {
                ticket = Ok(visit.ticket());
            }
            match ticket.map_err(wrong)? {
                Some(ticket) => (caller.with_ticket(ticket.as_str()), None),
                None if visit.site().requires_mfa() && !admin => {
                    let problem = "session: missing key \"ticket\": the one that came when the \
                                   code was mailed";
                    return Err(Refusal::usage(problem));
                }
                None => (caller, None),
            }
        }
    };
    let tenant = visit.tenant(caller).await?;
    let sessions = tenant.sessions();
    let client = client(&headers);
    let signed_in = match &secret {
        Secret::Password { password, mfa } => {
            sessions.sign_in(&email, password, client.as_deref(), *mfa, false).await
        }
        Secret::Code(code) => {
            sessions.sign_in_with_code(&email, code, client.as_deref(), false).await
        }
    };
    match signed_in.map_err(|error| Refusal::of_call(error, admin))? {
        SignedIn::Opened(opened) => Ok(signed_in_as(&visit, &opened, cookie)),
        SignedIn::Outcome(outcome) => {
            let made = made.filter(|_| outcome.success && outcome.code == 201);
            let told = made.as_deref().filter(|_| !cookie).map(String::as_str);
            let mut response = refused(outcome, told);
            if let Some(made) = made.filter(|_| cookie) {
                let life = visit.site().code_ttl();
                let headers = response.headers_mut();
                cookies::set(headers, cookies::Kind::Ticket, visit.name(), &made, Some(life));
            }
            Ok(response)
        }
    }
}

/// A password or a code, one of them.
fn secret(given: &Given<'_>) -> Result<Secret, Refusal> {
    let password = given.optional_text("password").map_err(wrong)?;
    let code = given.optional_text("code").map_err(wrong)?;
    let mfa = given.boolean("mfa", false).map_err(wrong)?;
    match (password, code) {
        (Some(_), None) if given.says("ticket") => {
            Err(Refusal::usage("session: \"ticket\" belongs to a \"code\""))
        }
        (Some(password), None) => Ok(Secret::Password { password, mfa }),
        (None, Some(_)) if mfa => Err(Refusal::usage("session: \"mfa\" belongs to a \"password\"")),
        (None, Some(code)) => Ok(Secret::Code(code)),
        _ => Err(Refusal::usage("session: one of \"password\" and \"code\" must be given")),
    }
}

/// The name of a browser or program, as it calls itself.
pub(crate) fn client(headers: &HeaderMap) -> Option<String> {
    let name = headers.get(USER_AGENT)?.to_str().ok()?;
    let name: String = name.chars().filter(|it| !it.is_control()).take(CLIENT).collect();
    (!name.is_empty()).then_some(name)
}

/// Give a browser the cookies of a session that was opened for it.
pub(crate) fn give_cookies(headers: &mut HeaderMap, visit: &Visit, opened: &Opened) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let life = Duration::from_secs(opened.identity.session.until.saturating_sub(now));
    let tenant = visit.name();
    cookies::set(headers, cookies::Kind::Session, tenant, &opened.token, Some(life));
    cookies::set(headers, cookies::Kind::Device, tenant, &opened.device, None);
    cookies::clear(headers, cookies::Kind::Ticket, tenant);
}

fn signed_in_as(visit: &Visit, opened: &Opened, cookie: bool) -> Response {
    let message = Some(visit.site().message(202, "Authentication successful."));
    if !cookie {
        return done(Done { success: true, message, data: OpenedJson::from(opened) });
    }
    let data = IdentityJson::from(&opened.identity);
    let mut response = done(Done { success: true, message, data });
    give_cookies(response.headers_mut(), visit, opened);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_client_is_short_and_of_one_line() {
        let mut headers = HeaderMap::new();
        assert_eq!(client(&headers), None);
        headers.insert(USER_AGENT, "Firefox\t1".parse().unwrap());
        assert_eq!(client(&headers).as_deref(), Some("Firefox1"));
        headers.insert(USER_AGENT, "x".repeat(1000).parse().unwrap());
        assert_eq!(client(&headers).map(|it| it.len()), Some(CLIENT));
    }
}
