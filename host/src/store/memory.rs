//! A store in the memory of this process: for tests, and as the shortest whole example of a store.
//!
//! ```
//! use portcullis::store::memory::MemoryStore;
//! use portcullis::store::{Change, Edit, Put, Store, Verdict};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), portcullis::store::Error> {
//! let store = MemoryStore::default();
//! let put = Change::Put(Put {
//!     collection: "users".into(),
//!     key: "ada@example.org".into(),
//!     version: None, // there must be no such record
//!     edits: vec![Edit { path: vec!["verified".into()], value: Some("true".into()) }],
//!     due: None,
//! });
//! let first = store.commit(std::slice::from_ref(&put)).await?;
//! assert!(matches!(first, Verdict::Committed(versions) if versions.len() == 1));
//! assert!(matches!(store.commit(&[put]).await?, Verdict::Conflict));
//!
//! let entries = store.load(&["users"], "ada@example.org").await?;
//! assert_eq!(entries[0].document, r#"{"email":"ada@example.org","verified":true}"#);
//! # Ok(())
//! # }
//! ```

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::rules::{Page, check_changes, check_collection, check_inserts, new_version};
use super::{AUDIT, Change, Database, Edit, Entry, Error, Put, Sizes, Store, Verdict, document};

/// Records in the memory of this process. They are gone with it.
///
/// One lock around everything, held for microseconds and never across an `await`.
#[derive(Default)]
pub struct MemoryStore(Mutex<Collections>);

type Collections = BTreeMap<String, BTreeMap<String, Record>>;

struct Record {
    version: String,
    document: String,
    due: Option<u64>,
}

impl Record {
    /// What becomes of `old` by these edits.
    fn after(
        old: Option<&Record>,
        edits: &[Edit],
        key: &str,
        due: Option<u64>,
    ) -> Result<Self, Error> {
        let document = document::apply(old.map(|old| old.document.as_str()), edits, key)?;
        Ok(Record { version: new_version()?, document, due })
    }
}

/// What a commit has written so far (`None`: removed), over what it found. Only a commit whose
/// conditions all held is carried over; so it is all or nothing.
struct Draft<'f, 'c> {
    found: &'f Collections,
    written: BTreeMap<(&'c str, &'c str), Option<Record>>,
}

impl<'c> Draft<'_, 'c> {
    fn get(&self, collection: &'c str, key: &'c str) -> Option<&Record> {
        match self.written.get(&(collection, key)) {
            Some(written) => written.as_ref(),
            None => self.found.get(collection)?.get(key),
        }
    }

    fn has(&self, collection: &'c str, key: &'c str, version: Option<&str>) -> bool {
        self.get(collection, key).map(|record| record.version.as_str()) == version
    }

    /// Makes the change and gives the version it wrote, if any; `None` when its condition does not
    /// hold.
    fn make(&mut self, change: &'c Change) -> Result<Option<Option<String>>, Error> {
        let (collection, key, holds) = match change {
            Change::Put(c) => (&c.collection, &c.key, c.version.as_deref()),
            Change::Remove(c) => (&c.collection, &c.key, Some(c.version.as_str())),
            Change::Move(c) => (&c.collection, &c.key, Some(c.version.as_str())),
            Change::Expect(c) => (&c.collection, &c.key, c.version.as_deref()),
        };
        if !self.has(collection, key, holds) {
            return Ok(None);
        }
        let (target, edits, due) = match change {
            Change::Expect(_) => return Ok(Some(None)),
            Change::Remove(_) => {
                self.written.insert((collection, key), None);
                return Ok(Some(None));
            }
            Change::Move(c) if !self.has(collection, &c.to, None) => return Ok(None),
            Change::Move(c) => (&c.to, &c.edits, c.due),
            Change::Put(c) => (key, &c.edits, c.due),
        };
        let record = Record::after(self.get(collection, key), edits, target, due)?;
        let version = record.version.clone();
        self.written.insert((collection, key), None);
        self.written.insert((collection, target), Some(record));
        Ok(Some(Some(version)))
    }
}

impl MemoryStore {
    /// A lock is poisoned when a thread panicked under it. Commits are carried over whole, so what
    /// it left behind is sound.
    fn lock(&self) -> MutexGuard<'_, Collections> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn load(&self, collections: &[&str], key: &str) -> Result<Vec<Entry>, Error> {
        let entry = |(collection, records): (&String, &BTreeMap<String, Record>)| {
            let Record { version, document, .. } = records.get(key)?;
            Some(Entry {
                collection: collection.clone(),
                version: version.clone(),
                document: document.clone(),
            })
        };
        let asked = |(name, _): &(&String, _)| collections.contains(&name.as_str());
        Ok(self.lock().iter().filter(asked).filter_map(entry).collect())
    }

    async fn commit(&self, changes: &[Change]) -> Result<Verdict, Error> {
        check_changes(changes)?;
        let mut collections = self.lock();
        let mut draft = Draft { found: &collections, written: BTreeMap::new() };
        let mut versions = Vec::new();
        for change in changes {
            match draft.make(change)? {
                Some(version) => versions.extend(version),
                None => return Ok(Verdict::Conflict),
            }
        }
        for ((collection, key), record) in draft.written {
            let records = collections.entry(collection.to_owned()).or_default();
            match record {
                Some(record) => records.insert(key.to_owned(), record),
                None => records.remove(key),
            };
        }
        Ok(Verdict::Committed(versions))
    }

    async fn overdue(
        &self,
        collections: &[&str],
        before: u64,
        limit: u32,
    ) -> Result<Vec<String>, Error> {
        let mut due: BTreeMap<String, u64> = BTreeMap::new();
        let all = self.lock();
        let asked = collections.iter().filter_map(|name| all.get(*name));
        for (key, record) in asked.flatten() {
            if let Some(at) = record.due.filter(|at| *at < before) {
                due.entry(key.clone()).and_modify(|first| *first = at.min(*first)).or_insert(at);
            }
        }
        let mut keys: Vec<(u64, String)> = due.into_iter().map(|(key, at)| (at, key)).collect();
        keys.sort();
        keys.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(keys.into_iter().map(|(_, key)| key).collect())
    }
}

#[async_trait]
impl Database for MemoryStore {
    async fn create(&self, collection: &str) -> Result<(), Error> {
        check_collection(collection)?;
        self.lock().entry(collection.to_owned()).or_default();
        Ok(())
    }

    async fn remove(&self, collection: &str) -> Result<(), Error> {
        check_collection(collection)?;
        self.lock().remove(collection);
        Ok(())
    }

    async fn remove_all(&self) -> Result<(), Error> {
        self.lock().retain(|name, _| name == AUDIT);
        Ok(())
    }

    async fn count(&self, collection: &str) -> Result<u64, Error> {
        check_collection(collection)?;
        Ok(self.lock().get(collection).map_or(0, |records| records.len() as u64))
    }

    async fn scan(
        &self,
        collection: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<super::Record>, Error> {
        check_collection(collection)?;
        let all = self.lock();
        let Some(records) = all.get(collection) else { return Ok(Vec::new()) };
        let mut page = Page::new(limit);
        let after = (Bound::Excluded(after), Bound::Unbounded);
        for (key, record) in records.range::<str, _>(after) {
            if !page.take(key.clone(), record.document.clone()) {
                break;
            }
        }
        Ok(page.records())
    }

    async fn insert(&self, puts: &[&Put]) -> Result<Vec<bool>, Error> {
        let Some(collection) = check_inserts(puts)? else { return Ok(Vec::new()) };
        let made = |put: &&Put| Record::after(None, &put.edits, &put.key, put.due);
        let made = puts.iter().map(made).collect::<Result<Vec<Record>, Error>>()?;
        let mut all = self.lock();
        let records = all.entry(collection.to_owned()).or_default();
        let insert = |(put, record): (&&Put, Record)| match records.entry(put.key.clone()) {
            Slot::Vacant(slot) => {
                slot.insert(record);
                true
            }
            Slot::Occupied(_) => false,
        };
        Ok(puts.iter().zip(made).map(insert).collect())
    }

    async fn smallest(&self, collection: &str, field: &str) -> Result<Option<i64>, Error> {
        check_collection(collection)?;
        let value = |record: &Record| {
            serde_json::from_str::<serde_json::Value>(&record.document).ok()?.get(field)?.as_i64()
        };
        let all = self.lock();
        Ok(all.get(collection).and_then(|records| records.values().filter_map(value).min()))
    }

    /// The documents take no disk and have no index.
    async fn size(&self) -> Result<Sizes, Error> {
        let data = self.lock().values().flatten().map(|(_, r)| r.document.len() as u64).sum();
        Ok(Sizes { data, storage: 0, index: 0 })
    }

    async fn raw_stats(&self) -> Result<String, Error> {
        let collections = self.lock();
        let counts: BTreeMap<_, _> = collections.iter().map(|(name, r)| (name, r.len())).collect();
        Ok(serde_json::json!({ "engine": "memory", "collections": counts }).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::{Capabilities, all};

    #[tokio::test(flavor = "multi_thread")]
    async fn the_memory_store_passes_the_suite() {
        all(async || MemoryStore::default(), Capabilities::ALL).await;
    }
}
