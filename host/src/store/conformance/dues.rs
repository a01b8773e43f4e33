//! When a record wants to be looked at.

use std::sync::Arc;

use super::Capabilities;
use super::tools::*;
use crate::store::{Change, Relocation, Removal, Store};

async fn due(store: &dyn Store, collection: &str, key: &str, due: Option<u64>) -> String {
    let version = entry(store, collection, key).await.map(|entry| entry.version);
    commit_one(store, put_due(collection, key, version.as_deref(), vec![], due)).await
}

async fn overdue(store: &dyn Store, before: u64, limit: u32) -> Vec<String> {
    store.overdue(&ALL, before, limit).await.expect("the store answers")
}

pub(super) async fn the_longest_overdue_come_first_up_to_the_limit(
    store: Arc<dyn Store>,
    _: Capabilities,
) {
    assert!(overdue(&*store, u64::MAX, 10).await.is_empty());
    for (collection, key, at) in [
        ("users", "c@x.y", 300),
        ("guesses", "a@x.y", 100),
        ("limit", "d@x.y", 400),
        ("users", "b@x.y", 200),
        ("users", "late@x.y", 5_000_000_000),
    ] {
        due(&*store, collection, key, Some(at)).await;
    }
    due(&*store, "users", "never@x.y", None).await;
    assert_eq!(overdue(&*store, 1000, 10).await, ["a@x.y", "b@x.y", "c@x.y", "d@x.y"]);
    assert_eq!(overdue(&*store, 1000, 2).await, ["a@x.y", "b@x.y"]);
    assert_eq!(overdue(&*store, 250, 10).await, ["a@x.y", "b@x.y"]);
    assert_eq!(overdue(&*store, 6_000_000_000, 10).await.len(), 5);
    assert!(overdue(&*store, 1000, 0).await.is_empty());
}

pub(super) async fn what_is_due_at_that_very_second_is_not_overdue(
    store: Arc<dyn Store>,
    _: Capabilities,
) {
    due(&*store, "users", ADA, Some(100)).await;
    assert!(overdue(&*store, 100, 10).await.is_empty());
    assert_eq!(overdue(&*store, 101, 10).await, [ADA]);
    due(&*store, "users", BOB, Some(0)).await;
    assert!(overdue(&*store, 0, 10).await.is_empty());
    assert_eq!(overdue(&*store, 1, 10).await, [BOB]);
}

pub(super) async fn a_due_is_replaced_and_cleared_by_every_write(
    store: Arc<dyn Store>,
    _: Capabilities,
) {
    due(&*store, "users", ADA, Some(100)).await;
    due(&*store, "users", ADA, Some(300)).await;
    assert!(overdue(&*store, 200, 10).await.is_empty());
    assert_eq!(overdue(&*store, 400, 10).await, [ADA]);
    let version = due(&*store, "users", ADA, None).await;
    assert!(overdue(&*store, u64::MAX, 10).await.is_empty());
    // A write that loses changes no due either.
    let lost = put_due("users", ADA, Some("stale"), vec![], Some(1));
    conflicts(&*store, &[lost]).await;
    assert!(overdue(&*store, u64::MAX, 10).await.is_empty());
    assert_eq!(user(&*store, ADA).await.version, version);
}

pub(super) async fn a_due_goes_with_its_record(store: Arc<dyn Store>, _: Capabilities) {
    let version = due(&*store, "limit", ADA, Some(100)).await;
    let moved = Change::Move(Relocation {
        collection: "limit".into(),
        key: ADA.into(),
        version,
        to: BOB.into(),
        edits: vec![],
        due: Some(200),
    });
    let version = commit_one(&*store, moved).await;
    assert!(overdue(&*store, 150, 10).await.is_empty());
    assert_eq!(overdue(&*store, 250, 10).await, [BOB]);
    let gone = Change::Remove(Removal { collection: "limit".into(), key: BOB.into(), version });
    commit(&*store, &[gone]).await;
    assert!(overdue(&*store, u64::MAX, 10).await.is_empty());
}

pub(super) async fn a_key_that_is_due_twice_is_named_once(store: Arc<dyn Store>, _: Capabilities) {
    due(&*store, "users", ADA, Some(300)).await;
    due(&*store, "limit", ADA, Some(100)).await;
    due(&*store, "guesses", BOB, Some(200)).await;
    assert_eq!(overdue(&*store, 1000, 10).await, [ADA, BOB]);
    assert_eq!(overdue(&*store, 1000, 2).await, [ADA, BOB], "the limit counts keys, not records");
    due(&*store, "limit", ADA, None).await;
    assert_eq!(overdue(&*store, 1000, 10).await, [BOB, ADA]);
}
