//! A connection, and what it knows of the tables.

use std::cell::RefCell;

#[cfg(unix)]
use rusqlite::FileControl;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

use super::failure::Failure;
use crate::store::rules::check_collection;

/// The names of the collections that the file has, in order.
#[derive(Debug, Default)]
pub(super) struct Collections(Vec<String>);

impl Collections {
    pub(super) fn has(&self, collection: &str) -> bool {
        self.0.iter().any(|name| name == collection)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// A connection with the list of collections as it last saw it.
///
/// The list is kept together with SQLite's schema version, which every process that makes or drops
/// a table raises; so it is never stale inside a transaction, where the schema stands still. Only
/// one's own rollback can lower that number: [`Session::forget`] after it.
pub(super) struct Session {
    pub(super) db: Connection,
    seen: RefCell<Option<(i64, Collections)>>,
}

impl Session {
    pub(super) fn new(db: Connection) -> Self {
        Session { db, seen: RefCell::new(None) }
    }

    /// Whether the file was removed or replaced under the connection.
    pub(super) fn has_moved(&self) -> bool {
        #[cfg(unix)]
        {
            let mut moved = 0;
            let asked = self.db.file_control(None::<&str>, FileControl::HasMoved(&mut moved));
            asked.is_err() || moved != 0
        }
        #[cfg(not(unix))]
        false // an open file can be neither removed nor replaced there
    }

    /// Begins a transaction, which is rolled back unless it is committed.
    pub(super) fn begin(&self, behavior: TransactionBehavior) -> rusqlite::Result<Transaction<'_>> {
        Transaction::new_unchecked(&self.db, behavior)
    }

    /// The collections that are there now: the tables that have our columns. A missing one reads
    /// as empty; a table of another shape is somebody else's and is left alone.
    pub(super) fn with_collections<T>(
        &self,
        look: impl FnOnce(&Collections) -> T,
    ) -> Result<T, Failure> {
        let now: i64 =
            self.db.prepare_cached("PRAGMA schema_version")?.query_row([], |row| row.get(0))?;
        let mut seen = self.seen.borrow_mut();
        if let Some((then, collections)) = seen.as_ref()
            && *then == now
        {
            return Ok(look(collections));
        }
        let collections = self.list()?;
        let found = look(&collections);
        *seen = Some((now, collections));
        Ok(found)
    }

    /// Forgets the list of collections.
    pub(super) fn forget(&self) {
        self.seen.replace(None);
    }

    fn list(&self) -> Result<Collections, Failure> {
        let mut statement = self.db.prepare_cached(
            "SELECT name FROM sqlite_schema AS tables WHERE type = 'table' AND \
             (SELECT group_concat(name ORDER BY cid) FROM pragma_table_info(tables.name)) \
             = 'email,version,document,due' ORDER BY name",
        )?;
        let names = statement.query_map([], |row| row.get::<_, String>(0))?;
        let names = names.collect::<rusqlite::Result<Vec<String>>>()?;
        // Names go into statements: only such that need no escaping.
        Ok(Collections(names.into_iter().filter(|n| check_collection(n).is_ok()).collect()))
    }

    /// The version and document of a record.
    pub(super) fn record(
        &self,
        collection: &str,
        key: &str,
    ) -> Result<Option<(String, String)>, Failure> {
        if !self.with_collections(|have| have.has(collection))? {
            return Ok(None);
        }
        let sql = format!("SELECT version, document FROM \"{collection}\" WHERE email = ?1");
        let mut statement = self.db.prepare_cached(&sql)?;
        Ok(statement.query_row([key], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
    }
}
