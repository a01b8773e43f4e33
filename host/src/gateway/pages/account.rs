//! The account of whoever is signed in, and where else he is.

use axum::http::Uri;
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::view::View;
use super::{Page, Query, failed, form_route, page, page_route, sent, shown, to, without};
use crate::contract::sessions::{Identity, Known, Listed};
use crate::gateway::body::Form;
use crate::gateway::cookies::Kind;
use crate::gateway::reply::Refusal;
use crate::gateway::routes::{Counts, Field, Route};
use crate::gateway::visit::Visit;
use crate::tenant::Tenant;

const END: &[Field] = &[Field::optional("id"), Field::optional("others")];

pub(super) fn routes() -> Vec<Route> {
    vec![
        page_route("/account", "The account, and where it is signed in.", get(show)),
        form_route(
            "/sessions/end",
            "End the session with this id, or all others.",
            END,
            Counts::Request,
            post(end),
        ),
    ]
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Given {
    id: String,
    others: String,
}

/// Somebody who is signed in.
pub(super) struct Owner {
    pub(super) token: Zeroizing<String>,
    pub(super) tenant: Tenant,
    pub(super) identity: Identity,
}

impl Owner {
    /// Whoever has the cookie.
    pub(super) async fn of(visit: &Visit) -> Result<Option<Self>, Refusal> {
        let Some(token) = visit.session_cookie() else { return Ok(None) };
        let tenant = visit.tenant(visit.caller(false)).await?;
        let known = tenant.sessions().who_am_i(&token).await.map_err(failed)?;
        Ok(match known {
            Known::Identity(identity) => Some(Self { token, tenant, identity }),
            Known::Outcome(_) => None,
        })
    }

    pub(super) fn view(&self) -> View {
        View { account: Some((&self.identity).into()), ..View::default() }
    }
}

/// To the page to sign in on, and from there to this page.
pub(super) fn sign_in_first(visit: &Visit, path: &str) -> Response {
    sign_in_to(visit, &visit.url(path))
}

fn sign_in_to(visit: &Visit, back: &str) -> Response {
    let response = to(visit, "/", &[("told", "sign-in-first"), ("return_to", back)]);
    without(visit, response, &[Kind::Session])
}

async fn show(visit: Visit, uri: Uri) -> Response {
    let query = Query::of(&uri);
    shown(visit.clone(), async move { account(&visit, query).await }).await
}

async fn account(visit: &Visit, query: Query) -> Page {
    let Some(owner) = Owner::of(visit).await? else {
        // Whoever was on the way to somewhere else is led there after signing in.
        let back = visit.return_to(&query.return_to).unwrap_or_else(|| visit.url("/account"));
        return Ok(sign_in_to(visit, &back));
    };
    let sessions = owner.tenant.sessions();
    match sessions.list_sessions(&owner.token).await.map_err(failed)? {
        Listed::Sessions(sessions) => {
            let sessions = sessions.iter().map(Into::into).collect();
            let account = owner.view().account;
            Ok(page(visit, "account.html", View { account, sessions, ..query.view() }))
        }
        Listed::Outcome(_) => Ok(sign_in_first(visit, "/account")),
    }
}

async fn end(visit: Visit, form: Result<Form<Given>, Refusal>) -> Response {
    shown(visit.clone(), async move {
        let given = sent(&visit, form)?;
        let Some(token) = visit.session_cookie() else {
            return Ok(sign_in_first(&visit, "/account"));
        };
        let tenant = visit.tenant(visit.caller(false)).await?;
        let sessions = tenant.sessions();
        let (outcome, told) = if given.others.is_empty() {
            (sessions.end_session(&token, &given.id).await, "session-ended")
        } else {
            (sessions.end_other_sessions(&token).await, "sessions-ended")
        };
        if outcome.map_err(failed)?.success {
            return Ok(to(&visit, "/account", &[("told", told)]));
        }
        Ok(sign_in_first(&visit, "/account"))
    })
    .await
}
