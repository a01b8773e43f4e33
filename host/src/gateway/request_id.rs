//! The name of a request, by which its lines in the log are found.

use std::fmt;
use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use super::peer::is_trusted;
use crate::random;
use crate::settings::ServerSettings;

/// Where it is taken from, and told.
const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The most characters of one that a proxy gives.
const LONGEST: usize = 64;

/// A request's name: 1 to 64 of the characters `A-Za-z0-9._-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestId(String);

impl RequestId {
    /// The one that a trusted proxy has given, or a new one. What others give is not looked at: they
    /// could make two requests look like one.
    pub(super) fn new(connection: IpAddr, headers: &HeaderMap, server: &ServerSettings) -> Self {
        let given = headers.get(HEADER).filter(|_| is_trusted(connection, &server.trusted_proxies));
        match given.and_then(|value| value.to_str().ok()).filter(|text| is_fit(text)) {
            Some(text) => Self(text.to_owned()),
            // Without randomness nothing else works either.
            None => Self(random::hex().unwrap_or_else(|_| "unknown".to_owned())),
        }
    }

    /// Tell it with the answer.
    pub(super) fn tell(&self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::try_from(self.0.as_str()) {
            headers.insert(HEADER, value);
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_fit(text: &str) -> bool {
    let fits = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'.' | b'_' | b'-');
    (1..=LONGEST).contains(&text.len()) && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(connection: &str, given: &str) -> String {
        let mut server = ServerSettings::default();
        server.trusted_proxies.push("10.0.0.0/8".parse().unwrap());
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, given.parse().unwrap());
        RequestId::new(connection.parse().unwrap(), &headers, &server).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_names_a_request() {
        assert_eq!(id("10.0.0.1", "a.B_c-9"), "a.B_c-9");
        assert_eq!(id("::ffff:10.0.0.1", "abc"), "abc");
        let made = id("9.9.9.9", "abc");
        assert!(made.len() == 32 && made.bytes().all(|it| it.is_ascii_hexdigit()), "{made}");
        assert_ne!(made, id("9.9.9.9", "abc"));
    }

    #[test]
    fn a_name_that_does_not_fit_is_replaced() {
        assert_eq!(id("10.0.0.1", &"a".repeat(64)).len(), 64);
        for given in ["", "a b", "a\"b", "{}", &"a".repeat(65)] {
            assert_eq!(id("10.0.0.1", given).len(), 32, "{given}");
        }
    }
}
