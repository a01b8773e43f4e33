//! Reading: all records of some keys in one round trip, and what is due.

use std::collections::BTreeMap;

use bson::{Bson, Document, doc};
use mongodb::options::{Collation, CollationStrength};

use super::MongoStore;
use super::record::{META, Record};
use super::single::in_hand;
use crate::store::Error;

/// What was found: by collection and key, the key in lower case.
#[derive(Clone, Default)]
pub(super) struct State(BTreeMap<(String, String), Record>);

impl State {
    pub(super) fn get(&self, collection: &str, key: &str) -> Option<&Record> {
        self.0.get(&(collection.to_owned(), folded(key)))
    }

    pub(super) fn set(&mut self, collection: &str, key: &str, record: Record) {
        self.0.insert((collection.to_owned(), folded(key)), record);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Record)> {
        self.0.iter().map(|((collection, _), record)| (collection.as_str(), record))
    }

    /// Whether a commit of several documents has one of these in hand.
    pub(super) fn is_in_hand(&self) -> bool {
        self.0.values().flat_map(|record| &record.0).any(in_hand)
    }

    /// The version of a record; `None` when there is none.
    pub(super) fn version(&self, collection: &str, key: &str) -> Result<Option<String>, Error> {
        self.get(collection, key).map_or(Ok(None), Record::version)
    }
}

/// One address is one account whatever its letter case.
pub(super) fn folded(key: &str) -> String {
    key.to_ascii_lowercase()
}

/// The order in which letters count whatever their case: that of the index `any case`.
pub(super) fn any_case() -> Collation {
    Collation::builder().locale("en".to_owned()).strength(CollationStrength::Secondary).build()
}

/// The documents of these keys in these collections, however their addresses are spelled.
pub(super) async fn find(
    store: &MongoStore,
    collections: &[&str],
    keys: &[&str],
) -> Result<State, Error> {
    let mut state = State::default();
    let stage = |collection: &str| {
        vec![
            doc! { "$match": { "email": { "$in": keys } } },
            doc! { "$replaceWith": { "in": { "$literal": collection }, "of": "$$ROOT" } },
        ]
    };
    let Some((first, others)) = collections.split_first() else { return Ok(state) };
    let mut pipeline = stage(first);
    for other in others {
        let other = doc! { "$unionWith": { "coll": *other, "pipeline": stage(other) } };
        pipeline.push(other);
    }
    let documents = store.aggregate(first, pipeline, Some(any_case())).await?;
    for mut wrapped in documents {
        let (Some(Bson::String(collection)), Some(Bson::Document(document))) =
            (wrapped.remove("in"), wrapped.remove("of"))
        else {
            continue;
        };
        let Ok(email) = document.get_str("email") else { continue };
        // The collation takes more for equal than letter case.
        let email = folded(email);
        if keys.iter().any(|key| folded(key) == email) {
            state.0.entry((collection, email)).or_default().0.push(document);
        }
    }
    for ((collection, _), record) in &mut state.0 {
        if collection == "users" && record.0.len() > 1 {
            return Err(Error::Damaged(
                "several users have this address, spelled the same or in different letter case: \
                 `portcullis migrate --dry-run` tells which"
                    .into(),
            ));
        }
        // One order, whatever order the server found them in.
        record.0.sort_by_cached_key(|document| format!("{:?}", document.get("_id")));
    }
    Ok(state)
}

/// Keys with a record that is due before `before`, the longest overdue first.
pub(super) async fn overdue(
    store: &MongoStore,
    collections: &[&str],
    before: u64,
    limit: u32,
) -> Result<Vec<String>, Error> {
    let Some((first, others)) = collections.split_first() else { return Ok(Vec::new()) };
    if limit == 0 {
        return Ok(Vec::new());
    }
    let before = i64::try_from(before).unwrap_or(i64::MAX);
    let due = format!("{META}.due");
    // The first of each collection are enough: a key that is among the first of all is among the
    // first of the collection in which it is longest overdue.
    let stage = || {
        vec![
            doc! { "$match": { &due: { "$lt": before } } },
            doc! { "$sort": { &due: 1 } },
            doc! { "$limit": i64::from(limit) },
            doc! { "$project": { "_id": 0, "email": { "$toLower": "$email" }, "due": format!("${due}") } },
        ]
    };
    let mut pipeline = stage();
    for other in others {
        pipeline.push(doc! { "$unionWith": { "coll": *other, "pipeline": stage() } });
    }
    pipeline.extend([
        doc! { "$group": { "_id": "$email", "due": { "$min": "$due" } } },
        doc! { "$sort": { "due": 1, "_id": 1 } },
        doc! { "$limit": i64::from(limit) },
    ]);
    let documents = store.aggregate(first, pipeline, None).await?;
    let key = |mut document: Document| match document.remove("_id") {
        Some(Bson::String(key)) => Some(key),
        _ => None,
    };
    Ok(documents.into_iter().filter_map(key).collect())
}
