//! Stores that misbehave.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use portcullis::store::{Change, Entry, Error, Store, Verdict};

/// What a [`TestStore`] does when it is asked for overdue keys, or to commit.
#[derive(Clone, Copy)]
pub(super) enum Manner {
    /// It has nothing.
    Empty,
    /// It never answers.
    Silent,
    /// It answers after a while.
    Slow,
    /// It panics.
    Panicking,
    /// Every commit loses.
    Contended,
}

/// A store that counts what it has answered.
#[derive(Clone)]
pub(super) struct TestStore {
    manner: Manner,
    pub(super) answered: Arc<AtomicUsize>,
}

impl TestStore {
    pub(super) fn new(manner: Manner) -> Self {
        Self { manner, answered: Arc::default() }
    }

    async fn behave(&self) {
        match self.manner {
            Manner::Empty | Manner::Contended => {}
            Manner::Silent => pending().await,
            Manner::Slow => tokio::time::sleep(Duration::from_millis(200)).await,
            Manner::Panicking => panic!("as the test wants it"),
        }
        self.answered.fetch_add(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Store for TestStore {
    async fn load(&self, _collections: &[&str], _key: &str) -> Result<Vec<Entry>, Error> {
        self.behave().await;
        Ok(Vec::new())
    }

    async fn commit(&self, _changes: &[Change]) -> Result<Verdict, Error> {
        self.behave().await;
        Ok(match self.manner {
            Manner::Contended => Verdict::Conflict,
            _ => Verdict::Committed(Vec::new()),
        })
    }

    async fn overdue(&self, _: &[&str], _before: u64, _limit: u32) -> Result<Vec<String>, Error> {
        self.behave().await;
        Ok(Vec::new())
    }
}
