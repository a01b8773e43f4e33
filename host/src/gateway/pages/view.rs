//! What the templates are given.
//!
//! `docs/pages.md` tells these names to those who write themes: they are kept.

use axum::http::StatusCode;
use serde::Serialize;

use super::client;
use super::spans::{Moment, Span, now};
use crate::contract::sessions::{Identity, Session};
use crate::contract::types::Outcome;
use crate::gateway::reply::{Kind, Passwords, Refusal, status};

/// What can be told after a redirect. A query may hold any text; only these are told.
const TOLD: [&str; 10] = [
    "code-sent",
    "deleted",
    "email-changed",
    "password-reset",
    "proven",
    "session-ended",
    "sessions-ended",
    "sign-in-first",
    "signed-out",
    "verified",
];

/// Everything that a template is given. All of it is there for every template.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct View {
    pub(super) prefix: String,
    pub(super) theme: String,
    pub(super) style: String,
    pub(super) return_to: String,
    pub(super) carry: String,
    pub(super) told: &'static str,
    pub(super) error: Option<Problem>,
    pub(super) form: Typed,
    pub(super) code_length: i64,
    pub(super) code_life: Option<Span>,
    pub(super) least: i64,
    pub(super) account: Option<Account>,
    pub(super) sessions: Vec<Shown>,
    pub(super) sent: bool,
}

impl View {
    /// A form again, with the address that was typed into it.
    pub(super) fn again(email: &str, return_to: &str) -> Self {
        let form = Typed { email: email.to_owned(), ..Typed::default() };
        Self { return_to: return_to.to_owned(), form, ..Self::default() }
    }
}

/// What somebody has typed, without secrets.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Typed {
    pub(super) email: String,
    pub(super) new_email: String,
}

/// Who is signed in.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Account {
    email: String,
    proven: bool,
}

/// A session.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Shown {
    id: String,
    client: Option<String>,
    current: bool,
    second_factor: bool,
    made: Moment,
    seen: Moment,
    until: Moment,
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Problem {
    key: &'static str,
    field: Option<&'static str>,
    detail: Option<String>,
    wait: Option<Span>,
    #[serde(skip)]
    pub(super) status: StatusCode,
    #[serde(skip)]
    pub(super) retry_after: Option<u64>,
}

/// The fields of a form that a refusal can be about.
#[derive(Clone, Copy)]
pub(super) struct Fields {
    pub(super) email: Option<&'static str>,
    pub(super) password: Option<&'static str>,
    pub(super) passwords: Passwords,
}

impl Fields {
    /// A form that sets no password.
    pub(super) const CHECKED: Self =
        Self { email: Some("email"), password: Some("password"), passwords: Passwords::Checked };
}

/// The one of [`TOLD`] that a query names.
pub(super) fn told(key: &str) -> &'static str {
    TOLD.iter().find(|known| **known == key).copied().unwrap_or_default()
}

impl Problem {
    /// A refusal by the component.
    pub(super) fn of(outcome: &Outcome, fields: Fields) -> Self {
        let (key, field) = match (outcome.code, fields.passwords) {
            (503, _) => ("invalid_email", fields.email),
            (501, Passwords::Set) => ("weak_password", fields.password),
            (500 | 501, _) => ("wrong_password", fields.password),
            (502, _) => ("invalid_credentials", None),
            (417, _) => ("invalid_code", Some("code")),
            (302, _) => ("not_verified", None),
            (401, _) => ("limited", None),
            (402, _) => ("taken", fields.email),
            (403, _) => ("blocked", None),
            (404, _) => ("unknown", fields.email),
            (410 | 420 | 421, _) => ("not_deleted", None),
            _ => ("refused", None),
        };
        let retry_after = outcome.retry_after.map(u64::from);
        Self {
            key,
            field,
            detail: outcome.detail.clone(),
            wait: retry_after.map(Span::of),
            status: status(outcome, fields.passwords),
            retry_after,
        }
    }

    /// A code without the ticket that it is bound to.
    pub(super) fn without_ticket() -> Self {
        Self {
            key: "invalid_code",
            field: Some("code"),
            detail: None,
            wait: None,
            status: StatusCode::UNAUTHORIZED,
            retry_after: None,
        }
    }

    /// A refusal by the gateway.
    pub(super) fn of_refusal(refusal: &Refusal) -> Self {
        let key = match refusal.kind {
            Kind::Storage => "unavailable",
            Kind::Overloaded => "overloaded",
            Kind::Limited => "limited",
            Kind::Forbidden => "forbidden",
            Kind::NotFound => "not_found",
            Kind::Usage | Kind::TooLarge | Kind::Unsupported => "refused",
            Kind::Settings | Kind::Component | Kind::Other | Kind::Unauthorized => "failed",
        };
        Self {
            key,
            field: None,
            detail: (key == "refused").then(|| refusal.error.clone()),
            wait: refusal.retry_after.map(Span::of),
            status: refusal.status,
            retry_after: refusal.retry_after,
        }
    }
}

impl From<&Identity> for Account {
    fn from(identity: &Identity) -> Self {
        Self { email: identity.email.clone(), proven: identity.proven }
    }
}

impl From<&Session> for Shown {
    fn from(session: &Session) -> Self {
        Self {
            id: session.id.clone(),
            client: session.client.as_deref().map(client::friendly),
            current: session.current,
            second_factor: session.second_factor,
            made: Moment::dated(session.made),
            seen: Moment::ago(session.seen, now()),
            until: Moment::dated(session.until),
        }
    }
}

/// Each page in every state that a template may tell apart, to try a theme with.
pub(super) fn samples() -> Vec<(&'static str, View)> {
    const PAGES: [&str; 12] = [
        "account.html",
        "change-email.html",
        "code.html",
        "confirm-email.html",
        "delete.html",
        "error.html",
        "forgot.html",
        "register.html",
        "reset.html",
        "sign-in-by-mail.html",
        "sign-in.html",
        "verify.html",
    ];
    const KEYS: [(&str, Option<&str>); 18] = [
        ("invalid_email", Some("email")),
        ("invalid_email", Some("new_email")),
        ("weak_password", Some("password")),
        ("weak_password", Some("new_password")),
        ("wrong_password", Some("password")),
        ("invalid_credentials", None),
        ("invalid_code", Some("code")),
        ("not_verified", None),
        ("taken", Some("email")),
        ("blocked", None),
        ("unknown", Some("email")),
        ("limited", None),
        ("overloaded", None),
        ("unavailable", None),
        ("forbidden", None),
        ("not_found", None),
        ("refused", None),
        ("failed", None),
    ];
    let session = |client: Option<&str>, current| Shown {
        id: "1".to_owned(),
        client: client.map(str::to_owned),
        current,
        second_factor: current,
        made: Moment::dated(0),
        seen: Moment::dated(0),
        until: Moment::dated(0),
    };
    let view = |account, typed: &str| View {
        code_length: 6,
        code_life: Some(Span::of(600)),
        least: 8,
        account: Some(Account { email: "ann@example.com".to_owned(), proven: account }),
        form: Typed { email: typed.to_owned(), new_email: typed.to_owned() },
        sessions: vec![session(Some("Firefox"), true), session(None, false)],
        sent: account,
        ..View::default()
    };
    let problem = |key, field| Problem { key, field, ..Problem::without_ticket() };
    let failed = || Some(problem("failed", None));
    let mut samples = Vec::new();
    for page in PAGES {
        // The page of errors is never shown without one.
        let error = if page == "error.html" { failed() } else { None };
        samples.push((page, View { error: error.clone(), ..view(true, "") }));
        samples.push((page, View { error, sessions: Vec::new(), ..view(false, "a@b.c") }));
        if page != "error.html" {
            samples.extend(TOLD.map(|told| (page, View { told, ..view(true, "a@b.c") })));
        }
        for (key, field) in KEYS {
            let plain = problem(key, field);
            let detailed = Problem {
                detail: Some("too short".to_owned()),
                wait: Some(Span::of(90)),
                ..plain.clone()
            };
            samples.push((page, View { error: Some(plain), ..view(true, "a@b.c") }));
            samples.push((page, View { error: Some(detailed), ..view(true, "") }));
        }
    }
    samples
}
