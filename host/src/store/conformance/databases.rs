//! The administration of a database.

use std::sync::Arc;

use super::tools::*;
use super::{Both, Capabilities};
use crate::store::{AUDIT, COLLECTIONS, Edit, Error, MAX_INSERT, MAX_SCAN, Put};

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

pub(super) async fn dropping_everything_leaves_the_audit_log(store: Arc<Both>, _: Capabilities) {
    let store = &*store;
    commit_one(store, put(ADA, None, 1)).await;
    commit_one(store, put_edits(AUDIT, "k", None, vec![edit(&["n"], Some("7"))])).await;
    for _ in 0..2 {
        store.remove_all().await.expect("dropping everything");
        assert_eq!(number(store, ADA).await, None);
        assert_eq!(store.count(AUDIT).await.expect("a number"), 1);
    }
    let kept = store.scan(AUDIT, "", 10).await.expect("a list");
    let read: serde_json::Value = serde_json::from_str(&kept[0].document).expect("JSON");
    assert_eq!(read["n"], 7);
    commit_one(store, put_edits(AUDIT, "l", None, vec![])).await;
    store.remove(AUDIT).await.expect("only when it is named");
    assert_eq!(store.count(AUDIT).await.expect("a number"), 0);
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

pub(super) async fn going_through_a_collection_gives_each_record_once_in_order(
    store: Arc<Both>,
    _: Capabilities,
) {
    let store = &*store;
    assert!(store.scan("users", "", 10).await.expect("a list").is_empty());
    for n in [3, 1, 4, 0, 2, 9, 7, 8, 6, 5] {
        commit_one(store, put(&format!("{n}@x.y"), None, n)).await;
    }
    commit_one(store, put_edits("limit", "3@x.y", None, vec![])).await;
    let mut seen = Vec::new();
    loop {
        let after = seen.last().map_or("", |(key, _): &(String, u64)| key.as_str());
        let page = store.scan("users", after, 3).await.expect("a list");
        assert!(page.len() <= 3);
        if page.is_empty() {
            break;
        }
        for record in page {
            let read: serde_json::Value = serde_json::from_str(&record.document).expect("JSON");
            assert_eq!(read["email"], *record.key);
            assert_eq!(read.as_object().map(serde_json::Map::len), Some(2), "{read}");
            seen.push((record.key, read["n"].as_u64().expect("a number")));
        }
    }
    assert_eq!(seen, (0..10).map(|n| (format!("{n}@x.y"), n)).collect::<Vec<_>>());
    assert!(store.scan("users", "", 0).await.expect("a list").is_empty());
}

pub(super) async fn large_records_come_fewer_at_a_time(store: Arc<Both>, _: Capabilities) {
    let store = &*store;
    let text = format!("\"{}\"", "x".repeat(3 * MAX_SCAN / 4));
    for n in 0..3 {
        let edits = vec![edit(&["a"], Some(&text))];
        commit_one(store, put_edits("users", &format!("{n}@x.y"), None, edits)).await;
    }
    let mut after = String::new();
    for n in 0..3 {
        let page = store.scan("users", &after, 10).await.expect("a list");
        assert_eq!(page.len(), 1);
        after = page[0].key.clone();
        assert_eq!(after, format!("{n}@x.y"));
    }
    assert!(store.scan("users", &after, 10).await.expect("a list").is_empty());
}

async fn insert(store: &Both, puts: &[Put]) -> Result<Vec<bool>, Error> {
    store.insert(&puts.iter().collect::<Vec<_>>()).await
}

pub(super) async fn what_is_not_there_is_inserted_and_the_rest_stays(
    store: Arc<Both>,
    _: Capabilities,
) {
    let store = &*store;
    assert!(insert(store, &[]).await.expect("an answer").is_empty());
    let version = commit_one(store, put(BOB, None, 1)).await;
    let new = |key: &str, n: u64| Put {
        collection: "users".into(),
        key: key.into(),
        version: None,
        edits: vec![edit(&["n"], Some(&n.to_string())), edit(&["a.b", "c"], Some("1.5"))],
        due: Some(n),
    };
    let puts = || vec![new(ADA, 2), new(BOB, 3), new("eve@x.y", 4)];
    assert_eq!(insert(store, &puts()).await.expect("an answer"), [true, false, true]);
    assert_eq!(insert(store, &puts()).await.expect("an answer"), [false; 3]);
    assert_eq!(number(store, ADA).await, Some(2));
    assert_eq!(entry(store, "users", BOB).await.expect("bob").version, version);
    let due = store.overdue(&["users"], 10, 10).await.expect("a list");
    assert_eq!(due, [ADA, "eve@x.y"].map(str::to_owned));
    let ada = entry(store, "users", ADA).await.expect("ada");
    let read: serde_json::Value = serde_json::from_str(&ada.document).expect("JSON");
    assert_eq!(read["a.b"]["c"], 1.5);
    commit_one(store, put(ADA, Some(&ada.version), 5)).await;

    let many: Vec<Put> = (0..MAX_INSERT as u64).map(|n| new(&format!("m{n}@x.y"), n)).collect();
    assert!(insert(store, &many).await.expect("an answer").iter().all(|new| *new));
    assert_eq!(store.count("users").await.expect("a number"), 3 + MAX_INSERT as u64);
}

pub(super) async fn of_many_inserters_at_once_one_writes_each_record(
    store: Arc<Both>,
    _: Capabilities,
) {
    let puts = |round: u64| -> Vec<Put> {
        let new = |n: u64| Put {
            collection: "users".into(),
            key: format!("{}@x.y", (n * 7 + round) % 50),
            version: None,
            edits: vec![edit(&["n"], Some(&round.to_string()))],
            due: None,
        };
        (0..50).map(new).collect()
    };
    let mut inserters = tokio::task::JoinSet::new();
    for round in 0..8 {
        let store = Arc::clone(&store);
        inserters.spawn(async move { insert(&*store, &puts(round)).await.expect("an answer") });
    }
    let written = inserters.join_all().await.concat();
    assert_eq!(written.iter().filter(|new| **new).count(), 50);
    assert_eq!(store.count("users").await.expect("a number"), 50);
}

pub(super) async fn what_cannot_be_inserted_is_refused_and_nothing_is_written(
    store: Arc<Both>,
    _: Capabilities,
) {
    let store = &*store;
    let good = || Put {
        collection: "users".into(),
        key: ADA.into(),
        version: None,
        edits: vec![],
        due: None,
    };
    let path = vec!["a".to_owned(); 17];
    let long = Edit { path, value: Some("1".into()) };
    let bad = [
        Put { key: ADA.to_ascii_uppercase(), ..good() },
        Put { key: String::new(), ..good() },
        Put { collection: "limit".into(), key: BOB.into(), ..good() },
        Put { version: Some("v".into()), key: BOB.into(), ..good() },
        Put { key: BOB.into(), edits: vec![edit(&["a"], Some("nonsense"))], ..good() },
        Put { key: BOB.into(), edits: vec![long], ..good() },
    ];
    for bad in bad {
        let refused = insert(store, &[good(), bad.clone()]).await;
        assert!(matches!(refused, Err(Error::Other(_))), "{bad:?}: {refused:?}");
    }
    let name = Put { collection: "Users".into(), ..good() };
    assert!(matches!(insert(store, &[name]).await, Err(Error::Other(_))));
    let many: Vec<Put> =
        (0..=MAX_INSERT).map(|n| Put { key: format!("m{n}@x.y"), ..good() }).collect();
    assert!(matches!(insert(store, &many).await, Err(Error::Other(_))));
    assert_eq!(store.count("users").await.expect("a number"), 0);
}
