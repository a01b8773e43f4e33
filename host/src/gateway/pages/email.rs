//! Another address for the account.

use axum::http::Uri;
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;

use super::account::{Owner, sign_in_first};
use super::view::{Fields, Problem, Typed, View};
use super::{Query, Secret, again, failed, form_route, page, page_route, sent, shown, to, without};
use crate::contract::types::Outcome;
use crate::gateway::body::Form;
use crate::gateway::cookies::Kind;
use crate::gateway::reply::Refusal;
use crate::gateway::routes::{Counts, Field, Route};
use crate::gateway::visit::Visit;

const CHANGE: &[Field] = &[Field::required("new_email"), Field::optional("password")];
const CONFIRM: &[Field] = &[Field::required("code"), Field::optional("new_email")];

const FIELDS: Fields = Fields { email: Some("new_email"), ..Fields::CHECKED };

pub(super) fn routes() -> Vec<Route> {
    vec![
        page_route("/change-email", "The page to ask for another address on.", get(show_change)),
        form_route(
            "/change-email",
            "Mail a code to the new address.",
            CHANGE,
            Counts::Secret,
            post(change),
        ),
        page_route("/confirm-email", "The page for that code.", get(show_confirm)),
        form_route(
            "/confirm-email",
            "Give the account the new address.",
            CONFIRM,
            Counts::Secret,
            post(confirm),
        ),
    ]
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Given {
    new_email: String,
    password: Secret,
    code: Secret,
}

impl Given {
    fn view(&self, owner: &Owner) -> View {
        let form = Typed { new_email: self.new_email.trim().to_owned(), ..Typed::default() };
        View { form, ..owner.view() }
    }
}

async fn show_change(visit: Visit, uri: Uri) -> Response {
    let query = Query::of(&uri);
    shown(visit.clone(), async move {
        let Some(owner) = Owner::of(&visit).await? else {
            return Ok(sign_in_first(&visit, "/change-email"));
        };
        let account = owner.view().account;
        Ok(page(&visit, "change-email.html", View { account, ..query.view() }))
    })
    .await
}

async fn show_confirm(visit: Visit, uri: Uri) -> Response {
    let query = Query::of(&uri);
    shown(visit.clone(), async move {
        let Some(owner) = Owner::of(&visit).await? else {
            return Ok(sign_in_first(&visit, "/confirm-email"));
        };
        let account = owner.view().account;
        Ok(page(&visit, "confirm-email.html", View { account, ..query.view() }))
    })
    .await
}

async fn change(visit: Visit, form: Result<Form<Given>, Refusal>) -> Response {
    shown(visit.clone(), async move {
        let given = sent(&visit, form)?;
        let Some(owner) = Owner::of(&visit).await? else {
            return Ok(sign_in_first(&visit, "/change-email"));
        };
        let password = Some(given.password.text()).filter(|password| !password.is_empty());
        let sessions = owner.tenant.sessions();
        let new_email = given.new_email.trim();
        let outcome = sessions.request_email_change(&owner.token, new_email, password, false).await;
        let outcome = outcome.map_err(failed)?;
        if outcome.success {
            return Ok(to(&visit, "/confirm-email", &[("new_email", new_email)]));
        }
        Ok(refused(&visit, "change-email.html", given.view(&owner), &outcome))
    })
    .await
}

async fn confirm(visit: Visit, form: Result<Form<Given>, Refusal>) -> Response {
    shown(visit.clone(), async move {
        let given = sent(&visit, form)?;
        let Some(owner) = Owner::of(&visit).await? else {
            return Ok(sign_in_first(&visit, "/confirm-email"));
        };
        let sessions = owner.tenant.sessions();
        let outcome = sessions.confirm_email_change(&owner.token, &given.code.code(), false).await;
        let outcome = outcome.map_err(failed)?;
        if outcome.success {
            // All sessions have ended by it.
            let query = [("email", given.new_email.trim()), ("told", "email-changed")];
            return Ok(without(&visit, to(&visit, "/", &query), &[Kind::Session]));
        }
        Ok(refused(&visit, "confirm-email.html", given.view(&owner), &outcome))
    })
    .await
}

/// The form again; or, if the session has ended meanwhile, the page to sign in on.
fn refused(visit: &Visit, template: &'static str, view: View, outcome: &Outcome) -> Response {
    if outcome.code == 502 {
        return sign_in_first(visit, "/change-email");
    }
    again(visit, template, view, Problem::of(outcome, FIELDS))
}
