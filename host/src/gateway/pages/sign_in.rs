//! Signing in: with a password, with a code from the mail after it or alone, and out again.

use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;

use super::view::{Fields, Problem, Typed, View, told};
use super::{
    Page, Query, Secret, again, failed, form_route, keep_ticket, onwards, page, page_route, sent,
    shown, to, with_new_ticket, with_ticket, without,
};
use crate::contract::sessions::{Known, SignedIn};
use crate::gateway::body::Form;
use crate::gateway::cookies::Kind;
use crate::gateway::reply::Refusal;
use crate::gateway::routes::{Counts, Field, Route};
use crate::gateway::session::{client, give_cookies};
use crate::gateway::visit::Visit;

const PASSWORD: &[Field] =
    &[Field::required("email"), Field::required("password"), Field::optional("return_to")];
const CODE: &[Field] =
    &[Field::required("email"), Field::required("code"), Field::optional("return_to")];
const MAIL: &[Field] = &[Field::required("email"), Field::optional("return_to")];

pub(super) fn routes() -> Vec<Route> {
    vec![
        page_route("/", "The page to sign in on.", get(show)),
        page_route("/sign-in", "To the page to sign in on.", get(show_again)),
        form_route("/sign-in", "Sign in.", PASSWORD, Counts::Secret, post(sign_in)),
        page_route("/code", "The page for the code that was mailed.", get(show_code)),
        form_route("/code", "Sign in with that code.", CODE, Counts::Secret, post(code)),
        page_route("/sign-in-by-mail", "The page for those without a password.", get(show_by_mail)),
        form_route("/sign-in-by-mail", "Mail them a code.", MAIL, Counts::Secret, post(by_mail)),
        form_route("/sign-out", "Sign out.", &[], Counts::Request, post(sign_out)),
    ]
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Given {
    email: String,
    password: Secret,
    code: Secret,
    return_to: String,
}

impl Given {
    fn email(&self) -> &str {
        self.email.trim()
    }

    /// The form again, with what was typed into it.
    fn view(&self) -> View {
        View::again(self.email(), &self.return_to)
    }
}

impl Query {
    /// What a page that is looked at begins with.
    pub(super) fn view(self) -> View {
        let Self { email, new_email, told: key, return_to, sent } = self;
        let form = Typed { email, new_email };
        View { return_to, form, told: told(&key), sent: !sent.is_empty(), ..View::default() }
    }
}

async fn show(visit: Visit, uri: Uri) -> Response {
    let query = Query::of(&uri);
    shown(visit.clone(), async move {
        if let Some(token) = visit.session_cookie() {
            let tenant = visit.tenant(visit.caller(false)).await?;
            let known = tenant.sessions().who_am_i(&token).await.map_err(failed)?;
            if matches!(known, Known::Identity(_)) {
                return Ok(onwards(&visit, &query.return_to));
            }
        }
        Ok(page(&visit, "sign-in.html", query.view()))
    })
    .await
}

/// A form that was refused stands under this address: somebody may open it again.
async fn show_again(visit: Visit, uri: Uri) -> Response {
    let Query { email, return_to, .. } = Query::of(&uri);
    to(&visit, "/", &[("email", &email), ("return_to", &return_to)])
}

async fn show_code(visit: Visit, uri: Uri) -> Response {
    page(&visit, "code.html", Query::of(&uri).view())
}

async fn show_by_mail(visit: Visit, uri: Uri) -> Response {
    page(&visit, "sign-in-by-mail.html", Query::of(&uri).view())
}

async fn sign_in(visit: Visit, headers: HeaderMap, form: Result<Form<Given>, Refusal>) -> Response {
    shown(visit.clone(), async move {
        let given = sent(&visit, form)?;
        let (tenant, ticket) = with_new_ticket(&visit).await?;
        let client = client(&headers);
        let sessions = tenant.sessions();
        let signed_in = sessions
            .sign_in(given.email(), given.password.text(), client.as_deref(), false, false)
            .await;
        match signed_in.map_err(failed)? {
            SignedIn::Outcome(outcome) if outcome.success => {
                let query = [("email", given.email()), ("return_to", &given.return_to)];
                Ok(keep_ticket(&visit, to(&visit, "/code", &query), &ticket))
            }
            signed_in => Ok(signed_in_as(&visit, signed_in, &given, "sign-in.html")),
        }
    })
    .await
}

async fn code(visit: Visit, headers: HeaderMap, form: Result<Form<Given>, Refusal>) -> Response {
    shown(visit.clone(), async move {
        let given = sent(&visit, form)?;
        if visit.ticket().is_none() && visit.site().requires_mfa() {
            let problem = Problem::without_ticket();
            return Ok(again(&visit, "code.html", given.view(), problem));
        }
        let tenant = with_ticket(&visit).await?;
        let client = client(&headers);
        let sessions = tenant.sessions();
        let signed_in = sessions
            .sign_in_with_code(given.email(), &given.code.code(), client.as_deref(), false)
            .await;
        Ok(signed_in_as(&visit, signed_in.map_err(failed)?, &given, "code.html"))
    })
    .await
}

fn signed_in_as(
    visit: &Visit,
    signed_in: SignedIn,
    given: &Given,
    template: &'static str,
) -> Response {
    match signed_in {
        SignedIn::Opened(opened) => {
            let mut response = onwards(visit, &given.return_to);
            give_cookies(response.headers_mut(), visit, &opened);
            response
        }
        SignedIn::Outcome(outcome) => {
            again(visit, template, given.view(), Problem::of(&outcome, Fields::CHECKED))
        }
    }
}

async fn by_mail(visit: Visit, form: Result<Form<Given>, Refusal>) -> Response {
    shown(visit.clone(), async move {
        let given = sent(&visit, form)?;
        mail_code(&visit, &given.email, &given.return_to, "/code", "sign-in-by-mail.html", "").await
    })
    .await
}

/// Mail a code to an address, and go on to the page that takes it. Whether there is such an account
/// makes no difference.
pub(super) async fn mail_code(
    visit: &Visit,
    email: &str,
    return_to: &str,
    next: &str,
    template: &'static str,
    told: &str,
) -> Page {
    let email = email.trim();
    let (tenant, ticket) = with_new_ticket(visit).await?;
    let outcome = tenant.auth().generate_code(email, None, false).await.map_err(failed)?;
    if outcome.success {
        let query = [("email", email), ("told", told), ("return_to", return_to)];
        return Ok(keep_ticket(visit, to(visit, next, &query), &ticket));
    }
    let view = View::again(email, return_to);
    Ok(again(visit, template, view, Problem::of(&outcome, Fields::CHECKED)))
}

async fn sign_out(visit: Visit, form: Result<Form<Given>, Refusal>) -> Response {
    shown(visit.clone(), async move {
        sent(&visit, form)?;
        if let Some(token) = visit.session_cookie() {
            let tenant = visit.tenant(visit.caller(false)).await?;
            tenant.sessions().sign_out(&token).await.map_err(failed)?;
        }
        let response = to(&visit, "/", &[("told", "signed-out")]);
        Ok(without(&visit, response, &[Kind::Session]))
    })
    .await
}
