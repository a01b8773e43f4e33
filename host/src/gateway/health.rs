//! Whether the program runs, whether it can serve, and what it serves.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::Extension;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::get;
use tokio::sync::Mutex;

use super::reply::{self, Kind, Refusal};
use super::routes::{Access, Answer, Body, Content, Counts, Route};
use super::{Shared, openapi};
use crate::settings::DEFAULT_TENANT;

/// For how long an answer of the store counts, however often somebody asks.
const FRESH: Duration = Duration::from_secs(1);

/// How long the store has to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the store answered last.
#[derive(Default)]
pub(super) struct Probe(Mutex<Option<(Instant, bool)>>);

/// Their part of the table of routes.
pub(super) fn routes() -> Vec<Route> {
    let route = |path, summary, answers, handler| Route {
        method: Method::GET,
        path,
        summary,
        access: Access::Public,
        body: Body::None,
        query: &[],
        counts: Counts::Nothing,
        answers,
        handler,
    };
    let ok = |about| Answer::json(StatusCode::OK, about, "Status");
    let not = |about| Answer::json(StatusCode::SERVICE_UNAVAILABLE, about, "Error");
    let description = Content::Json("Description");
    vec![
        route("/healthz", "Whether the program runs.", vec![ok("It runs.")], get(healthz)),
        route(
            "/readyz",
            "Whether it can serve: it is not about to end, and the store of `default` answers.",
            vec![ok("It can."), not("It cannot, for now.")],
            get(readyz),
        ),
        route(
            "/openapi.json",
            "This description.",
            vec![Answer { status: StatusCode::OK, about: "OpenAPI 3.1.", content: description }],
            get(description_of_all),
        ),
    ]
}

async fn healthz() -> Response {
    reply::json(StatusCode::OK, r#"{"status":"ok"}"#.to_owned(), None)
}

async fn readyz(Extension(shared): Extension<Arc<Shared>>) -> Result<Response, Refusal> {
    let unavailable =
        |kind, text| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, kind, text).retry_after(1);
    if shared.draining.load(Ordering::Relaxed) {
        return Err(unavailable(Kind::Overloaded, "about to end"));
    }
    if !shared.store_answers().await {
        return Err(unavailable(Kind::Storage, "the store does not answer"));
    }
    Ok(reply::json(StatusCode::OK, r#"{"status":"ok"}"#.to_owned(), None))
}

async fn description_of_all() -> Response {
    reply::json(StatusCode::OK, openapi::text().to_owned(), None)
}

impl Shared {
    /// Whether the store of the tenant `default`, if there is one, answers. Asked once at a time.
    async fn store_answers(&self) -> bool {
        let mut known = self.probe.0.lock().await;
        if let Some((when, answers)) = *known
            && when.elapsed() < FRESH
        {
            return answers;
        }
        let answers = match self.tenants().get(DEFAULT_TENANT) {
            None => true,
            Some(site) => {
                let question = async {
                    let lease = site.open().await.ok()?;
                    lease.touch();
                    // An address that nobody has: the whole way to the store and back.
                    lease.tenant.utils().is_verified("nobody@portcullis.invalid").await.ok()
                };
                tokio::time::timeout(PATIENCE, question).await.is_ok_and(|it| it.is_some())
            }
        };
        *known = Some((Instant::now(), answers));
        answers
    }
}

/// Whether a path is one of these, which belong to no tenant.
pub(super) fn is_of_all(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz" | "/openapi.json")
}
