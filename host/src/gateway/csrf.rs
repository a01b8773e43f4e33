//! Whether a request that changes something was made by a page of ours.
//!
//! A browser says so itself: in `Sec-Fetch-Site`, or, where that is missing (an old browser, or one
//! that does not trust the connection), in `Origin`. A request with a cookie that says neither was
//! not made by a browser that could be trusted to, and is refused.

use axum::http::header::ORIGIN;
use axum::http::{HeaderMap, Uri};

use super::reply::Refusal;

/// What the headers tell of where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whence {
    /// From a page of ours, or the user himself.
    Ours,
    /// From another site.
    Foreign,
    /// They tell nothing.
    Unknown,
}

impl Whence {
    /// Refuse what no page of ours has sent.
    pub(crate) fn check(self) -> Result<(), Refusal> {
        match self {
            Self::Ours => Ok(()),
            Self::Foreign => Err(Refusal::forbidden("the request was made by another site")),
            Self::Unknown => Err(Refusal::forbidden(
                "a request with a cookie must say where it comes from, in Sec-Fetch-Site or Origin",
            )),
        }
    }

    /// Refuse only what says itself that another site has made it. For what is done without a
    /// cookie.
    pub(crate) fn check_if_told(self) -> Result<(), Refusal> {
        if self == Self::Unknown { Ok(()) } else { self.check() }
    }
}

/// What the headers tell. `host` is the request's own host, and `https` whether it is known to have
/// come over TLS.
pub(crate) fn whence(headers: &HeaderMap, host: &str, https: bool) -> Whence {
    let mut sites = headers.get_all("sec-fetch-site").iter();
    if let Some(site) = sites.next() {
        // "none" is the user himself: an address typed, a bookmark.
        let ours = matches!(site.as_bytes(), b"same-origin" | b"none") && sites.next().is_none();
        return if ours { Whence::Ours } else { Whence::Foreign };
    }
    let mut origins = headers.get_all(ORIGIN).iter();
    let Some(origin) = origins.next() else { return Whence::Unknown };
    let ours = origins.next().is_none()
        && origin.to_str().is_ok_and(|origin| is_origin_of(origin, host, https));
    if ours { Whence::Ours } else { Whence::Foreign }
}

/// Whether `origin` is the one that a request to `host` belongs to. Behind a proxy that does not say
/// how it was asked the scheme is not known, and either will do.
fn is_origin_of(origin: &str, host: &str, https: bool) -> bool {
    let Ok(uri) = origin.parse::<Uri>() else { return false };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return false };
    let default_port = match scheme {
        "https" => ":443",
        "http" if !https => ":80",
        _ => return false,
    };
    let bare = |host: &str| host.strip_suffix(default_port).unwrap_or(host).to_ascii_lowercase();
    bare(authority.as_str()) == bare(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pairs: &[(&'static str, &str)], https: bool) -> Whence {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        whence(&headers, "auth.example.com", https)
    }

    #[test]
    fn what_the_browser_says_of_the_site_counts_before_the_origin() {
        for (site, origin, expected) in [
            ("same-origin", "https://evil.example", Whence::Ours),
            ("none", "null", Whence::Ours),
            ("same-site", "https://auth.example.com", Whence::Foreign),
            ("cross-site", "https://auth.example.com", Whence::Foreign),
            ("", "https://auth.example.com", Whence::Foreign),
        ] {
            assert_eq!(told(&[("sec-fetch-site", site), ("origin", origin)], true), expected);
        }
        let two = [("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")];
        assert_eq!(told(&two, true), Whence::Foreign);
    }

    #[test]
    fn an_origin_is_ours_with_the_same_host_and_scheme() {
        for (origin, https, expected) in [
            ("https://auth.example.com", true, Whence::Ours),
            ("https://AUTH.example.com:443", true, Whence::Ours),
            ("http://auth.example.com", true, Whence::Foreign),
            ("http://auth.example.com", false, Whence::Ours),
            ("https://auth.example.com", false, Whence::Ours),
            ("https://auth.example.com:8443", true, Whence::Foreign),
            ("https://auth.example.com.evil.example", true, Whence::Foreign),
            ("https://example.com", true, Whence::Foreign),
            ("null", true, Whence::Foreign),
            ("auth.example.com", true, Whence::Foreign),
        ] {
            assert_eq!(told(&[("origin", origin)], https), expected, "{origin}");
        }
    }

    #[test]
    fn a_request_that_says_nothing_is_unknown_and_needs_no_cookie_to_pass() {
        assert_eq!(told(&[], true), Whence::Unknown);
        assert!(Whence::Unknown.check().is_err() && Whence::Unknown.check_if_told().is_ok());
        assert!(Whence::Foreign.check().is_err() && Whence::Foreign.check_if_told().is_err());
    }
}
