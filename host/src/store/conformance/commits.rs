//! Several changes in one commit, and conditions without a write.

use std::sync::Arc;

use super::Capabilities;
use super::tools::*;
use crate::store::{Change, Error, Store, Verdict};

pub(super) async fn an_empty_commit_holds(store: Arc<dyn Store>, _: Capabilities) {
    assert!(commit(&*store, &[]).await.is_empty());
}

pub(super) async fn an_expectation_of_absence_holds_until_there_is_a_record(
    store: Arc<dyn Store>,
    _: Capabilities,
) {
    assert!(commit(&*store, &[expect(ADA, None)]).await.is_empty());
    let version = commit_one(&*store, put(ADA, None, 1)).await;
    conflicts(&*store, &[expect(ADA, None)]).await;
    conflicts(&*store, &[expect(ADA, None), put(BOB, None, 1)]).await;
    conflicts(&*store, &[expect(BOB, None), expect(ADA, None)]).await;
    assert_eq!(number(&*store, BOB).await, None);
    commit(&*store, &[remove(ADA, &version)]).await;
    commit(&*store, &[expect(ADA, None), put(BOB, None, 1)]).await;
    assert_eq!(number(&*store, BOB).await, Some(1));
}

pub(super) async fn an_expectation_of_a_version_holds_until_it_changes(
    store: Arc<dyn Store>,
    _: Capabilities,
) {
    let first = commit_one(&*store, put(ADA, None, 1)).await;
    assert!(commit(&*store, &[expect(ADA, Some(&first))]).await.is_empty());
    assert_eq!(user(&*store, ADA).await.version, first, "an expectation writes nothing");
    commit(&*store, &[expect(ADA, Some(&first)), put(BOB, None, 1)]).await;
    let second = commit_one(&*store, put(ADA, Some(&first), 2)).await;
    conflicts(&*store, &[expect(ADA, Some(&first))]).await;
    conflicts(&*store, &[expect(ADA, Some(&first)), put("c@x.y", None, 1)]).await;
    assert_eq!(number(&*store, "c@x.y").await, None);
    commit(&*store, &[expect(ADA, Some(&second))]).await;
}

pub(super) async fn several_changes_are_made_together(store: Arc<dyn Store>, _: Capabilities) {
    let a = commit_one(&*store, put("a@x.y", None, 1)).await;
    let b = commit_one(&*store, put("b@x.y", None, 2)).await;
    let c = commit_one(&*store, put("c@x.y", None, 3)).await;
    let changes = [
        put("a@x.y", Some(&a), 10),
        remove("b@x.y", &b),
        relocate("c@x.y", &c, "d@x.y", vec![]),
        put("e@x.y", None, 5),
        put_edits("blocked", "e@x.y", None, vec![edit(&["blocked"], Some("false"))]),
    ];
    assert_eq!(commit(&*store, &changes).await.len(), 4);
    for (key, n) in [
        ("a@x.y", Some(10)),
        ("b@x.y", None),
        ("c@x.y", None),
        ("d@x.y", Some(3)),
        ("e@x.y", Some(5)),
    ] {
        assert_eq!(number(&*store, key).await, n, "{key}");
    }
    let blocked = entry(&*store, "blocked", "e@x.y").await.expect("the block record");
    assert_eq!(value(&blocked)["blocked"], false);
}

pub(super) async fn later_changes_see_earlier_ones(store: Arc<dyn Store>, _: Capabilities) {
    let ada = commit_one(&*store, put(ADA, None, 1)).await;
    let bob = commit_one(&*store, put(BOB, None, 2)).await;
    let changes = [remove(BOB, &bob), relocate(ADA, &ada, BOB, vec![]), put(ADA, None, 3)];
    let versions = commit(&*store, &changes).await;
    assert_eq!(versions.len(), 2);
    assert_eq!((number(&*store, BOB).await, number(&*store, ADA).await), (Some(1), Some(3)));
    let changes = [remove(ADA, &versions[1]), expect(ADA, None)];
    commit(&*store, &changes).await;
    assert_eq!(number(&*store, ADA).await, None);
}

/// The state before a commit that stops, and that commit: the change at `bad` cannot be made.
async fn stopping(store: &dyn Store, bad: usize, stop: impl Fn(&str) -> Change) -> Vec<Change> {
    let mut changes = Vec::new();
    for n in 0..4 {
        let key = format!("{n}@x.y");
        let version = commit_one(store, put(&key, None, n)).await;
        changes.push(if n as usize == bad {
            stop(&version)
        } else {
            put(&key, Some(&version), n + 10)
        });
    }
    changes
}

/// That of [`stopping`] nothing was changed but the first `made`.
async fn only(store: &dyn Store, made: usize) {
    for n in 0..4_u64 {
        let expected = if (n as usize) < made { n + 10 } else { n };
        assert_eq!(number(store, &format!("{n}@x.y")).await, Some(expected), "record {n}");
    }
}

pub(super) async fn a_condition_that_fails_first_changes_nothing(
    store: Arc<dyn Store>,
    _: Capabilities,
) {
    let changes = stopping(&*store, 0, |_| put("0@x.y", None, 10)).await;
    conflicts(&*store, &changes).await;
    only(&*store, 0).await;
}

pub(super) async fn a_condition_that_fails_in_the_middle_leaves_nothing_or_says_what(
    store: Arc<dyn Store>,
    capabilities: Capabilities,
) {
    let changes = stopping(&*store, 2, |_| put("2@x.y", Some("stale"), 12)).await;
    let made = match store.commit(&changes).await {
        Ok(Verdict::Conflict) => 0,
        Err(Error::Partial(partial)) if !capabilities.transactions => partial.applied,
        other => panic!("a conflict should be told: {other:?}"),
    };
    assert!(made <= 2, "what comes after the condition is not done");
    only(&*store, made as usize).await;
}

pub(super) async fn an_edit_that_fails_in_the_middle_leaves_nothing_or_says_what(
    store: Arc<dyn Store>,
    capabilities: Capabilities,
) {
    let changes = stopping(&*store, 2, |version| {
        put_edits("users", "2@x.y", Some(version), vec![edit(&["n", "inner"], Some("1"))])
    })
    .await;
    let made = match store.commit(&changes).await {
        Err(Error::Other(_)) => 0,
        Err(Error::Partial(partial)) if !capabilities.transactions => partial.applied,
        other => panic!("an edit through a number should be refused: {other:?}"),
    };
    assert!(made <= 2, "what comes after the edit is not done");
    only(&*store, made as usize).await;
}

pub(super) async fn an_abandoned_commit_is_whole_or_absent(
    store: Arc<dyn Store>,
    capabilities: Capabilities,
) {
    for round in 0..30_u64 {
        let keys = [format!("a{round}@x.y"), format!("b{round}@x.y")];
        let changes = [put(&keys[0], None, 1), put(&keys[1], None, 1)];
        let task = tokio::spawn({
            let store = store.clone();
            async move { store.commit(&changes).await }
        });
        tokio::time::sleep(std::time::Duration::from_micros(round * 40)).await;
        task.abort();
        let _ = task.await;
        // What was begun may still be on its way: an own commit to the first key comes after it
        // or makes it lose.
        let found = match store.commit(&[put(&keys[0], None, 2)]).await {
            Ok(Verdict::Committed(_)) => None,
            Ok(Verdict::Conflict) => Some(1),
            Err(error) => panic!("the store should answer: {error:?}"),
        };
        if capabilities.transactions {
            assert_eq!(number(&*store, &keys[1]).await, found, "one half was made");
        }
    }
    // The store is as good as before.
    let version = commit_one(&*store, put(ADA, None, 1)).await;
    commit_one(&*store, put(ADA, Some(&version), 2)).await;
}
