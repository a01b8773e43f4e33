//! A program of one's own with a store of one's own.
//!
//! `main` is all that it takes to have a registered user. Below it stands a whole store: a map in
//! this process, which is what any database with compare-and-set can do as well. The suite in
//! `portcullis::store::conformance` (feature `conformance`) tells whether a store is right.
//!
//!     cargo run --example own_store

use std::collections::BTreeMap;

use portcullis::store::document;
use portcullis::store::{Change, Entry, Error, Store, Verdict};
use portcullis::{Limits, Runtime, Tenant};
use tokio::sync::Mutex;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = Runtime::new(Limits::default())?; // one for a process
    let tenant = Tenant::builder(&runtime)
        .store(MapStore::default())
        .secret_key(*b"32 bytes; a real one is random!!")
        .build()
        .await?;
    let auth = tenant.auth();
    let made = auth.register_user_no_verif("Ada@example.com", "correct horse", None, false).await?;
    println!("{} {}", made.code, made.message); // 200 Success
    let again = auth.authenticate_user("ada@example.com", "correct horse", false, None, false);
    let again = again.await?;
    println!("{} {}", again.code, again.message); // 202 Authentication successful.
    tenant.close().await;
    Ok(())
}

/// Records by collection and key.
#[derive(Default)]
struct MapStore(Mutex<Records>);

type Records = BTreeMap<(String, String), Record>;

#[derive(Clone)]
struct Record {
    /// Different after every write; see [`MapStore::commit`].
    version: String,
    document: String,
    due: Option<u64>,
}

#[async_trait::async_trait]
impl Store for MapStore {
    async fn load(&self, collections: &[&str], key: &str) -> Result<Vec<Entry>, Error> {
        let records = self.0.lock().await;
        let of_key = records.iter().filter(|((collection, its_key), _)| {
            its_key == key && collections.contains(&collection.as_str())
        });
        Ok(of_key
            .map(|((collection, _), record)| Entry {
                collection: collection.clone(),
                version: record.version.clone(),
                document: record.document.clone(),
            })
            .collect())
    }

    /// The lock makes it one step, and the copy makes it all or nothing.
    async fn commit(&self, changes: &[Change]) -> Result<Verdict, Error> {
        let mut records = self.0.lock().await;
        let mut changed = records.clone();
        let mut versions = Vec::new();
        for change in changes {
            // Where the record is, and the version that it must have.
            let (collection, key, expected) = match change {
                Change::Put(it) => (&it.collection, &it.key, it.version.as_ref()),
                Change::Expect(it) => (&it.collection, &it.key, it.version.as_ref()),
                Change::Remove(it) => (&it.collection, &it.key, Some(&it.version)),
                Change::Move(it) => (&it.collection, &it.key, Some(&it.version)),
            };
            let place = (collection.clone(), key.clone());
            if changed.get(&place).map(|record| &record.version) != expected {
                return Ok(Verdict::Conflict);
            }
            // What is to be written, and where.
            let (to, edits, due) = match change {
                Change::Expect(_) => continue,
                Change::Remove(_) => {
                    changed.remove(&place);
                    continue;
                }
                Change::Put(it) => (&it.key, &it.edits, it.due),
                Change::Move(it) => (&it.to, &it.edits, it.due),
            };
            let old = changed.remove(&place);
            let old = old.as_ref().map(|record| record.document.as_str());
            let record = Record {
                // From all that can be: never the same twice, whoever writes.
                version: portcullis::store::rules::new_version()?,
                // Fields that are not edited stay as they are.
                document: document::apply(old, edits, to)?,
                due,
            };
            versions.push(record.version.clone());
            if changed.insert((collection.clone(), to.clone()), record).is_some() {
                // Somebody has the new key already.
                return Ok(Verdict::Conflict);
            }
        }
        *records = changed;
        Ok(Verdict::Committed(versions))
    }

    async fn overdue(
        &self,
        collections: &[&str],
        before: u64,
        limit: u32,
    ) -> Result<Vec<String>, Error> {
        let records = self.0.lock().await;
        let mut due: Vec<_> = records
            .iter()
            .filter(|((collection, _), _)| collections.contains(&collection.as_str()))
            .filter_map(|((_, key), record)| Some((record.due?, key)))
            .filter(|(due, _)| *due < before)
            .collect();
        due.sort();
        // A key with two such records is named once.
        let mut keys: Vec<String> = Vec::new();
        for (_, key) in due {
            if keys.len() < limit as usize && !keys.contains(key) {
                keys.push(key.clone());
            }
        }
        Ok(keys)
    }
}
