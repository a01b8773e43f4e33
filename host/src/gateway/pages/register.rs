//! Making an account, and proving the address.

use axum::http::Uri;
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;

use super::sign_in::mail_code;
use super::view::{Fields, Problem, View};
use super::{
    Query, Secret, again, failed, form_route, keep_ticket, page, page_route, see_other, sent,
    shown, to, with_new_ticket, with_ticket, without,
};
use crate::gateway::body::Form;
use crate::gateway::cookies::Kind;
use crate::gateway::reply::{Passwords, Refusal};
use crate::gateway::routes::{Counts, Field, Route};
use crate::gateway::visit::Visit;

const REGISTER: &[Field] = &[
    Field::required("email"),
    Field::optional("password"),
    Field::optional("no_password"),
    Field::optional("return_to"),
];
const VERIFY: &[Field] = &[
    Field::required("email"),
    Field::optional("code"),
    Field::optional("send"),
    Field::optional("return_to"),
];

pub(super) fn routes() -> Vec<Route> {
    vec![
        page_route("/register", "The page to make an account on.", get(show_register)),
        form_route("/register", "Make an account.", REGISTER, Counts::Secret, post(register)),
        page_route("/verify", "The page to confirm an address on.", get(show_verify)),
        form_route(
            "/verify",
            "Confirm an address with the code that was mailed there, or have a new one mailed.",
            VERIFY,
            Counts::Secret,
            post(verify),
        ),
    ]
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Given {
    email: String,
    password: Secret,
    code: Secret,
    no_password: String,
    send: String,
    return_to: String,
}

impl Given {
    fn email(&self) -> &str {
        self.email.trim()
    }

    fn view(&self) -> View {
        View::again(self.email(), &self.return_to)
    }
}

async fn show_register(visit: Visit, uri: Uri) -> Response {
    page(&visit, "register.html", Query::of(&uri).view())
}

async fn show_verify(visit: Visit, uri: Uri) -> Response {
    page(&visit, "verify.html", Query::of(&uri).view())
}

async fn register(visit: Visit, form: Result<Form<Given>, Refusal>) -> Response {
    shown(visit.clone(), async move {
        let given = sent(&visit, form)?;
        let (tenant, ticket) = with_new_ticket(&visit).await?;
        let (auth, email) = (tenant.auth(), given.email());
        // Without a password the first sign-in proves the address: both take the same code.
        let (outcome, next) = if given.no_password.is_empty() {
            let password = given.password.text();
            (auth.register_user(email, password, None, None, false).await, "/verify")
        } else {
            (auth.register_user_no_pass(email, None, None, false).await, "/code")
        };
        let outcome = outcome.map_err(failed)?;
        if outcome.success {
            let query = [("email", email), ("return_to", &given.return_to)];
            return Ok(keep_ticket(&visit, to(&visit, next, &query), &ticket));
        }
        let fields = Fields { passwords: Passwords::Set, ..Fields::CHECKED };
        Ok(again(&visit, "register.html", given.view(), Problem::of(&outcome, fields)))
    })
    .await
}

async fn verify(visit: Visit, form: Result<Form<Given>, Refusal>) -> Response {
    shown(visit.clone(), async move {
        let given = sent(&visit, form)?;
        if !given.send.is_empty() {
            let (email, return_to) = (&given.email, &given.return_to);
            return mail_code(&visit, email, return_to, "/verify", "verify.html", "code-sent")
                .await;
        }
        let tenant = with_ticket(&visit).await?;
        let (auth, email) = (tenant.auth(), given.email());
        let outcome = auth.verify_user(email, &given.code.code(), false).await.map_err(failed)?;
        if !outcome.success {
            let problem = Problem::of(&outcome, Fields::CHECKED);
            return Ok(again(&visit, "verify.html", given.view(), problem));
        }
        let response = if visit.session_cookie().is_some() {
            match visit.return_to(&given.return_to) {
                Some(target) => see_other(&target),
                None => to(&visit, "/account", &[("told", "proven")]),
            }
        } else {
            let query = [("email", email), ("told", "verified"), ("return_to", &given.return_to)];
            to(&visit, "/", &query)
        };
        Ok(without(&visit, response, &[Kind::Ticket]))
    })
    .await
}
