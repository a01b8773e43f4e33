//! The administration of a database.

use std::sync::Arc;

use super::tools::*;
use super::{Both, Capabilities};
use crate::store::{COLLECTIONS, Error};

pub(super) async fn creating_and_dropping_twice_is_fine(store: Arc<Both>, _: Capabilities) {
    let store = &*store;
    for collection in COLLECTIONS.iter().chain(&["later_2"]) {
        for _ in 0..2 {
            store.remove(collection).await.expect(collection);
        }
        for _ in 0..2 {
            store.create(collection).await.expect(collection);
        }
    }
    commit_one(store, put(ADA, None, 1)).await;
    store.create("users").await.expect("users");
    assert_eq!(number(store, ADA).await, Some(1), "creating what is there changes nothing");
    for _ in 0..2 {
        store.remove_all().await.expect("dropping everything");
    }
}

pub(super) async fn a_missing_collection_reads_as_empty(store: Arc<Both>, _: Capabilities) {
    let store = &*store;
    let version = commit_one(store, put(ADA, None, 1)).await;
    store.remove("users").await.expect("users");
    assert_eq!(number(store, ADA).await, None);
    assert_eq!(store.count("users").await.expect("a number"), 0);
    assert!(store.overdue(&ALL, u64::MAX, 10).await.expect("a list").is_empty());
    commit(store, &[expect(ADA, None)]).await;
    conflicts(store, &[put(ADA, Some(&version), 2)]).await;
    conflicts(store, &[remove(ADA, &version)]).await;
    conflicts(store, &[relocate(ADA, &version, BOB, vec![])]).await;
}

pub(super) async fn a_write_makes_a_missing_collection_again(store: Arc<Both>, _: Capabilities) {
    let store = &*store;
    commit_one(store, put(ADA, None, 1)).await;
    for round in 0..3 {
        if round == 1 {
            store.remove_all().await.expect("dropping everything");
        } else {
            store.remove("users").await.expect("users");
        }
        commit_one(store, put(BOB, None, 2)).await;
        assert_eq!(number(store, BOB).await, Some(2));
        assert_eq!(number(store, ADA).await, None, "what was dropped does not come back");
        conflicts(store, &[put(BOB, None, 3)]).await;
    }
}

pub(super) async fn dropping_one_collection_leaves_the_others(store: Arc<Both>, _: Capabilities) {
    let store = &*store;
    commit_one(store, put(ADA, None, 1)).await;
    commit_one(store, put_edits("limit", ADA, None, vec![])).await;
    store.remove("limit").await.expect("limit");
    assert_eq!(number(store, ADA).await, Some(1));
    assert!(entry(store, "limit", ADA).await.is_none());
}

pub(super) async fn dropping_everything_takes_other_collections_too(
    store: Arc<Both>,
    _: Capabilities,
) {
    let store = &*store;
    for collection in COLLECTIONS.iter().chain(&["later_2"]) {
        commit_one(store, put_edits(collection, ADA, None, vec![])).await;
    }
    store.remove_all().await.expect("dropping everything");
    assert!(load(store, ADA).await.is_empty());
    assert_eq!(store.count("later_2").await.expect("a number"), 0);
}

pub(super) async fn records_are_counted(store: Arc<Both>, _: Capabilities) {
    let store = &*store;
    assert_eq!(store.count("users").await.expect("a number"), 0);
    let mut last = String::new();
    for n in 0..5 {
        last = commit_one(store, put(&format!("{n}@x.y"), None, n)).await;
    }
    assert_eq!(store.count("users").await.expect("a number"), 5);
    assert_eq!(store.count("blocked").await.expect("a number"), 0);
    commit(store, &[remove("4@x.y", &last)]).await;
    assert_eq!(store.count("users").await.expect("a number"), 4);
}

pub(super) async fn the_smallest_integer_of_a_field_is_found(store: Arc<Both>, _: Capabilities) {
    let smallest =
        async |collection, field| store.smallest(collection, field).await.expect("an answer");
    assert_eq!(smallest("users", "n").await, None);
    for (key, text) in [("a@x.y", "7"), ("b@x.y", "\"1\""), ("c@x.y", "3"), ("d@x.y", "{\"n\":1}")]
    {
        let edits = vec![edit(&["n"], Some(text)), edit(&["a.b"], Some("5"))];
        commit_one(&*store, put_edits("users", key, None, edits)).await;
    }
    assert_eq!(smallest("users", "n").await, Some(3));
    assert_eq!(smallest("users", "none").await, None);
    assert_eq!(smallest("later_2", "n").await, None);
}

pub(super) async fn the_size_of_data_grows_with_documents(store: Arc<Both>, _: Capabilities) {
    let store = &*store;
    let before = store.size().await.expect("sizes").data;
    let text = format!("\"{}\"", "x".repeat(10_000));
    commit_one(store, put_edits("users", ADA, None, vec![edit(&["a"], Some(&text))])).await;
    let after = store.size().await.expect("sizes").data;
    assert!(after >= before + 10_000, "{before} and then {after} bytes");
}

pub(super) async fn the_statistics_are_a_json_object(store: Arc<Both>, _: Capabilities) {
    let store = &*store;
    commit_one(store, put_edits("users", ADA, None, vec![edit(&["a"], Some("\"hunter2\""))])).await;
    let stats = store.raw_stats().await.expect("statistics");
    let read: serde_json::Value = serde_json::from_str(&stats).expect("JSON");
    assert!(read.is_object(), "{stats}");
    assert!(!stats.contains("hunter2") && !stats.contains(ADA), "no data: {stats}");
}

pub(super) async fn odd_names_of_collections_are_refused(store: Arc<Both>, _: Capabilities) {
    let store = &*store;
    for name in ["", "a.b", "$x", "Users", "a b", "a\"b", "1a", &"a".repeat(64)] {
        assert!(matches!(store.create(name).await, Err(Error::Other(_))), "create {name:?}");
        assert!(matches!(store.remove(name).await, Err(Error::Other(_))), "drop {name:?}");
        assert!(matches!(store.count(name).await, Err(Error::Other(_))), "count {name:?}");
    }
}
