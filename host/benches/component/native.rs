//! The logic without a component around it, on the same stores.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portcullis::store as host;
use portcullis::store::{COLLECTIONS, Store};
use portcullis_guest::ports::{
    Change, Delivery, Edit, Entry, MailError, Message, Ports, SecretKey, StoreError, Value, Verdict,
};
use tokio::runtime::Runtime;

/// The imports of the component, natively. It waits for the store as the caller of a component does:
/// in `block_on`, on his own thread.
pub struct Native<'r> {
    pub store: Arc<dyn Store>,
    pub tokio: &'r Runtime,
}

impl Native<'_> {
    fn ask<T>(
        &self,
        answer: impl Future<Output = Result<T, host::Error>>,
    ) -> Result<T, StoreError> {
        let answer = self.tokio.block_on(answer);
        answer.map_err(|error| StoreError::Other(format!("{error:?}")))
    }
}

impl Ports for Native<'_> {
    fn tenant(&self) -> String {
        "default".to_owned()
    }
    fn setting(&self, _: &str) -> Option<Value> {
        None
    }
    fn secret_keys(&self) -> Vec<SecretKey> {
        vec![SecretKey { id: "key".to_owned(), secret: vec![7; 32] }]
    }
    fn load(&self, key: &str) -> Result<Vec<Entry>, StoreError> {
        let entries = self.ask(self.store.load(&COLLECTIONS, key))?;
        let entries = entries.into_iter().map(|host::Entry { collection, version, document }| {
            Entry { collection, version, document }
        });
        Ok(entries.collect())
    }
    fn commit(&self, changes: &[Change]) -> Result<Verdict, StoreError> {
        let changes: Vec<host::Change> = changes.iter().map(change).collect();
        Ok(match self.ask(self.store.commit(&changes))? {
            host::Verdict::Committed(versions) => Verdict::Committed(versions),
            host::Verdict::Conflict => Verdict::Conflict,
        })
    }
    fn overdue(&self, before: u64, limit: u32) -> Result<Vec<String>, StoreError> {
        self.ask(self.store.overdue(&COLLECTIONS, before, limit))
    }
    fn report(&self, _: &str, _: &str, _: &str) {}
    fn send(&self, _: &Message) -> Result<Delivery, MailError> {
        Err(MailError::Unconfigured)
    }
    fn now(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
    fn random(&self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        getrandom::fill(&mut bytes).unwrap();
        bytes
    }
}

/// The same change in the types of the host.
fn change(change: &Change) -> host::Change {
    let edits = |edits: &[Edit]| {
        let edits = edits.iter().map(|it| (it.path.clone(), it.value.clone()));
        edits.map(|(path, value)| host::Edit { path, value }).collect()
    };
    match change.clone() {
        Change::Put(it) => host::Change::Put(host::Put {
            edits: edits(&it.edits),
            collection: it.collection,
            key: it.key,
            version: it.version,
            due: it.due,
        }),
        Change::Remove(it) => host::Change::Remove(host::Removal {
            collection: it.collection,
            key: it.key,
            version: it.version,
        }),
        Change::Move(it) => host::Change::Move(host::Relocation {
            edits: edits(&it.edits),
            collection: it.collection,
            key: it.key,
            version: it.version,
            to: it.to,
            due: it.due,
        }),
        Change::Expect(it) => host::Change::Expect(host::Expectation {
            collection: it.collection,
            key: it.key,
            version: it.version,
        }),
    }
}
