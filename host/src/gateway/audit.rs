//! `GET /v1/audit`: the audit log, for whoever has the admin token.

use axum::extract::Query as Fields;
use axum::http::{Method, StatusCode, Uri};
use axum::response::Response;
use axum::routing::get;
use serde::{Deserialize, Serialize};

use super::reply::{self, Refusal};
use super::routes::{Access, Answer, Body, Counts, Route};
use super::visit::Visit;
use crate::audit::{Event, MAX_EVENTS, Query};

/// The end of the year 9999: no time is later than that.
const LATEST: u64 = 253_402_300_799;

/// What is asked for. Times are in seconds since 1970.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    after: Option<String>,
    since: Option<u64>,
    until: Option<u64>,
    user: Option<String>,
    event: Option<String>,
    limit: Option<u32>,
}

#[derive(Serialize)]
struct Found<'a> {
    success: bool,
    events: &'a [Event],
    next: Option<&'a str>,
}

/// Their part of the table of routes.
pub(super) fn routes() -> Vec<Route> {
    vec![Route {
        method: Method::GET,
        path: "/v1/audit",
        summary: "The audit log: what has happened to accounts, the oldest first.",
        access: Access::Admin,
        body: Body::None,
        query: &[
            ("after", "only behind the event of this key: what `next` said", None),
            ("since", "only from this time on, in seconds since 1970", Some((0, LATEST))),
            ("until", "only before this time, in seconds since 1970", Some((0, LATEST))),
            ("user", "only of this account, or of the change that gave it this address", None),
            ("event", "only of this name", None),
            ("limit", "how many, 1 to 1000, which is the default", Some((1, MAX_EVENTS as u64))),
        ],
        counts: Counts::Request,
        answers: vec![Answer::json(StatusCode::OK, "Events, and where to go on.", "Events")],
        handler: get(audit),
    }]
}

async fn audit(visit: Visit, uri: Uri) -> Result<Response, Refusal> {
    let Ok(Fields(wanted)) = Fields::<Wanted>::try_from_uri(&uri) else {
        return Err(Refusal::usage(
            "audit: the query may have after, since, until, user, event and limit, once each; since, \
             until and limit are whole numbers",
        ));
    };
    if wanted.limit.is_some_and(|limit| !(1..=MAX_EVENTS).contains(&limit)) {
        return Err(Refusal::usage(format!("audit: \"limit\" must be from 1 to {MAX_EVENTS}")));
    }
    if [wanted.since, wanted.until].into_iter().flatten().any(|time| time > LATEST) {
        return Err(Refusal::usage(format!(
            "audit: \"since\" and \"until\" must be seconds since 1970, at most {LATEST}"
        )));
    }
    let query = Query {
        after: wanted.after,
        since: wanted.since.map(|seconds| seconds.saturating_mul(1000)),
        until: wanted.until.map(|seconds| seconds.saturating_mul(1000)),
        about: wanted.user,
        event: wanted.event,
        limit: wanted.limit.unwrap_or(MAX_EVENTS),
    };
    let tenant = visit.tenant(visit.caller(true)).await?;
    let found = tenant.audit(&query).await.map_err(|error| Refusal::of_call(error, true))?;
    let found = Found { success: true, events: &found.events, next: found.next.as_deref() };
    let text = serde_json::to_string(&found).unwrap_or_default();
    Ok(reply::json(StatusCode::OK, text, None))
}
