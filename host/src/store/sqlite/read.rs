//! What only reads. Each function but [`load`] is called in one read transaction: one consistent view.

use std::collections::BTreeMap;

use rusqlite::params;

use super::failure::Failure;
use super::session::Session;
use crate::store::rules::Page;
use crate::store::{Entry, Record, Sizes};

/// The records of a key in these collections. Begins a transaction of its own, where it needs one.
pub(super) fn load(
    session: &Session,
    collections: &[&str],
    key: &str,
) -> Result<Vec<Entry>, Failure> {
    // An error may come from tables that are not there any more: the long way tells.
    if let Ok(Some(entries)) = session.records(collections, key) {
        return Ok(entries);
    }
    session.view(|session| {
        session.keep_records(collections)?;
        let mut entries = Vec::new();
        for collection in collections {
            if let Some((version, document)) = session.record(collection, key)? {
                entries.push(Entry { collection: (*collection).to_owned(), version, document });
            }
        }
        Ok(entries)
    })
}

/// Keys with a record that is due before `before`, the longest overdue first.
pub(super) fn overdue(
    session: &Session,
    collections: &[String],
    before: u64,
    limit: u32,
) -> Result<Vec<String>, Failure> {
    let mut due: BTreeMap<String, i64> = BTreeMap::new();
    for collection in present(session, collections)? {
        // The first of each collection are enough: a key that is among the first of all is among
        // the first of the collection in which it is longest overdue.
        let sql = format!(
            "SELECT email, due FROM \"{collection}\" WHERE due < ?1 ORDER BY due, email LIMIT ?2"
        );
        let mut statement = session.db.prepare_cached(&sql)?;
        let mut rows = statement.query(params![seconds(before), limit])?;
        while let Some(row) = rows.next()? {
            let at: i64 = row.get(1)?;
            due.entry(row.get(0)?).and_modify(|first| *first = at.min(*first)).or_insert(at);
        }
    }
    let mut keys: Vec<(i64, String)> = due.into_iter().map(|(key, at)| (at, key)).collect();
    keys.sort();
    keys.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(keys.into_iter().map(|(_, key)| key).collect())
}

/// SQLite's integers are signed; nothing is due so late that it matters.
pub(super) fn seconds(time: u64) -> i64 {
    i64::try_from(time).unwrap_or(i64::MAX)
}

/// How many records a collection has.
pub(super) fn count(session: &Session, collection: &str) -> Result<u64, Failure> {
    if !session.with_collections(|have| have.has(collection))? {
        return Ok(0);
    }
    number(session, &format!("SELECT count(*) FROM \"{collection}\""))
}

/// Records in the order of their keys, from the one after `after`.
pub(super) fn scan(
    session: &Session,
    collection: &str,
    after: &str,
    limit: u32,
) -> Result<Vec<Record>, Failure> {
    let mut page = Page::new(limit);
    if !session.with_collections(|have| have.has(collection))? {
        return Ok(page.records());
    }
    let sql =
        format!("SELECT email, document FROM \"{collection}\" WHERE email > ?1 ORDER BY email");
    let mut statement = session.db.prepare_cached(&sql)?;
    let mut rows = statement.query([after])?;
    while let Some(row) = rows.next()? {
        if !page.take(row.get(0)?, row.get(1)?) {
            break;
        }
    }
    Ok(page.records())
}

/// The smallest integer in a field of the records of a collection.
pub(super) fn smallest(
    session: &Session,
    collection: &str,
    field: &str,
) -> Result<Option<i64>, Failure> {
    if !session.with_collections(|have| have.has(collection))? {
        return Ok(None);
    }
    // The name is a parameter, so that it means nothing to SQL; nor does it to a path, in quotes.
    let sql = format!(
        "SELECT min(value) FROM \"{collection}\", json_each(\"{collection}\".document) \
         WHERE json_each.key = ?1 AND json_each.type = 'integer'"
    );
    Ok(session.db.query_row(&sql, [field], |row| row.get(0))?)
}

/// How large the records are, and the pages of the file that belong to tables and to indexes.
pub(super) fn size(session: &Session) -> Result<Sizes, Failure> {
    let mut sizes = Sizes { data: 0, storage: 0, index: 0 };
    for collection in names(session)? {
        sizes.data += number(
            session,
            &format!("SELECT coalesce(sum(octet_length(document)), 0) FROM \"{collection}\""),
        )?;
        let pages = |kind: &str| {
            number(
                session,
                &format!(
                    "SELECT coalesce(sum(pgsize), 0) FROM dbstat WHERE aggregate = TRUE AND name IN \
                     (SELECT name FROM sqlite_schema WHERE type = '{kind}' \
                     AND tbl_name = '{collection}')"
                ),
            )
        };
        sizes.storage += pages("table")?;
        sizes.index += pages("index")?;
    }
    Ok(sizes)
}

/// What the engine says of itself, as JSON.
pub(super) fn raw_stats(session: &Session) -> Result<String, Failure> {
    let mut collections = BTreeMap::new();
    for collection in names(session)? {
        let count = count(session, &collection)?;
        collections.insert(collection, count);
    }
    let mode: String = session.db.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    let stats = serde_json::json!({
        "engine": "sqlite",
        "version": rusqlite::version(),
        "layout": number(session, "PRAGMA user_version")?,
        "journal_mode": mode,
        "page_size": number(session, "PRAGMA page_size")?,
        "page_count": number(session, "PRAGMA page_count")?,
        "freelist_count": number(session, "PRAGMA freelist_count")?,
        "collections": collections,
    });
    Ok(stats.to_string())
}

/// Those of these collections that are there.
fn present(session: &Session, asked: &[String]) -> Result<Vec<String>, Failure> {
    session.with_collections(|have| asked.iter().filter(|name| have.has(name)).cloned().collect())
}

fn names(session: &Session) -> Result<Vec<String>, Failure> {
    session.with_collections(|have| have.iter().map(str::to_owned).collect())
}

/// The one number that a statement gives. Never negative here.
fn number(session: &Session, sql: &str) -> Result<u64, Failure> {
    let number: i64 = session.db.query_row(sql, [], |row| row.get(0))?;
    Ok(u64::try_from(number).unwrap_or(0))
}
