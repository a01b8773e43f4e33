//! The cookies: what a browser keeps for its user.
//!
//! All of them have the prefix `__Host-`, so that no other host, and nothing that came over a
//! connection in the open, can set one. Their paths are the whole host, which tenants may share: the
//! name of a tenant other than `default` is part of the names.

use std::time::Duration;

use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use cookie::{Cookie, SameSite};
use zeroize::Zeroizing;

use crate::settings::DEFAULT_TENANT;

/// The longest value that is looked at.
const LONGEST: usize = 1024;

/// How long a browser is remembered: the longest that browsers allow.
const DEVICE_LIFE: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// A cookie of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The token of a session.
    Session,
    /// A browser in which somebody has signed in before.
    Device,
    /// What ties the steps of one undertaking together.
    Ticket,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Session, Self::Device, Self::Ticket];

    /// The name of the cookie.
    pub(crate) fn name(self, tenant: &str) -> String {
        let name = match self {
            Self::Session => "__Host-portcullis",
            Self::Device => "__Host-portcullis-device",
            Self::Ticket => "__Host-portcullis-ticket",
        };
        if tenant == DEFAULT_TENANT { name.to_owned() } else { format!("{name}-{tenant}") }
    }
}

/// The cookies of ours that a request came with.
#[derive(Default)]
pub(crate) struct Cookies {
    session: Option<Zeroizing<String>>,
    device: Option<Zeroizing<String>>,
    ticket: Option<Zeroizing<String>>,
}

impl Cookies {
    /// Those of a tenant, from the headers of a request. What is empty or too long is not there.
    pub(crate) fn read(headers: &HeaderMap, tenant: &str) -> Self {
        let mut found = Self::default();
        let names = Kind::ALL.map(|kind| (kind, kind.name(tenant)));
        let texts = headers.get_all(COOKIE).iter().filter_map(|header| header.to_str().ok());
        for cookie in texts.flat_map(Cookie::split_parse).flatten() {
            let Some((kind, _)) = names.iter().find(|(_, name)| name == cookie.name()) else {
                continue;
            };
            let place = match kind {
                Kind::Session => &mut found.session,
                Kind::Device => &mut found.device,
                Kind::Ticket => &mut found.ticket,
            };
            if place.is_none() && (1..=LONGEST).contains(&cookie.value().len()) {
                *place = Some(Zeroizing::new(cookie.value().to_owned()));
            }
        }
        found
    }

    /// The value of one.
    pub(crate) fn get(&self, kind: Kind) -> Option<&Zeroizing<String>> {
        match kind {
            Kind::Session => self.session.as_ref(),
            Kind::Device => self.device.as_ref(),
            Kind::Ticket => self.ticket.as_ref(),
        }
    }
}

/// Give a browser a cookie. A device is remembered for as long as browsers allow, whatever `life`
/// says; without a life the cookie goes with the browser.
pub(crate) fn set(
    headers: &mut HeaderMap,
    kind: Kind,
    tenant: &str,
    value: &str,
    life: Option<Duration>,
) {
    let life = if kind == Kind::Device { Some(DEVICE_LIFE) } else { life };
    add(headers, kind, tenant, value, life);
}

/// Take a cookie from a browser.
pub(crate) fn clear(headers: &mut HeaderMap, kind: Kind, tenant: &str) {
    add(headers, kind, tenant, "", Some(Duration::ZERO));
}

fn add(headers: &mut HeaderMap, kind: Kind, tenant: &str, value: &str, life: Option<Duration>) {
    let mut cookie = Cookie::build((kind.name(tenant), value))
        .path("/")
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Lax);
    if let Some(life) = life {
        let seconds = i64::try_from(life.as_secs()).unwrap_or(i64::MAX);
        cookie = cookie.max_age(cookie::time::Duration::seconds(seconds));
    }
    // Tokens are of base64url's letters; anything else is no token and not worth keeping.
    if let Ok(value) = HeaderValue::try_from(cookie.build().to_string()) {
        headers.append(SET_COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(cookies: &str, tenant: &str) -> Cookies {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, cookies.parse().unwrap());
        Cookies::read(&headers, tenant)
    }

    #[test]
    fn each_tenant_reads_its_own_cookies() {
        let all = "a=b; __Host-portcullis=one; __Host-portcullis-shop=two; \
                   __Host-portcullis-device=three";
        let of = |tenant, kind| sent(all, tenant).get(kind).map(|it| it.as_str().to_owned());
        assert_eq!(of("default", Kind::Session).as_deref(), Some("one"));
        assert_eq!(of("default", Kind::Device).as_deref(), Some("three"));
        assert_eq!(of("shop", Kind::Session).as_deref(), Some("two"));
        assert_eq!(of("shop", Kind::Device), None);
        assert_eq!(of("other", Kind::Session), None);
    }

    #[test]
    fn what_is_empty_or_too_long_is_not_there() {
        assert!(sent("__Host-portcullis=", "default").get(Kind::Session).is_none());
        let long = format!("__Host-portcullis={}", "x".repeat(LONGEST + 1));
        assert!(sent(&long, "default").get(Kind::Session).is_none());
    }

    #[test]
    fn no_script_no_other_host_and_no_open_connection_gets_at_a_cookie() {
        let mut headers = HeaderMap::new();
        set(&mut headers, Kind::Session, "shop", "t", Some(Duration::from_secs(60)));
        clear(&mut headers, Kind::Ticket, "default");
        let sent: Vec<&str> =
            headers.get_all(SET_COOKIE).iter().map(|it| it.to_str().unwrap()).collect();
        for part in [
            "__Host-portcullis-shop=t;",
            "HttpOnly",
            "SameSite=Lax",
            "Secure",
            "Path=/",
            "Max-Age=60",
        ] {
            assert!(sent[0].contains(part), "{}", sent[0]);
        }
        assert!(sent[1].starts_with("__Host-portcullis-ticket=;"), "{}", sent[1]);
        assert!(sent[1].contains("Max-Age=0"), "{}", sent[1]);
        assert!(!sent[0].contains("Domain"), "{}", sent[0]);
    }
}
