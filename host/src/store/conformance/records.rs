//! Single records: made, changed, moved, removed, each by compare-and-set.

use std::collections::HashSet;
use std::sync::Arc;

use super::Capabilities;
use super::tools::*;
use crate::store::rules::{MAX_CHANGES, MAX_KEY};
use crate::store::{Change, Relocation, Store};

pub(super) async fn an_unknown_key_has_no_records(store: Arc<dyn Store>, _: Capabilities) {
    assert!(load(&*store, ADA).await.is_empty());
}

pub(super) async fn a_record_is_created_when_there_is_none(store: Arc<dyn Store>, _: Capabilities) {
    let version = commit_one(&*store, put(ADA, None, 1)).await;
    let entries = load(&*store, ADA).await;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].collection, "users");
    assert_eq!(entries[0].version, version);
    assert_eq!(value(&entries[0]), serde_json::json!({ "email": ADA, "n": 1 }));
    assert!(load(&*store, BOB).await.is_empty(), "only that key");
}

pub(super) async fn a_second_creation_conflicts_and_changes_nothing(
    store: Arc<dyn Store>,
    _: Capabilities,
) {
    let version = commit_one(&*store, put(ADA, None, 1)).await;
    conflicts(&*store, &[put(ADA, None, 2)]).await;
    assert_eq!(user(&*store, ADA).await.version, version);
    assert_eq!(number(&*store, ADA).await, Some(1));
}

pub(super) async fn every_write_gives_a_version_never_seen_before(
    store: Arc<dyn Store>,
    _: Capabilities,
) {
    let mut seen = HashSet::new();
    for round in 0..5 {
        let mut version = commit_one(&*store, put(ADA, None, round)).await;
        assert!(seen.insert(version.clone()), "a record made again has an old version");
        for _ in 0..5 {
            // The same value: a write is a write.
            version = commit_one(&*store, put(ADA, Some(&version), round)).await;
            assert!(seen.insert(version.clone()), "an old version came back");
        }
        version = commit_one(&*store, relocate(ADA, &version, BOB, vec![])).await;
        assert!(seen.insert(version.clone()), "a move is a write");
        commit(&*store, &[remove(BOB, &version)]).await;
    }
}

pub(super) async fn the_versions_of_a_verdict_are_those_that_a_read_shows(
    store: Arc<dyn Store>,
    _: Capabilities,
) {
    let first = commit_one(&*store, put("1@x.y", None, 1)).await;
    let gone = commit_one(&*store, put("2@x.y", None, 2)).await;
    let changes = [
        put("3@x.y", None, 3),
        expect("4@x.y", None),
        relocate("1@x.y", &first, "5@x.y", vec![]),
        remove("2@x.y", &gone),
        put("6@x.y", None, 6),
    ];
    let versions = commit(&*store, &changes).await;
    assert_eq!(versions.len(), 3, "put and move give a version, remove and expect do not");
    for (key, version) in ["3@x.y", "5@x.y", "6@x.y"].iter().zip(versions) {
        assert_eq!(user(&*store, key).await.version, version, "{key}");
    }
}

pub(super) async fn a_stale_version_conflicts_and_changes_nothing(
    store: Arc<dyn Store>,
    _: Capabilities,
) {
    let stale = commit_one(&*store, put(ADA, None, 1)).await;
    let version = commit_one(&*store, put(ADA, Some(&stale), 2)).await;
    for change in [
        put(ADA, Some(&stale), 3),
        remove(ADA, &stale),
        relocate(ADA, &stale, BOB, vec![]),
        expect(ADA, Some(&stale)),
    ] {
        conflicts(&*store, std::slice::from_ref(&change)).await;
        assert_eq!(user(&*store, ADA).await.version, version, "{change:?}");
        assert_eq!(number(&*store, ADA).await, Some(2), "{change:?}");
        assert_eq!(number(&*store, BOB).await, None, "{change:?}");
    }
}

pub(super) async fn a_record_that_is_not_there_fits_no_version(
    store: Arc<dyn Store>,
    _: Capabilities,
) {
    let version = commit_one(&*store, put(ADA, None, 1)).await;
    commit(&*store, &[remove(ADA, &version)]).await;
    for version in [version.as_str(), "", "0", "null"] {
        conflicts(&*store, &[put(ADA, Some(version), 2)]).await;
        conflicts(&*store, &[remove(ADA, version)]).await;
        conflicts(&*store, &[relocate(ADA, version, BOB, vec![])]).await;
        conflicts(&*store, &[expect(ADA, Some(version))]).await;
    }
    assert_eq!(number(&*store, ADA).await, None);
    assert_eq!(number(&*store, BOB).await, None);
}

pub(super) async fn a_removed_record_is_gone(store: Arc<dyn Store>, _: Capabilities) {
    let version = commit_one(&*store, put(ADA, None, 1)).await;
    commit_one(&*store, put(BOB, None, 2)).await;
    assert!(commit(&*store, &[remove(ADA, &version)]).await.is_empty());
    assert_eq!(number(&*store, ADA).await, None);
    assert_eq!(number(&*store, BOB).await, Some(2), "only that record");
    commit_one(&*store, put(ADA, None, 3)).await;
    assert_eq!(user(&*store, ADA).await.document.matches("\"n\"").count(), 1);
}

pub(super) async fn a_moved_record_stays_the_same_with_another_key(
    store: Arc<dyn Store>,
    _: Capabilities,
) {
    let edits = vec![
        edit(&["foreign"], Some(r#"{"deep":[1,null,"x"]}"#)),
        edit(&["custom_data"], Some(r#"{"a":1}"#)),
        edit(&["gone"], Some("true")),
    ];
    let version = commit_one(&*store, put_edits("users", ADA, None, edits)).await;
    let edits = vec![edit(&["custom_data", "b"], Some("2")), edit(&["gone"], None)];
    let moved = commit_one(&*store, relocate(ADA, &version, BOB, edits)).await;
    assert_ne!(moved, version, "a move is a write");
    assert!(entry(&*store, "users", ADA).await.is_none(), "nothing stays at the old key");
    let found = user(&*store, BOB).await;
    assert_eq!(found.version, moved);
    let expected = serde_json::json!({
        "email": BOB, "foreign": { "deep": [1, null, "x"] }, "custom_data": { "a": 1, "b": 2 },
    });
    assert_eq!(value(&found), expected);
    commit_one(&*store, put(ADA, None, 1)).await;
}

pub(super) async fn a_move_to_an_occupied_key_conflicts(store: Arc<dyn Store>, _: Capabilities) {
    let ada = commit_one(&*store, put(ADA, None, 1)).await;
    let bob = commit_one(&*store, put(BOB, None, 2)).await;
    conflicts(&*store, &[relocate(ADA, &ada, BOB, vec![])]).await;
    assert_eq!((user(&*store, ADA).await.version, number(&*store, ADA).await), (ada, Some(1)));
    assert_eq!((user(&*store, BOB).await.version, number(&*store, BOB).await), (bob, Some(2)));
}

pub(super) async fn records_of_one_key_in_several_collections_are_apart(
    store: Arc<dyn Store>,
    _: Capabilities,
) {
    let all = ["users", "blocked", "limit", "guesses", "later_2"];
    let mut versions = Vec::new();
    for (n, collection) in all.iter().enumerate() {
        let edits = vec![edit(&["n"], Some(&n.to_string()))];
        versions.push(commit_one(&*store, put_edits(collection, ADA, None, edits)).await);
    }
    let entries = load(&*store, ADA).await;
    assert_eq!(entries.len(), all.len());
    for (n, collection) in all.iter().enumerate() {
        let found = entry(&*store, collection, ADA).await.expect(collection);
        assert_eq!(value(&found)["n"], n, "{collection}");
        assert_eq!(found.version, versions[n], "{collection}");
    }
    // A version is good for its own record only.
    conflicts(&*store, &[put(ADA, Some(&versions[1]), 9)]).await;
    commit(&*store, &[remove(ADA, &versions[0])]).await;
    assert_eq!(load(&*store, ADA).await.len(), all.len() - 1);
}

pub(super) async fn odd_keys_are_told_apart(store: Arc<dyn Store>, capabilities: Capabilities) {
    let long = format!("{}@x.y", "a".repeat(MAX_KEY - 4));
    let mut keys = vec![
        "a'b@x.y",
        "a\"b@x.y",
        "a\\b@x.y",
        "a%@x.y",
        "a_@x.y",
        "a*@x.y",
        "$a@x.y",
        "a.b@x.y",
        "a@x.y",
        "a@x.y ",
        " a@x.y",
        "\u{e9}@x.y",
        "🦀@x.y",
        "a;--@x.y",
        "{}",
        "null",
        "a#1",
        "1",
        "01",
        "1.0",
        &*long,
    ];
    if capabilities.exact_keys {
        keys.extend(["A@x.y", "e\u{301}@x.y", "a\u{1f}@x.y"]);
    }
    for (n, key) in keys.iter().enumerate() {
        commit_one(&*store, put(key, None, n as u64)).await;
    }
    for (n, key) in keys.iter().enumerate() {
        let found = user(&*store, key).await;
        let expected = serde_json::json!({ "email": key, "n": n });
        assert_eq!(value(&found), expected, "{key:?}");
    }
}

pub(super) async fn what_cannot_be_asked_is_refused_and_changes_nothing(
    store: Arc<dyn Store>,
    _: Capabilities,
) {
    let version = commit_one(&*store, put(ADA, None, 1)).await;
    let bad =
        |path: &[&str], value| put_edits("users", ADA, Some(&version), vec![edit(path, value)]);
    refused(&*store, "a path without names", &[bad(&[], Some("1"))]).await;
    refused(&*store, "a path of 17 names", &[bad(&["a"; 17], Some("1"))]).await;
    for text in ["", "{", "nan", "1 2", "'a'", "{\"a\":}"] {
        refused(&*store, "a value that is not JSON", &[bad(&["a"], Some(text))]).await;
    }
    for name in ["", "a.b", "$x", "Users", "a b", "a\"b", "1a", &"a".repeat(64)] {
        refused(&*store, "an odd collection", &[put_edits(name, BOB, None, vec![])]).await;
    }
    refused(&*store, "an empty key", &[put("", None, 1)]).await;
    refused(&*store, "a long key", &[put(&"a".repeat(MAX_KEY + 1), None, 1)]).await;
    let onto_itself = Change::Move(Relocation {
        collection: "users".into(),
        key: ADA.into(),
        version: version.clone(),
        to: ADA.into(),
        edits: vec![],
        due: None,
    });
    refused(&*store, "a move onto itself", &[onto_itself]).await;
    let many: Vec<Change> = (0..=MAX_CHANGES).map(|_| expect(BOB, None)).collect();
    refused(&*store, "a commit of 33 changes", &many).await;
    commit(&*store, &many[1..]).await;
    assert_eq!(user(&*store, ADA).await.version, version);
    assert_eq!(number(&*store, BOB).await, None);
}
