//! Where records live.
//!
//! A [`Store`] keeps JSON documents under keys and changes them by compare-and-set, nothing more:
//! what the records mean is the component's affair. [`Database`] is the administration beside it.
//! The types, and what each operation guarantees, come from the [`contract`](crate::contract)
//! (`wit/store.wit` and `wit/database.wit`).
//!
//! - [`memory`]: in this process, for tests and as the shortest whole example of a store;
//! - [`sqlite`]: one file, any number of processes;
//! - [`mongo`]: a MongoDB deployment, any number of hosts;
//! - [`document`]: applying edits to a document, for every store that keeps JSON;
//! - [`rules`]: the names, sizes and versions of every store;
//! - `conformance`: the suite that every store must pass (feature `conformance`).

use async_trait::async_trait;

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod document;
pub mod memory;
#[cfg(feature = "mongodb")]
pub mod mongo;
pub mod rules;
#[cfg(feature = "sqlite")]
pub mod sqlite;

pub use crate::contract::database::Sizes;
pub use crate::contract::store::{
    Change, Edit, Entry, Error, Expectation, Partial, Put, Relocation, Removal, Verdict,
};

/// The collections that a fresh database has.
pub const COLLECTIONS: [&str; 5] = [USERS, "blocked", "limit", "guesses", "sessions"];

/// The collection of users.
pub const USERS: &str = "users";

/// The collection of mail that waits to be sent.
pub const MAIL: &str = "mail";

/// The collection of the audit log, which only the host reads and writes.
pub const AUDIT: &str = "audit";

/// Records under keys, changed only by compare-and-set. Shared by all requests of a tenant.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The records of one key in these collections, at most one for each. Sees every commit that
    /// was acknowledged before it began.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store does not answer, [`Error::Damaged`] when the records
    /// of this key contradict the layout.
    async fn load(&self, collections: &[&str], key: &str) -> Result<Vec<Entry>, Error>;

    /// Make the changes, in their order, if all conditions hold; all of them or none, durably.
    ///
    /// The versions in [`Verdict::Committed`] are those of the records written by `put` and
    /// `move`, in their order. Every write gives its record a version it never had.
    ///
    /// # Errors
    /// As [`Store::load`]; a store without transactions answers [`Error::Partial`] when it stopped
    /// half-way.
    async fn commit(&self, changes: &[Change]) -> Result<Verdict, Error>;

    /// Up to `limit` keys with a record in these collections that is due before `before` (seconds
    /// since 1970, UTC), the longest overdue first.
    ///
    /// # Errors
    /// As [`Store::load`].
    async fn overdue(
        &self,
        collections: &[&str],
        before: u64,
        limit: u32,
    ) -> Result<Vec<String>, Error>;
}

/// A record as [`Database::scan`] gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The key, as the store spells it: other programs may have written it in another letter case.
    pub key: String,
    /// The document, as JSON text.
    pub document: String,
}

/// The most bytes of documents in one answer of [`Database::scan`], but for the first document.
pub const MAX_SCAN: usize = 4 * 1024 * 1024;

/// The most records that [`Database::insert`] takes at once.
pub const MAX_INSERT: usize = 1000;

/// The administration of a database.
#[async_trait]
pub trait Database: Send + Sync + 'static {
    /// Make the collection and its unique index, if they are not there.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store does not answer.
    async fn create(&self, collection: &str) -> Result<(), Error>;

    /// Remove the collection with all that is in it, if it is there.
    ///
    /// # Errors
    /// As [`Database::create`].
    async fn remove(&self, collection: &str) -> Result<(), Error>;

    /// Remove everything that belongs to the tenant, but the audit log ([`AUDIT`]): whoever may remove
    /// all users must not remove the traces of it.
    ///
    /// # Errors
    /// As [`Database::create`].
    async fn remove_all(&self) -> Result<(), Error>;

    /// How many records the collection has; 0 when it is not there.
    ///
    /// # Errors
    /// As [`Database::create`].
    async fn count(&self, collection: &str) -> Result<u64, Error>;

    /// The records of the collection whose keys come after this one (`""`: all), in the order of the
    /// bytes of their keys; up to `limit`, and fewer where they are large ([`MAX_SCAN`]). None at all
    /// says that there are no more. A record that stands there all the time while somebody goes from
    /// answer to answer is given exactly once; one that is made, moved or removed meanwhile, as chance
    /// has it.
    ///
    /// # Errors
    /// As [`Database::create`].
    async fn scan(&self, collection: &str, after: &str, limit: u32) -> Result<Vec<Record>, Error>;

    /// Write records that are not there yet, many at once: for each, whether it was written (true) or
    /// its key has a record already, which stays as it is. Each is made whole, durably and by itself;
    /// all of them are of one collection, have no version and keys that differ.
    ///
    /// # Errors
    /// As [`Database::create`], after which any of them may have been written; [`Error::Other`] for
    /// more than [`MAX_INSERT`], or such as a commit would refuse, and then none was.
    async fn insert(&self, puts: &[&Put]) -> Result<Vec<bool>, Error>;

    /// The smallest integer that stands in this top-level field of a record of the collection;
    /// `None` when there is none.
    ///
    /// # Errors
    /// As [`Database::create`].
    async fn smallest(&self, collection: &str, field: &str) -> Result<Option<i64>, Error>;

    /// Sizes in bytes.
    ///
    /// # Errors
    /// As [`Database::create`].
    async fn size(&self) -> Result<Sizes, Error>;

    /// What the engine says of itself, as JSON text.
    ///
    /// # Errors
    /// As [`Database::create`].
    async fn raw_stats(&self) -> Result<String, Error>;
}
