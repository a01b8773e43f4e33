//! What somebody may do who is signed in.

use axum::extract::Path;
use axum::response::Response;
use zeroize::Zeroizing;

use super::{Done, Message, arguments, done, refused, wrong};
use crate::contract::sessions::{Known, Listed};
use crate::contract::types::Outcome;
use crate::functions::{Default, IdentityJson, Kind, Parameter, SessionJson};
use crate::gateway::body::JsonText;
use crate::gateway::cookies;
use crate::gateway::reply::Refusal;
use crate::gateway::visit::{Form, Visit};
use crate::tenant::Tenant;

/// What another address takes.
pub(super) const EMAIL: &[Parameter] = &[
    Parameter::new("new_email", Kind::Text, None),
    Parameter::new("password", Kind::Text, Some(Default::None)).secret(),
];

/// And its proof.
pub(super) const CONFIRM: &[Parameter] = &[Parameter::new("code", Kind::Text, None).secret()];

/// Whoever asks, by the token that came with the request.
struct Asking {
    token: Zeroizing<String>,
    form: Form,
    tenant: Tenant,
}

impl Asking {
    /// To read.
    async fn reading(visit: &Visit) -> Result<Self, Refusal> {
        let Some((token, form)) = visit.session_token() else {
            return Err(Refusal::unauthorized("nobody is signed in: there is no token"));
        };
        let tenant = visit.tenant(visit.caller(false)).await?;
        Ok(Self { token, form, tenant })
    }

    /// To change something, which another site must not.
    async fn changing(visit: &Visit) -> Result<Self, Refusal> {
        if let Some((_, Form::Cookie)) = visit.session_token() {
            visit.check_same_origin()?;
        }
        Self::reading(visit).await
    }

    /// The outcome; where it means that the session is gone, so is its cookie.
    fn answer(&self, visit: &Visit, outcome: Outcome, ends: bool) -> Response {
        let gone = ends && outcome.success;
        let mut response = refused(outcome, None);
        if gone && self.form == Form::Cookie {
            cookies::clear(response.headers_mut(), cookies::Kind::Session, visit.name());
        }
        response
    }
}

pub(super) async fn who_am_i(visit: Visit) -> Result<Response, Refusal> {
    let asking = Asking::reading(&visit).await?;
    match asking.tenant.sessions().who_am_i(&asking.token).await.map_err(wrong)? {
        Known::Identity(identity) => {
            let data = IdentityJson::from(&identity);
            Ok(done(Done { success: true, message: None, data }))
        }
        Known::Outcome(outcome) => Ok(asking.answer(&visit, outcome, false)),
    }
}

pub(super) async fn sign_out(visit: Visit) -> Result<Response, Refusal> {
    let asking = Asking::changing(&visit).await?;
    let outcome = asking.tenant.sessions().sign_out(&asking.token).await.map_err(wrong)?;
    Ok(asking.answer(&visit, outcome, true))
}

pub(super) async fn list(visit: Visit) -> Result<Response, Refusal> {
    let asking = Asking::reading(&visit).await?;
    match asking.tenant.sessions().list_sessions(&asking.token).await.map_err(wrong)? {
        Listed::Sessions(sessions) => {
            let message: Vec<_> = sessions.iter().map(SessionJson::from).collect();
            Ok(done(Message { success: true, message }))
        }
        Listed::Outcome(outcome) => Ok(asking.answer(&visit, outcome, false)),
    }
}

pub(super) async fn end_others(visit: Visit) -> Result<Response, Refusal> {
    let asking = Asking::changing(&visit).await?;
    let outcome =
        asking.tenant.sessions().end_other_sessions(&asking.token).await.map_err(wrong)?;
    Ok(asking.answer(&visit, outcome, false))
}

pub(super) async fn end(visit: Visit, Path(id): Path<String>) -> Result<Response, Refusal> {
    let asking = Asking::changing(&visit).await?;
    let outcome = asking.tenant.sessions().end_session(&asking.token, &id).await.map_err(wrong)?;
    Ok(asking.answer(&visit, outcome, false))
}

pub(super) async fn request_email(
    visit: Visit,
    JsonText(text): JsonText,
) -> Result<Response, Refusal> {
    let given = arguments("session/email", EMAIL, &text)?;
    let new_email = given.text("new_email").map_err(wrong)?;
    let password = given.optional_text("password").map_err(wrong)?;
    let asking = Asking::changing(&visit).await?;
    let sessions = asking.tenant.sessions();
    let password = password.as_deref().map(String::as_str);
    let outcome = sessions.request_email_change(&asking.token, &new_email, password, false).await;
    Ok(asking.answer(&visit, outcome.map_err(wrong)?, false))
}

pub(super) async fn confirm_email(
    visit: Visit,
    JsonText(text): JsonText,
) -> Result<Response, Refusal> {
    let given = arguments("session/email/confirm", CONFIRM, &text)?;
    let code = given.text("code").map_err(wrong)?;
    let asking = Asking::changing(&visit).await?;
    let sessions = asking.tenant.sessions();
    let outcome = sessions.confirm_email_change(&asking.token, &code, false).await;
    Ok(asking.answer(&visit, outcome.map_err(wrong)?, true))
}
