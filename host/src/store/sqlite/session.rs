//! A connection, and what it knows of the tables.

use std::cell::{Cell, RefCell};

#[cfg(unix)]
use rusqlite::FileControl;
use rusqlite::{Connection, OptionalExtension, StatementStatus, Transaction, TransactionBehavior};

use super::failure::Failure;
use crate::store::Entry;
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
/// a table raises; so it is never stale inside a transaction, where the schema stands still but for
/// what one does oneself: [`Session::has_changed`] after it. Only one's own rollback can lower that
/// number: [`Session::forget`] after it.
pub(super) struct Session {
    pub(super) db: Connection,
    seen: RefCell<Option<(i64, Collections)>>,
    /// Whether the list was compared with the schema in the transaction that is open.
    compared: Cell<bool>,
    /// The statement of [`Session::records`] and the collections that it reads.
    records: RefCell<Option<(Vec<String>, String)>>,
}

impl Session {
    pub(super) fn new(db: Connection) -> Self {
        let (seen, compared, records) = Default::default();
        Session { db, seen, compared, records }
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
        self.compared.set(false);
        Transaction::new_unchecked(&self.db, behavior)
    }

    /// Looks at one consistent view.
    pub(super) fn view<T>(
        &self,
        work: impl FnOnce(&Session) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let view = self.begin(TransactionBehavior::Deferred)?;
        let found = work(self)?;
        view.commit()?;
        Ok(found)
    }

    /// The collections that are there now: the tables that have our columns. A missing one reads
    /// as empty; a table of another shape is somebody else's and is left alone.
    pub(super) fn with_collections<T>(
        &self,
        look: impl FnOnce(&Collections) -> T,
    ) -> Result<T, Failure> {
        let inside = !self.db.is_autocommit();
        let mut seen = self.seen.borrow_mut();
        if let Some((_, collections)) = seen.as_ref()
            && inside
            && self.compared.get()
        {
            return Ok(look(collections));
        }
        let now: i64 =
            self.db.prepare_cached("PRAGMA schema_version")?.query_row([], |row| row.get(0))?;
        let collections = match seen.take() {
            Some((then, collections)) if then == now => collections,
            _ => self.list()?,
        };
        let found = look(&collections);
        *seen = Some((now, collections));
        self.compared.set(inside);
        Ok(found)
    }

    /// After a table was made or dropped in the transaction that is open.
    pub(super) fn has_changed(&self) {
        self.compared.set(false);
    }

    /// Forgets the list of collections.
    pub(super) fn forget(&self) {
        self.has_changed();
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

    /// The records of a key in these collections by one statement, which is one consistent view by
    /// itself. `None` where it does not know whether all the tables are there: look inside a
    /// transaction then.
    ///
    /// Asking for the schema in a transaction would take three statements more. This one asks SQLite
    /// afterwards whether it was still made for the schema that it met. Its text is forgotten with the
    /// first doubt, and written only after the list was compared.
    pub(super) fn records(
        &self,
        collections: &[&str],
        key: &str,
    ) -> Result<Option<Vec<Entry>>, Failure> {
        let records = self.records.borrow();
        let Some((_, sql)) = records.as_ref().filter(|(names, _)| names == collections) else {
            return Ok(None);
        };
        let mut statement = self.db.prepare_cached(sql)?;
        let mut entries = Vec::new();
        let mut rows = statement.query([key])?;
        while let Some(row) = rows.next()? {
            let Some(collection) = usize::try_from(row.get::<_, i64>(0)?)
                .ok()
                .and_then(|number| collections.get(number))
            else {
                continue;
            };
            let collection = (*collection).to_owned();
            entries.push(Entry { collection, version: row.get(1)?, document: row.get(2)? });
        }
        std::mem::drop(rows);
        Ok((statement.reset_status(StatementStatus::RePrepare) == 0).then_some(entries))
    }

    /// Keeps a statement for [`Session::records`], if all these collections are there. To be called
    /// inside a transaction.
    pub(super) fn keep_records(&self, collections: &[&str]) -> Result<(), Failure> {
        self.records.replace(None);
        let select = |(number, name): (usize, &&str)| {
            format!("SELECT {number}, version, document FROM \"{name}\" WHERE email = ?1")
        };
        if self.with_collections(|have| collections.iter().all(|name| have.has(name)))? {
            let selects: Vec<String> = collections.iter().enumerate().map(select).collect();
            let sql = selects.join(" UNION ALL ");
            self.db.prepare_cached(&sql)?.reset_status(StatementStatus::RePrepare);
            let names = collections.iter().map(|name| (*name).to_owned()).collect();
            self.records.replace(Some((names, sql)));
        }
        Ok(())
    }
}
