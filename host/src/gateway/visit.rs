//! What a handler knows of the request that it answers.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use tokio::sync::OnceCell;
use zeroize::Zeroizing;

use super::cookies::{Cookies, Kind};
use super::csrf::{Whence, whence};
use super::forward_auth::safe_return;
use super::peer::Peer;
use super::reply::Refusal;
use super::request_id::RequestId;
use super::site::Site;
use super::slot::Lease;
use crate::component::{By, Caller};
use crate::settings::GatewaySettings;
use crate::tenant::Tenant;

/// A request, in the eyes of its handler: for which tenant, from whom, with which secrets. Made by
/// the outermost layer; a handler names it as a parameter. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Visit {
    inner: Arc<Inner>,
}

struct Inner {
    site: Arc<Site>,
    prefix: String,
    peer: Peer,
    id: RequestId,
    host: String,
    whence: Whence,
    cookies: Cookies,
    bearer: Option<Zeroizing<String>>,
    /// The tenant stays open while this is there.
    open: OnceCell<Arc<Lease>>,
}

/// How a token came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// In the header `Authorization`, which no browser sends by itself.
    Bearer,
    /// In a cookie: what changes something needs [`Visit::check_same_origin`].
    Cookie,
}

impl Visit {
    pub(crate) fn new(
        site: Arc<Site>,
        prefix: &str,
        peer: Peer,
        id: &RequestId,
        host: &str,
        headers: &HeaderMap,
    ) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let bearer = text(AUTHORIZATION).and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            let token = token.trim_ascii();
            let bearer = scheme.eq_ignore_ascii_case("bearer") && !token.is_empty();
            bearer.then(|| Zeroizing::new(token.to_owned()))
        });
        Self {
            inner: Arc::new(Inner {
                peer,
                id: id.clone(),
                prefix: prefix.to_owned(),
                host: host.to_ascii_lowercase(),
                cookies: Cookies::read(headers, &site.settings.tenant),
                whence: whence(headers, host, peer.https),
                bearer,
                open: OnceCell::new(),
                site,
            }),
        }
    }

    /// The name of the tenant.
    pub(crate) fn name(&self) -> &str {
        &self.inner.site.settings.tenant
    }

    /// What is set for the tenant's part of the gateway.
    pub(crate) fn settings(&self) -> &GatewaySettings {
        self.inner.site.gateway()
    }

    /// The configured tenant.
    pub(crate) fn site(&self) -> &Arc<Site> {
        &self.inner.site
    }

    /// Who it is from.
    pub(crate) fn peer(&self) -> Peer {
        self.inner.peer
    }

    /// The host that was asked, in lower case and with its port if one was named.
    pub(crate) fn host(&self) -> &str {
        &self.inner.host
    }

    /// Scheme, host and port, as a browser writes an origin.
    pub(crate) fn origin(&self) -> String {
        let (scheme, port) =
            if self.inner.peer.https { ("https", ":443") } else { ("http", ":80") };
        let host = self.host();
        format!("{scheme}://{}", host.strip_suffix(port).unwrap_or(host))
    }

    /// A path of the gateway, such as `/code`, as this tenant's visitors must write it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.inner.prefix)
    }

    /// Where visitors reach this tenant's pages, without a slash at its end: for those who are sent
    /// here by a proxy of another host. None if no host is known for it.
    pub(crate) fn public_url(&self) -> Option<String> {
        let settings = self.settings();
        let host = || settings.hosts.first().map(|host| format!("https://{host}"));
        settings.public_url.clone().or_else(host)
    }

    /// The address that somebody wants to be sent back to after signing in, if he may be.
    pub(crate) fn return_to(&self, target: &str) -> Option<String> {
        let (origin, public) = (self.origin(), self.public_url().unwrap_or_default());
        // The origin of an address ends with the third slash, if there is one.
        let end = public.match_indices('/').nth(2).map_or(public.len(), |(at, _)| at);
        let public = public.get(..end).unwrap_or_default();
        safe_return(target, &[&origin, public], &self.settings().return_to)
    }

    /// The tenant, for calls of this caller; opened now, if nobody has opened it yet.
    pub(crate) async fn tenant(&self, caller: Caller) -> Result<Tenant, Refusal> {
        let inner = &self.inner;
        let lease = inner.open.get_or_try_init(|| inner.site.open()).await?;
        lease.touch();
        Ok(lease.tenant.called_by(caller))
    }

    /// On whose behalf calls are made: of somebody who must not learn who has an account, unless he
    /// has the admin token or the tenant hides nothing. A browser that is known is named, too. A
    /// ticket is not: the handler adds the one that belongs to what it does.
    pub(crate) fn caller(&self, admin: bool) -> Caller {
        let hidden = self.settings().hide_accounts && !admin;
        let caller = if hidden { Caller::stranger() } else { Caller::default() };
        let by = if admin { By::Admin } else { By::Stranger };
        let caller = caller
            .named(by)
            .with_address(self.peer().address)
            .with_request(&self.inner.id.to_string());
        match self.device() {
            Some(device) => caller.with_device(device.as_str()),
            None => caller,
        }
    }

    /// Whether it came with the tenant's admin token.
    pub(crate) fn is_admin(&self) -> bool {
        self.inner.bearer.as_ref().is_some_and(|token| self.inner.site.admin.is(token))
    }

    /// Whether it came with a token in the header, of whatever kind.
    pub(crate) fn has_bearer(&self) -> bool {
        self.inner.bearer.is_some()
    }

    /// The token that it came with, and how. One in the header is meant before one in a cookie.
    pub(crate) fn session_token(&self) -> Option<(Zeroizing<String>, Form)> {
        let bearer = self.inner.bearer.clone().map(|token| (token, Form::Bearer));
        let cookie = || self.inner.cookies.get(Kind::Session).cloned();
        bearer.or_else(|| cookie().map(|token| (token, Form::Cookie)))
    }

    /// The token in the cookie alone: what counts for pages.
    pub(crate) fn session_cookie(&self) -> Option<Zeroizing<String>> {
        self.inner.cookies.get(Kind::Session).cloned()
    }

    /// The ticket in the cookie.
    pub(crate) fn ticket(&self) -> Option<Zeroizing<String>> {
        self.inner.cookies.get(Kind::Ticket).cloned()
    }

    /// The device in the cookie.
    pub(crate) fn device(&self) -> Option<Zeroizing<String>> {
        self.inner.cookies.get(Kind::Device).cloned()
    }

    /// Refuse what no page of this gateway has sent.
    pub(crate) fn check_same_origin(&self) -> Result<(), Refusal> {
        self.inner.whence.check()
    }

    /// Refuse what says itself that another site has sent it.
    pub(crate) fn check_not_foreign(&self) -> Result<(), Refusal> {
        self.inner.whence.check_if_told()
    }
}

impl<S: Sync> FromRequestParts<S> for Visit {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        // The outermost layer puts it there for every request.
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Refusal::not_found("no tenant"))
    }
}
