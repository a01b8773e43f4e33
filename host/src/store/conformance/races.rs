//! Many at once.

use std::pin::Pin;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::Capabilities;
use super::tools::*;
use crate::store::{Change, Error, Store, Verdict};

const PARALLEL: u64 = 8;

/// Commits until the answer is more than "not now", which a store under load may say.
async fn decided(store: &dyn Store, changes: &[Change]) -> Verdict {
    for _ in 0..50 {
        match store.commit(changes).await {
            Ok(verdict) => return verdict,
            Err(Error::Unavailable(_)) => tokio::task::yield_now().await,
            Err(error) => panic!("the store should answer: {error:?}"),
        }
    }
    panic!("the store should answer in the end");
}

/// Runs the tasks at once and gives their results.
async fn at_once<T: Send + 'static>(task: impl Fn(u64) -> Boxed<T>) -> Vec<T> {
    let mut tasks = JoinSet::new();
    for n in 0..PARALLEL {
        tasks.spawn(task(n));
    }
    tasks.join_all().await
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

pub(super) async fn of_many_creators_at_once_exactly_one_wins(
    store: Arc<dyn Store>,
    _: Capabilities,
) {
    for round in 0..10 {
        let key = format!("{round}@x.y");
        let results = at_once(|n| {
            let (store, key) = (store.clone(), key.clone());
            Box::pin(async move { (n, decided(&*store, &[put(&key, None, n)]).await) })
        })
        .await;
        let winners: Vec<u64> = results
            .iter()
            .filter(|(_, verdict)| matches!(verdict, Verdict::Committed(_)))
            .map(|(n, _)| *n)
            .collect();
        assert_eq!(winners.len(), 1, "exactly one creates");
        assert_eq!(number(&*store, &key).await, Some(winners[0]), "and it is his record");
    }
}

pub(super) async fn parallel_counters_lose_nothing(store: Arc<dyn Store>, _: Capabilities) {
    const EACH: u64 = 20;
    commit_one(&*store, put(ADA, None, 0)).await;
    at_once(|_| {
        let store = store.clone();
        Box::pin(async move {
            for _ in 0..EACH {
                loop {
                    let found = user(&*store, ADA).await;
                    let n = value(&found)["n"].as_u64().expect("n is a number");
                    let change = put(ADA, Some(&found.version), n + 1);
                    if matches!(decided(&*store, &[change]).await, Verdict::Committed(_)) {
                        // What was acknowledged is seen by every later read.
                        assert!(number(&*store, ADA).await > Some(n), "a read came too early");
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            }
        })
    })
    .await;
    assert_eq!(number(&*store, ADA).await, Some(PARALLEL * EACH));
}

pub(super) async fn of_many_movers_to_one_key_exactly_one_wins(
    store: Arc<dyn Store>,
    _: Capabilities,
) {
    for round in 0..5 {
        let to = format!("to{round}@x.y");
        let mut versions = Vec::new();
        for n in 0..PARALLEL {
            versions.push(commit_one(&*store, put(&format!("{round}-{n}@x.y"), None, n)).await);
        }
        let results = at_once(|n| {
            let (store, to) = (store.clone(), to.clone());
            let change = relocate(&format!("{round}-{n}@x.y"), &versions[n as usize], &to, vec![]);
            Box::pin(async move { (n, decided(&*store, &[change]).await) })
        })
        .await;
        let mut winner = None;
        for (n, verdict) in results {
            let stayed = number(&*store, &format!("{round}-{n}@x.y")).await;
            if matches!(verdict, Verdict::Committed(_)) {
                assert_eq!(winner.replace(n), None, "only one can have the key");
                assert_eq!(stayed, None);
            } else {
                assert_eq!(stayed, Some(n), "who loses stays where he was");
            }
        }
        assert!(winner.is_some(), "somebody wins");
        assert_eq!(number(&*store, &to).await, winner);
    }
}

/// Each of two writes is conditional on the absence of what the other one writes.
pub(super) async fn two_conditions_across_never_both_win(
    store: Arc<dyn Store>,
    capabilities: Capabilities,
) {
    if !capabilities.transactions {
        return;
    }
    for round in 0..20 {
        let keys = [format!("a{round}@x.y"), format!("b{round}@x.y")];
        let results = at_once(|n| {
            let (store, side) = (store.clone(), (n % 2) as usize);
            let changes = [expect(&keys[1 - side], None), put(&keys[side], None, n)];
            Box::pin(async move { decided(&*store, &changes).await })
        })
        .await;
        let winners = results.iter().filter(|v| matches!(v, Verdict::Committed(_))).count();
        assert_eq!(winners, 1, "the expectation of one holds until its own write");
    }
}
