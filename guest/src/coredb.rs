//! The administration of the database.
//!
//! Codes stand in the users' records, counts of guesses and sessions in collections beside them that go
//! and come with them.

use crate::outcome::Failure;
use crate::ports::{Administration, StoreError};
use crate::record::{BLOCKED, GUESSES, LIMIT, SESSIONS, USERS};

/// One or several collections, as the functions name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Users, and what hangs on them.
    Users,
    /// Block records.
    Blocked,
    /// Rate limits.
    Limit,
    /// All of these.
    All,
    /// Everything that belongs to the tenant.
    Database,
}

impl Target {
    fn collections(self) -> &'static [&'static str] {
        match self {
            Self::Users => &[USERS, GUESSES, SESSIONS],
            Self::Blocked => &[BLOCKED],
            Self::Limit => &[LIMIT],
            Self::All | Self::Database => &[USERS, GUESSES, SESSIONS, BLOCKED, LIMIT],
        }
    }
}

/// Remove; fine when it is not there.
///
/// # Errors
/// The store's own.
pub fn remove(database: &dyn Administration, target: Target) -> Result<(), Failure> {
    if target == Target::Database {
        return database.drop_all().map_err(named("the database could not be removed"));
    }
    each(target, "could not be removed", |collection| database.drop(collection))
}

/// Create; fine when it is there.
///
/// # Errors
/// The store's own.
pub fn create(database: &dyn Administration, target: Target) -> Result<(), Failure> {
    each(target, "could not be created", |collection| database.create(collection))
}

/// Remove and create anew.
///
/// # Errors
/// The store's own.
pub fn reset(database: &dyn Administration, target: Target) -> Result<(), Failure> {
    remove(database, target)?;
    create(database, target)
}

/// How many users there are.
///
/// # Errors
/// The store's own.
pub fn user_count(database: &dyn Administration) -> Result<u64, Failure> {
    database.count(USERS).map_err(named("the users could not be counted"))
}

/// Bytes of documents, of the room they take on disk, and of indexes.
///
/// # Errors
/// The store's own.
pub fn size(database: &dyn Administration) -> Result<crate::ports::Sizes, Failure> {
    database.size().map_err(named("the size could not be read"))
}

/// What the engine says of itself.
///
/// # Errors
/// The store's own.
pub fn raw_stats(database: &dyn Administration) -> Result<String, Failure> {
    database.raw_stats().map_err(named("the statistics could not be read"))
}

fn each(
    target: Target,
    failed: &str,
    act: impl Fn(&str) -> Result<(), StoreError>,
) -> Result<(), Failure> {
    target.collections().iter().try_for_each(|collection| {
        act(collection).map_err(named(&format!("the collection {collection} {failed}")))
    })
}

fn named(what: &str) -> impl Fn(StoreError) -> Failure {
    move |error| match Failure::from(error) {
        Failure::Store(why) => Failure::Store(format!("{what}: {why}")),
        other => other,
    }
}
