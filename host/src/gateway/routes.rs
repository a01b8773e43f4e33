//! The table of routes: the one place where a route stands.
//!
//! From it come the router and the description of the whole for programs, in OpenAPI, so that the
//! two cannot differ.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::ACCEPT;
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;

use super::reply::{Kind, Refusal};
use super::visit::Visit;
use super::{audit, forward_auth, functions, health, metrics, pages, session};
use crate::functions::{Parameter, find};

/// A parameter of a query: its name, what it is for, and of a whole number the least and the most that is
/// taken.
pub(crate) type QueryParameter = (&'static str, &'static str, Option<(u64, u64)>);

/// A route.
pub(crate) struct Route {
    pub(crate) method: Method,
    /// Relative to where the tenant's paths begin; `{name}` is one segment.
    pub(crate) path: &'static str,
    /// What it does, in one line.
    pub(crate) summary: &'static str,
    /// What must come with the request.
    pub(crate) access: Access,
    /// What is sent.
    pub(crate) body: Body,
    /// Parameters of the query. All of them may be left out.
    pub(crate) query: &'static [QueryParameter],
    /// How often a peer may ask for it.
    pub(crate) counts: Counts,
    /// All that may be answered, but for what every route may answer.
    pub(crate) answers: Vec<Answer>,
    /// Who answers it. Made with `axum::routing::get` and the like, of the same method.
    pub(crate) handler: MethodRouter,
}

/// What must come with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nothing.
    Public,
    /// The token of a session, in the header or a cookie.
    Session,
    /// The tenant's admin token.
    Admin,
    /// Nothing, or the admin token for more.
    PublicOrAdmin,
}

/// What is sent.
#[derive(Clone, Copy)]
pub(crate) enum Body {
    /// Nothing; it is not read.
    None,
    /// One JSON object with these keys.
    Json(&'static [Parameter], &'static [Parameter]),
    /// A form with these fields.
    Form(&'static [Field]),
}

/// A field of a form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) required: bool,
}

/// How a request counts for the limits of its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counts {
    /// Not at all.
    Nothing,
    /// As a request.
    Request,
    /// As a request with a password or code, or that sends mail.
    Secret,
}

/// One kind of answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) about: &'static str,
    pub(crate) content: Content,
}

/// What stands in an answer.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// Nothing.
    Empty,
    /// A page.
    Html,
    /// Text of this type.
    Text(&'static str),
    /// JSON; the name of its schema in the description.
    Json(&'static str),
}

impl Answer {
    /// JSON of this schema.
    pub(crate) fn json(status: StatusCode, about: &'static str, schema: &'static str) -> Self {
        Self { status, about, content: Content::Json(schema) }
    }

    /// A page.
    pub(crate) fn html(status: StatusCode, about: &'static str) -> Self {
        Self { status, about, content: Content::Html }
    }

    /// To another page.
    pub(crate) fn see_other(about: &'static str) -> Self {
        Self { status: StatusCode::SEE_OTHER, about, content: Content::Empty }
    }
}

impl Field {
    pub(crate) const fn required(name: &'static str) -> Self {
        Self { name, required: true }
    }

    pub(crate) const fn optional(name: &'static str) -> Self {
        Self { name, required: false }
    }
}

/// All routes.
pub(crate) fn all() -> Vec<Route> {
    let mut routes = Vec::new();
    routes.extend(functions::routes());
    routes.extend(session::routes());
    routes.extend(forward_auth::routes());
    routes.extend(audit::routes());
    routes.extend(health::routes());
    routes.extend(metrics::routes());
    routes.extend(pages::routes());
    routes
}

/// The router made of them.
pub(crate) fn router(routes: Vec<Route>) -> Router {
    let router = routes.into_iter().fold(Router::new(), |router, route| {
        let gated = Gated { access: route.access, counts: route.counts, path: route.path };
        router.route(route.path, route.handler.route_layer(from_fn_with_state(gated, gate)))
    });
    // The same question as a proxy may put it; what it adds to the path is not ours to describe.
    let router = forward_auth::ANY_PATH.iter().fold(router, |router, path| {
        let gated = Gated { access: Access::Session, counts: Counts::Nothing, path };
        let handler = axum::routing::any(forward_auth::answer);
        router.route(path, handler.layer(from_fn_with_state(gated, gate)))
    });
    router.fallback(nothing_here).method_not_allowed_fallback(not_like_this)
}

/// What [`gate`] goes by.
#[derive(Clone, Copy)]
struct Gated {
    access: Access,
    counts: Counts,
    path: &'static str,
}

/// Goes with an answer: the route that it was given by, as it stands in the table.
#[derive(Clone, Copy)]
pub(super) struct Matched(pub(super) &'static str);

/// What is settled before a handler sees the request: how often its peer asks, and the admin token
/// where nothing goes without.
async fn gate(State(gated): State<Gated>, request: Request, next: Next) -> Response {
    tracing::Span::current().record("route", gated.path);
    let mut response = let_pass(gated, request, next).await;
    response.extensions_mut().insert(Matched(gated.path));
    response
}

async fn let_pass(Gated { access, counts, .. }: Gated, request: Request, next: Next) -> Response {
    if let Some(visit) = request.extensions().get::<Visit>()
        && (access == Access::Admin || counts != Counts::Nothing)
        && !visit.is_admin()
    {
        if let Err(seconds) = visit.site().limits.count(visit.peer(), counts) {
            let text = format!("too many requests: try again in {seconds} s");
            let refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, Kind::Limited, text);
            return refused(&request, refusal.retry_after(seconds));
        }
        if access == Access::Admin {
            if visit.has_bearer()
                && let Ok(tenant) = visit.tenant(visit.caller(false)).await
            {
                tenant.note_refusal("admin-token-refusal", "unauthorized").await;
            }
            return Refusal::admin_only("this").into_response();
        }
    }
    next.run(request).await
}

/// A refusal in the form that suits whoever asked: people read pages.
fn refused(request: &Request, refusal: Refusal) -> Response {
    let accepts = request.headers().get(ACCEPT).and_then(|accepts| accepts.to_str().ok());
    let reads_pages = accepts.is_some_and(|accepts| accepts.contains("text/html"));
    match request.extensions().get::<Visit>() {
        Some(visit) if reads_pages && !request.uri().path().starts_with("/v1/") => {
            pages::error_page(visit, &refusal)
        }
        _ => refusal.into_response(),
    }
}

async fn nothing_here(request: Request) -> Response {
    let uri = request.uri();
    // Somebody who has mistyped the name of a function is told the nearest ones.
    let name = uri.path().strip_prefix("/v1/").and_then(|rest| rest.split_once('/'));
    let refusal = match name.map(|(interface, function)| find(&format!("{interface}.{function}"))) {
        Some(Err(error)) => Refusal::not_found(error.to_string()),
        _ => Refusal::not_found("there is nothing here"),
    };
    refused(&request, refusal)
}

async fn not_like_this(request: Request) -> Response {
    let text = "not with this method: see the header Allow";
    refused(&request, Refusal::new(StatusCode::METHOD_NOT_ALLOWED, Kind::Usage, text))
}
