//! What a tenant's settings say about its part of the gateway.
//!
//! | key | default | meaning |
//! |---|---|---|
//! | `hosts` | none | host names that are this tenant's alone |
//! | `path` | `/t/NAME`; `default` has none | where the tenant's paths begin on other hosts |
//! | `public_url` | as asked for | where visitors reach it, for those whom a proxy sends there |
//! | `hide_accounts` | true | answers without the admin token do not tell who has an account |
//! | `peer_limit`, `peer_limit_burst` | 300, 100 | requests of one peer a minute, and at once; 0: any |
//! | `peer_secret_limit`, `peer_secret_limit_burst` | 30, 20 | the same, of those with a secret or mail |
//! | `admin_token_digest` | the one in the data folder | `sha256:` and 64 hexadecimal digits |
//! | `theme` | the program's own | folder of templates and styles |
//! | `return_to` | none | origins that a visitor may be sent back to |

use std::path::{Path, PathBuf};

use super::DEFAULT_TENANT;
use super::origin::wrong;
use super::taker::Taker;
use crate::error::SetupError;

/// How a tenant is reached over HTTP, and how it treats strangers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GatewaySettings {
    /// The hosts that are this tenant's alone, in lower case, without ports.
    pub hosts: Vec<String>,
    /// Where its paths begin on every other host, for instance `/t/shop`.
    pub path: Option<String>,
    /// The address of its pages, without a slash at its end.
    pub public_url: Option<String>,
    /// Whether answers to those without the admin token do not tell who has an account.
    pub hide_accounts: bool,
    /// Requests of one peer; none: not limited.
    pub peer_limit: Option<PeerLimit>,
    /// Of those, the ones with a password or code or that send mail; none: not limited.
    pub peer_secret_limit: Option<PeerLimit>,
    /// SHA-256 of the admin token, instead of the one in the data folder.
    pub admin_token_digest: Option<[u8; 32]>,
    /// A folder with templates and styles instead of those of the program.
    pub theme: Option<PathBuf>,
    /// The origins, beside its own, that a visitor may be sent back to after signing in.
    pub return_to: Vec<String>,
}

/// A rate with a reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerLimit {
    /// Requests a minute.
    pub per_minute: u32,
    /// Requests at once.
    pub burst: u32,
}

/// The limits without any settings.
const REQUESTS: PeerLimit = PeerLimit { per_minute: 300, burst: 100 };
const SECRETS: PeerLimit = PeerLimit { per_minute: 30, burst: 20 };

/// The first segments of the gateway's own paths, which must not be hidden by a tenant's.
pub(crate) const RESERVED: [&str; 20] = [
    "account",
    "change-email",
    "code",
    "confirm-email",
    "delete",
    "forgot",
    "healthz",
    "metrics",
    "openapi.json",
    "readyz",
    "register",
    "reset",
    "sessions",
    "sign-in",
    "sign-in-by-mail",
    "sign-out",
    "style.css",
    "theme",
    "v1",
    "verify",
];

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            path: None,
            public_url: None,
            hide_accounts: true,
            peer_limit: Some(REQUESTS),
            peer_secret_limit: Some(SECRETS),
            admin_token_digest: None,
            theme: None,
            return_to: Vec::new(),
        }
    }
}

/// Take the gateway's keys out of a layer. Paths of files are relative to `folder`.
pub(super) fn take(taker: &mut Taker<'_>, folder: &Path) -> Result<GatewaySettings, SetupError> {
    let path = path(taker)?;
    let default_path = (taker.tenant != DEFAULT_TENANT).then(|| format!("/t/{}", taker.tenant));
    let hosts = hosts(taker)?;
    Ok(GatewaySettings {
        path: path.or(default_path.filter(|_| hosts.is_empty())),
        hosts,
        public_url: public_url(taker)?,
        hide_accounts: taker.boolean("hide_accounts")?.unwrap_or(true),
        peer_limit: limit(taker, "peer_limit", REQUESTS)?,
        peer_secret_limit: limit(taker, "peer_secret_limit", SECRETS)?,
        admin_token_digest: admin_token_digest(taker)?,
        theme: theme(taker, folder)?,
        return_to: return_to(taker)?,
    })
}

fn hosts(taker: &mut Taker<'_>) -> Result<Vec<String>, SetupError> {
    let mut hosts = Vec::new();
    for (text, origin) in taker.list("hosts")? {
        let host = text.to_ascii_lowercase();
        let letters = |it: u8| matches!(it, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'[' | b']');
        let ipv6 = host.starts_with('[') && host.ends_with(']');
        let fits = host.bytes().all(|it| letters(it) || (ipv6 && it == b':'));
        if host.is_empty() || host.len() > 253 || !fits || host.starts_with('.') {
            let problem = "must be host names, without scheme, port or path";
            return Err(wrong(taker.tenant, "hosts", problem, &origin));
        }
        hosts.push(host);
    }
    Ok(hosts)
}

fn path(taker: &mut Taker<'_>) -> Result<Option<String>, SetupError> {
    let Some((text, origin)) = taker.text("path")? else { return Ok(None) };
    let letters =
        |it: u8| matches!(it, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.');
    let segments: Vec<&str> = text.split('/').skip(1).collect();
    let good = |it: &&str| !it.is_empty() && !matches!(*it, "." | "..") && it.bytes().all(letters);
    if !text.starts_with('/') || segments.len() > 8 || !segments.iter().all(good) {
        let problem = "must be a path such as /accounts: up to 8 segments, no slash at its end";
        return Err(wrong(taker.tenant, "path", problem, &origin));
    }
    if segments.first().is_some_and(|first| RESERVED.contains(first)) {
        let problem = format!("must not begin with one of: {}", RESERVED.join(", "));
        return Err(wrong(taker.tenant, "path", &problem, &origin));
    }
    Ok(Some(text.as_str().to_owned()))
}

fn public_url(taker: &mut Taker<'_>) -> Result<Option<String>, SetupError> {
    let Some((text, origin)) = taker.text("public_url")? else { return Ok(None) };
    let url = text.strip_suffix('/').unwrap_or(&text);
    let authority = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let good = authority.is_some_and(|it| {
        !it.is_empty()
            && it.bytes().all(|it| it.is_ascii_alphanumeric() || b"-._:/[]".contains(&it))
    });
    if !good {
        let problem = "must be an address such as https://auth.example.com";
        return Err(wrong(taker.tenant, "public_url", problem, &origin));
    }
    Ok(Some(url.to_owned()))
}

fn limit(
    taker: &mut Taker<'_>,
    key: &str,
    default: PeerLimit,
) -> Result<Option<PeerLimit>, SetupError> {
    let per_minute = taker.integer(key, 0..=1_000_000)?.unwrap_or(default.per_minute);
    let burst = taker.integer(&format!("{key}_burst"), 1..=1_000_000)?.unwrap_or(default.burst);
    Ok((per_minute > 0).then_some(PeerLimit { per_minute, burst }))
}

fn admin_token_digest(taker: &mut Taker<'_>) -> Result<Option<[u8; 32]>, SetupError> {
    let Some((text, origin)) = taker.text("admin_token_digest")? else { return Ok(None) };
    match digest_from_text(&text) {
        Some(digest) => Ok(Some(digest)),
        None => {
            let problem = "must be `sha256:` and the 64 hexadecimal digits of the token's SHA-256";
            Err(wrong(taker.tenant, "admin_token_digest", problem, &origin))
        }
    }
}

/// A digest as it is written down.
#[cfg_attr(not(feature = "gateway"), allow(unreachable_pub))]
pub(crate) fn digest_from_text(text: &str) -> Option<[u8; 32]> {
    let digits = text.strip_prefix("sha256:").filter(|it| it.len() == 64 && it.is_ascii())?;
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(digits.as_bytes().chunks(2)) {
        let pair = str::from_utf8(pair).ok()?;
        if !pair.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(digest)
}

fn theme(taker: &mut Taker<'_>, folder: &Path) -> Result<Option<PathBuf>, SetupError> {
    let Some((path, origin)) = taker.text("theme")? else { return Ok(None) };
    let path = folder.join(path.as_str());
    if !path.is_dir() {
        let problem = format!("must be a folder: {} is none", path.display());
        return Err(wrong(taker.tenant, "theme", &problem, &origin));
    }
    Ok(Some(path))
}

fn return_to(taker: &mut Taker<'_>) -> Result<Vec<String>, SetupError> {
    let mut origins = Vec::new();
    for (text, place) in taker.list("return_to")? {
        let lower = text.to_ascii_lowercase();
        let authority = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://"));
        let good = |it: &str| {
            let letters = |it: u8| it.is_ascii_alphanumeric() || b"-._:[]".contains(&it);
            !it.is_empty() && it.bytes().all(letters)
        };
        if !authority.is_some_and(good) {
            let problem = "must be origins such as https://app.example.com, without a path";
            return Err(wrong(taker.tenant, "return_to", problem, &place));
        }
        origins.push(lower);
    }
    Ok(origins)
}
