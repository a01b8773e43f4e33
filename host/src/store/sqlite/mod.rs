//! The embedded store: one SQLite file, any number of processes.
//!
//! Each collection is a table of keys, versions and JSON documents. The file is in write-ahead-log
//! mode with `synchronous=FULL`: a change that was acknowledged survives the loss of power, and
//! readers never wait for writers. Uniqueness and compare-and-set are settled under SQLite's own
//! write lock and so hold across processes, as long as these run on one machine: write-ahead logs
//! do not work over a network file system.
//!
//! SQLite blocks, so threads of our own talk to it (`worker`): one that writes (`writer`), because there is
//! only one write lock and waiting for it in several threads helps nobody, and a few that read. Only
//! the records of a key are read on the thread that asks, as long as that takes microseconds.
//! The writer puts the commits that wait for it into one transaction and syncs the disk once for
//! all of them; each is still made whole or not at all.
//!
//! A caller that goes away leaves nothing half done: its work is either not begun, and then never
//! will be, or carried through.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;

use super::rules::{check_changes, check_collection, check_inserts};
use super::{Change, Database, Entry, Error, Put, Record, Sizes, Store, Verdict};
use crate::error::SetupError;
use session::Session;
use worker::Workers;
use write::Fresh;
use writer::Write;

pub mod backup;
mod failure;
mod open;
mod read;
mod session;
#[cfg(test)]
mod tests;
mod worker;
mod write;
mod writer;

/// How a [`SqliteStore`] works.
#[derive(Clone, Debug)]
pub struct Options {
    /// Threads and connections: one of each writes, the others read. At least 2.
    ///
    /// The default of 4 keeps reads going while one of them (such as the sizes of the database)
    /// is long. More gain little: a read takes some microseconds, and the writer is alone in any
    /// case.
    pub threads: usize,
    /// How many calls may wait for the writer, and how many for the readers, before further ones
    /// have to wait for room. 256 by default.
    pub queue: usize,
    /// How long a call waits for its turn, and then at most again for the write lock that another
    /// process holds, before the answer is [`Error::Unavailable`]. 5 s by default.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options { threads: 4, queue: 256, patience: Duration::from_secs(5) }
    }
}

/// Records in a SQLite file.
///
/// Needs a tokio runtime with its timer. Dropping it waits until the work that has begun is done
/// (as a rule milliseconds), and closes the file.
#[derive(Debug)]
pub struct SqliteStore {
    workers: Workers,
}

impl SqliteStore {
    /// Opens the file, or makes it with its folder, readable for this user only (mode 600 and
    /// 700). Any number of processes may do so at once.
    ///
    /// Blocks, as a rule for milliseconds; up to twice [`Options::patience`] while another process
    /// holds the file.
    ///
    /// # Errors
    /// [`SetupError::Store`] when the file or its folder cannot be made or read, is on a file
    /// system without shared memory, is not a store of this program, or was written by a newer
    /// version with another layout. In the last two cases the file is not changed.
    pub fn open(path: impl AsRef<Path>, options: &Options) -> Result<Self, SetupError> {
        let path = path.as_ref();
        let failed = |why: String| SetupError::Store(format!("{}: {why}", path.display()));
        // Absolute, because a relative path would change its meaning with the working directory,
        // and because SQLite takes names such as ":memory:" for something else.
        let file = std::path::absolute(path).map_err(|error| failed(error.to_string()))?;
        open::prepare(&file, options.patience).map_err(failed)?;
        let workers = Workers::start(&file, options).map_err(failed)?;
        Ok(SqliteStore { workers })
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[async_trait]
impl Store for SqliteStore {
    async fn load(&self, collections: &[&str], key: &str) -> Result<Vec<Entry>, Error> {
        if let Some(entries) = self.workers.read_here(|s| read::load(s, collections, key)) {
            return Ok(entries);
        }
        let (collections, key) = (owned(collections), key.to_owned());
        let load = move |session: &Session| {
            let collections: Vec<&str> = collections.iter().map(String::as_str).collect();
            read::load(session, &collections, &key)
        };
        self.workers.read(load).await
    }

    async fn commit(&self, changes: &[Change]) -> Result<Verdict, Error> {
        check_changes(changes)?;
        let changes = changes.to_vec();
        if changes.iter().all(|change| matches!(change, Change::Expect(_))) {
            // Conditions alone need one consistent view and no write lock.
            return self.workers.view(move |session| write::commit(session, &changes)).await;
        }
        self.workers.write(Write::Commit(changes)).await
    }

    async fn overdue(
        &self,
        collections: &[&str],
        before: u64,
        limit: u32,
    ) -> Result<Vec<String>, Error> {
        let collections = owned(collections);
        self.workers.view(move |s| read::overdue(s, &collections, before, limit)).await
    }
}

#[async_trait]
impl Database for SqliteStore {
    async fn create(&self, collection: &str) -> Result<(), Error> {
        check_collection(collection)?;
        self.workers.write(Write::Create(collection.to_owned())).await.map(|_| ())
    }

    async fn remove(&self, collection: &str) -> Result<(), Error> {
        check_collection(collection)?;
        self.workers.write(Write::Drop(collection.to_owned())).await.map(|_| ())
    }

    async fn remove_all(&self) -> Result<(), Error> {
        self.workers.write(Write::DropAll).await.map(|_| ())
    }

    async fn count(&self, collection: &str) -> Result<u64, Error> {
        check_collection(collection)?;
        let collection = collection.to_owned();
        self.workers.view(move |session| read::count(session, &collection)).await
    }

    async fn scan(&self, collection: &str, after: &str, limit: u32) -> Result<Vec<Record>, Error> {
        check_collection(collection)?;
        let (collection, after) = (collection.to_owned(), after.to_owned());
        self.workers.view(move |session| read::scan(session, &collection, &after, limit)).await
    }

    /// In one transaction.
    async fn insert(&self, puts: &[&Put]) -> Result<Vec<bool>, Error> {
        let Some(collection) = check_inserts(puts)? else { return Ok(Vec::new()) };
        let records = puts.iter().copied().map(Fresh::of).collect::<Result<_, Error>>()?;
        let insert = Write::Insert { collection: collection.to_owned(), records };
        match self.workers.write(insert).await? {
            Verdict::Committed(versions) => Ok(versions.iter().map(|v| !v.is_empty()).collect()),
            Verdict::Conflict => Err(Error::Other("an insertion cannot conflict".into())),
        }
    }

    /// Reads the whole collection.
    async fn smallest(&self, collection: &str, field: &str) -> Result<Option<i64>, Error> {
        check_collection(collection)?;
        let (collection, field) = (collection.to_owned(), field.to_owned());
        self.workers.view(move |session| read::smallest(session, &collection, &field)).await
    }

    /// Reads the whole file: the sizes are summed up, not kept.
    async fn size(&self) -> Result<Sizes, Error> {
        self.workers.view(read::size).await
    }

    async fn raw_stats(&self) -> Result<String, Error> {
        self.workers.view(read::raw_stats).await
    }
}
