//! What a log does with its store.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use super::*;
use crate::store::Entry;
use crate::store::memory::MemoryStore;

const DAY: u64 = 24 * 60 * 60;

/// A store that counts commits, and is slow with large ones if that is asked for: somebody else is
/// always faster.
#[derive(Default)]
struct Counting {
    store: MemoryStore,
    commits: AtomicUsize,
    is_slow: bool,
}

#[async_trait]
impl Store for Counting {
    async fn load(&self, collections: &[&str], key: &str) -> Result<Vec<Entry>, Error> {
        self.store.load(collections, key).await
    }

    async fn commit(&self, changes: &[Change]) -> Result<Verdict, Error> {
        self.commits.fetch_add(1, Ordering::Relaxed);
        match self.is_slow && changes.len() > 1 {
            true => Ok(Verdict::Conflict),
            false => self.store.commit(changes).await,
        }
    }

    async fn overdue(
        &self,
        collections: &[&str],
        before: u64,
        limit: u32,
    ) -> Result<Vec<String>, Error> {
        self.store.overdue(collections, before, limit).await
    }
}

fn log(store: &Arc<Counting>, day: u64) -> Log {
    let clock: Clock = Arc::new(move || UNIX_EPOCH + Duration::from_secs(day * DAY));
    Log::new("default", 30, store.clone(), None, clock)
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// A store with this many events of the first day.
async fn with_events(count: usize, is_slow: bool) -> Arc<Counting> {
    let store = Arc::new(Counting { is_slow, ..Counting::default() });
    let log = log(&store, 0);
    for _ in 0..count {
        log.write(log.event("block", "200", &Caller::default()), soon()).await;
    }
    store.commits.store(0, Ordering::Relaxed);
    store
}

#[tokio::test]
async fn what_is_over_goes_in_as_few_commits_as_can_be() {
    let store = with_events(100, false).await;
    assert_eq!(log(&store, 31).sweep(70).await.unwrap(), 70);
    assert_eq!(store.commits.load(Ordering::Relaxed), 3);
    assert_eq!(log(&store, 31).sweep(70).await.unwrap(), 30);
    assert_eq!(log(&store, 31).sweep(70).await.unwrap(), 0);
    assert_eq!(store.commits.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn what_others_remove_meanwhile_keeps_nothing_from_going() {
    let store = with_events(40, true).await;
    assert_eq!(log(&store, 31).sweep(100).await.unwrap(), 40);
    assert_eq!(log(&store, 31).sweep(100).await.unwrap(), 0);
}

#[tokio::test]
async fn what_was_not_written_is_told_at_last() {
    let store = Arc::<Counting>::default();
    let log = log(&store, 0);
    let stranger = Caller::stranger();
    let refused =
        |_: &usize| log.refusal("admin-token-refusal", "unauthorized", &stranger).is_none();
    let missed = (0..600).filter(refused).count();
    log.settle(soon()).await;
    log.settle(soon()).await;
    assert_eq!(store.commits.load(Ordering::Relaxed), 1);
    let keys = store.overdue(&[AUDIT], u64::MAX, 10).await.unwrap();
    let told = store.load(&[AUDIT], &keys[0]).await.unwrap();
    let event: Event = serde_json::from_str(&told[0].document).unwrap();
    assert_eq!((event.event.as_str(), event.count), (NOT_RECORDED, Some(missed as u64)));
    assert!(missed >= 90);
}

#[test]
fn what_is_no_address_is_not_kept_as_one() {
    for text in ["", "hunter2", "p@ssword", "p@ss word.x", "@b.c", "a@.c", "a@b.", "p\u{e4}@b.c"] {
        assert_eq!(account(text), None, "{text}");
    }
    assert_eq!(account(&format!("{}@b.c", "a".repeat(400))), None);
    // What the component finds in old databases, too.
    for text in ["a@b.c", "A..b@C.d", "o'brien@sub.example.com", "a@-b.c-", "a@b..c."] {
        assert_eq!(account(text), Some(text.to_lowercase()), "{text}");
    }
}
