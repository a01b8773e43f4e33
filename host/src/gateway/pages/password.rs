//! A new password for somebody who reads the mailbox.

use axum::http::Uri;
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;

use super::sign_in::mail_code;
use super::view::{Fields, Problem, View};
use super::{
    Query, Secret, again, failed, form_route, page, page_route, sent, shown, to, with_ticket,
    without,
};
use crate::contract::sessions::Known;
use crate::gateway::body::Form;
use crate::gateway::cookies::Kind;
use crate::gateway::reply::{Passwords, Refusal};
use crate::gateway::routes::{Counts, Field, Route};
use crate::gateway::visit::Visit;

const FORGOT: &[Field] = &[Field::required("email"), Field::optional("return_to")];
const RESET: &[Field] = &[
    Field::required("email"),
    Field::required("code"),
    Field::required("new_password"),
    Field::optional("return_to"),
];

pub(super) fn routes() -> Vec<Route> {
    vec![
        page_route("/forgot", "The page for a forgotten password.", get(show_forgot)),
        form_route(
            "/forgot",
            "Mail a code to set a new password with.",
            FORGOT,
            Counts::Secret,
            post(forgot),
        ),
        page_route("/reset", "The page to set a new password on.", get(show_reset)),
        form_route(
            "/reset",
            "Set a new password with the code that was mailed.",
            RESET,
            Counts::Secret,
            post(reset),
        ),
    ]
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Given {
    email: String,
    code: Secret,
    new_password: Secret,
    return_to: String,
}

/// Whoever is signed in need not type his address.
async fn show_forgot(visit: Visit, uri: Uri) -> Response {
    let mut query = Query::of(&uri);
    shown(visit.clone(), async move {
        if let Some(token) = visit.session_cookie().filter(|_| query.email.is_empty()) {
            let tenant = visit.tenant(visit.caller(false)).await?;
            let known = tenant.sessions().who_am_i(&token).await.map_err(failed)?;
            if let Known::Identity(identity) = known {
                query.email = identity.email;
            }
        }
        Ok(page(&visit, "forgot.html", query.view()))
    })
    .await
}

async fn show_reset(visit: Visit, uri: Uri) -> Response {
    page(&visit, "reset.html", Query::of(&uri).view())
}

async fn forgot(visit: Visit, form: Result<Form<Given>, Refusal>) -> Response {
    shown(visit.clone(), async move {
        let given = sent(&visit, form)?;
        mail_code(&visit, &given.email, &given.return_to, "/reset", "forgot.html", "").await
    })
    .await
}

async fn reset(visit: Visit, form: Result<Form<Given>, Refusal>) -> Response {
    shown(visit.clone(), async move {
        let given = sent(&visit, form)?;
        let email = given.email.trim();
        let tenant = with_ticket(&visit).await?;
        let auth = tenant.auth();
        let (code, password) = (given.code.code(), given.new_password.text());
        let outcome = auth
            .verify_reset_code_and_reset_password(email, &code, password, false)
            .await
            .map_err(failed)?;
        if outcome.success {
            let query =
                [("email", email), ("told", "password-reset"), ("return_to", &given.return_to)];
            // All sessions have ended by it.
            let response = to(&visit, "/", &query);
            return Ok(without(&visit, response, &[Kind::Session, Kind::Ticket]));
        }
        let fields =
            Fields { password: Some("new_password"), passwords: Passwords::Set, ..Fields::CHECKED };
        let view = View::again(email, &given.return_to);
        Ok(again(&visit, "reset.html", view, Problem::of(&outcome, fields)))
    })
    .await
}
