//! The suite itself: it must fail on stores that are broken.

use super::tools::ALL;
use async_trait::async_trait;

use super::{Capabilities, all, failures};
use crate::store::memory::MemoryStore;
use crate::store::{Change, Database, Entry, Error, Put, Removal, Sizes, Store, Verdict};

/// One way to be wrong.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// A write ignores the version that it was told.
    IgnoresVersions,
    /// Conditions are looked at before, outside the commit.
    ChecksTooEarly,
    /// What comes before a failed condition is made.
    StopsHalfway,
    /// A written document holds nothing but what the edits say.
    LosesFields,
    /// A dot in a name leads into an object.
    ReadsDots,
    /// Numbers take a detour through doubles.
    RoundsNumbers,
    /// Nothing is ever due.
    ForgetsDue,
    /// Dropping does nothing.
    KeepsCollections,
    /// An answer comes before the commit, which may not happen.
    AnswersEarly,
    /// What removes everything removes the audit log too.
    DropsTheLog,
}

struct Broken(MemoryStore, Fault);

impl Broken {
    async fn version(&self, collection: &str, key: &str) -> Option<String> {
        let entries = self.0.load(&ALL, key).await.unwrap();
        entries.into_iter().find(|e| e.collection == collection).map(|e| e.version)
    }

    async fn with_versions_of_now(&self, changes: &[Change]) -> Vec<Change> {
        let mut changes = changes.to_vec();
        for change in &mut changes {
            match change {
                Change::Put(c) => c.version = self.version(&c.collection, &c.key).await,
                Change::Remove(c) => {
                    c.version = self.version(&c.collection, &c.key).await.unwrap_or_default();
                }
                Change::Move(_) | Change::Expect(_) => {}
            }
        }
        changes
    }
}

#[async_trait]
impl Store for Broken {
    async fn load(&self, collections: &[&str], key: &str) -> Result<Vec<Entry>, Error> {
        self.0.load(collections, key).await
    }

    async fn commit(&self, changes: &[Change]) -> Result<Verdict, Error> {
        let mut changes = changes.to_vec();
        match self.1 {
            Fault::IgnoresVersions => changes = self.with_versions_of_now(&changes).await,
            Fault::ChecksTooEarly => {
                for change in &changes {
                    let (Change::Put(Put { collection, key, version, .. }), false) =
                        (change, changes.len() > 1)
                    else {
                        return self.0.commit(&changes).await;
                    };
                    if self.version(collection, key).await != *version {
                        return Ok(Verdict::Conflict);
                    }
                }
                // Time for others to look as well, on a machine that is busy, too.
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                changes = self.with_versions_of_now(&changes).await;
            }
            Fault::StopsHalfway => {
                let mut versions = Vec::new();
                for change in changes {
                    match self.0.commit(&[change]).await? {
                        Verdict::Committed(made) => versions.extend(made),
                        Verdict::Conflict => return Ok(Verdict::Conflict),
                    }
                }
                return Ok(Verdict::Committed(versions));
            }
            Fault::LosesFields => {
                let mut replaced = Vec::new();
                for change in changes {
                    if let Change::Put(Put { collection, key, version: Some(version), .. }) =
                        &change
                    {
                        let (collection, key) = (collection.clone(), key.clone());
                        let version = version.clone();
                        replaced.push(Change::Remove(Removal { collection, key, version }));
                    }
                    replaced.push(match change {
                        Change::Put(put) => Change::Put(Put { version: None, ..put }),
                        other => other,
                    });
                }
                changes = replaced;
            }
            Fault::ReadsDots | Fault::RoundsNumbers | Fault::ForgetsDue => {
                for change in &mut changes {
                    let Change::Put(put) = change else { continue };
                    if matches!(self.1, Fault::ForgetsDue) {
                        put.due = None;
                    }
                    for edit in &mut put.edits {
                        if matches!(self.1, Fault::ReadsDots) {
                            let names = edit.path.iter().flat_map(|name| name.split('.'));
                            edit.path = names.map(str::to_owned).collect();
                        }
                        if matches!(self.1, Fault::RoundsNumbers)
                            && let Some(n) = edit.value.as_ref().and_then(|v| v.parse::<f64>().ok())
                        {
                            edit.value = serde_json::Number::from_f64(n).map(|n| n.to_string());
                        }
                    }
                }
            }
            Fault::AnswersEarly => {
                let verdict = self.0.commit(&changes).await?;
                if let Verdict::Committed(versions) = &verdict
                    && versions.len() > 3
                {
                    self.0.remove_all().await?;
                }
                return Ok(verdict);
            }
            Fault::KeepsCollections | Fault::DropsTheLog => {}
        }
        self.0.commit(&changes).await
    }

    async fn overdue(
        &self,
        collections: &[&str],
        before: u64,
        limit: u32,
    ) -> Result<Vec<String>, Error> {
        self.0.overdue(collections, before, limit).await
    }
}

#[async_trait]
impl Database for Broken {
    async fn create(&self, collection: &str) -> Result<(), Error> {
        self.0.create(collection).await
    }

    async fn remove(&self, collection: &str) -> Result<(), Error> {
        match self.1 {
            Fault::KeepsCollections => Ok(()),
            _ => self.0.remove(collection).await,
        }
    }

    async fn scan(
        &self,
        collection: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<crate::store::Record>, Error> {
        self.0.scan(collection, after, limit).await
    }
    async fn insert(&self, puts: &[&crate::store::Put]) -> Result<Vec<bool>, Error> {
        self.0.insert(puts).await
    }
    async fn smallest(&self, collection: &str, field: &str) -> Result<Option<i64>, Error> {
        self.0.smallest(collection, field).await
    }

    async fn remove_all(&self) -> Result<(), Error> {
        if matches!(self.1, Fault::DropsTheLog) {
            self.0.remove(crate::store::AUDIT).await?;
        }
        self.0.remove_all().await
    }

    async fn count(&self, collection: &str) -> Result<u64, Error> {
        self.0.count(collection).await
    }

    async fn size(&self) -> Result<Sizes, Error> {
        self.0.size().await
    }

    async fn raw_stats(&self) -> Result<String, Error> {
        self.0.raw_stats().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_fault_is_found_by_the_check_that_is_about_it() {
    for (fault, check) in [
        (Fault::IgnoresVersions, "a_second_creation_conflicts_and_changes_nothing"),
        (Fault::IgnoresVersions, "a_stale_version_conflicts_and_changes_nothing"),
        (Fault::ChecksTooEarly, "parallel_counters_lose_nothing"),
        (Fault::StopsHalfway, "a_condition_that_fails_in_the_middle_leaves_nothing_or_says_what"),
        (Fault::LosesFields, "fields_that_no_edit_names_survive"),
        (Fault::ReadsDots, "names_are_taken_literally"),
        (Fault::RoundsNumbers, "numbers_are_kept_to_the_letter"),
        (Fault::ForgetsDue, "the_longest_overdue_come_first_up_to_the_limit"),
        (Fault::KeepsCollections, "dropping_one_collection_leaves_the_others"),
        (Fault::DropsTheLog, "dropping_everything_leaves_the_audit_log"),
        (Fault::AnswersEarly, "several_changes_are_made_together"),
    ] {
        let make = async || Broken(MemoryStore::default(), fault);
        let found = failures(make, Capabilities::ALL).await;
        assert!(found.iter().any(|failure| failure.check == check), "{fault:?}: {found:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_check_is_told_by_its_name() {
    let broken = async || Broken(MemoryStore::default(), Fault::KeepsCollections);
    let outcome = tokio::spawn(async move { all(broken, Capabilities::ALL).await }).await;
    let text = super::reason(outcome.unwrap_err().into_panic().as_ref());
    assert!(text.contains("dropping_one_collection_leaves_the_others: "), "{text}");
}
