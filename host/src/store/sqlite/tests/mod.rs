//! What the suite cannot ask of every store: files, locks, threads and processes.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;

use super::{Options, SqliteStore};
use crate::store::conformance::{Capabilities, all};
use crate::store::{Change, Edit, Put, Store, Verdict};

mod files;
mod processes;
mod trouble;

fn open(file: &Path) -> SqliteStore {
    SqliteStore::open(file, &Options::default()).expect("the store opens")
}

/// A put into a collection that sets the field `n`.
fn put(collection: &str, key: &str, version: Option<&str>, n: u64) -> Change {
    Change::Put(Put {
        collection: collection.into(),
        key: key.into(),
        version: version.map(str::to_owned),
        edits: vec![Edit { path: vec!["n".into()], value: Some(n.to_string()) }],
        due: Some(n),
    })
}

async fn commit(store: &SqliteStore, changes: &[Change]) -> Vec<String> {
    match store.commit(changes).await {
        Ok(Verdict::Committed(versions)) => versions,
        other => panic!("this commit should have held: {other:?}"),
    }
}

/// The versions and the fields `n` of a key by collection.
async fn numbers(store: &SqliteStore, key: &str) -> Vec<(String, String, u64)> {
    let names =
        ["users", "limit", "later_0", "later_1", "later_2", "later_3", "later_4", "mine", "yours"];
    let entries = store.load(&names, key).await.expect("the store answers");
    let read = |document: &str| -> serde_json::Value { serde_json::from_str(document).unwrap() };
    let number = |document: &str| read(document)["n"].as_u64().unwrap();
    entries.into_iter().map(|e| (e.collection, e.version, number(&e.document))).collect()
}

/// A connection of somebody else.
fn other(file: &Path) -> Connection {
    let db = Connection::open(file).unwrap();
    db.busy_timeout(Duration::from_secs(5)).unwrap();
    db
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_sqlite_store_passes_the_suite() {
    let folder = TempDir::new().unwrap();
    let count = AtomicU32::new(0);
    let make = async || {
        let name = format!("{}.db", count.fetch_add(1, Ordering::Relaxed));
        open(&folder.path().join(name))
    };
    all(make, Capabilities::ALL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_sees_a_commit_whole_or_not_at_all() {
    let folder = TempDir::new().unwrap();
    let store = std::sync::Arc::new(open(&folder.path().join("s.db")));
    let writer = tokio::spawn({
        let store = store.clone();
        async move {
            let mut versions = commit(&store, &both(None, None, 0)).await;
            for n in 1..200 {
                versions = commit(&store, &both(Some(&versions[0]), Some(&versions[1]), n)).await;
            }
        }
    });
    while !writer.is_finished() {
        let found = numbers(&store, "k").await;
        assert!(found.is_empty() || found.len() == 2, "{found:?}");
        assert_eq!(found.first().map(|f| f.2), found.last().map(|f| f.2));
    }
    writer.await.unwrap();
}

fn both(users: Option<&str>, limit: Option<&str>, n: u64) -> [Change; 2] {
    [put("users", "k", users, n), put("limit", "k", limit, n)]
}

#[tokio::test]
async fn two_stores_on_one_file_see_each_other() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("s.db");
    let (one, two) = (open(&file), open(&file));
    let version = commit(&one, &[put("users", "k", None, 1)]).await.remove(0);
    assert_eq!(numbers(&two, "k").await, [("users".into(), version.clone(), 1)]);
    let newer = commit(&two, &[put("users", "k", Some(&version), 2)]).await.remove(0);
    let stale = one.commit(&[put("users", "k", Some(&version), 3)]).await;
    assert!(matches!(stale, Ok(Verdict::Conflict)), "{stale:?}");
    assert_eq!(numbers(&one, "k").await, [("users".into(), newer, 2)]);

    // Collections that the other one drops and makes, too.
    use crate::store::Database;
    for round in 0..5 {
        two.remove("users").await.unwrap();
        assert!(numbers(&one, "k").await.is_empty());
        commit(&two, &[put(&format!("later_{round}"), "k", None, 5)]).await;
        assert_eq!(numbers(&one, "k").await.len(), 1);
        commit(&one, &[put("users", "k", None, 4)]).await;
        assert_eq!(numbers(&two, "k").await.len(), 2);
        one.remove_all().await.unwrap();
        assert!(numbers(&two, "k").await.is_empty());
    }
}

#[tokio::test]
async fn a_refused_creation_of_a_collection_is_forgotten() {
    // The number of the schema goes back with a rollback and is then given to another schema.
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("s.db");
    let (one, two) = (open(&file), open(&file));
    let conflict = [put("mine", "k", None, 1), put("users", "k", Some("stale"), 1)];
    for _ in 0..3 {
        assert!(matches!(one.commit(&conflict).await, Ok(Verdict::Conflict)));
    }
    commit(&two, &[put("yours", "k", None, 1)]).await;
    assert_eq!(numbers(&one, "k").await.len(), 1);
    let mut version = numbers(&one, "k").await.remove(0).1;
    version = commit(&one, &[put("yours", "k", Some(&version), 2)]).await.remove(0);
    commit(&one, &[put("mine", "k", None, 1), put("yours", "k", Some(&version), 3)]).await;
    assert_eq!(numbers(&two, "k").await.len(), 2);
}

#[test]
fn what_is_due_is_found_by_its_index() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("s.db");
    drop(open(&file));
    let sql = "EXPLAIN QUERY PLAN SELECT email, due FROM users WHERE due < ?1 ORDER BY due, email";
    let plan: String = other(&file).query_row(sql, [1], |row| row.get("detail")).unwrap();
    assert_eq!(plan, "SEARCH users USING COVERING INDEX users.due (due<?)");
}

#[tokio::test]
async fn a_connection_that_knows_the_tables_notices_when_somebody_else_changes_them() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("s.db");
    let store = open(&file);
    commit(&store, &[put("users", "k", None, 1)]).await;
    let names = ["users", "limit"];
    let seen = async || store.load(&names, "k").await.expect("the store answers").len();
    let other = other(&file);
    // Each connection of the store may be the one that reads.
    let always = async |count: usize| {
        for _ in 0..8 {
            assert_eq!(seen().await, count);
        }
    };
    always(1).await;
    other.execute_batch("ALTER TABLE users RENAME TO kept").unwrap();
    always(0).await;
    other.execute_batch("CREATE TABLE users (email, version, document, due, more)").unwrap();
    other.execute("INSERT INTO users VALUES ('k', 'v', '{}', NULL, 'theirs')", []).unwrap();
    always(0).await;
    other.execute_batch("DROP TABLE users; ALTER TABLE kept RENAME TO users").unwrap();
    always(1).await;
    other.execute_batch("ALTER TABLE users RENAME COLUMN due TO later").unwrap();
    always(0).await;
}
