//! The headers that every answer has.

use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// What is not said otherwise by the handler. Nothing here may be framed, guessed at, kept, or tell
/// another site where its visitor comes from; an answer loads nothing unless its handler allows it.
const ALWAYS: [(HeaderName, &str); 6] = [
    (CACHE_CONTROL, "no-store"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("x-content-type-options"), "nosniff"),
    (HeaderName::from_static("x-frame-options"), "DENY"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Only believed, and only right, where the host is reached over TLS.
const OVER_TLS: (HeaderName, &str) =
    (HeaderName::from_static("strict-transport-security"), "max-age=31536000");

/// Add what the handler has not set itself.
pub(crate) fn secure(headers: &mut HeaderMap, https: bool) {
    let over_tls = https.then_some(OVER_TLS);
    for (name, value) in ALWAYS.into_iter().chain(over_tls) {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}
