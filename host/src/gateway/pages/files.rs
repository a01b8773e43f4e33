//! The style and the pictures of the pages.

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::theme::{self, Asset};
use crate::gateway::reply::Refusal;
use crate::gateway::routes::{Access, Answer, Body, Content, Counts, Route};
use crate::gateway::visit::Visit;

/// Pages name the version of a file; what has that name never changes.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const FOR_A_WHILE: &str = "public, max-age=300";

pub(super) fn routes() -> Vec<Route> {
    let route = |path, summary, content, handler| Route {
        method: Method::GET,
        path,
        summary,
        access: Access::Public,
        body: Body::None,
        query: &[],
        counts: Counts::Nothing,
        answers: vec![
            Answer { status: StatusCode::OK, about: "The file.", content: Content::Text(content) },
            Answer::json(StatusCode::NOT_FOUND, "There is no such file.", "Error"),
        ],
        handler,
    };
    vec![
        route("/style.css", "The style of the pages.", "text/css", get(style)),
        route("/theme/{file}", "A file of the theme, such as a picture.", "*/*", get(file)),
    ]
}

async fn style(visit: Visit, uri: Uri) -> Result<Response, Refusal> {
    found(&visit, theme::STYLE, &uri)
}

async fn file(visit: Visit, Path(name): Path<String>, uri: Uri) -> Result<Response, Refusal> {
    found(&visit, &name, &uri)
}

fn found(visit: &Visit, name: &str, uri: &Uri) -> Result<Response, Refusal> {
    let Some(Asset { content, content_type, version }) = visit.site().theme.file(name) else {
        return Err(Refusal::not_found("the theme has no such file"));
    };
    let named = uri.query().and_then(|query| query.strip_prefix("v=")) == Some(version);
    let kept = if named { FOR_EVER } else { FOR_A_WHILE };
    let mut response = content.clone().into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(kept));
    Ok(response)
}
