//! `portcullis users`: looking at users, and moving them out of a database and into one.
//!
//! What a user is, the component says: it makes a line of JSON of his records (`users.write` of the
//! contract), and records of a line (`users.read`). Here lines and records are fetched and put where they
//! belong, many at once and never all of them:
//! - `list`, `show`: what there is, without password hashes;
//! - `export`, `import`: every user, out and in;
//! - `walk`: users with their block records, in the order of their keys;
//! - `intake`: what becomes of the users of some lines;
//! - `position`: how far an export or import has come, so that the next one goes on there;
//! - `rejected`: what was wrong;
//! - `user`: a line of JSON, as it is shown.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow};

use super::options::{Common, Users};
use crate::component::{By, Caller};
use crate::store::{Database, Error, Store};
use crate::tenant::Tenant;

mod export;
mod import;
mod intake;
mod list;
mod position;
mod rejected;
mod show;
mod user;
mod walk;

pub(super) fn run(common: &Common, command: &Users) -> anyhow::Result<ExitCode> {
    match command {
        Users::List(options) => list::run(common, options),
        Users::Show(options) => show::run(common, options),
        Users::Export(options) => export::run(common, options),
        Users::Import(options) => import::run(common, options),
    }
}

/// Leave an event of the operator's in the audit log. Whoever sees all password hashes, or puts users
/// in, is known to have begun, however it ends.
async fn note(records: &Records, event: &'static str, outcome: &str) {
    let operator = Caller::default().named(By::Operator);
    records.tenant.called_by(operator).note(event, None, outcome).await;
}

/// The records of a tenant.
#[derive(Clone)]
struct Records {
    tenant: Tenant,
    store: Arc<dyn Store>,
    database: Arc<dyn Database>,
}

impl Records {
    fn of(tenant: &Tenant) -> anyhow::Result<Self> {
        let (store, database) = tenant.records();
        let database = database.context("this store cannot be gone through")?;
        Ok(Self { tenant: tenant.clone(), store, database })
    }
}

/// What a store failed with, for whoever called the program.
fn trouble(error: Error) -> anyhow::Error {
    let (Error::Unavailable(text) | Error::Damaged(text) | Error::Other(text)) = error else {
        return anyhow!("store: stopped half-way");
    };
    anyhow!("store: {text}")
}

/// A text in one line: what other programs have left in a record must not command a terminal.
fn printable(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() {
            true => line.extend(c.escape_default()),
            false => line.push(c),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_command_a_terminal_is_spelled_out() {
        assert_eq!(printable("ann@example.com"), "ann@example.com");
        assert_eq!(printable("a\u{1b}[2J\nb\u{9b}"), "a\\u{1b}[2J\\nb\\u{9b}");
    }
}
