//! Short words for what the checks say often.

use serde_json::Value;

use crate::store::{
    Change, Edit, Entry, Error, Expectation, Put, Relocation, Removal, Store, Verdict,
};

/// The key of most checks.
pub(super) const ADA: &str = "ada@example.org";
/// Another one.
pub(super) const BOB: &str = "bob@example.org";

pub(super) fn edit(path: &[&str], value: Option<&str>) -> Edit {
    Edit {
        path: path.iter().map(|name| (*name).to_owned()).collect(),
        value: value.map(str::to_owned),
    }
}

/// A put into `users` that sets the field `n`.
pub(super) fn put(key: &str, version: Option<&str>, n: u64) -> Change {
    put_edits("users", key, version, vec![edit(&["n"], Some(&n.to_string()))])
}

pub(super) fn put_edits(
    collection: &str,
    key: &str,
    version: Option<&str>,
    edits: Vec<Edit>,
) -> Change {
    put_due(collection, key, version, edits, None)
}

pub(super) fn put_due(
    collection: &str,
    key: &str,
    version: Option<&str>,
    edits: Vec<Edit>,
    due: Option<u64>,
) -> Change {
    Change::Put(Put {
        collection: collection.into(),
        key: key.into(),
        version: version.map(str::to_owned),
        edits,
        due,
    })
}

pub(super) fn remove(key: &str, version: &str) -> Change {
    Change::Remove(Removal { collection: "users".into(), key: key.into(), version: version.into() })
}

pub(super) fn expect(key: &str, version: Option<&str>) -> Change {
    Change::Expect(Expectation {
        collection: "users".into(),
        key: key.into(),
        version: version.map(str::to_owned),
    })
}

pub(super) fn relocate(key: &str, version: &str, to: &str, edits: Vec<Edit>) -> Change {
    Change::Move(Relocation {
        collection: "users".into(),
        key: key.into(),
        version: version.into(),
        to: to.into(),
        edits,
        due: None,
    })
}

/// Commits and insists on success. Gives the versions.
pub(super) async fn commit<S: Store + ?Sized>(store: &S, changes: &[Change]) -> Vec<String> {
    match store.commit(changes).await {
        Ok(Verdict::Committed(versions)) => versions,
        other => panic!("this commit should have held: {other:?}"),
    }
}

/// Commits one put or move and gives its version.
pub(super) async fn commit_one<S: Store + ?Sized>(store: &S, change: Change) -> String {
    let mut versions = commit(store, &[change]).await;
    assert_eq!(versions.len(), 1, "one record was written");
    versions.remove(0)
}

/// Commits and insists on a conflict.
pub(super) async fn conflicts<S: Store + ?Sized>(store: &S, changes: &[Change]) {
    let verdict = store.commit(changes).await;
    assert!(matches!(verdict, Ok(Verdict::Conflict)), "a conflict should be told: {verdict:?}");
}

/// Commits and insists on being refused for good, neither by a conflict nor for a while.
pub(super) async fn refused<S: Store + ?Sized>(store: &S, what: &str, changes: &[Change]) {
    let verdict = store.commit(changes).await;
    assert!(matches!(verdict, Err(Error::Other(_))), "{what} should be refused: {verdict:?}");
}

/// The collections that the checks use.
pub(super) const ALL: [&str; 5] = ["users", "blocked", "limit", "guesses", "later_2"];

/// All records of a key.
pub(super) async fn load<S: Store + ?Sized>(store: &S, key: &str) -> Vec<Entry> {
    store.load(&ALL, key).await.expect("the store answers")
}

/// The record in a collection, if there is one.
pub(super) async fn entry<S: Store + ?Sized>(
    store: &S,
    collection: &str,
    key: &str,
) -> Option<Entry> {
    let entries = load(store, key).await;
    let mut found = entries.into_iter().filter(|entry| entry.collection == collection);
    let first = found.next();
    assert!(found.next().is_none(), "two records of one key in {collection}");
    first
}

/// The record in `users`, which must be there.
pub(super) async fn user<S: Store + ?Sized>(store: &S, key: &str) -> Entry {
    entry(store, "users", key).await.unwrap_or_else(|| panic!("{key:?} should have a record"))
}

/// The document as a value.
pub(super) fn value(entry: &Entry) -> Value {
    serde_json::from_str(&entry.document).expect("a document is JSON")
}

/// The field `n` of the record in `users`; `None` when there is no record.
pub(super) async fn number<S: Store + ?Sized>(store: &S, key: &str) -> Option<u64> {
    let entry = entry(store, "users", key).await?;
    Some(value(&entry)["n"].as_u64().expect("n is a number"))
}
