//! The pages for people: HTML, without any script.
//!
//! Every form is answered with a redirect when it did what it was for, so that nothing is sent twice
//! by a reload, and otherwise with itself: why not, and what was typed, but for secrets. What must
//! outlast a redirect stands in the query if it is no secret (an address, what is to be told, where
//! to go in the end), and in a cookie if it is (the ticket that a code is bound to).
//!
//! - this file: the routes, and what all pages have in common;
//! - `sign_in`, `register`, `password`, `account`, `email`, `delete`: the pages;
//! - `theme`, `files`: what they look like; `view`: what templates are given;
//! - `spans`, `client`: times and browsers in the words of people.

use std::fmt::Write as _;

use axum::http::header::{CONTENT_SECURITY_POLICY, LOCATION, REFERRER_POLICY, RETRY_AFTER};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::MethodRouter;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::cookies::{self, Kind};
use super::functions::new_ticket;
use super::reply::Refusal;
use super::routes::{Access, Answer, Body, Counts, Field, QueryParameter, Route};
use super::visit::Visit;
use crate::error::CallError;
use crate::tenant::Tenant;

mod account;
mod client;
mod delete;
mod email;
mod files;
mod password;
mod register;
mod sign_in;
mod spans;
#[cfg(test)]
mod tests;
mod theme;
mod view;

use self::spans::Span;
pub(super) use self::theme::Theme;
use self::view::{Problem, View};

/// What a handler gives: a page, a redirect, or the page of errors.
type Page = Result<Response, Refusal>;

/// Their part of the table of routes.
pub(super) fn routes() -> Vec<Route> {
    let mut routes = sign_in::routes();
    routes.extend(register::routes());
    routes.extend(password::routes());
    routes.extend(account::routes());
    routes.extend(email::routes());
    routes.extend(delete::routes());
    routes.extend(files::routes());
    routes
}

const QUERY: &[QueryParameter] = &[
    ("email", "the address that the form begins with", None),
    ("told", "what is told above it", None),
    ("return_to", "where to go in the end", None),
];

/// A page to look at.
fn page_route(path: &'static str, summary: &'static str, handler: MethodRouter) -> Route {
    Route {
        method: Method::GET,
        path,
        summary,
        access: Access::Public,
        body: Body::None,
        query: QUERY,
        counts: Counts::Request,
        answers: vec![
            Answer::html(StatusCode::OK, "The page."),
            Answer::see_other("To another page, such as the one to sign in on."),
        ],
        handler,
    }
}

/// A form that is sent.
fn form_route(
    path: &'static str,
    summary: &'static str,
    fields: &'static [Field],
    counts: Counts,
    handler: MethodRouter,
) -> Route {
    Route {
        method: Method::POST,
        path,
        summary,
        access: Access::Public,
        body: Body::Form(fields),
        query: &[],
        counts,
        answers: vec![
            Answer::see_other("Done: to the next page."),
            Answer::html(StatusCode::BAD_REQUEST, "The form again: an input is refused."),
            Answer::html(StatusCode::UNAUTHORIZED, "The form again: a secret is wrong."),
            Answer::html(StatusCode::FORBIDDEN, "The address is blocked, or no page sent this."),
            Answer::html(StatusCode::CONFLICT, "The form again: the address has a user."),
            Answer::html(StatusCode::UNPROCESSABLE_ENTITY, "The form again: a weak password."),
            Answer::html(StatusCode::TOO_MANY_REQUESTS, "The form again: too often."),
        ],
        handler,
    }
}

/// The query of a page.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Query {
    email: String,
    new_email: String,
    told: String,
    return_to: String,
    sent: String,
}

impl Query {
    /// What cannot be read is as if it were not there.
    fn of(uri: &Uri) -> Self {
        axum::extract::Query::try_from_uri(uri).map(|query| query.0).unwrap_or_default()
    }
}

/// A password or a code in a form.
#[derive(Default)]
struct Secret(Zeroizing<String>);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|secret| Self(Zeroizing::new(secret)))
    }
}

impl Secret {
    /// As it was typed.
    fn text(&self) -> &str {
        &self.0
    }

    /// A code as it was meant: people copy it with spaces.
    fn code(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.chars().filter(|it| !it.is_whitespace()).collect())
    }
}

/// The result of a handler as a page for people, whatever it is.
async fn shown(visit: Visit, page: impl Future<Output = Page>) -> Response {
    page.await.unwrap_or_else(|refusal| error_page(&visit, &refusal))
}

/// A form that a page of ours has sent.
fn sent<T>(visit: &Visit, form: Result<super::body::Form<T>, Refusal>) -> Result<T, Refusal> {
    visit.check_same_origin()?;
    form.map(|form| form.0)
}

/// A refusal as a page for people.
pub(super) fn error_page(visit: &Visit, refusal: &Refusal) -> Response {
    again(visit, "error.html", View::default(), Problem::of_refusal(refusal))
}

/// A page.
fn page(visit: &Visit, template: &'static str, view: View) -> Response {
    let theme = &visit.site().theme;
    let style = theme.file(theme::STYLE).map(|style| style.version.as_str()).unwrap_or_default();
    let return_to = visit.return_to(&view.return_to).unwrap_or_default();
    let policy = policy(&return_to);
    let view = View {
        prefix: visit.url(""),
        theme: visit.url("/theme"),
        style: format!("{}?v={style}", visit.url("/style.css")),
        carry: link("", &[("return_to", &return_to)]),
        return_to,
        code_length: visit.site().code_length(),
        code_life: Some(Span::of(visit.site().code_ttl().as_secs())),
        least: visit.site().min_password_length(),
        ..view
    };
    let mut response = match theme.render(template, &view) {
        Ok(page) => Html(page).into_response(),
        Err(error) => {
            // All of them were tried when the theme was loaded.
            tracing::error!(%error, template, "a template fails");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    // Not `no-referrer`: forms would come without the origin by which they are told from others.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// What a page may load, and where its forms may go. Some browsers apply the latter to the redirect
/// after a form, too, so that it names where that leads.
fn policy(return_to: &str) -> String {
    let origin = return_to.split_once("://").map_or_else(String::new, |(scheme, rest)| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        // What could end the directive is in no host.
        let plain = host.bytes().all(|it| it.is_ascii_alphanumeric() || b".-:[]".contains(&it));
        if plain { format!(" {scheme}://{host}") } else { String::new() }
    });
    format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'{origin}; \
         frame-ancestors 'none'; base-uri 'none'"
    )
}

/// The form again, with why.
fn again(visit: &Visit, template: &'static str, view: View, problem: Problem) -> Response {
    let (status, retry_after) = (problem.status, problem.retry_after);
    let mut response = page(visit, template, View { error: Some(problem), ..view });
    *response.status_mut() = status;
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// An address with those parameters that are not empty.
fn link(path: &str, parameters: &[(&str, &str)]) -> String {
    let mut link = path.to_owned();
    let mut before = '?';
    for (name, value) in parameters.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = write!(link, "{before}{name}=");
        super::forward_auth::encode(value, &mut link);
        before = '&';
    }
    link
}

/// To another page of the tenant.
fn to(visit: &Visit, path: &str, parameters: &[(&str, &str)]) -> Response {
    see_other(&link(&visit.url(path), parameters))
}

fn see_other(location: &str) -> Response {
    match HeaderValue::try_from(location) {
        Ok(location) => {
            let mut response = StatusCode::SEE_OTHER.into_response();
            response.headers_mut().insert(LOCATION, location);
            response
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// To where the visitor wanted to go, or to his account.
fn onwards(visit: &Visit, return_to: &str) -> Response {
    match visit.return_to(return_to) {
        Some(target) => see_other(&target),
        None => to(visit, "/account", &[]),
    }
}

fn failed(error: CallError) -> Refusal {
    Refusal::of_call(error, false)
}

/// For a call that mails a code: the tenant, and the ticket that the code is bound to.
async fn with_new_ticket(visit: &Visit) -> Result<(Tenant, Zeroizing<String>), Refusal> {
    let ticket = new_ticket()?;
    let tenant = visit.tenant(visit.caller(false).with_ticket(ticket.as_str())).await?;
    Ok((tenant, ticket))
}

/// For a call that takes a code: the tenant, called with the ticket that the browser has kept.
async fn with_ticket(visit: &Visit) -> Result<Tenant, Refusal> {
    let caller = visit.caller(false);
    let caller = match visit.ticket() {
        Some(ticket) => caller.with_ticket(ticket.as_str()),
        None => caller,
    };
    visit.tenant(caller).await
}

/// Have the browser keep a ticket for as long as its code lives.
fn keep_ticket(visit: &Visit, mut response: Response, ticket: &str) -> Response {
    let life = Some(visit.site().code_ttl());
    cookies::set(response.headers_mut(), Kind::Ticket, visit.name(), ticket, life);
    response
}

/// Take cookies from the browser.
fn without(visit: &Visit, mut response: Response, kinds: &[Kind]) -> Response {
    for kind in kinds {
        cookies::clear(response.headers_mut(), *kind, visit.name());
    }
    response
}
