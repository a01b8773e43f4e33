//! `GET /metrics`: what is counted, for whoever runs the host. It tells of all tenants, and so it is
//! told to the holder of the admin token of `default`, or on a listener of its own.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::http::header::{ALLOW, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::{StreamExt, stream};
use hyper::body::Incoming;
use tokio::time::timeout;

use super::reply::{Kind, Refusal};
use super::routes::{Access, Answer, Body, Content, Counts, Route};
use super::visit::Visit;
use super::{Shared, headers};
use crate::metrics::{self, QueueSeen};
use crate::settings::DEFAULT_TENANT;

const PATH: &str = "/metrics";

/// How long the stores have to tell how much mail waits. A tenant whose store does not is left out.
const PATIENCE: Duration = Duration::from_secs(2);

/// Stores that are asked at one time.
const AT_ONCE: usize = 16;

/// Its part of the table of routes.
pub(super) fn routes() -> Vec<Route> {
    vec![Route {
        method: Method::GET,
        path: PATH,
        summary: "What is counted, of all tenants, as OpenMetrics; with `default` alone.",
        access: Access::Admin,
        body: Body::None,
        query: &[],
        counts: Counts::Request,
        answers: vec![Answer {
            status: StatusCode::OK,
            about: "The metrics.",
            content: Content::Text("application/openmetrics-text"),
        }],
        handler: get(answer),
    }]
}

async fn answer(Extension(shared): Extension<Arc<Shared>>, visit: Visit) -> Response {
    if visit.name() != DEFAULT_TENANT {
        let text = "the metrics are of all tenants: ask the tenant `default` for them";
        return Refusal::not_found(text).into_response();
    }
    shared.metrics().await
}

impl Shared {
    /// The answer to a request on the listener for metrics, where there is nothing else.
    pub(super) async fn answer_with_metrics(&self, request: Request<Incoming>) -> Response {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        let mut response = if request.uri().path() != PATH {
            Refusal::not_found("there is nothing here but /metrics").into_response()
        } else if is_read {
            self.metrics().await
        } else {
            let text = "not with this method: see the header Allow";
            let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, Kind::Usage, text);
            let mut response = refusal.into_response();
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET,HEAD"));
            response
        };
        headers::secure(response.headers_mut(), false);
        response
    }

    async fn metrics(&self) -> Response {
        // One at a time: what is looked at is told by the one who has looked.
        let _one_at_a_time = self.measuring.lock().await;
        let mut watched = self.runtime.watched();
        watched.mail_queues = self.mail_queues().await;
        let mut response = self.runtime.metrics().text(&watched).into_response();
        let kind = HeaderValue::from_static(metrics::CONTENT_TYPE);
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }

    /// How much mail waits, of the tenants that are open; none is opened for it.
    async fn mail_queues(&self) -> Vec<(String, QueueSeen)> {
        let tenants = self.tenants();
        let open = tenants.all().filter_map(|site| {
            let lease = site.slot.opened()?;
            Some((site.settings.tenant.clone(), lease))
        });
        let asked = stream::iter(open.collect::<Vec<_>>()).map(|(name, lease)| async move {
            let queue = lease.tenant.mail_queue().await.ok()??;
            let oldest = queue.oldest.unwrap_or(0);
            Some((name, QueueSeen { length: queue.length, oldest }))
        });
        let mut answers = std::pin::pin!(asked.buffer_unordered(AT_ONCE));
        let mut queues = Vec::new();
        let all = async {
            while let Some(queue) = answers.next().await {
                queues.extend(queue);
            }
        };
        // Those that have answered until then are told.
        let _ = timeout(PATIENCE, all).await;
        queues
    }
}
