//! A MongoDB deployment as the store: a single server, a replica set or a sharded cluster.
//!
//! Each collection of the component is a collection of the database, each record a document, found
//! by its field `email`. Other programs may work on the same documents: what they write is kept, and
//! noticed by every conditional write (`record`).
//!
//! | deployment | a commit of several changes |
//! |---|---|
//! | replica set, sharded cluster | one transaction: all or nothing |
//! | single server | one document after the other (`single`); a failure in between is told |
//!
//! Writes are acknowledged by a majority and from the journal; reads come from the primary and see
//! nothing that an election could take back. During an election calls wait, at most
//! [`Options::timeout`], and fail then; the driver finds the new primary by itself. A reply that was
//! lost on the way is settled by reading again.
//!
//! # Rooms
//!
//! `connect`, `indexes`: what is done at start; `read`: one round trip for all records of a key;
//! `bulk`: going through a collection, and filling one; `plan`: from changes to writes; `write`, `single`, `relocation`: carrying a plan out; `record`,
//! `convert`: documents; [`migrate`]: addresses in another form; `failure`: errors in our words.
//!
//! # Sharding
//!
//! Shard `users`, `blocked`, `limit`, `guesses`, `sessions` and `mail` by `{ email: 1 }`, unique, after
//! `portcullis migrate` has put all addresses into lower case. Every write names the address and goes
//! to one shard; look-ups in any letter case ask an index on each.
//!
//! ```no_run
//! use portcullis::store::mongo::{MongoStore, Options};
//!
//! # async fn program() -> Result<(), Box<dyn std::error::Error>> {
//! let uri = "mongodb://localhost:27017/?replicaSet=rs0";
//! let store = MongoStore::connect(uri, "accounts", &Options::default()).await?;
//! let runtime = portcullis::Runtime::new(portcullis::Limits::default())?;
//! let tenant = portcullis::Tenant::builder(&runtime)
//!     .secret_key([0; 32]) // from a secure random source, and kept
//!     .store(store.clone())
//!     .database(store)
//!     .build()
//!     .await?;
//! # Ok(()) }
//! ```

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bson::{Bson, Document, RawDocumentBuf, doc};
use futures_util::TryStreamExt;
use futures_util::future::join_all;
use mongodb::action::Action;
use mongodb::options::Collation;
use mongodb::{Client, Collection};
use tracing::Instrument;

use super::rules::{check_changes, check_collection, check_inserts};
use super::{
    AUDIT, COLLECTIONS, Change, Database, Entry, Error, MAIL, Put, Record, Sizes, Store, USERS,
    Verdict,
};
use crate::error::SetupError;
use connect::Deployment;
use failure::{Trouble, within};
use indexes::Indexes;

mod bulk;
mod connect;
mod convert;
mod failure;
mod indexes;
pub mod migrate;
mod plan;
mod read;
mod record;
mod relocation;
mod single;
mod write;

pub use connect::Options;

/// Records in a MongoDB database. Cheap to clone; all clones share their connections, which close
/// with the last of them.
#[derive(Clone)]
pub struct MongoStore {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    database: mongodb::Database,
    deployment: Deployment,
    timeout: Duration,
}

/// Nothing of the connection string.
impl std::fmt::Debug for MongoStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MongoStore")
            .field("database", &self.inner.database.name())
            .field("deployment", &self.inner.deployment)
            .finish_non_exhaustive()
    }
}

impl MongoStore {
    /// Connects, and makes the indexes.
    ///
    /// Where an index cannot be made because the database has several records of one address, the
    /// store is opened all the same, with an error in the log that names them: whoever is not
    /// concerned can still sign in, but nobody can be registered. [`MongoStore::check`] tells the
    /// same.
    ///
    /// # Errors
    /// [`SetupError::Settings`] for a connection string or a database name that is none;
    /// [`SetupError::Store`] when no server answered, or the log-in was refused, in as many attempts
    /// as the options say.
    pub async fn connect(uri: &str, database: &str, options: &Options) -> Result<Self, SetupError> {
        check_database(database)?;
        let (client, database, deployment) =
            connect::connect(uri, database, options).await.map_err(SetupError::Store)?;
        let timeout = options.timeout;
        let store = Self { inner: Arc::new(Inner { client, database, deployment, timeout }) };
        for problem in store.check().await {
            tracing::error!("{problem}");
        }
        Ok(store)
    }

    /// As [`MongoStore::connect`], but makes nothing: `None` where there is no collection of users.
    #[cfg(feature = "cli")]
    pub(crate) async fn existing(
        uri: &str,
        database: &str,
        options: &Options,
    ) -> Result<Option<Self>, SetupError> {
        check_database(database)?;
        let (client, database, deployment) =
            connect::connect(uri, database, options).await.map_err(SetupError::Store)?;
        let timeout = options.timeout;
        let names = within(timeout, async { database.list_collection_names().await }).await;
        let names = names.map_err(|trouble| SetupError::Store(trouble.text()))?;
        let store = Self { inner: Arc::new(Inner { client, database, deployment, timeout }) };
        Ok(names.iter().any(|name| name == USERS).then_some(store))
    }

    /// Makes the indexes that are missing, and gives what is wrong with those that cannot be made;
    /// this names addresses, and is for the operator alone.
    pub async fn check(&self) -> Vec<Error> {
        let check = async |collection| {
            let error = self.indexes().make(self, collection).await.err()?;
            Some(match (error, indexes::duplicates(self, collection).await) {
                (Error::Damaged(text), Ok(names)) if !names.is_empty() => {
                    Error::Damaged(format!("{text}: {names}"))
                }
                (error, _) => error,
            })
        };
        // At once: an index takes a round trip, or the time to build it.
        let problems = join_all(COLLECTIONS.into_iter().chain([MAIL, AUDIT]).map(check)).await;
        problems.into_iter().flatten().collect()
    }

    /// What the server's clock says.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it does not answer.
    pub async fn clock(&self) -> Result<SystemTime, Error> {
        let hello = self.run(doc! { "hello": 1 }).await?;
        let time = hello.get_datetime("localTime").map(|time| time.to_system_time());
        time.map_err(|_| Error::Other("the server tells no time".into()))
    }

    /// Whether commits of several changes are all or nothing.
    #[must_use]
    pub fn has_transactions(&self) -> bool {
        self.inner.deployment.transactions
    }

    fn indexes(&self) -> Indexes {
        Indexes { sharded: self.inner.deployment.sharded }
    }

    fn client(&self) -> &Client {
        &self.inner.client
    }

    /// Documents go and come as bytes: serde's way into the driver's types takes an object such as
    /// `{"$date": …}` for what extended JSON means by it, and here it is an object with an odd name.
    fn collection(&self, name: &str) -> Collection<RawDocumentBuf> {
        self.inner.database.collection(name)
    }

    /// All that a pipeline gives; with `collation`, in that order of letters.
    async fn aggregate(
        &self,
        collection: &str,
        pipeline: Vec<Document>,
        collation: Option<Collation>,
    ) -> Result<Vec<Document>, Trouble> {
        let found: Vec<RawDocumentBuf> = within(self.patience(), async {
            let collection = self.collection(collection);
            let aggregate = collection.aggregate(pipeline).with_type::<RawDocumentBuf>();
            let aggregate = aggregate.optional(collation, |it, collation| it.collation(collation));
            aggregate.await?.try_collect().await
        })
        .await?;
        found.iter().map(literal).collect()
    }

    /// How long one operation may take.
    fn patience(&self) -> Duration {
        self.inner.timeout
    }

    async fn run(&self, command: Document) -> Result<Document, Error> {
        let answer = async { self.inner.database.run_command(command).await };
        Ok(within(self.patience(), answer).await?)
    }
}

/// The names that every server and every operating system takes.
fn check_database(name: &str) -> Result<(), SetupError> {
    let odd = |c: char| c.is_control() || c.is_whitespace() || r#"/\."$*<>:|?"#.contains(c);
    match name.is_empty() || name.len() > 63 || name.contains(odd) {
        false => Ok(()),
        true => Err(SetupError::Settings(
            "is no name of a database: 1 to 63 bytes, no white space and none of \
             / \\ . \" $ * < > : | ?"
                .into(),
        )),
    }
}

#[async_trait]
impl Store for MongoStore {
    async fn load(&self, collections: &[&str], key: &str) -> Result<Vec<Entry>, Error> {
        let mut found = read::find(self, collections, &[key]).await?;
        if !self.has_transactions() && relocation::repair(self, &read::folded(key), &found).await? {
            found = read::find(self, collections, &[key]).await?;
        }
        let mut entries = Vec::new();
        for (collection, record) in found.iter() {
            entries.extend(record.entry(collection)?);
        }
        Ok(entries)
    }

    /// What was begun is finished, whether somebody waits for it or not: a transaction that is broken
    /// off between two of its commands can be begun by the second after it was aborted, and keeps
    /// its documents from everybody until the server gives it up, a minute later.
    async fn commit(&self, changes: &[Change]) -> Result<Verdict, Error> {
        check_changes(changes)?;
        if !self.has_transactions() {
            return write::commit(self, changes).await;
        }
        let (store, changes) = (self.clone(), changes.to_vec());
        let made = async move { write::commit(&store, &changes).await };
        let made = tokio::spawn(made.in_current_span());
        made.await.unwrap_or_else(|error| {
            Err(Error::Unavailable(format!(
                "a commit was stopped: {error}; it is not known whether the change was made"
            )))
        })
    }

    async fn overdue(
        &self,
        collections: &[&str],
        before: u64,
        limit: u32,
    ) -> Result<Vec<String>, Error> {
        read::overdue(self, collections, before, limit).await
    }
}

#[async_trait]
impl Database for MongoStore {
    async fn create(&self, collection: &str) -> Result<(), Error> {
        check_collection(collection)?;
        self.indexes().make(self, collection).await
    }

    async fn remove(&self, collection: &str) -> Result<(), Error> {
        check_collection(collection)?;
        Ok(within(self.patience(), async { self.collection(collection).drop().await }).await?)
    }

    /// Drops all collections but the audit log, those of other programs included, one after the other.
    /// The users go first: where it stops half-way, nobody is there without his block.
    async fn remove_all(&self) -> Result<(), Error> {
        let database = &self.inner.database;
        let list = async { database.list_collection_names().await };
        let mut names = within(self.patience(), list).await?;
        names.retain(|name| name != AUDIT && !name.starts_with("system."));
        names.sort_by_key(|name| name != USERS);
        for name in names {
            within(self.patience(), async { self.collection(&name).drop().await }).await?;
        }
        Ok(())
    }

    async fn count(&self, collection: &str) -> Result<u64, Error> {
        check_collection(collection)?;
        let count = async { self.collection(collection).count_documents(doc! {}).await };
        Ok(within(self.patience(), count).await?)
    }

    async fn scan(&self, collection: &str, after: &str, limit: u32) -> Result<Vec<Record>, Error> {
        check_collection(collection)?;
        bulk::scan(self, collection, after, limit).await
    }

    /// As many of them in one command as there are; in no transaction.
    async fn insert(&self, puts: &[&Put]) -> Result<Vec<bool>, Error> {
        match check_inserts(puts)? {
            Some(collection) => bulk::insert(self, collection, puts).await,
            None => Ok(Vec::new()),
        }
    }

    async fn smallest(&self, collection: &str, field: &str) -> Result<Option<i64>, Error> {
        check_collection(collection)?;
        check_collection(field)?;
        let pipeline = vec![
            doc! { "$match": { field: { "$type": ["int", "long"] } } },
            doc! { "$group": { "_id": null, "least": { "$min": format!("${field}") } } },
        ];
        let found = self.aggregate(collection, pipeline, None).await?;
        Ok(found.first().and_then(|it| it.get("least")).and_then(integer))
    }

    async fn size(&self) -> Result<Sizes, Error> {
        let stats = self.run(doc! { "dbStats": 1 }).await?;
        let size = |name| {
            let size = stats.get(name).and_then(integer).unwrap_or(0);
            u64::try_from(size).unwrap_or(0)
        };
        Ok(Sizes { data: size("dataSize"), storage: size("storageSize"), index: size("indexSize") })
    }

    /// The server's `dbStats`.
    async fn raw_stats(&self) -> Result<String, Error> {
        let stats = self.run(doc! { "dbStats": 1 }).await?;
        // What the answer says of the cluster's clock is not of the database.
        convert::to_json(&stats, &["$clusterTime", "operationTime", "ok"])
            .map_err(|error| Error::Other(format!("the statistics are not JSON: {error}")))
    }
}

/// A document as it stands in its bytes.
fn literal(raw: &RawDocumentBuf) -> Result<Document, Trouble> {
    Document::try_from(raw).map_err(|error| Trouble::from(mongodb::error::Error::from(error)))
}

/// A whole number, whatever the server has sent it as.
fn integer(value: &Bson) -> Option<i64> {
    match value {
        Bson::Int32(value) => Some(i64::from(*value)),
        Bson::Int64(value) => Some(*value),
        // Sizes are doubles on older servers, and far below 2^53.
        Bson::Double(value) if value.is_finite() => Some(*value as i64),
        _ => None,
    }
}
