//! `GET /v1/forward-auth`: for a reverse proxy that asks whether a request may pass.

use axum::extract::{Query, RawQuery};
use axum::http::header::{ACCEPT, LOCATION};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;

use super::reply::{Kind, Refusal};
use super::routes::{Access, Answer, Body, Content, Counts, Route};
use super::visit::Visit;
use crate::contract::sessions::{Identity, Known};

/// The longest address that a visitor is sent back to.
const LONGEST: usize = 2048;

/// Where Envoy asks, with the method that it was asked with: it puts the path that it was asked for
/// behind ours.
pub(super) const ANY_PATH: [&str; 2] = ["/v1/forward-auth/", "/v1/forward-auth/{*asked}"];

#[derive(Deserialize)]
struct Wishes {
    #[serde(default)]
    redirect: bool,
}

/// Its part of the table of routes.
pub(super) fn routes() -> Vec<Route> {
    vec![Route {
        method: Method::GET,
        path: "/v1/forward-auth",
        summary: "Whether whoever sends this request is signed in, for a reverse proxy.",
        access: Access::Session,
        body: Body::None,
        query: &[("redirect", "`true`: to a page instead of 401 and 403", None)],
        counts: Counts::Nothing,
        answers: vec![
            Answer {
                status: StatusCode::OK,
                about: "Signed in; who it is stands in X-Auth-Email, X-Auth-Session, \
                        X-Auth-Second-Factor and X-Auth-Tenant.",
                content: Content::Empty,
            },
            Answer {
                status: StatusCode::FOUND,
                about: "To the sign-in page; or, with an address that is not proven, to the account.",
                content: Content::Empty,
            },
            Answer::json(StatusCode::UNAUTHORIZED, "Nobody is signed in.", "Error"),
            Answer::json(StatusCode::FORBIDDEN, "The address is not proven.", "Error"),
        ],
        handler: get(answer),
    }]
}

pub(super) async fn answer(
    visit: Visit,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let wishes = format!("/?{}", query.unwrap_or_default()).parse().ok();
    let wishes = wishes.and_then(|uri| Query::<Wishes>::try_from_uri(&uri).ok());
    let redirect = wishes.is_some_and(|it| it.0.redirect) || is_page_of_a_visitor(&headers);
    let known = match visit.session_token() {
        Some((token, _)) => {
            let tenant = visit.tenant(visit.caller(false)).await?;
            let known = tenant.sessions().who_am_i(&token).await;
            known.map_err(|error| Refusal::of_call(error, false))?
        }
        None if redirect => return to_page(&visit, &headers, "/"),
        None => return Err(Refusal::unauthorized("nobody is signed in")),
    };
    match known {
        Known::Identity(identity) if identity.proven => pass(&visit, &identity),
        // Where a code for it can be had.
        Known::Identity(_) if redirect => to_page(&visit, &headers, "/account"),
        Known::Identity(_) => Err(Refusal::new(
            StatusCode::FORBIDDEN,
            Kind::Forbidden,
            "the address is not proven: confirm it with the code that was mailed to it",
        )),
        Known::Outcome(_) if redirect => to_page(&visit, &headers, "/"),
        Known::Outcome(_) => Err(Refusal::unauthorized("nobody is signed in")),
    }
}

fn pass(visit: &Visit, identity: &Identity) -> Result<Response, Refusal> {
    let session = &identity.session;
    let second_factor = if session.second_factor { "true" } else { "false" };
    let mut response = StatusCode::OK.into_response();
    for (name, value) in [
        ("x-auth-email", identity.email.as_str()),
        ("x-auth-session", &session.id),
        ("x-auth-second-factor", second_factor),
        ("x-auth-tenant", visit.name()),
    ] {
        // An application that goes by these must never get a part of them.
        let value = HeaderValue::try_from(value)
            .map_err(|_| Refusal::forbidden("the address does not fit into a header"))?;
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
    Ok(response)
}

/// A proxy that hands our answer to a browser that wants to see a page.
fn is_page_of_a_visitor(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    text(HeaderName::from_static("x-forwarded-method")) == Some("GET")
        && headers.contains_key("x-forwarded-uri")
        && text(ACCEPT).is_some_and(|accepts| accepts.to_ascii_lowercase().contains("text/html"))
}

/// To one of our pages, which knows where to go on to.
fn to_page(visit: &Visit, headers: &HeaderMap, page: &str) -> Result<Response, Refusal> {
    // Without an address of their own the pages are below the host that the browser has asked, which
    // the proxy need not have told us.
    let public = visit.public_url();
    let (mut location, target) = match &public {
        Some(url) => (format!("{url}{page}"), asked_for(headers)),
        None => (visit.url(page), path_asked_for(headers)),
    };
    if let Some(target) = target.and_then(|target| visit.return_to(&target)) {
        location.push_str("?return_to=");
        encode(&target, &mut location);
    }
    let location = HeaderValue::try_from(location)
        .map_err(|_| Refusal::unauthorized("nobody is signed in"))?;
    let mut response = StatusCode::FOUND.into_response();
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

/// What the visitor had asked the proxy for.
fn asked_for(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if let Some(whole) = text("x-original-url") {
        return Some(whole.to_owned());
    }
    let host = text("x-forwarded-host")?;
    let scheme = text("x-forwarded-proto").unwrap_or("https");
    Some(format!("{scheme}://{host}{}", text("x-forwarded-uri").unwrap_or("/")))
}

/// The same, as a path of the host that the browser has asked.
fn path_asked_for(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if let Some(path) = text("x-forwarded-uri") {
        return Some(path.to_owned());
    }
    let uri: Uri = text("x-original-url")?.parse().ok()?;
    Some(uri.path_and_query()?.as_str().to_owned())
}

/// The address, if somebody may be sent there after signing in: a path of the same host, or an
/// address of an origin of ours.
pub(super) fn safe_return(target: &str, own: &[&str], others: &[String]) -> Option<String> {
    let plain =
        |byte: u8| matches!(byte, b'!'..=b'~') && !matches!(byte, b'\\' | b'"' | b'<' | b'>');
    if target.is_empty() || target.len() > LONGEST || !target.bytes().all(plain) {
        return None;
    }
    if let Some(path) = target.strip_prefix('/') {
        // What begins with two slashes is the address of another host.
        return (!path.starts_with('/')).then(|| target.to_owned());
    }
    let (scheme, rest) = target.split_once("://")?;
    if !matches!(scheme, "https" | "http") {
        return None;
    }
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let origin = format!("{scheme}://{}", host.to_ascii_lowercase());
    let ours = own.contains(&origin.as_str()) || others.contains(&origin);
    (ours && !host.contains('@')).then(|| target.to_owned())
}

/// Percent-encode everything that could mean something in a query.
pub(super) fn encode(text: &str, into: &mut String) {
    use std::fmt::Write;
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/') {
            into.push(char::from(byte));
        } else {
            let _ = write!(into, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_site() {
        let others = ["https://app.example.com".to_owned()];
        let safe = |target| safe_return(target, &["https://auth.example.com"], &others).is_some();
        for good in [
            "/",
            "/account?x=1",
            "https://auth.example.com/x",
            "https://app.example.com",
            "https://APP.example.com/x?y#z",
        ] {
            assert!(safe(good), "{good}");
        }
        for evil in [
            "",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example",
            "http://app.example.com",
            "https://app.example.com.evil.example/",
            "https://app.example.com@evil.example/",
            "https://app.example.com:8443/",
            "javascript:alert(1)",
            "/a\r\nSet-Cookie: x",
            "/\t/evil.example",
            "account",
        ] {
            assert!(!safe(evil), "{evil}");
        }
        assert!(!safe(&format!("/{}", "x".repeat(LONGEST))));
    }

    #[test]
    fn an_address_in_a_query_stays_one_value() {
        let mut query = String::new();
        encode("https://a.b/c?d=e&f", &mut query);
        assert_eq!(query, "https%3A//a.b/c%3Fd%3De%26f");
    }
}
