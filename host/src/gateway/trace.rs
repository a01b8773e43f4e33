//! A trace that a trusted proxy has begun goes on here (W3C Trace Context).

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName};
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::peer::is_trusted;
use crate::settings::ServerSettings;

/// Make this span a part of the trace that the request belongs to, if a trusted proxy says so.
/// Strangers do not write into traces of others.
pub(super) fn go_on(span: &Span, connection: IpAddr, headers: &HeaderMap, server: &ServerSettings) {
    let parent = HeaderName::from_static("traceparent");
    if headers.contains_key(parent) && is_trusted(connection, &server.trusted_proxies) {
        let context = TraceContextPropagator::new().extract(&Headers(headers));
        // Where no traces are sent there is nothing to go on with.
        let _ = span.set_parent(context);
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}
