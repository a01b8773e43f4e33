//! What writes. The caller has begun a transaction, and rolls it back on [`Verdict::Conflict`] and
//! on errors.

use rusqlite::params;

use super::failure::Failure;
use super::read::seconds;
use super::session::Session;
use crate::store::rules::new_version;
use crate::store::{AUDIT, Change, Error, Put, Relocation, Verdict, document};

/// Makes the changes in their order, up to the first whose condition does not hold.
pub(super) fn commit(session: &Session, changes: &[Change]) -> Result<Verdict, Failure> {
    let mut versions = Vec::new();
    for change in changes {
        let version = match change {
            Change::Put(put) => self::put(session, put)?.map(Some),
            Change::Move(relocation) => self::relocate(session, relocation)?.map(Some),
            Change::Remove(removal) => {
                let known = session.with_collections(|have| have.has(&removal.collection))?;
                let sql = "WHERE email = ?1 AND version = ?2";
                let sql = format!("DELETE FROM \"{}\" {sql}", removal.collection);
                let key = params![removal.key, removal.version];
                (known && session.db.prepare_cached(&sql)?.execute(key)? == 1).then_some(None)
            }
            Change::Expect(expected) => {
                let record = session.record(&expected.collection, &expected.key)?;
                (record.map(|(version, _)| version) == expected.version).then_some(None)
            }
        };
        match version {
            Some(version) => versions.extend(version),
            None => return Ok(Verdict::Conflict),
        }
    }
    Ok(Verdict::Committed(versions))
}

/// Writes a record and gives its new version; `None` when the condition does not hold.
fn put(session: &Session, put: &Put) -> Result<Option<String>, Failure> {
    let Put { collection, key, edits, .. } = put;
    let (found, before) = session.record(collection, key)?.unzip();
    if found != put.version {
        return Ok(None);
    }
    let document = document::apply(before.as_deref(), edits, key)?;
    let version = new_version()?;
    if before.is_none() {
        create(session, collection)?;
    }
    let sql = format!(
        "INSERT INTO \"{collection}\" (email, version, document, due) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (email) DO UPDATE SET version = ?2, document = ?3, due = ?4"
    );
    let values = params![key, version, document, put.due.map(seconds)];
    session.db.prepare_cached(&sql)?.execute(values)?;
    Ok(Some(version))
}

/// A record that is to be there if there is none of its key.
pub(super) struct Fresh {
    key: String,
    version: String,
    document: String,
    due: Option<i64>,
}

impl Fresh {
    /// What the caller can put together before his turn: the writer is one for all.
    pub(super) fn of(put: &Put) -> Result<Self, Error> {
        Ok(Self {
            key: put.key.clone(),
            version: new_version()?,
            document: document::apply(None, &put.edits, &put.key)?,
            due: put.due.map(seconds),
        })
    }
}

/// Writes those records that are not there yet: their versions, and empty ones for the others.
pub(super) fn insert(
    session: &Session,
    collection: &str,
    records: &[Fresh],
) -> Result<Verdict, Failure> {
    create(session, collection)?;
    let mut insert = session.db.prepare_cached(&format!(
        "INSERT INTO \"{collection}\" (email, version, document, due) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (email) DO NOTHING"
    ))?;
    let mut versions = Vec::with_capacity(records.len());
    for Fresh { key, version, document, due } in records {
        let made = insert.execute(params![key, version, document, due])? == 1;
        versions.push(if made { version.clone() } else { String::new() });
    }
    Ok(Verdict::Committed(versions))
}

/// Gives a record another key, in place.
fn relocate(session: &Session, relocation: &Relocation) -> Result<Option<String>, Failure> {
    let Relocation { collection, key, to, edits, .. } = relocation;
    let Some((found, before)) = session.record(collection, key)? else { return Ok(None) };
    if found != relocation.version || session.record(collection, to)?.is_some() {
        return Ok(None);
    }
    let document = document::apply(Some(&before), edits, to)?;
    let version = new_version()?;
    let sql = format!(
        "UPDATE \"{collection}\" SET email = ?2, version = ?3, document = ?4, due = ?5 \
         WHERE email = ?1"
    );
    let values = params![key, to, version, document, relocation.due.map(seconds)];
    session.db.prepare_cached(&sql)?.execute(values)?;
    Ok(Some(version))
}

/// Makes the table of a collection and its indexes, if they are not there.
///
/// Documents are too large for a table without row ids, whose inner nodes would hold them. The
/// index of what is due has a name that no collection can have.
pub(super) fn create(session: &Session, collection: &str) -> Result<(), Failure> {
    if session.with_collections(|have| have.has(collection))? {
        return Ok(());
    }
    if collection.starts_with("sqlite_") {
        return Err(Error::Other("SQLite keeps names that begin with sqlite_".into()).into());
    }
    session.db.execute_batch(&format!(
        "CREATE TABLE IF NOT EXISTS \"{collection}\" (\
           email TEXT NOT NULL PRIMARY KEY, version TEXT NOT NULL, \
           document TEXT NOT NULL, due INTEGER) STRICT;"
    ))?;
    session.has_changed();
    if !session.with_collections(|have| have.has(collection))? {
        let why = "the file has a table of that name that is not a collection";
        return Err(Error::Damaged(why.into()).into());
    }
    session.db.execute_batch(&format!(
        "CREATE INDEX IF NOT EXISTS \"{collection}.due\" ON \"{collection}\" (due, email) \
         WHERE due IS NOT NULL;"
    ))?;
    session.has_changed();
    Ok(())
}

/// Drops the table of a collection, if it is there.
pub(super) fn drop(session: &Session, collection: &str) -> Result<(), Failure> {
    if session.with_collections(|have| have.has(collection))? {
        session.db.execute_batch(&format!("DROP TABLE \"{collection}\""))?;
        session.has_changed();
    }
    Ok(())
}

/// Drops the tables of all collections but the audit log.
pub(super) fn drop_all(session: &Session) -> Result<(), Failure> {
    let names: Vec<String> = session.with_collections(|have| {
        have.iter().filter(|name| *name != AUDIT).map(str::to_owned).collect()
    })?;
    names.iter().try_for_each(|name| drop(session, name))
}
