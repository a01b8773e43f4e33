//! The end of an account: with a code from the mail, and the password of whoever has one.

use axum::http::Uri;
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;

use super::account::{Owner, sign_in_first};
use super::view::{Fields, Problem, View};
use super::{
    Page, Query, Secret, again, failed, form_route, keep_ticket, page, page_route, sent, shown, to,
    with_new_ticket, with_ticket, without,
};
use crate::gateway::body::Form;
use crate::gateway::cookies::Kind;
use crate::gateway::reply::Refusal;
use crate::gateway::routes::{Counts, Field, Route};
use crate::gateway::visit::Visit;

const DELETE: &[Field] =
    &[Field::optional("send"), Field::optional("code"), Field::optional("password")];

/// The address is not typed here.
const FIELDS: Fields = Fields { email: None, ..Fields::CHECKED };

pub(super) fn routes() -> Vec<Route> {
    vec![
        page_route("/delete", "The page to delete the account on.", get(show)),
        form_route(
            "/delete",
            "Have a code mailed for it, or delete the account with that and the password.",
            DELETE,
            Counts::Secret,
            post(delete),
        ),
    ]
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Given {
    send: String,
    code: Secret,
    password: Secret,
}

async fn show(visit: Visit, uri: Uri) -> Response {
    let query = Query::of(&uri);
    shown(visit.clone(), async move {
        let Some(owner) = Owner::of(&visit).await? else {
            return Ok(sign_in_first(&visit, "/delete"));
        };
        let account = owner.view().account;
        Ok(page(&visit, "delete.html", View { account, ..query.view() }))
    })
    .await
}

async fn delete(visit: Visit, form: Result<Form<Given>, Refusal>) -> Response {
    shown(visit.clone(), async move {
        let given = sent(&visit, form)?;
        let Some(owner) = Owner::of(&visit).await? else {
            return Ok(sign_in_first(&visit, "/delete"));
        };
        if given.send.is_empty() {
            now(&visit, &owner, &given).await
        } else {
            first(&visit, &owner).await
        }
    })
    .await
}

/// Mail the code.
async fn first(visit: &Visit, owner: &Owner) -> Page {
    let (tenant, ticket) = with_new_ticket(visit).await?;
    let email = &owner.identity.email;
    let outcome = tenant.auth().generate_code(email, None, false).await.map_err(failed)?;
    if outcome.success {
        return Ok(keep_ticket(visit, to(visit, "/delete", &[("sent", "1")]), &ticket));
    }
    let problem = Problem::of(&outcome, FIELDS);
    Ok(again(visit, "delete.html", owner.view(), problem))
}

async fn now(visit: &Visit, owner: &Owner, given: &Given) -> Page {
    let tenant = with_ticket(visit).await?;
    let (auth, email) = (tenant.auth(), &owner.identity.email);
    let (password, code) = (given.password.text(), given.code.code());
    let outcome = auth.delete_user_with_verif(email, password, &code, true, false).await;
    let outcome = outcome.map_err(failed)?;
    if outcome.success {
        let response = to(visit, "/", &[("told", "deleted")]);
        return Ok(without(visit, response, &[Kind::Session, Kind::Device, Kind::Ticket]));
    }
    let view = View { sent: true, ..owner.view() };
    Ok(again(visit, "delete.html", view, Problem::of(&outcome, FIELDS)))
}
